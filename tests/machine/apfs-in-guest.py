#!/usr/bin/env -S python3 -B
# Linux's APFS driver, built by dkms in a Debian guest, mounts every volume of a macOS-shaped machine there and reads all their files.
#
# Not part of run.sh: the guest compiles for minutes. POME, GUESTS and WORK as there; needs Debian's packages. It builds an image with compiler and kernel
# headers and the package apfs-dkms in /root, installs a machine from it, gives it the disk of a macOS-shaped machine (read-only), and works in it as a
# user would. apfs-test.sh shows the same with a driver that was built on the host.
import json, shutil
from visit import *

KIT = os.path.join(WORK, 'apfs-kit.ipsw')
FILES = {'1.0', '2.2', '2.3', '3.0'}  # iSCPreboot, Preboot, Recovery; RecoveryOSContainer's Recovery


def need_kit():
    if os.path.exists(KIT):
        return
    root = os.path.join(WORK, 'overlay', 'root')
    os.makedirs(root, exist_ok=True)
    if subprocess.run(['apt-get', '-qq', 'download', 'apfs-dkms:all'], cwd=root).returncode:
        print('no package apfs-dkms', file=sys.stderr)
        sys.exit(77)
    r = pome('image', 'build', 'debian', '-o', KIT, '--packages', 'linux-headers-cloud-arm64,gcc,make,dkms', '--overlay', os.path.dirname(root),
             '--size', '3GiB', timeout=3600)
    assert r.returncode == 0, r.stderr


def machines():
    shutil.rmtree(HOME, ignore_errors=True)
    made = os.path.join(WORK, 'apple')
    os.makedirs(made, exist_ok=True)
    maker = os.path.join(os.path.dirname(os.path.abspath(POME)), 'restore', 'make_test_image')
    subprocess.run([maker, '--apple', made, os.path.join(made, 'apple.ipsw')], check=True)
    for words in (['mac', '--image', os.path.join(made, 'apple.ipsw'), '--memory', '4GiB', '--disk', '12GiB'],
                  ['kit', '--image', KIT, '--cpus', '2', '--memory', '2GiB', '--disk', '6GiB']):
        r = pome('create', *words, timeout=600)
        assert r.returncode == 0, r.stderr
    r = pome('disk', 'resize', 'mac', '12800MiB')  # what was grown is mounted, too
    assert r.returncode == 0, r.stderr
    os.link(os.path.join(bundle('mac'), 'Disk.img'), os.path.join(bundle('kit'), 'mac.img'))
    path = os.path.join(bundle('kit'), 'Config.json')
    config = json.load(open(path))
    config['disks'] = [{'file': 'mac.img', 'readOnly': True, 'identifier': 'mac', 'type': 'virtio'}]
    with open(path, 'w') as f:
        json.dump(config, f)


need_kit()
machines()
m = Machine('start', 'kit')
m.login()
begin = time.monotonic()
m.run('dpkg -i --force-depends /root/apfs-dkms_*.deb', seconds=3600)
built = time.monotonic() - begin
assert 'installed' in m.run('dkms status')
m.run('modprobe apfs; D=/dev/$(basename $(dirname $(grep -lx mac /sys/block/vd*/serial)))')
said = m.run('for p in 1 2 3; do for v in 0 1 2 3 4 5 6; do mount -t apfs -o ro,vol=$v $D$p /mnt 2>/dev/null || continue; '
             'echo "MOUN""TED $p.$v: $(find /mnt -type f | wc -l) files, $(find /mnt -type f -exec cat {} + | wc -c) bytes, $(df -m /mnt | awk "END{print \\$2}") MiB"; '
             'umount /mnt; done; done', seconds=600)
m.power_off()
found = {line.split()[1].rstrip(':'): line.split() for line in said.splitlines() if line.startswith('MOUNTED')}
assert len(found) == 12, said
assert all(int(found[v][2]) and int(found[v][4]) for v in FILES), said
main = int(found['2.0'][6])
assert main > 6.5 * 1024 + 500, 'the main container has %d MiB' % main
print('\ndkms built and installed the driver in %.0f s; %d volumes were mounted and read, the grown container has %d MiB' % (built, len(found), main))
