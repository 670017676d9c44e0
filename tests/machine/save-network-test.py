#!/usr/bin/env -S python3 -B
# a machine that is saved and restored in the middle of network traffic: frames, UDP, TCP, connections that wait
"""Frames over a socket: none is lost, none comes twice. Through NAT: datagrams with retries go on, a connection that ends with the saved machine ends
in the guest too, at once, whoever waits on it. Environment: POME, GUESTS, WORK (tests/machine/run.sh)."""
import os, re, socket, struct, subprocess, sys, threading, time
from ramdisk import KERNEL, program, ramdisk
from visit import POME, WORK

CYCLES = os.path.join(os.path.dirname(os.path.abspath(POME)), 'tests', 'save', 'save-cycles')
N = int(os.environ.get('POME_TEST_SAVES', '12'))
MODULES = ['virtio_pci', 'virtio_net']

TRAFFIC = r'''
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int *over;

static struct sockaddr_in host(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(0x0a000202)};
    return a;
}

/* Sends numbered frames, some at a time, until all is over; counts numbered frames that come, and acknowledges each. */
static void frames(const char *dev)
{
    int fd = socket(AF_PACKET, SOCK_RAW, htons(0x88b5));
    struct sockaddr_ll a = {.sll_family = AF_PACKET, .sll_protocol = htons(0x88b5), .sll_ifindex = if_nametoindex(dev)};
    unsigned char f[200] = "\x06\0\0\0\0\1\x06\0\0\0\0\x08\x88\xb5", in[2000];
    unsigned sent = 0, next = 0, twice = 0, lost = 0;
    int room = 16 << 20;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    bind(fd, (void *)&a, sizeof a);
    while (!*over) {
        memcpy(f + 14, "G", 1);
        for (int i = 0; i < 8; i++) {
            memcpy(f + 16, &sent, 4);
            if (send(fd, f, 60 + sent % 100, 0) > 0)
                sent++;
        }
        usleep(2000);
        while (!*over && recv(fd, in, sizeof in, MSG_DONTWAIT) >= 20) {
            unsigned number;
            if (in[14] != 'H')
                continue;
            memcpy(&number, in + 16, 4);
            if (number == next)
                next++;
            else if (number < next)
                twice++;
            else
                lost++;
            memcpy(f + 14, "A", 1);
            memcpy(f + 16, &number, 4);
            while (send(fd, f, 60, 0) < 0)
                usleep(1000);
        }
    }
    printf("FRAMES sent %u got %u twice %u lost %u\n", sent, next, twice, lost);
}

/* Asks for the successor of a number until it comes; UINT_MAX: all is over. */
static void udp(int port)
{
    unsigned n = 0, answer, asked = 0;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in a = host(port);
    connect(fd, (void *)&a, sizeof a);
    while (!*over) {
        struct pollfd p = {fd, POLLIN};
        asked++;
        send(fd, &n, 4, 0);
        if (poll(&p, 1, 300) <= 0 || recv(fd, &answer, 4, 0) != 4)
            continue;
        *over |= answer == UINT_MAX;
        n += answer == n + 1;
    }
    printf("UDP answered %u asked %u\n", n, asked);
}

/* 300 kB of a pattern from the host on each connection: whole, or the connection ends by an error. */
static void tcp(int port)
{
    unsigned whole = 0, broken = 0, wrong = 0;
    while (!*over) {
        static unsigned char b[65536];
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        struct sockaddr_in a = host(port);
        unsigned done = 0;
        ssize_t n = -1;
        if (!connect(fd, (void *)&a, sizeof a))
            while ((n = read(fd, b, sizeof b)) > 0)
                for (ssize_t i = 0; i < n; i++, done++)
                    wrong += b[i] != (unsigned char)(done * 7 + done / 251);
        close(fd);
        *(n == 0 && done == 300000 ? &whole : &broken) += 1;
    }
    printf("TCP whole %u broken %u wrong %u\n", whole, broken, wrong);
}

/* Waits on a connection on which nobody says anything; true: it ended, false: all is over. */
static int ends(int fd)
{
    struct pollfd p = {fd, POLLIN};
    char b;
    for (int i = 0; i < 150; i++) {
        if (poll(&p, 1, 100) > 0 && read(fd, &b, 1) <= 0)
            return 1;
        if (*over)
            return 0;
    }
    puts("ERROR a connection never ended");
    return 1;
}

static void waits(int port)
{
    unsigned ended = 0;
    while (!*over) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        struct sockaddr_in a = host(port);
        if (!connect(fd, (void *)&a, sizeof a))
            ended += ends(fd);
        else
            usleep(10000);
        close(fd);
    }
    printf("WAITED %u\n", ended);
}

/* The same from outside. */
static void serves(int port)
{
    unsigned ended = 0, one = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    bind(fd, (void *)&a, sizeof a);
    listen(fd, 20);
    while (!*over) {
        struct pollfd p = {fd, POLLIN};
        if (poll(&p, 1, 50) <= 0)
            continue;
        int c = accept(fd, 0, 0);
        ended += ends(c);
        close(c);
    }
    printf("SERVED %u\n", ended);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, 0, _IOLBF, 0);
    over = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int base = atoi(argv[2]);
    for (int i = 0; i < 5; i++)
        if (!fork()) {
            switch (i) {
            case 0: frames(argv[1]); break;
            case 1: udp(base); break;
            case 2: tcp(base); break;
            case 3: waits(base + 1); break;
            case 4: serves(22); break;
            }
            exit(0);
        }
    while (wait(0) > 0)
        ;
    puts("TRAFFIC-END");
}
'''
SCRIPT = '''ip link set lo up
for d in $(ls /sys/class/net | grep -v lo); do
    case $(cat /sys/class/net/$d/address) in *07) nat=$d;; *08) raw=$d;; esac
    ip link set $d up
done
echo 1 >/proc/sys/net/ipv6/conf/$raw/disable_ipv6 2>/dev/null
ip addr add 10.0.2.15/24 dev $nat
ip route add default via 10.0.2.2
word() { sed -n "s/.*$1=\\\\([0-9]*\\\\).*/\\\\1/p" /proc/cmdline; }
echo GO
/tests/traffic $raw $(word port)
'''


def host_side(base, over):
    """UDP: the successor, or that all is over. TCP at base: a pattern; at base + 1: nothing at all, ever."""
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.bind(('127.0.0.1', base))
    pattern = bytes((i * 7 + i // 251) & 255 for i in range(300000))

    def answer():
        while True:
            b, who = u.recvfrom(100)
            u.sendto(struct.pack('<I', 0xffffffff if over.is_set() else struct.unpack('<I', b)[0] + 1), who)

    def give(c):
        try:
            c.sendall(pattern)
            c.close()
        except OSError:
            pass

    def listen(port, each):
        s = socket.create_server(('127.0.0.1', port), backlog=50)

        def work():
            while True:
                each(s.accept()[0])
        threading.Thread(target=work, daemon=True).start()
    kept = []
    threading.Thread(target=answer, daemon=True).start()
    listen(base, lambda c: threading.Thread(target=give, args=(c,), daemon=True).start())
    listen(base + 1, kept.append)
    return kept


class Peer:
    """The other end of the frames: sends number k + 1 when k was acknowledged, or again after a while when it knows that nobody got it."""
    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        if os.path.exists(path):
            os.unlink(path)
        self.s.bind(path)
        self.expected = self.twice = self.lost = self.sent = 0
        self.acknowledged = True
        self.who = None
        threading.Thread(target=self.work, daemon=True).start()

    def send(self):
        frame = b'\x06\0\0\0\0\x08\x06\0\0\0\0\1\x88\xb5H\0' + struct.pack('<I', self.sent) + bytes(60 + self.sent % 900)
        try:
            self.s.sendto(frame, self.who)
            self.acknowledged = False
        except OSError:
            pass # the machine is between two processes: nobody got it

    def work(self):
        while True:
            frame, self.who = self.s.recvfrom(70000)
            if frame[12:14] != b'\x88\xb5':
                continue
            number = struct.unpack('<I', frame[16:20])[0]
            if frame[14:15] == b'A' and number == self.sent:
                self.sent += 1
                self.acknowledged = True
            elif frame[14:15] == b'G':
                self.twice += number < self.expected
                self.lost += max(0, number - self.expected)
                self.expected = max(self.expected, number + 1)
            if self.acknowledged:
                self.send()


def dial(port, kept):
    """Connects to the forwarded port again and again, and says nothing."""
    while True:
        try:
            s = socket.create_connection(('127.0.0.1', port), 1)
            kept.append(s)
            s.settimeout(5)
            s.recv(1)
        except OSError:
            pass
        time.sleep(0.05)


def free_ports():
    while True:
        with socket.socket() as a, socket.socket() as b:
            a.bind(('127.0.0.1', 0))
            base = a.getsockname()[1]
            try:
                b.bind(('127.0.0.1', base + 1))
                return base
            except OSError:
                continue


path, saving, base, forward = os.path.join(WORK, 'frames.sock'), os.path.join(WORK, 'saving'), free_ports(), free_ports()
over = threading.Event()
peer, kept, dialed = Peer(path), host_side(base, over), []
threading.Thread(target=dial, args=(forward, dialed), daemon=True).start()
initrd = ramdisk('save-network', {'run': SCRIPT, 'traffic': program('traffic', TRAFFIC)}, MODULES)
env = dict(os.environ, POME_SAVES_MS='150,400', POME_SAVES_NAT='%d:22' % forward, POME_SAVES_SOCKET=path, POME_SAVES_WHEN=saving)
line = 'console=ttyAMA0 quiet pome.modules=%s pome.test=run:run port=%d' % (','.join(MODULES), base)
p = subprocess.Popen([CYCLES, KERNEL, initrd, line, '2', str(N), '1', os.path.join(WORK, 'saved')], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
said = b''
while some := os.read(p.stdout.fileno(), 65536):
    said += some
    sys.stdout.write(some.decode(errors='replace').replace('\r', ''))
    if b'GO\r' in said and not over.is_set():
        open(saving, 'w').close()
        while os.path.exists(saving) and p.poll() is None:
            time.sleep(0.05)
        over.set()
said = said.decode(errors='replace').replace('\r', '')


def numbers(word):
    found = re.search(word + r'(.*)', said)
    assert found, 'no %s' % word
    return [int(n) for n in re.findall(r'\d+', found[1])]


assert p.wait() == 0 and 'ERROR' not in said and 'TRAFFIC-END' in said, 'status %d' % p.returncode
sent, got, twice, lost = numbers('FRAMES')
for _ in range(1000): # what the machine sent last may still wait for our thread
    if peer.expected == sent and got <= peer.sent + 1:
        break
    time.sleep(0.01)
print('host: got %d, twice %d, lost %d, sent %d; %d and %d connections that wait' % (peer.expected, peer.twice, peer.lost, peer.sent, len(kept), len(dialed)))
assert (peer.twice, peer.lost, peer.expected) == (0, 0, sent) and sent > 100 * N, 'frames from the guest'
assert (twice, lost) == (0, 0) and got > N and got in (peer.sent, peer.sent + 1), 'frames to the guest'
answered, asked = numbers('UDP')
assert answered > 2 * N and asked - answered < 3 * N, ('UDP', answered, asked)
whole, broken, wrong = numbers('TCP')
assert whole > N and wrong == 0, ('TCP', whole, broken, wrong)
assert numbers('WAITED')[0] >= N // 2 and numbers('SERVED')[0] >= N // 2, ('connections that wait', numbers('WAITED'), numbers('SERVED'))
