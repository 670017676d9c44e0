#!/usr/bin/env -S python3 -B
# folders of the host in a guest: all of a file system's basics, read-only unless asked for, no way out
"""Linux's virtiofs on `pome boot --share`. Environment: POME, GUESTS, WORK (tests/machine/run.sh)."""
import hashlib, os, shutil, signal, stat, sys
from ramdisk import boot, program, ramdisk
from visit import Machine, WORK, refused

MODULES = ['virtio_pci', 'virtiofs']
C = r'''
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#define SAY(what, ok) printf("%s %s\n", (ok) ? "yes" : "NO", what)
int main(void)
{
    char b[100] = "";
    struct stat st;
    struct statvfs v;
    chdir("/rw");
    SAY("setxattr", !setxattr("new", "user.colour", "green", 5, 0));
    SAY("getxattr", getxattr("new", "user.colour", b, sizeof b) == 5 && !memcmp(b, "green", 5));
    SAY("listxattr", listxattr("new", b, sizeof b) == 12 && !strcmp(b, "user.colour"));
    SAY("removexattr", !removexattr("new", "user.colour") && getxattr("new", "user.colour", b, 9) < 0 && errno == ENODATA);
    SAY("no other attributes", setxattr("new", "trusted.x", "y", 1, 0) < 0);
    SAY("statvfs", !statvfs(".", &v) && v.f_blocks > 0);
    int fd = open("new", O_RDWR);
    SAY("fsync", fd >= 0 && !fsync(fd) && !fdatasync(fd));
    SAY("fallocate", !fallocate(fd, 0, 0, 4 << 20) && !fstat(fd, &st) && st.st_size == 4 << 20);
    SAY("truncate", !ftruncate(fd, 12345) && !fstat(fd, &st) && st.st_size == 12345);
    SAY("unlinked files stay open", !unlink("new") && pwrite(fd, "x", 1, 99) == 1 && pread(fd, b, 1, 99) == 1);
    close(fd);
    SAY("exclusive creation", (fd = open("only", O_CREAT | O_EXCL | O_WRONLY, 0640)) >= 0 && open("only", O_CREAT | O_EXCL | O_WRONLY, 0640) < 0 && errno == EEXIST);
    SAY("mode", !fstat(fd, &st) && (st.st_mode & 07777) == 0640);
    SAY("no set-user-ID", !fchmod(fd, 04755) && !fstat(fd, &st) && (st.st_mode & 07777) == 0755);
    SAY("times", !futimens(fd, (struct timespec[2]){ { 1000, 5 }, { 2000, 7 } }) && !fstat(fd, &st) && st.st_mtim.tv_sec == 2000 && st.st_mtim.tv_nsec == 7);
    SAY("no devices", mknod("dev", S_IFCHR | 0600, makedev(1, 3)) < 0 && errno == EPERM && mknod("pipe", S_IFIFO | 0600, 0) < 0);
    SAY("rename over", !renameat2(AT_FDCWD, "only", AT_FDCWD, "again", RENAME_NOREPLACE) && open("only", O_RDONLY) < 0);
    SAY("hard links", !link("again", "twin") && !stat("twin", &st) && st.st_nlink == 2);
    /* Ways out: the host made links in the folder. */
    SAY("a link out is the guest's own", open("out", O_RDONLY) < 0);
    SAY("reading goes on in read-only", access("/ro/data", R_OK) == 0);
    SAY("read-only refuses writing", open("/ro/data", O_WRONLY) < 0 && errno == EROFS);
    SAY("read-only refuses names", mkdir("/ro/x", 0700) < 0 && unlink("/ro/data") < 0 && rename("/ro/data", "/ro/y") < 0 && chmod("/ro/data", 0) < 0 && symlink("a", "/ro/b") < 0);
    return 0;
}
'''
GUEST = '''mkdir -p /rw /ro
mount -t virtiofs work /rw && mount -t virtiofs docs /ro && echo MOUNTED
cat /ro/data | sha256sum
cd /rw
head -c 3000000 /dev/urandom > new
sha256sum new
cp /ro/data copy && cmp /ro/data copy && echo COPIED
mkdir -p a/b/c && echo deep > a/b/c/file && cat a/b/c/file
mv a/b z && ls z/c
ln -s z/c/file link && cat link && readlink link
rm -r a && [ ! -e a ] && echo REMOVED
i=0; while [ $i -lt 1500 ]; do : > many.$i; i=$((i+1)); done
echo "COUNT $(ls | grep -c many)"
rm many.*
echo appended >> copy; echo; tail -c 9 copy
/tests/basics
echo host-must-see > seen
cat from-host
cd /; umount /rw && mount -t virtiofs work /rw && cat /rw/seen
'''

work, docs = os.path.join(WORK, 'share-rw'), os.path.join(WORK, 'share-ro')
for d in (work, docs):
    shutil.rmtree(d, ignore_errors=True)
    os.makedirs(d)
data = os.urandom(5 << 20)
with open(os.path.join(docs, 'data'), 'wb') as f:
    f.write(data)
with open(os.path.join(WORK, 'secret'), 'w') as f:
    f.write('secret')
with open(os.path.join(work, 'from-host'), 'w') as f:
    f.write('hello guest\n')
os.symlink(os.path.join(WORK, 'secret'), os.path.join(work, 'out'))

initrd = ramdisk('share', {'go': GUEST, 'basics': program('basics', C)}, MODULES)
m = Machine(*boot(initrd, 'run:go', MODULES, '--cpus', '2', '--share', 'work=%s:rw' % work, '--share', 'docs=' + docs))
said = m.wait_for('TEST-END').replace('\r', '')
assert m.end() == 0
for text in ('MOUNTED', hashlib.sha256(data).hexdigest(), 'COPIED', '\ndeep\n', '\nfile\n', '\nz/c/file\n', 'REMOVED', 'COUNT 1500', '\nappended\n',
             'hello guest', '\nhost-must-see\n'):
    assert text in said, 'no %r' % text
assert 'NO ' not in said and said.count('\nyes ') == 21, said
with open(os.path.join(work, 'copy'), 'rb') as f:
    assert f.read() == data + b'appended\n'
assert open(os.path.join(work, 'seen')).read() == 'host-must-see\n'
assert open(os.path.join(WORK, 'secret')).read() == 'secret' and os.path.getsize(os.path.join(docs, 'data')) == len(data)
assert stat.S_ISREG(os.lstat(os.path.join(work, 'twin')).st_mode) and not os.path.lexists(os.path.join(work, 'dev'))
assert sorted(os.listdir(docs)) == ['data']
# Saved and resumed, open files stay open; one that the host replaced meanwhile is stale.
words = boot(initrd, 'shell', MODULES, '--share', 'work=%s:rw' % work, '--saved', os.path.join(WORK, 'share.saved'))
m = Machine(*words)
m.wait_for('TEST-SHELL')
m.type('mkdir /rw; mount -t virtiofs work /rw; cd /rw; exec 3<from-host 4>>log 5<seen; read -r -n 6 x <&3; echo before >&4; echo "ready-$((1+1))"')
m.wait_for('ready-2')
m.p.send_signal(signal.SIGUSR1)
assert m.end() == 0
os.rename(os.path.join(work, 'seen'), os.path.join(work, 'seen.old'))
with open(os.path.join(work, 'seen'), 'w') as f:
    f.write('another file\n')
m = Machine(*words, '--resume')
m.type('echo 3 >/proc/sys/vm/drop_caches; echo "[$x|$(cat <&3)]"; echo after >&4; sync; cat <&5 || echo "stale-$((1+1))"; cat seen; pwd; echo "over-$((1+1))"')
said = m.wait_for('over-2').replace('\r', '')
assert '[hello|guest]' in said and 'stale-2' in said and '\nanother file\n' in said and '\n/rw\n' in said, said
m.p.kill()
m.end()
assert open(os.path.join(work, 'log')).read() == 'before\nafter\n'
refused(1, *boot(initrd, 'poweroff', [], '--share', 'x=/no/such/folder'), why='cannot be shared')
refused(2, *boot(initrd, 'poweroff', [], '--share', 'x=/etc/passwd'), why='no folder')
refused(2, *boot(initrd, 'poweroff', [], '--share', '/tmp'), why='the form is')
refused(2, *boot(initrd, 'poweroff', [], '--share', 'x=/tmp', '--share', 'x=/usr'), why='already')
