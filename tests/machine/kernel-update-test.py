#!/usr/bin/env -S python3 -B
# a kernel update inside the guest: a new boot set; full security wants it signed, reduced starts it, a spoiled one falls back
import time
from visit import *

PROMPT = 'recovery# '
LINE = 'console=ttyAMA0 root=PARTLABEL=Container ro pome.marker='


def update(m, marker):
    """As a kernel's package runs the hooks. There is no /boot/vmlinuz: the kernel is the one that runs. Gives the set's name."""
    m.run('echo "%s%d" > /etc/kernel/cmdline' % (LINE, marker))
    said = m.run('run-parts --report --exit-on-error --arg=$(uname -r) /etc/kernel/postinst.d && echo "all" "done"')
    assert 'pome: boot set ' in said and 'all done' in said, said
    return said.split('pome: boot set ')[1][:8], said


def sets(m):
    """Folders on the system container."""
    return m.run('mount -t vfat -o ro /dev/vda1 /mnt; ls /mnt/BOOT; umount /mnt')


def start(marker):
    m = Machine('start', 'dev')
    m.login()
    said = m.run('cat /proc/cmdline')
    assert ('pome.marker=%d' % marker in said) if marker else ('pome.marker' not in said), said
    return m


def full():
    """The new set is not started, and the guest and the firmware say what to do; the host signs it, then it is."""
    r = pome('create', 'dev', '--image', IMAGE, '--cpus', '2', '--memory', '1GiB', '--disk', '4GiB', '--keep-image')
    assert r.returncode == 0, r.stderr
    m = start(0)
    name, said = update(m, 1)
    assert 'full security' in said and 'pome personalize' in said, said
    said = m.run('mount -t vfat -o ro /dev/vda1 /mnt; cat /mnt/BOOT/PENDING; (cd /mnt/BOOT/%s && sha384sum -c DIGESTS); '
                 'cmp /mnt/BOOT/*/KERNEL.IM4 && echo "same" kernel; umount /mnt' % name)
    assert said.count(': OK') == 3 and name in said, said
    m.power_off()
    m = start(0)
    m.power_off()
    assert 'full security does not start it' in pome('log', 'show', 'dev', '--last', 'boot').stdout
    r = pome('personalize', 'dev')
    assert r.returncode == 0, r.stderr
    start(1).power_off()
    r = pome('personalize', 'dev')
    assert r.returncode == 3 and 'no boot set waits' in r.stderr, r.stderr


def reduced():
    """The guest decides; the set before stays and older ones go; one that was spoiled is refused and the signed one starts."""
    r = pome('security', 'set', 'dev', 'reduced')
    assert r.returncode == 0, r.stderr
    m = start(1)
    first, said = update(m, 2)
    assert 'the next start takes it' in said, said
    m.type('reboot')
    assert 'reduced security accepts it' in m.wait_for('Linux version')
    m.login()
    assert 'pome.marker=2' in m.run('cat /proc/cmdline')
    assert first in m.run('cat /proc/device-tree/chosen/pome,boot-set; echo')
    second, _ = update(m, 3)
    m.power_off()
    m = start(3)
    assert first in sets(m)
    third, _ = update(m, 4)
    there = sets(m)
    assert third in there and second in there and first not in there, there
    m.run('mount -t vfat /dev/vda1 /mnt; printf spoiled | dd of=/mnt/BOOT/%s/RAMDISK.IM4 bs=1 seek=100000 conv=notrunc; umount /mnt' % third)
    m.power_off()
    m = start(1)                    # the last one that was signed
    m.power_off()


def installed_again():
    """Recovery writes the image's boot set when the signed one is another."""
    m = Machine('start', 'dev', '--recovery')
    m.wait_for(PROMPT)
    m.type('reinstall --erase -y')
    said = m.wait_for('was installed again', 240)
    assert "Writing the image's boot set" in said and 'Reduced security' in said, said
    m.wait_for(PROMPT)
    m.power_off()
    start(0).power_off()


need_image()
for part in (full, reduced, installed_again):
    begin = time.monotonic()
    part()
    print('\n%s: %.1f s' % (part.__name__, time.monotonic() - begin))
