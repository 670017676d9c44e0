#!/usr/bin/env -S python3 -B
# an installed Debian: starts, keeps its files, Recovery repairs its volume, the log tells all, kill -9 loses nothing
import json, os, signal, struct, time
from visit import *


def first_start():
    r = pome('create', 'dev', '--image', IMAGE, '--cpus', '2', '--memory', '1GiB', '--disk', '4GiB')
    assert r.returncode == 0, r.stderr
    for key, value in (('serialPorts', '[{}]'), ('consolePorts', '[{"name": "org.test"}]')):
        r = pome('config', 'set', 'dev', key, value)
        assert r.returncode == 0, r.stderr
    m = Machine('start', 'dev')
    m.login()
    assert 'aarch64 GNU/Linux' in m.run('uname -a')
    assert 'vda2' in m.run('lsblk')
    assert m.run('cat /proc/cpuinfo').count('processor') == 2
    m.run('echo kept > /root/file; rm -f /root/nothing')
    ports(m)
    m.run('logger -p user.err -t trial said by a "program"; echo "<3>said to the kernel" > /dev/kmsg; echo "<6>failed, but harmless" > /dev/kmsg')
    m.power_off()


def ports(m):
    """A terminal and a named port, by their sockets."""
    m.run('stty -F /dev/hvc0 -echo; echo on the terminal > /dev/hvc0; (echo through the port; sleep 1) > /dev/virtio-ports/org.test &')
    with open('/dev/null') as nothing:
        p = subprocess.Popen([POME, 'console', 'dev', '--port', 'org.test'], stdin=nothing, stdout=subprocess.PIPE)
    assert p.stdout.readline() == b'through the port\n'
    p.terminate()
    p.communicate()
    refused(3, 'console', 'dev', '--port', 'org.other', why='org.other')


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
    text = pome('log', 'show', 'dev', '--info', '--last', 'boot').stdout.splitlines()
    records = [json.loads(line) for line in pome('log', 'show', 'dev', '--info', '--last', 'boot', '--json').stdout.splitlines()]
    assert '=== system boot: ' in text[1] and text[0].startswith('Timestamp'), text[:2]
    assert records[0]['eventMessage'].startswith('=== system boot: '), records[0]
    for process, part in (('pome', 'CPUs created'), ('pome', 'device'), ('firmware', 'pome stage2'), ('kernel', 'Linux version'),
                          ('pome', 'machine stopped: the guest powered off')):
        assert any(r['process'] == process and part in r['eventMessage'] + r.get('category', '') for r in records), part
    assert all(a['monotonicNs'] <= b['monotonicNs'] for a, b in zip(records, records[1:])), 'the clock goes back'
    all_boots = pome('log', 'show', 'dev').stdout
    assert all_boots.count('=== system boot: ') == 7, all_boots.count('=== system boot: ')


def journal():
    """What programs of the guest said in the first boot, and the kernel, once, with the true level."""
    def shown(predicate):
        text = pome('log', 'show', 'dev', '--info', '--json', '--predicate', predicate).stdout
        return [json.loads(line) for line in text.splitlines()]
    said = shown('process == "trial"')
    assert len(said) == 1 and said[0]['messageType'] == 'Error' and said[0]['processID'] > 0 and said[0]['category'] == 'syslog', said
    assert said[0]['subsystem'].startswith('serial-getty@'), said
    for text, level in (('said to the kernel', 'Error'), ('failed, but harmless', 'Info')):
        said = shown('eventMessage CONTAINS "%s" AND process == "kernel"' % text)
        assert len(said) == 1 and said[0]['messageType'] == level and 'guestNs' in said[0], said
    assert not shown('eventMessage == "failed, but harmless" AND messageType >= error')
    assert not pome('log', 'show', 'dev', '--json', '--predicate', 'eventMessage == "failed, but harmless" AND process == "kernel"').stdout, 'info without --info'
    first = shown('process == "kernel" AND eventMessage BEGINSWITH "Linux version"')
    assert len(first) >= 3 and first[0]['guestNs'] == 0, first
    stopped = shown('eventMessage CONTAINS "SIGTERM" AND process == "systemd-journald"')
    assert stopped, 'the journal was not sent to its end'
    units = {r['subsystem'] for r in shown('category == "stdout" OR category == "journal" OR category == "syslog"') if 'subsystem' in r}
    assert 'init.scope' in units, units


def saves():
    """Saved and resumed while programs of the guest write their journal: nothing is missing, nothing there twice; then stopped by its power button."""
    m = Machine('start', 'dev')
    m.login()
    m.run('(i=0; while [ $i -lt 300 ]; do logger -t flood line $i; i=$((i+1)); done; logger -t flood END) &')
    for i in range(3):
        time.sleep(1)
        for words in (('save', 'dev'), ('start', 'dev', '--resume', '--detach')):
            r = pome(*words)
            assert r.returncode == 0, r.stderr
        if not i:
            m.end()
    end, said = time.monotonic() + 300, []
    while 'END' not in said and time.monotonic() < end:
        said = [json.loads(line)['eventMessage'] for line in pome('log', 'show', 'dev', '--json', '--process', 'flood').stdout.splitlines()]
        time.sleep(1)
    assert said == ['line %d' % i for i in range(300)] + ['END'], (len(said), said[-5:])
    r = pome('stop', 'dev', '--timeout', '280')
    assert r.returncode == 0, r.stderr


need_image()
for part in (first_start, reboot_and_kill, recovery, log, journal, saves):
    begin = time.monotonic()
    part()
    print('\n%s: %.1f s' % (part.__name__, time.monotonic() - begin))
