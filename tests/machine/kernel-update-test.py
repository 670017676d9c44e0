#!/usr/bin/env -S python3 -B
# a kernel update inside the guest: a new boot set, which full security does not start and says why
import os, time
from visit import *


def full_security():
    r = pome('create', 'dev', '--image', IMAGE, '--cpus', '2', '--memory', '1GiB', '--disk', '4GiB')
    assert r.returncode == 0, r.stderr
    m = Machine('start', 'dev')
    m.login()
    m.run('echo "console=ttyAMA0 root=PARTLABEL=Container ro pome.marker=1" > /etc/kernel/cmdline')
    # As a kernel's package runs it: there is no /boot/vmlinuz, so the kernel is the one that runs.
    said = m.run('run-parts --report --exit-on-error --arg=$(uname -r) /etc/kernel/postinst.d && echo "all" "done"')
    assert 'boot set ' in said and 'full security' in said and 'all done' in said, said
    said = m.run('mount -t vfat /dev/vda1 /mnt && cd /mnt/BOOT && ls && cat ACTIVE PENDING && cd $(cat PENDING) && sha384sum -c DIGESTS && '
                 'tail -c 60 CMDLINE.IM4; cd; umount /mnt')
    assert said.count(': OK') == 3 and 'pome.marker=1' in said, said
    # The kernel and the ramdisk are the ones of the signed set.
    said = m.run('mount -t vfat /dev/vda1 /mnt; cmp /mnt/BOOT/*/KERNEL.IM4 && echo same "kernel"; ls -l /mnt/BOOT/*/RAMDISK.IM4; umount /mnt')
    m.type('reboot')
    m.login()
    assert 'pome.marker' not in m.run('cat /proc/cmdline')
    m.power_off()
    assert 'full security' in pome('log', 'show', 'dev', '--last', 'boot').stdout


def signed_by_the_host():
    """pome personalize makes the guest's set the machine's own."""
    r = pome('personalize', 'dev')
    assert r.returncode == 0, r.stderr
    m = Machine('start', 'dev')
    assert 'LocalPolicy ok, full security' in m.wait_for('Linux version')
    m.login()
    assert 'pome.marker=1' in m.run('cat /proc/cmdline')
    m.power_off()
    r = pome('personalize', 'dev')
    assert r.returncode == 3 and 'no boot set waits' in r.stderr, r.stderr


def reduced_security():
    """The guest decides: what its hook makes is what it starts next."""
    assert pome('security', 'set', 'dev', 'reduced').returncode == 0
    m = Machine('start', 'dev')
    m.login()
    m.run('echo "console=ttyAMA0 root=PARTLABEL=Container ro pome.marker=2" > /etc/kernel/cmdline')
    said = m.run('run-parts --report --exit-on-error --arg=$(uname -r) /etc/kernel/postinst.d && echo "all" "done"')
    assert 'all done' in said, said
    m.type('reboot')
    assert 'reduced security accepts it' in m.wait_for('Linux version')
    m.login()
    assert 'pome.marker=2' in m.run('cat /proc/cmdline; tr "\\0" "\\n" < /proc/device-tree/chosen/pome,security')
    m.power_off()


need_image()
for part in (full_security, signed_by_the_host, reduced_security):
    begin = time.monotonic()
    part()
    print('\n%s: %.1f s' % (part.__name__, time.monotonic() - begin))
