#!/usr/bin/env -S python3 -B
# a guest's network: DHCP, names, HTTP from the host, forwarded ports, isolation, frames over a socket
"""Linux's virtio_net driver on every kind of network. Environment: POME, GUESTS, WORK (tests/machine/run.sh)."""
import hashlib, http.server, os, socket, socketserver, struct, subprocess, sys, threading
from ramdisk import boot, program, ramdisk
from visit import Machine, POME, WORK, refused

MODULES = ['virtio_pci', 'virtio_net']
BODY = os.urandom(3 << 20)

UP = '''ip link set lo up
dev=$(ls /sys/class/net | grep -v lo | head -1)
ip link set $dev up
cat > /tests/dhcp <<'END'
[ "$1" = bound ] || exit 0
ip addr add $ip/$mask dev $interface
[ -z "$router" ] || ip route add default via $router
echo "nameserver $dns" >/etc/resolv.conf
echo "LEASE $ip via $router dns $dns mac $(cat /sys/class/net/$interface/address) mtu $(cat /sys/class/net/$interface/mtu)"
END
chmod 755 /tests/dhcp
mkdir -p /etc
udhcpc -q -n -f -t 5 -T 1 -i $dev -s /tests/dhcp
'''
FETCH = UP + '''wget -q -O /tmp/body http://10.0.2.2:$(sed -n 's/.*port=\\([0-9]*\\).*/\\1/p' /proc/cmdline)/body || echo FETCH-FAILED
echo "BODY $(sha256sum </tmp/body | cut -d' ' -f1)"
echo "PUT $(head -c 2000000 /dev/zero | tr '\\0' 'x' | nc -w 10 10.0.2.2 $(sed -n 's/.*sink=\\([0-9]*\\).*/\\1/p' /proc/cmdline))"
ping -c 1 -W 2 10.0.2.2 >/dev/null && echo PINGED
'''
SERVE = UP + '/tests/echo'
ECHO = '''
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
/* Sends back what comes to TCP port 22 and UDP port 53. */
static int open_port(int type, int port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, type, 0);
    if (bind(fd, (void *)&a, sizeof a) || (type == SOCK_STREAM && listen(fd, 5)))
        perror("port");
    return fd;
}
int main(void)
{
    static char bytes[65536];
    struct pollfd p[3] = { { open_port(SOCK_STREAM, 22), POLLIN }, { open_port(SOCK_DGRAM, 53), POLLIN }, { -1, POLLIN } };
    struct sockaddr_in a;
    puts("SERVING");
    fflush(stdout);
    while (poll(p, 3, -1) > 0) {
        if (p[0].revents && p[2].fd < 0)
            p[2].fd = accept(p[0].fd, 0, 0);
        socklen_t n = sizeof a;
        ssize_t got = p[1].revents ? recvfrom(p[1].fd, bytes, sizeof bytes, 0, (void *)&a, &n) : 0;
        if (got > 0)
            sendto(p[1].fd, bytes, got, 0, (void *)&a, n);
        if (p[2].fd < 0 || !p[2].revents)
            continue;
        got = read(p[2].fd, bytes, sizeof bytes);
        for (ssize_t done = 0, some; done < got && (some = write(p[2].fd, bytes + done, got - done)) > 0; done += some)
            ;
        if (got <= 0) {
            close(p[2].fd);
            p[2].fd = -1;
        }
    }
}
'''
RAW = '''dev=$(ls /sys/class/net | grep -v lo | head -1)
ip link set $dev up
ip addr add 192.168.77.2/24 dev $dev
echo "RAW-UP mtu $(cat /sys/class/net/$dev/mtu)"
for i in 1 2 3 4 5 6 7 8; do ping -c 1 -W 1 192.168.77.1 && echo PINGED && break; done
'''
SCRIPTS = {'fetch': FETCH, 'serve': SERVE, 'raw': RAW, 'echo': program('echo', ECHO)}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Length', str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *args):
        pass


class Sink(socketserver.BaseRequestHandler):
    """Counts what it is sent and answers with the number."""
    def handle(self):
        n = 0
        while n < 2000000:
            n += len(self.request.recv(65536)) or sys.exit('short')
        self.request.sendall(b'%d' % n)


def serve(server):
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def machine(test, *more, append='', cpus='1'):
    return Machine(*boot(INITRD, 'run:' + test, MODULES, '--cpus', cpus, *more, append=append))


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def fetch(*more, cpus='1'):
    port = serve(http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler))
    sink = serve(socketserver.ThreadingTCPServer(('127.0.0.1', 0), Sink))
    m = machine('fetch', *more, append='port=%d sink=%d' % (port, sink), cpus=cpus)
    said = m.wait_for('TEST-END')
    assert m.end() == 0
    return said


def nat():
    """Address, name server, a file over HTTP from the host's loopback, two megabytes back, a ping."""
    said = fetch('--net', 'user,mac=06:00:00:00:00:07', cpus='2')
    assert 'LEASE 10.0.2.15 via 10.0.2.2 dns 10.0.2.3 mac 06:00:00:00:00:07 mtu 16384' in said, said
    assert 'BODY ' + hashlib.sha256(BODY).hexdigest() in said, said
    assert 'PUT 2000000' in said, said
    assert 'PINGED' in said, said


def small_mtu():
    said = fetch('--net', 'user,mtu=1500')
    assert 'mtu 1500' in said and 'BODY ' + hashlib.sha256(BODY).hexdigest() in said and 'PUT 2000000' in said, said


def isolated():
    """The guest has an address and reaches nothing."""
    for word in ('host', 'all'):
        said = fetch('--net', 'user,isolation=' + word)
        assert 'LEASE 10.0.2.15' in said and 'FETCH-FAILED' in said, said


def echo(port, n):
    data = os.urandom(n)
    with socket.create_connection(('127.0.0.1', port), 60) as s:
        s.settimeout(60)
        threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)), daemon=True).start()
        got = b''
        while len(got) < n:
            got += s.recv(65536) or sys.exit('the echo ended after %d bytes' % len(got))
    assert got == data


def forwards():
    """TCP and UDP into a guest; the ports are the host's loopback only, and busy while it runs."""
    tcp, udp = free_port(), free_port()
    words = ('--forward', 'tcp:127.0.0.1:%d:22' % tcp, '-f', 'udp:%d:53' % udp)
    m = machine('serve', *words)
    m.wait_for('SERVING')
    for n in (1, 1000, 1 << 20):
        echo(tcp, n)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(60)
        s.sendto(b'datagram', ('127.0.0.1', udp))
        assert s.recv(100) == b'datagram'
    refused(1, *boot(INITRD, 'poweroff', [], *words), why='is in use')
    m.p.terminate()
    m.end()
    m = machine('serve', '--net', 'user,isolation=all', '-f', '%d:22' % tcp)
    m.wait_for('SERVING')
    echo(tcp, 100000)
    m.p.terminate()
    m.end()
    with socket.socket() as s:
        s.bind(('127.0.0.1', tcp))


def checksum(b):
    n = sum(struct.unpack('>%dH' % (len(b) // 2), b))
    while n >> 16:
        n = (n & 0xffff) + (n >> 16)
    return 0xffff & ~n


def answer(frame):
    """What 192.168.77.1 says to an ARP request or a ping."""
    kind = frame[12:14]
    if kind == b'\x08\x06' and frame[38:42] == bytes([192, 168, 77, 1]):
        return frame[6:12] + b'\x06\0\0\0\0\1' + frame[12:20] + b'\0\2' + b'\x06\0\0\0\0\1' + frame[38:42] + frame[22:32]
    if kind == b'\x08\x00' and frame[23] == 1 and frame[34] == 8:
        icmp = b'\0\0\0\0' + frame[38:14 + struct.unpack('>H', frame[16:18])[0]]
        icmp = icmp[:2] + struct.pack('>H', checksum(icmp + b'\0' * (len(icmp) % 2))) + icmp[4:]
        return frame[6:12] + b'\x06\0\0\0\0\1' + frame[12:26] + frame[30:34] + frame[26:30] + icmp
    return None


def datagrams():
    """Frames over a socket of the Unix domain."""
    path = os.path.join(WORK, 'net.sock')
    if os.path.exists(path):
        os.unlink(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(path)
        m = machine('raw', '--net', 'unix:' + path)

        def work():
            while True:
                frame, who = s.recvfrom(70000)
                reply = answer(frame)
                if reply:
                    s.sendto(reply, who)
        threading.Thread(target=work, daemon=True).start()
        said = m.wait_for('TEST-END')
        assert 'RAW-UP mtu 1500' in said and 'PINGED' in said, said
        assert m.end() == 0


def stream_descriptor():
    """A stream with lengths, by an inherited descriptor."""
    a, b = socket.socketpair()
    os.set_inheritable(a.fileno(), True)
    p = subprocess.Popen([POME, *boot(INITRD, 'run:raw', MODULES, '--net', 'fd:%d' % a.fileno())], stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=sys.stdout, pass_fds=[a.fileno()])
    a.close()
    f = b.makefile('rwb', buffering=0)

    def exactly(n):
        out = b''
        while len(out) < n:
            out += f.read(n - len(out)) or sys.exit(0)
        return out

    def work():
        while True:
            reply = answer(exactly(struct.unpack('>I', exactly(4))[0]))
            if reply:
                f.write(struct.pack('>I', len(reply)) + reply)
    threading.Thread(target=work, daemon=True).start()
    out = p.communicate(timeout=300)[0].decode()
    assert 'PINGED' in out and p.returncode == 0, out


def mistakes():
    """What cannot be says so."""
    for words, why in ((('--net', 'bridge'), 'there are user'), (('--net', 'user,speed=9'), 'what follows'), (('--forward', '22'), 'the form is'),
                       (('--net', 'unix:/nowhere', ), 'No such file'), (('--net', 'none', '-f', '1:1'), 'no network with address translation'),
                       (('--net', 'user,mtu=100'), '1500 to 65535'), (('--net', 'user,mac=01:00:00:00:00:00'), 'no unicast'),
                       (('--net', 'fd:987654'), 'file descriptor 987654'), (('-f', 'tcp:nowhere:1:1'), 'is no address'),
                       (('-f', '0:1'), '1 to 65535'), (('--net', 'user',) * 5, 'at most 4')):
        refused(1 if 'nowhere' in str(words) and 'tcp' not in str(words) or 'fd:9' in str(words) else 2, *boot(INITRD, 'poweroff', [], *words), why=why)


INITRD = ramdisk('network', SCRIPTS, MODULES)
PARTS = [nat, small_mtu, isolated, forwards, datagrams, stream_descriptor, mistakes]
for part in PARTS:
    if not sys.argv[1:] or part.__name__ in sys.argv[1:]:
        print('---', part.__name__, flush=True)
        part()
        print('+++', part.__name__, flush=True)
