#!/usr/bin/env -S python3 -B
# programs of the host and of the guest talk through the socket device, both ways, many at a time, as ssh would
"""Linux's AF_VSOCK and `pome vsock`. Environment: POME, GUESTS, WORK (tests/machine/run.sh)."""
import hashlib, os, socket, subprocess, sys, threading
from ramdisk import boot, program, ramdisk
from visit import Machine, POME, WORK, refused

MODULES = ['virtio_pci', 'vmw_vsock_virtio_transport']

GUEST = r'''
#include <errno.h>
#include <sys/socket.h>
#include <linux/vm_sockets.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
/* Port 7: sends back what comes. 9: takes all, and answers with how much it was. 11: gives 8 MiB. Then connects to the host: port 1000 answers,
 * port 1001 does not exist. */
static struct sockaddr_vm at(unsigned cid, unsigned port)
{
    return (struct sockaddr_vm){ .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port };
}
static void all(int fd, const char *p, ssize_t n)
{
    for (ssize_t some; n > 0 && (some = write(fd, p, n)) > 0; p += some, n -= some)
        ;
}
static void serve(int port, int fd)
{
    static const char pattern[65536] = "pome";
    char bytes[16384];
    ssize_t n;
    unsigned long sum = 0;
    for (int i = 0; port == 11 && i < 128; i++)
        all(fd, pattern, sizeof pattern);
    while (port != 11 && (n = read(fd, bytes, sizeof bytes)) > 0) {
        sum += n;
        if (port == 7)
            all(fd, bytes, n);
    }
    n = snprintf(bytes, sizeof bytes, "%lu", sum);
    if (port == 9)
        all(fd, bytes, n);
    close(fd);
}
struct job { int port, fd; };
static void *worker(void *arg)
{
    struct job *j = arg;
    serve(j->port, j->fd);
    free(j);
    return NULL;
}
static void *listener(void *arg)
{
    struct job *l = arg;
    for (;;) {
        struct job *j = malloc(sizeof *j);
        *j = (struct job){ l->port, accept(l->fd, NULL, NULL) };
        pthread_t t;
        pthread_create(&t, NULL, worker, j);
        pthread_detach(t);
    }
    return NULL;
}
static void call(int port)
{
    char bytes[100] = "";
    int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
    struct sockaddr_vm a = at(VMADDR_CID_HOST, port);
    if (connect(fd, (void *)&a, sizeof a)) {
        printf("CALL %d %s\n", port, strerror(errno));
    } else {
        all(fd, "from the guest", 14);
        shutdown(fd, SHUT_WR);
        read(fd, bytes, sizeof bytes - 1);
        printf("CALL %d said %s\n", port, bytes);
    }
    fflush(stdout);
    close(fd);
}
int main(void)
{
    static struct job l[3] = { { .port = 7 }, { .port = 9 }, { .port = 11 } };
    for (int i = 0; i < 3; i++) {
        pthread_t t;
        struct sockaddr_vm a = at(VMADDR_CID_ANY, l[i].port);
        l[i].fd = socket(AF_VSOCK, SOCK_STREAM, 0);
        if (bind(l[i].fd, (void *)&a, sizeof a) || listen(l[i].fd, 128))
            perror("listen");
        pthread_create(&t, NULL, listener, &l[i]);
    }
    puts("LISTENING");
    fflush(stdout);
    call(1001);
    call(1000);
    puts("CALLED");
    fflush(stdout);
    pause();
}
'''


def connect(port):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(300)
    s.connect(PATH)
    s.sendall(b'CONNECT %d\n' % port)
    line = b''
    while not line.endswith(b'\n'):
        line += s.recv(1) or sys.exit('port %d was refused' % port)
    assert line.startswith(b'OK '), line
    return s


def echo(n):
    data = os.urandom(n)
    with connect(7) as s:
        def send():
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
        t = threading.Thread(target=send, daemon=True)
        t.start()
        got = b''
        while len(got) < n:
            got += s.recv(65536) or sys.exit('the echo ended after %d bytes' % len(got))
        assert got == data and s.recv(1) == b''
        t.join()


def host_service():
    """Answers the guest's call to port 1000."""
    name = PATH + '_1000'
    if os.path.exists(name):
        os.unlink(name)
    s = socket.socket(socket.AF_UNIX)
    s.bind(name)
    s.listen()

    def work():
        c = s.accept()[0]
        got = b''
        while True:
            some = c.recv(100)
            if not some:
                break
            got += some
        c.sendall(got.upper())
        c.close()
    threading.Thread(target=work, daemon=True).start()
    return s


PATH = os.path.join(WORK, 'machine.vsock')
INITRD = ramdisk('vsock', {'guest': program('guest', GUEST, '-pthread')}, MODULES)
service = host_service()
words = boot(INITRD, 'shell', MODULES, '--cpus', '2', '--vsock', PATH)
m = Machine(*words)
m.wait_for('# ')
m.type('/tests/guest')
m.wait_for('LISTENING')
said = m.wait_for('CALLED\r')
assert 'CALL 1001 Connection reset' in said and 'CALL 1000 said FROM THE GUEST' in said, said

for n in (1, 1000, 100000, 5 << 20):
    echo(n)
threads = [threading.Thread(target=echo, args=(200000,)) for _ in range(30)]
for t in threads:
    t.start()
for t in threads:
    t.join()

with connect(11) as s:  # a slow reader gets everything
    h, n = hashlib.sha256(), 0
    while True:
        some = s.recv(50000)
        if not some:
            break
        h.update(some)
        n += len(some)
    want = (b'pome' + bytes(65532)) * 128
    assert n == len(want) and h.digest() == hashlib.sha256(want).digest(), n

r = subprocess.run([POME, 'vsock', PATH, '9'], input=b'x' * 3000000, stdout=subprocess.PIPE, timeout=300)
assert r.returncode == 0 and r.stdout == b'3000000', r
refused(3, 'vsock', PATH, '12', why='nobody listens')
refused(3, 'vsock', 'no-such-machine', '12')
refused(1, *words, why='another machine')
m.p.terminate()
m.end()
assert not os.path.exists(PATH)
refused(3, 'vsock', PATH, '7')
