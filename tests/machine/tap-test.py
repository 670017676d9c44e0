#!/usr/bin/env -S python3 -B
# a tap device by its descriptor: the guest and this host reach each other through it, in a network namespace of the test's own
"""Needs root and /dev/net/tun; skipped without. Environment: POME, GUESTS, WORK (tests/machine/run.sh)."""
import atexit, fcntl, os, socket, struct, subprocess, sys

if os.geteuid() or not os.path.exists('/dev/net/tun') or subprocess.run(['unshare', '-n', 'true'], stderr=subprocess.DEVNULL).returncode:
    sys.exit(77)
if '--inside' not in sys.argv:
    sys.exit(subprocess.run(['unshare', '-n', sys.executable, '-B', __file__, '--inside']).returncode)

from ramdisk import boot, ramdisk
from visit import Machine

MODULES = ['virtio_pci', 'virtio_net']
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454ca, 2, 0x1000
tap = os.open('/dev/net/tun', os.O_RDWR)
fcntl.ioctl(tap, TUNSETIFF, struct.pack('16sH22x', b'tap0', IFF_TAP | IFF_NO_PI))
os.set_inheritable(tap, True)
for words in ('link set lo up', 'addr add 10.9.0.1/24 dev tap0', 'link set tap0 up'):
    subprocess.run(['ip', *words.split()], check=True)

m = Machine(*boot(ramdisk('tap', {}, MODULES), 'shell', MODULES, '--net', 'fd:%d' % tap), pass_fds=[tap])
atexit.register(m.p.kill)
m.wait_for('# ')
m.type('ip addr add 10.9.0.2/24 dev eth0; ip link set eth0 up; ping -c 3 10.9.0.1; echo PIN""GED')
assert '3 packets received' in m.wait_for('PINGED')
m.type('nc -l -p 7 -e cat & until grep -q ":0007 0*:0000 0A" /proc/net/tcp /proc/net/tcp6; do sleep 0.1; done; echo LIST""ENS')
m.wait_for('LISTENS')
data = os.urandom(1 << 20)
with socket.create_connection(('10.9.0.2', 7), 60) as s:
    s.settimeout(60)
    if not os.fork():
        s.sendall(data)
        os._exit(0)
    got = b''
    while len(got) < len(data):
        got += s.recv(65536) or sys.exit('the connection ended after %d bytes' % len(got))
assert got == data
os.wait()
m.type('poweroff -f')
assert m.end() == 0
