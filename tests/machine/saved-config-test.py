#!/usr/bin/env -S python3 -B
# a saved machine goes on with the configuration it ran with, whatever was set since; a snapshot is cloned while the machine runs
"""Environment: POME, GUESTS, WORK (tests/machine/run.sh)."""
import atexit, json, os, signal
from ramdisk import boots, ramdisk
from visit import Machine, bundle, pome, refused

MODULES = ['virtio_pci', 'virtio_blk']
COUNTER = 'i=0\nwhile :; do i=$((i+1)); echo "n-$i-n $(grep MemTotal /proc/meminfo)"; sleep 0.1; done\n'
SAVED = os.path.join(bundle('vm'), 'SaveFile.pomesave')


def ok(*words):
    r = pome(*words, timeout=300)
    assert r.returncode == 0, (words, r.returncode, r.stderr)
    return r.stdout


def start(name, *words):
    m = Machine('start', name, *words)
    atexit.register(m.p.kill)
    return m


def end(m, by=signal.SIGTERM, status=None):
    m.p.send_signal(by)
    got = m.end()
    assert got == (128 + by if status is None else status), got


def goes_on(name, after):
    """Resumes it: the next number, and the memory that it had."""
    m = start(name, '--resume')
    m.wait_for('n-')
    n = int(m.wait_for('-n '))
    kib = int(m.wait_for(' kB').split()[-1])
    assert n > after and kib < 300 << 10, (name, n, after, kib)
    return m, n


def setting(key, name='vm'):
    return json.loads(ok('config', 'get', name, key))


ok('create', 'vm', '--efi', '--disk', '16MiB', '--memory', '256MiB', '--cpus', '1')
boots(bundle('vm'), ramdisk('saved-config', {'count': COUNTER}, MODULES), 'run:count', MODULES)

m = start('vm')
m.wait_for('n-5-n')
ok('snapshot', 'create', 'vm', 'live')
ok('set', 'vm', 'memorySize', '512MiB') # holds from the next start on

# A snapshot does not change while the machine runs: clones of it can be made.
ok('clone', 'vm', 'cold', '--from-snapshot', 'live')
ok('clone', 'vm', 'warm', '--from-snapshot', 'live', '--warm')
refused(6, 'clone', 'vm', 'now', why='in use')
assert setting('memorySize', 'warm') == 256 << 20
c, _ = goes_on('warm', 4)
end(c)

# Saved: it goes on with what it ran with; the change is kept for the start after that.
end(m, signal.SIGUSR1, 0)
assert os.path.exists(SAVED) and setting('memorySize') == 512 << 20
ok('snapshot', 'create', 'vm', 'saved')
ok('set', 'vm', 'forwards', '[{"hostPort": 40022, "guestPort": 22}]') # what the guest does not see may be set, too
m, n = goes_on('vm', 5)
assert not os.path.exists(SAVED) and not os.path.exists(SAVED.replace('.pomesave', '.json'))
end(m)
m = start('vm')
m.wait_for('n-1-n MemTotal:')
kib = int(m.wait_for(' kB').split()[-1])
assert kib > 400 << 10, kib
end(m, signal.SIGUSR1, 0)

# A snapshot of a saved machine has the configuration of the saved one, and restored nothing is left of the other's.
ok('snapshot', 'restore', 'vm', 'saved')
assert setting('memorySize') == 256 << 20
m, _ = goes_on('vm', 5)
end(m)

# For one start only: the saved machine has it, too.
m = start('vm', '--memory', '192MiB')
m.wait_for('n-2-n')
end(m, signal.SIGUSR1, 0)
m, _ = goes_on('vm', 1)
end(m)
ok('bundle', 'check', 'vm')
