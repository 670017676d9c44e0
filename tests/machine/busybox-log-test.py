#!/usr/bin/env -S python3 -B
# a guest without systemd: busybox's shell and syslogd bring its log to the host's (pome-log)
"""With Debian's AAVMF and the cloud kernel. Environment: POME, GUESTS, WORK (tests/machine/run.sh)."""
import json, os, subprocess, sys, time
from ramdisk import KERNEL, ramdisk
from visit import Machine, WORK, bundle, pome

FIRMWARE = '/usr/share/AAVMF/AAVMF_CODE.fd'
SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../restore/build/guest/pome-log')
MODULES = ['virtio_pci', 'virtio_console']
# What the guest does when a line is typed; END follows when it did.
GUEST = r'''mkdir -p /run
echo "<3>said before it was started" >/dev/kmsg
syslogd -O /tmp/messages
sh /tests/pome-log /tmp/messages &
sleep 1
echo READY
while read line; do
    case $line in
    say)
        logger -p daemon.err -t 'unit[12]' 'an error: with a "quote" and a=b; \n stays'
        logger -p user.debug -t quiet 'said for nobody'
        echo "<4>said to the kernel" >/dev/kmsg
        i=0
        while [ $i -lt 300 ]; do logger -t flood line $i; echo "<6>kernel line $i" >/dev/kmsg; i=$((i+1)); done
        ;;
    again)
        killall cat tail # which ends the first
        sh /tests/pome-log /tmp/messages &
        sleep 2
        logger -t later 'said to the second'
        echo "<5>said to the kernel later" >/dev/kmsg
        ;;
    esac
    echo END
done </dev/console
'''


def ok(*words):
    r = pome(*words)
    assert r.returncode == 0, (words, r.stderr)
    return r.stdout


def shown(predicate):
    return [json.loads(line) for line in ok('log', 'show', 'vm', '--info', '--debug', '--style', 'ndjson', '--predicate', predicate).splitlines() if line.startswith('{')]


def wait_for(predicate, n):
    end = time.monotonic() + 60
    while len(shown(predicate)) < n and time.monotonic() < end:
        time.sleep(0.3)
    found = shown(predicate)
    assert len(found) == n, (predicate, n, len(found), found[:3])
    return found


if not os.path.exists(FIRMWARE):
    print('package qemu-efi-aarch64 is not installed', file=sys.stderr)
    sys.exit(77)
with open(SCRIPT) as f:
    initrd = ramdisk('busybox-log', {'log': GUEST, 'pome-log': f.read()}, MODULES)
ok('create', 'vm', '--efi', '--disk', '128MiB', '--memory', '512MiB')
script, disk = os.path.join(WORK, 'startup.nsh'), os.path.join(bundle('vm'), 'Disk.img')
with open(script, 'w', newline='') as f:
    f.write('fs0:\r\nlinux.efi initrd=\\initrd.gz quiet loglevel=1 console=ttyAMA0 pome.modules=%s pome.test=run:log\r\n' % ','.join(MODULES))
subprocess.run(['mkfs.vfat', '-F', '32', disk], check=True, stdout=subprocess.DEVNULL)
for source, target in ((script, 'startup.nsh'), (KERNEL, 'linux.efi'), (initrd, 'initrd.gz')):
    subprocess.run(['mcopy', '-i', disk, source, '::' + target], check=True)
m = Machine('start', 'vm')
m.wait_for('READY')
m.type('say')
m.wait_for('END')
wait_for('process == "flood"', 300)
lines = wait_for('eventMessage BEGINSWITH "kernel line "', 300)
assert [r['eventMessage'] for r in lines] == ['kernel line %d' % i for i in range(300)]
r = wait_for('process == "unit" AND category == "syslog"', 1)[0]
assert r['eventMessage'] == r'an error: with a "quote" and a=b; \n stays' and r['messageType'] == 'Error' and r['processID'] == 12, r
r = wait_for('process == "quiet"', 1)[0]
assert r['messageType'] == 'Debug', r
r = wait_for('eventMessage == "said to the kernel" AND category == "kernel"', 1)[0]
assert r['messageType'] == 'Default', r
r = wait_for('eventMessage == "said before it was started"', 1)[0]
assert r['messageType'] == 'Error', r
assert shown('process == "kernel" AND eventMessage BEGINSWITH "Booting Linux"')  # the boot from its beginning
m.type('again')
m.wait_for('END')
wait_for('process == "later"', 1)
wait_for('eventMessage == "said to the kernel later"', 1)
wait_for('eventMessage == "said to the kernel"', 1)  # not once more
wait_for('process == "flood"', 300)
ok('stop', 'vm', '--force')
m.end()
