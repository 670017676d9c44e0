#!/usr/bin/env -S python3 -B
# UEFI firmware boots from a disk, keeps its variables, and hands Linux ACPI tables
"""With Debian's AAVMF and the test kernel as an EFI program on a FAT disk. Environment: POME, GUESTS, WORK (tests/machine/run.sh)."""
import gzip, os, shutil, subprocess, sys

POME, GUESTS, WORK = os.environ['POME'], os.environ['GUESTS'], os.environ['WORK']
FIRMWARE = '/usr/share/AAVMF/AAVMF_CODE.fd'
GUID = '-guid 5f1ab3c4-93ad-4a9b-8f5e-7c3f2b1d0e55'
ENV = dict(os.environ, POME_HOME=os.path.join(WORK, 'efi-home'))


def disk(name, script):
    """A FAT disk with the kernel, the test initramfs and a script of the UEFI shell, which firmware starts when there is no boot loader."""
    path = os.path.join(WORK, name)
    with open(path, 'wb') as f:
        f.truncate(96 << 20)
    subprocess.run(['mkfs.vfat', '-F', '32', path], check=True, stdout=subprocess.DEVNULL)
    text = os.path.join(WORK, 'startup.nsh')
    with open(text, 'w', newline='') as f:
        f.write('\r\n'.join(['fs0:', *script, '']))
    for source, target in ((text, 'startup.nsh'), (os.path.join(GUESTS, 'vmlinuz-cloud'), 'linux.efi'),
                           (os.path.join(GUESTS, 'initrd-test.cpio.gz'), 'initrd.gz')):
        subprocess.run(['mcopy', '-i', path, source, '::' + target], check=True)
    return path


def run(*command, status=0):
    p = subprocess.run([POME, *command], stdin=subprocess.DEVNULL, capture_output=True, timeout=240, env=ENV)
    out = p.stdout.decode(errors='replace').replace('\r', '')
    if p.returncode != status:
        raise AssertionError('%s: status %d, wanted %d\n%s\n%s' % (command[0], p.returncode, status, out[-3000:], p.stderr.decode()[-500:]))
    return out


def expect(out, *words):
    for w in words:
        if w not in out:
            raise AssertionError('no %r in\n%s' % (w, out[-6000:]))


LINUX = r'linux.efi initrd=\initrd.gz console=ttyAMA0 pome.test=poweroff'


def linux():
    """Firmware, EFI stub, ACPI: every CPU, the console, messages of PCI devices, and the end by PSCI."""
    d = disk('efi-linux.img', [LINUX])
    for cpus in ('1', '4'):  # and what SMBIOS says it is
        out = run('boot', '--efi', '--disk', d, '--cpus', cpus, '--memory', '512MiB')
        expect(out, 'ACPI: RSDP', 'DMI: Pome Pome virtual machine', 'ACPI: SPCR: console: pl011,mmio32,0x9000000', 'GICv2m: range', 'ACPI: PCI Root Bridge [PCI0]',
               'rtc-efi rtc-efi.0: setting system clock to 20', 'INIT-REACHED', 'CPUS ' + cpus, 'TEST-END poweroff')


def program():
    """An EFI program given with --kernel: the kernel without the mark of an arm64 Image is one. Firmware starts it, and again after a reboot."""
    path = os.path.join(WORK, 'program.efi')
    with open(os.path.join(GUESTS, 'vmlinuz-cloud'), 'rb') as f:
        kernel = bytearray(f.read())
    if kernel[:2] == b'\x1f\x8b':
        kernel = bytearray(gzip.decompress(kernel))
    assert kernel[56:60] == b'ARM\x64'
    kernel[56:60] = b'\0\0\0\0'
    with open(path, 'wb') as f:
        f.write(kernel)
    initrd = os.path.join(GUESTS, 'initrd-test.cpio.gz')
    out = run('boot', '--kernel', path, '--initrd', initrd, '--append', 'console=ttyAMA0 pome.test=poweroff', '--cpus', '2', '--memory', '512MiB')
    expect(out, 'EFI stub: ', 'Kernel command line: console=ttyAMA0 pome.test=poweroff', 'INIT-REACHED', 'CPUS 2', 'TEST-END poweroff')
    expect(run('boot', '--kernel', path, '--initrd', initrd, '--append', 'console=ttyAMA0 pome.test=reboot', '--memory', '512MiB', '--no-reboot'), 'TEST-END reboot')
    with open(path, 'wb') as f:
        f.write(kernel[:4 << 20])
    run('boot', '--kernel', path, status=1)


def variables():
    """A variable that one machine sets is there in the next one with the same file, and in no other."""
    store = os.path.join(WORK, 'efi-variables')
    d = disk('efi-variables.img', ['setvar PomeTest ' + GUID, 'setvar PomeTest %s -nv -bs ="kept"' % GUID, 'reset -s'])
    first = run('boot', '--efi', '--disk', d, '--variables', store)
    second = run('boot', '--efi', '--disk', d, '--variables', store)
    other = run('boot', '--efi', '--disk', d)
    shown = lambda out: '6B 65 70 74' in out
    if shown(first) or not shown(second) or shown(other):
        raise AssertionError('shown: %s %s %s, wanted False True False\n%s' % (shown(first), shown(second), shown(other), second[-3000:]))


def bundle():
    """pome create --efi, an installer's medium for one start, and what is on the disk afterwards boots by itself."""
    d = disk('efi-medium.img', [LINUX])
    run('create', 'efi', '--efi', '--disk', '96MiB', '--memory', '512MiB')
    expect(run('start', 'efi', '--medium', d), 'INIT-REACHED', 'TEST-END poweroff')
    with open(d, 'rb') as f, open(os.path.join(ENV['POME_HOME'], 'vms/efi.bundle/Disk.img'), 'r+b') as t:
        t.write(f.read())
    expect(run('start', 'efi'), 'INIT-REACHED', 'TEST-END poweroff')
    run('bundle', 'check', 'efi')
    at = os.path.join(ENV['POME_HOME'], 'vms', 'efi.bundle')
    with open(os.path.join(at, 'Firmware'), 'wb') as f:
        f.write(b'no firmware')
    run('config', 'set', 'efi', 'boot.firmware', 'Firmware')
    run('start', 'efi', status=1)  # it is the bundle's own that is taken
    shutil.copy(FIRMWARE, os.path.join(at, 'Firmware'))
    expect(run('start', 'efi'), 'INIT-REACHED', 'TEST-END poweroff')
    run('bundle', 'check', 'efi')
    run('start', 'efi', '--recovery', status=69)
    run('delete', 'efi')


def main():
    if not os.path.exists(FIRMWARE):
        print('package qemu-efi-aarch64 is not installed', file=sys.stderr)
        return 77
    for part in (linux, program, variables, bundle):
        if len(sys.argv) < 2 or part.__name__ in sys.argv[1:]:
            part()
            print('ok', part.__name__, flush=True)
    return 0


sys.exit(main())
