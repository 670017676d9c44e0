#!/usr/bin/env -S python3 -B
# the generation ID: Linux draws its random numbers anew where it goes on as a copy or in a restored snapshot, and nowhere else
"""With Debian's AAVMF and a kernel that looks for it (by ACPI). Environment: POME, GUESTS, WORK (tests/machine/run.sh)."""
import os, subprocess, sys, time
from ramdisk import ramdisk
from visit import GUESTS, Machine, WORK, bundle, pome

KERNEL, FIRMWARE = os.path.join(GUESTS, 'vmlinuz-arm64'), '/usr/share/AAVMF/AAVMF_CODE.fd'
# Tells, when a line is typed, how often the kernel learned that its machine was copied.
COUNT = r'''echo READY
while read line; do echo "FORKS $(dmesg | grep -c 'virtual machine fork')"; done </dev/console
'''


def ok(*words):
    r = pome(*words)
    assert r.returncode == 0, (words, r.stderr)
    return r.stdout


def forks(m, wanted):
    """How often the kernel learned it. It may take a moment; what must not happen has had its time when a few answers are the same."""
    for turn in range(60):
        m.type('count')
        m.wait_for('FORKS ')
        n = int(m.wait_for('\n'))
        if n >= wanted and turn >= 3:
            break
        time.sleep(0.3)
    assert n == wanted, 'the kernel learned %d times that it is a copy, wanted %d' % (n, wanted)


def make_disk(path):
    """A FAT disk with the kernel as an EFI program, its initramfs, and a script for the UEFI shell."""
    script = os.path.join(WORK, 'startup.nsh')
    with open(script, 'w', newline='') as f:
        f.write('fs0:\r\nlinux.efi initrd=\\initrd.gz console=ttyAMA0 pome.test=run:generation\r\n')
    subprocess.run(['mkfs.vfat', '-F', '32', path], check=True, stdout=subprocess.DEVNULL)
    for source, target in ((script, 'startup.nsh'), (KERNEL, 'linux.efi'), (ramdisk('generation', {'generation': COUNT}), 'initrd.gz')):
        subprocess.run(['mcopy', '-i', path, source, '::' + target], check=True)


def save(m, name):
    ok('save', name)
    m.end()


if not os.path.exists(FIRMWARE) or not os.path.exists(KERNEL):
    print('package qemu-efi-aarch64 or the kernel is not there', file=sys.stderr)
    sys.exit(77)
ok('create', 'vm', '--efi', '--disk', '128MiB', '--memory', '512MiB')
make_disk(os.path.join(bundle('vm'), 'Disk.img'))
m = Machine('start', 'vm')
m.wait_for('READY')
forks(m, 0)
ok('snapshot', 'create', 'vm', 'warm')
forks(m, 0)
save(m, 'vm')
m = Machine('start', 'vm', '--resume')
forks(m, 0)  # goes on as the one that it was
save(m, 'vm')
for _ in range(2):  # each time it is one more future of the same past
    ok('snapshot', 'restore', 'vm', 'warm')
    m = Machine('start', 'vm', '--resume')
    forks(m, 1)
    save(m, 'vm')
m = Machine('start', 'vm', '--resume')
forks(m, 1)
save(m, 'vm')
ok('clone', 'vm', 'copy', '--from-snapshot', 'warm', '--warm')
m = Machine('start', 'copy', '--resume')
forks(m, 1)
save(m, 'copy')
