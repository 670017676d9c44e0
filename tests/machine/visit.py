"""visit.py - what the whole-machine tests that need an installed machine have in common."""
import glob, os, select, subprocess, sys, time

POME, GUESTS, WORK = os.environ['POME'], os.environ['GUESTS'], os.environ['WORK']
IMAGE = os.path.join(GUESTS, 'debian.ipsw')
HOME = os.path.join(WORK, os.path.basename(sys.argv[0]))
os.environ['POME_HOME'] = HOME


def need_image():
    """The restore image is built once. It needs Debian's packages: without them the test is skipped."""
    if os.path.exists(IMAGE):
        return
    if pome('image', 'build', 'debian', '-o', IMAGE, timeout=1200).returncode:
        print('no restore image: "pome image build debian" does not work here', file=sys.stderr)
        sys.exit(77)


def pome(*words, timeout=300, **more):
    """Runs pome to its end, its output as text."""
    return subprocess.run([POME, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=timeout, text=True, errors='replace', **more)


def refused(status, *words, why=''):
    """pome fails with this exit status, in three parts, of which the second holds `why`."""
    r = pome(*words)
    said = '%s: status %d, %r' % (' '.join(words), r.returncode, r.stderr[-400:])
    assert r.returncode == status, said
    parts = [line for line in r.stderr.splitlines() if not line.lstrip()[:4].rstrip('% ').isdigit()]
    assert parts[-1].startswith('  do:  ') and why in r.stderr, said
    assert status == 2 or any(line.startswith('  why: ') for line in parts), said


class Machine:
    """A machine with its console between pipes; shows all on standard output."""
    def __init__(self, *words, **more):
        self.p = subprocess.Popen([POME, *words], **more, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sys.stdout)
        self.seen = b''

    def wait_for(self, text, seconds=300):
        """Waits for the text and gives what came before it."""
        text, end = text.encode(), time.monotonic() + seconds
        while text not in self.seen:
            if time.monotonic() > end:
                self.p.kill()
                raise AssertionError('no %r within %d s; last: %r' % (text, seconds, self.seen[-500:]))
            if select.select([self.p.stdout], [], [], 0.2)[0]:
                some = os.read(self.p.stdout.fileno(), 65536)
                sys.stdout.write(some.decode(errors='replace'))
                assert some, 'the machine ended with %s before it said %r' % (self.p.wait(), text)
                self.seen += some
        before, self.seen = self.seen.split(text, 1)
        return before.decode(errors='replace')

    def login(self):
        self.wait_for('login: ')
        self.type('root')
        self.wait_for(':~# ')

    def type(self, line):
        self.p.stdin.write(line.encode() + b'\n')
        self.p.stdin.flush()

    def run(self, line, prompt=':~# ', seconds=300):
        """Types a line at the prompt; gives what it printed."""
        self.type(line)
        return self.wait_for(prompt, seconds)

    def end(self, seconds=300):
        out = self.p.communicate(timeout=seconds)[0]
        sys.stdout.write(out.decode(errors='replace'))
        return self.p.returncode

    def power_off(self):
        self.type('poweroff')
        status = self.end()
        assert status == 0, 'poweroff: status %s' % status


def bundle(name):
    return os.path.join(HOME, 'vms', name + '.bundle')


def names():
    """All that lies in the folder of machines."""
    return sorted(os.path.basename(p) for p in glob.glob(os.path.join(HOME, 'vms', '*')))


def partition(name, number):
    """First byte of a partition of its disk (GPT at LBA 2: 128 bytes for each)."""
    with open(os.path.join(bundle(name), 'Disk.img'), 'rb') as f:
        f.seek(1024 + 128 * (number - 1) + 32)
        return int.from_bytes(f.read(8), 'little') * 512
