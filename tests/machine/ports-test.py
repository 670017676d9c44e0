#!/usr/bin/env -S python3 -B
# terminals and named ports of the console device: hvc0 is the kernel's console, where it panics, too; ports lead to sockets, nothing said on them is lost
"""Linux's virtio_console. Environment: POME, GUESTS, WORK (tests/machine/run.sh)."""
import atexit, os, select, socket, sys, threading, time
from ramdisk import boot, ramdisk
from visit import Machine, WORK, refused

MODULES = ['virtio_pci', 'virtio_console']
PORT = r'''for p in /sys/class/virtio-ports/*; do
    [ "$(cat $p/name 2>/dev/null)" = "$1" ] && echo /dev/${p##*/}
done
'''
TERMINAL, ECHO, PLAIN = (os.path.join(WORK, 'port.' + n) for n in ('hvc0', 'echo', 'plain'))


class Line:
    """A program of the host at a port's socket."""
    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(60)
        end = time.monotonic() + 60
        while self.s.connect_ex(path):
            assert time.monotonic() < end, path
            time.sleep(0.05)
        self.seen = b''

    def wait_for(self, text):
        while text.encode() not in self.seen:
            some = self.s.recv(65536)
            assert some, 'the port was closed before it said %r: %r' % (text, self.seen)
            self.seen += some
        before, self.seen = self.seen.split(text.encode(), 1)
        return before.decode(errors='replace')

    def hear(self, seconds):
        """All that comes within the time."""
        end = time.monotonic() + seconds
        while select.select([self.s], [], [], max(0, end - time.monotonic()))[0]:
            self.seen += self.s.recv(65536)

    def say(self, text):
        self.s.sendall(text.encode() + b'\n')


def echo(n):
    line, data, got = Line(ECHO), os.urandom(n), b''
    t = threading.Thread(target=line.s.sendall, args=(data,), daemon=True)
    t.start()
    while len(got) < n:
        some = line.s.recv(65536)
        assert some, 'ended after %d bytes' % len(got)
        got += some
    assert got == data
    t.join()
    line.s.close()


words = boot(ramdisk('ports', {'port': PORT}, MODULES), 'shell', MODULES, '--cpus', '2', '--port', 'hvc0=' + TERMINAL, '--port', 'org.test.echo=' + ECHO,
             '--port', 'org.test.plain=' + PLAIN, append='console=hvc0 loglevel=7')
words = [w.replace('console=ttyAMA0 ', '') for w in words]  # nothing of the kernel's on the serial port
m = Machine(*words)
atexit.register(m.p.kill)
hvc0 = Line(TERMINAL)
hvc0.wait_for('# ')                       # the kernel calls it its console
hvc0.say('echo "<3>on hvc$((1 - 1))" >/dev/kmsg')
hvc0.wait_for('on hvc0\r\n')              # and speaks there
hvc0.say('stty -echo; e=$(sh /tests/port org.test.echo); p=$(sh /tests/port org.test.plain); echo PO""RTS $e $p.')
hvc0.wait_for('PORTS ')
names = hvc0.wait_for('.\r\n').split()
assert len(names) == 2 and all(n.startswith('/dev/vport') for n in names), names

# opened once: Linux lets nobody open a port twice, and drops what has come when it is closed
hvc0.say('(exec 3<>$e; while :; do cat <&3 >&3; sleep 0.1; done) 2>/dev/null &')
for n in (1, 5000, 3 << 20):              # one program after the other; what it sends comes back
    echo(n)
hvc0.say('(i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; echo END) >$p; echo "WRITTEN"')
hvc0.hear(1)
assert 'WRITTEN' not in hvc0.seen.decode(errors='replace')  # nobody listens: who writes waits, and loses nothing
plain = Line(PLAIN)
said = plain.wait_for('END\n')
assert said == ''.join('line %d\n' % i for i in range(20000)), (len(said), said[:50], said[-50:])
hvc0.wait_for('WRITTEN')
assert (os.stat(PLAIN).st_mode & 0o777) == 0o600

refused(1, *words, why='another machine')
refused(2, 'boot', '--kernel', '/dev/null', '--port', 'a/b=' + WORK + '/x', why='a/b')
refused(2, 'boot', '--kernel', '/dev/null', '--port', 'twice=/x', '--port', 'twice=/y', why='twice')
refused(2, 'boot', '--kernel', '/dev/null', '--port', 'nothing', why='NAME=SOCKET')
hvc0.say('echo c >/proc/sysrq-trigger')   # last words there, and silence, are a crash
assert m.end() == 1
assert not any(os.path.exists(p) for p in (TERMINAL, ECHO, PLAIN))
