#!/usr/bin/env -S python3 -B
# what a guest writes to its EFI variables outlives a stop and kill -9, comes back with a snapshot and goes with a clone
"""The guest makes one variable after the other through efivarfs, as efibootmgr does. Environment: POME, GUESTS, WORK (tests/machine/run.sh)."""
import atexit, os, shutil, subprocess, sys
from ramdisk import KERNEL, ramdisk
from visit import WORK, Machine, bundle, pome

FIRMWARE = '/usr/share/AAVMF/AAVMF_CODE.fd'
COUNTER = r'''V=/sys/firmware/efi/efivars
G=5f1ab3c4-93ad-4a9b-8f5e-7c3f2b1d0e55
mount -t efivarfs none $V
value() { ls $V | grep -c $G; }
echo "WAS $(value)."
while read line; do
    case $line in
    more) n=$(($(value) + 1))
        printf "\\007\\000\\000\\000$n" >$V/PomeTest$n-$G && echo "SET $n." ;;
    look) echo "NOW $(value)." ;;
    off) break ;;
    esac
done </dev/console
'''


def ok(*words):
    r = pome(*words)
    assert r.returncode == 0, (words, r.returncode, r.stderr)


def start(name, *words):
    m = Machine('start', name, *words)
    atexit.register(m.p.kill)
    return m


def number(m, word):
    m.wait_for(word + ' ')
    return int(m.wait_for('.'))


def expect_kept(name, value, more=False):
    """It starts with so many; makes another one."""
    m = start(name)
    was = number(m, 'WAS')
    assert was == value, (name, was, value)
    if more:
        m.type('more')
        assert number(m, 'SET') == value + 1
    return m


def off(m):
    m.type('off')
    assert m.end() == 0


def fill_disk(path):
    """A FAT disk with the kernel, the initramfs and the script that the UEFI shell runs."""
    out, script = ramdisk('efi-kept', {'counter': COUNTER}, ['efivarfs']), os.path.join(WORK, 'kept.nsh')
    subprocess.run(['mkfs.vfat', '-F', '32', path], check=True, stdout=subprocess.DEVNULL)
    with open(script, 'w', newline='') as f:
        f.write('fs0:\r\nlinux.efi initrd=\\initrd.gz console=ttyAMA0 quiet pome.modules=efivarfs pome.test=run:counter\r\n')
    for source, target in ((script, 'startup.nsh'), (KERNEL, 'linux.efi'), (out, 'initrd.gz')):
        subprocess.run(['mcopy', '-i', path, source, '::' + target], check=True)


if not os.path.exists(FIRMWARE):
    print('package qemu-efi-aarch64 is not installed', file=sys.stderr)
    sys.exit(77)
ok('create', 'vm', '--efi', '--disk', '96MiB', '--memory', '512MiB')
fill_disk(os.path.join(bundle('vm'), 'Disk.img'))

m = expect_kept('vm', 0, more=True)
m.p.kill()  # at once
m.end()
off(expect_kept('vm', 1, more=True))
ok('snapshot', 'create', 'vm', 'stopped')
m = expect_kept('vm', 2, more=True)
ok('snapshot', 'create', 'vm', 'live')
m.type('more')
assert number(m, 'SET') == 4
off(m)
ok('clone', 'vm', 'copy')
off(expect_kept('copy', 4, more=True))
ok('clone', 'vm', 'old', '--from-snapshot', 'stopped')
off(expect_kept('old', 2))
ok('clone', 'vm', 'warm', '--from-snapshot', 'live', '--warm')
for name in ('vm', 'warm'):  # goes on where it was, its NVRAM too
    if name == 'vm':
        off(expect_kept('vm', 4))
        ok('snapshot', 'restore', 'vm', 'live')
    m = start(name, '--resume')
    m.type('look')
    assert number(m, 'NOW') == 3
    m.type('more')
    assert number(m, 'SET') == 4
    off(m)
    off(expect_kept(name, 4))
ok('snapshot', 'restore', 'vm', 'stopped')
off(expect_kept('vm', 2))
for name in ('vm', 'copy', 'old', 'warm'):
    ok('bundle', 'check', name)
