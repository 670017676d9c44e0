#!/usr/bin/env -S python3 -B
# a disk that grows by a little and by much: the guest's file system has the room at its next start, Recovery and all files stay
from visit import *


def blocks(m):
    """KiB of the root file system, and what the file that was written once says."""
    said = m.run('df -k / | tail -1; sha256sum -c /root/sum && echo "file" "ok"')
    assert 'file ok' in said, said
    return [int(line.split()[1]) for line in said.splitlines() if line.startswith('/dev/')][0]


need_image()
r = pome('create', 'dev', '--image', IMAGE, '--cpus', '2', '--memory', '512MiB', '--disk', '4GiB')
assert r.returncode == 0, r.stderr
m = Machine('start', 'dev')
m.login()
m.run('head -c 30000000 /dev/urandom >/root/file; sha256sum /root/file >/root/sum; sync')
have = blocks(m)
m.power_off()
for size, more in (('4400MiB', 304), ('8GiB', 8192 - 4400)):
    r = pome('disk', 'resize', 'dev', size)
    assert r.returncode == 0, r.stderr
    m = Machine('start', 'dev')
    m.login()
    m.run('while systemctl is-active -q pome-grow; do sleep 0.2; done')
    now = blocks(m)
    assert (now - have) / 1024 > more * 0.95, 'df: %d KiB before, %d KiB after %d MiB more' % (have, now, more)
    have = now
    m.power_off()
m = Machine('start', 'dev', '--recovery')
m.wait_for('recovery# ')
said = m.run('list-volumes; check-volume', 'recovery# ')
assert 'is in order' in said, said
m.power_off()
assert pome('bundle', 'check', 'dev').returncode == 0
