#!/usr/bin/env -S python3 -B
# a terminal is the guest's console: raw, byte for byte, escape key, restored on every way out
"""Runs `pome boot` on a pseudo-terminal and between pipes. Environment: POME, GUESTS, WORK (tests/machine/run.sh)."""
import hashlib, os, pty, select, signal, subprocess, sys, termios, time

POME, GUESTS, WORK = os.environ['POME'], os.environ['GUESTS'], os.environ['WORK']
BYTES = bytes(range(256)) * 400

GUEST_SEND = '''stty -F /dev/ttyAMA0 raw -echo
printf 'BEGIN\\r\\n' >/dev/ttyAMA0
cat /tests/bytes >/dev/ttyAMA0
'''
GUEST_RECEIVE = '''stty -F /dev/ttyAMA0 raw -echo
printf 'READY\\r\\n' >/dev/ttyAMA0
head -c %d </dev/ttyAMA0 | sha256sum
''' % len(BYTES)


def initrd():
    """The test initramfs with our scripts behind it: the kernel unpacks one archive after the other."""
    root, out = os.path.join(WORK, 'root'), os.path.join(WORK, 'initrd')
    os.makedirs(os.path.join(root, 'tests'), exist_ok=True)
    for name, text in (('send', GUEST_SEND.encode()), ('receive', GUEST_RECEIVE.encode()), ('bytes', BYTES)):
        with open(os.path.join(root, 'tests', name), 'wb') as f:
            f.write(text)
    more = subprocess.run('find tests | cpio -o -H newc --quiet | gzip -1', shell=True, cwd=root, stdout=subprocess.PIPE, check=True)
    with open(os.path.join(GUESTS, 'initrd-test.cpio.gz'), 'rb') as f:
        base = f.read()
    with open(out, 'wb') as f:
        f.write(base + b'\0' * (-len(base) % 4) + more.stdout)
    return out


def command(test, *more):
    return [POME, 'boot', '--kernel', os.path.join(GUESTS, 'vmlinuz-cloud'), '--initrd', INITRD,
            '--append', 'quiet console=ttyAMA0 pome.test=' + test, *more]


class Session:
    """A machine on a pseudo-terminal."""
    def __init__(self, test, *more):
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.seen = b''
        self.process = subprocess.Popen(command(test, *more), stdin=self.slave, stdout=self.slave, stderr=self.slave,
                                        start_new_session=True)

    def wait_for(self, text, seconds=300):
        end = time.monotonic() + seconds
        while text not in self.seen:
            if time.monotonic() > end:
                raise AssertionError('no %r in %r' % (text, self.seen[-300:]))
            if select.select([self.master], [], [], 0.2)[0]:
                self.seen += os.read(self.master, 65536)

    def type(self, text):
        os.write(self.master, text)

    def end(self, status, what, seconds=60):
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            if time.monotonic() > end:
                self.process.kill()
                raise AssertionError('%s: it did not end within %d s' % (what, seconds))
            if self.master is not None and select.select([self.master], [], [], 0.05)[0]:
                self.seen += os.read(self.master, 65536)
        assert self.process.returncode == status, '%s: status %s, wanted %s: %r' % (what, self.process.returncode, status, self.seen[-300:])
        assert termios.tcgetattr(self.slave) == self.before, what + ': the settings were not restored'
        os.close(self.slave)
        if self.master is not None:
            os.close(self.master)


def escape_key():
    s = Session('shell')
    s.wait_for(b'# ')
    now = termios.tcgetattr(s.slave)
    assert not now[3] & (termios.ICANON | termios.ECHO | termios.ISIG), 'the terminal is not raw'
    s.type(b'\x01?')
    s.wait_for(b'Ctrl-A x')
    s.type(b"sh -c 'echo in fr\"\"ont; sleep 100'\r")
    s.wait_for(b'in front\r\n')         # the shell has handed the terminal over
    s.type(b'\x03')                     # Ctrl-C is the guest's
    s.wait_for(b'^C')
    s.type(b"od -An -tx1 -N1\r\x01\x01\r")  # Ctrl-A twice: one for the guest
    s.wait_for(b' 01')
    s.type(b'\x01x')
    s.end(130, 'Ctrl-A x')


def guest_ends():
    for test, status in (('poweroff', 0), ('panic', 1)):
        s = Session(test)
        s.end(status, test, 300)


def signals():
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        s = Session('idle')
        s.wait_for(b'INIT-REACHED')
        s.process.send_signal(sig)
        s.end(128 + sig, sig.name)


def hangup():
    """The terminal goes away, and no signal comes: the machine ends all the same."""
    s = Session('idle')
    s.wait_for(b'INIT-REACHED')
    os.close(s.master), os.close(s.slave)
    assert s.process.wait(60) == 130, s.process.returncode


def output():
    out = subprocess.run(command('run:send'), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300).stdout
    begin = out.index(b'BEGIN\r\n') + 7
    assert out[begin:begin + len(BYTES)] == BYTES, 'what the guest sent did not arrive byte for byte'


def pasted():
    p = subprocess.Popen(command('run:receive'), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    seen = b''
    while b'READY' not in seen:
        seen += os.read(p.stdout.fileno(), 65536) or sys.exit('the guest ended: %r' % seen)
    out = p.communicate(BYTES, 300)[0]
    assert hashlib.sha256(BYTES).hexdigest().encode() in out, 'what was pasted did not arrive: %r' % out[-300:]


def unread_input():
    """A guest that reads nothing, and far more input than fits anywhere: its end is noticed all the same."""
    with open('/dev/zero', 'rb') as zero:
        status = subprocess.run(command('poweroff'), stdin=zero, stdout=subprocess.DEVNULL, timeout=300).returncode
    assert status == 0, 'unread input: status %d' % status


def stopped_reader():
    """Nobody reads the console: signals work, and the machine ends."""
    r, w = os.pipe()
    p = subprocess.Popen(command('run:send'), stdin=subprocess.DEVNULL, stdout=w)
    time.sleep(4)
    p.terminate()
    assert p.wait(60) == 143, 'stopped reader: status %d' % p.returncode
    os.close(r), os.close(w)


def closed_descriptors():
    """Without standard descriptors no file of the machine takes their place: the disk stays what it was."""
    disk = os.path.join(WORK, 'disk.img')
    with open(disk, 'wb') as f:
        f.truncate(1 << 20)
    subprocess.run(['sh', '-c', 'exec "$@" <&- >&- 2>&-', 'sh', *command('poweroff', '--disk', disk)], timeout=300)
    with open(disk, 'rb') as f:
        assert not any(f.read()), 'the console was written onto the disk'


INITRD = initrd()
for test in (escape_key, guest_ends, signals, hangup, output, pasted, unread_input, stopped_reader, closed_descriptors):
    begin = time.monotonic()
    if len(sys.argv) < 2 or test.__name__ in sys.argv[1:]:
        test()
        print('%s: %.1f s' % (test.__name__, time.monotonic() - begin))
