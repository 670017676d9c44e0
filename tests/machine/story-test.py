#!/usr/bin/env -S python3 -B
# an installed Debian: starts, keeps its files, Recovery repairs its volume, the log tells all, kill -9 loses nothing
import json, os, signal, struct, time
from visit import *


def first_start():
    r = pome('create', 'dev', '--image', IMAGE, '--cpus', '2', '--memory', '1GiB', '--disk', '4GiB')
    assert r.returncode == 0, r.stderr
    m = Machine('start', 'dev')
    m.login()
    assert 'aarch64 GNU/Linux' in m.run('uname -a')
    assert 'vda2' in m.run('lsblk')
    assert m.run('cat /proc/cpuinfo').count('processor') == 2
    m.run('echo kept > /root/file; rm -f /root/nothing')
    m.power_off()


def reboot_and_kill():
    """The file is there; a reboot comes up again; what was synced survives the end of the process."""
    m = Machine('start', 'dev')
    m.login()
    assert 'kept' in m.run('cat /root/file')
    m.type('reboot')
    m.login()
    m.run('mkdir /root/s; for i in $(seq 40); do head -c $((i * 3000)) /dev/urandom > /root/s/$i; done; sync /root/s/*; '
          'cd /root/s && sha256sum * > /root/sums; sync; cd')
    m.type('while :; do head -c 100000 /dev/zero > /root/noise; mv /root/noise /root/noise2; done')
    time.sleep(1.5)
    m.p.send_signal(signal.SIGKILL)
    m.end()
    m = Machine('start', 'dev')
    m.login()
    sums = m.run('(cd /root/s && sha256sum -c --quiet /root/sums) && echo all "intact"; dmesg | grep -c "EXT4-fs error"')
    assert 'all intact' in sums, sums
    assert '\n0\r' in sums, sums
    m.power_off()


def damage():
    """Bitmaps and some inodes of group 0 of the main volume."""
    base = partition('dev', 2)
    with open(os.path.join(bundle('dev'), 'Disk.img'), 'r+b') as f:
        f.seek(base + 1024)
        size = 1024 << struct.unpack('<I', f.read(1024)[24:28])[0]
        f.seek(base + size)
        blocks, inodes, _ = struct.unpack('<III', f.read(12))
        for at, byte in ((blocks, b'\xff'), (inodes, b'\0')):
            f.seek(base + at * size)
            f.write(byte * size)


def recovery():
    prompt = 'recovery# '
    m = Machine('start', 'dev', '--recovery')
    m.wait_for(prompt)
    assert 'is in order' in m.run('check-volume', prompt)
    m.power_off()
    damage()
    m = Machine('start', 'dev', '--recovery')
    m.wait_for(prompt)
    assert 'has errors' in m.run('check-volume', prompt)
    assert 'was repaired' in m.run('repair-volume -y', prompt)
    assert 'is in order' in m.run('check-volume', prompt)
    m.type('reboot')                    # Recovery was asked for once: now the ordinary system
    m.login()
    assert 'kept' in m.run('cat /root/file')
    m.power_off()


def log():
    text = pome('log', 'show', 'dev', '--last', 'boot').stdout.splitlines()
    records = [json.loads(line) for line in pome('log', 'show', 'dev', '--last', 'boot', '--json').stdout.splitlines()]
    assert '=== system boot: ' in text[1] and text[0].startswith('Timestamp'), text[:2]
    assert records[0]['eventMessage'].startswith('=== system boot: '), records[0]
    for process, part in (('pome', 'CPUs created'), ('pome', 'device'), ('firmware', 'pome stage2'), ('kernel', 'Linux version'),
                          ('pome', 'machine stopped: the guest powered off')):
        assert any(r['process'] == process and part in r['eventMessage'] + r.get('category', '') for r in records), part
    assert all(a['monotonicNs'] <= b['monotonicNs'] for a, b in zip(records, records[1:])), 'the clock goes back'
    all_boots = pome('log', 'show', 'dev').stdout
    assert all_boots.count('=== system boot: ') == 7, all_boots.count('=== system boot: ')


need_image()
for part in (first_start, reboot_and_kill, recovery, log):
    begin = time.monotonic()
    part()
    print('\n%s: %.1f s' % (part.__name__, time.monotonic() - begin))
