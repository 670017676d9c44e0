#!/usr/bin/env -S python3 -B
# snapshots of a machine that writes to its disk all the time: disk and memory are of one moment, and nothing is left of one that is cut off
"""Environment: POME, GUESTS, WORK (tests/machine/run.sh)."""
import atexit, json, os, re, signal, subprocess, time
from ramdisk import boots, ramdisk
from visit import POME, Machine, bundle, pome, refused

MODULES = ['virtio_pci', 'virtio_blk']
# Writes one block after the other, without a pause; when a line is typed, all are read from the disk again and must be what memory says they are.
WRITER = r'''N=64
block() { printf '%06d' $1; yes "block $1" | head -c 65530; }
(while read line; do >/tmp/look; done </dev/console) &
i=0
while :; do
    i=$((i+1))
    block $i | dd of=/dev/vda bs=64k seek=$((i % N)) conv=notrunc,fsync 2>/dev/null || echo "ERROR $i"
    echo "W $i"
    [ -e /tmp/look ] || continue
    rm /tmp/look
    echo 3 >/proc/sys/vm/drop_caches
    want=$(j=0; while [ $j -lt $N ]; do block $((i - (i - j) % N)); j=$((j+1)); done | sha256sum)
    [ "$want" = "$(dd if=/dev/vda bs=64k count=$N 2>/dev/null | sha256sum)" ] && echo "SAME at $i" || echo "OTHER at $i"
done
'''


def ok(*words):
    r = pome(*words, timeout=300)
    assert r.returncode == 0, (words, r.returncode, r.stderr)
    return r.stdout


def start(*words):
    m = Machine('start', 'vm', *words)
    atexit.register(m.p.kill)
    return m


def look(m):
    """Has it look: how many blocks it has written."""
    m.type('look')
    said = m.wait_for(' at ', 240)
    assert said.endswith('SAME') and 'ERROR' not in said, said[-2000:]
    return int(re.match(r'(\d+)', m.wait_for('\n')).group(1))


def end(m):
    m.p.send_signal(signal.SIGTERM)
    status = m.end()
    assert status == 128 + signal.SIGTERM, status


def state():
    return json.loads(ok('status', 'vm', '--json'))['state']


ok('create', 'vm', '--efi', '--disk', '128MiB', '--memory', '256MiB', '--cpus', '2')
with open(os.path.join(bundle('vm'), 'Disk.img'), 'r+b') as f: # behind what the guest writes: copying it takes a while
    f.seek(16 << 20)
    f.write(os.urandom(64 << 20))
boots(bundle('vm'), ramdisk('live-snapshot', {'writer': WRITER}, MODULES), 'run:writer', MODULES)

m = start()
m.wait_for('W 70')
ok('snapshot', 'create', 'vm', 'live')
assert state() == 'running', state()
taken = look(m)
refused(1, 'snapshot', 'create', 'vm', 'live', why='already')
ok('pause', 'vm')
ok('snapshot', 'create', 'vm', 'paused')
assert state() == 'paused', state()
ok('resume', 'vm')
later = look(m)
assert later > taken, (taken, later)

# The machine ends while its disk is copied: there is a whole snapshot or none, and none of its files.
cut = subprocess.Popen([POME, 'snapshot', 'create', 'vm', 'cut'], stderr=subprocess.PIPE, text=True)
while cut.poll() is None and not os.path.exists(os.path.join(bundle('vm'), 'Snapshots', '.ahead', 'Disk.img')):
    time.sleep(0.005)
end(m)
said = cut.communicate(timeout=120)[1]
assert cut.returncode >= 0, (cut.returncode, said)
refused(3, 'snapshot', 'delete', 'vm', 'nothing')
names = [s['name'] for s in json.loads(ok('snapshot', 'list', 'vm', '--json'))]
assert {'live', 'paused'} <= set(names) <= {'live', 'paused', 'cut'} and (cut.returncode or 'cut' in names), (names, cut.returncode, said)
assert sorted(os.listdir(os.path.join(bundle('vm'), 'Snapshots'))) == sorted(names + ['Current']), os.listdir(os.path.join(bundle('vm'), 'Snapshots'))

for name in names:
    ok('snapshot', 'restore', 'vm', name)
    m = start('--resume')
    m.wait_for('W ')
    first = int(m.wait_for('\n'))
    assert name != 'live' or first <= taken + 2, (first, taken) # the line that the snapshot cut in two is the one before
    look(m)
    end(m)
ok('bundle', 'check', 'vm')
