#!/usr/bin/env -S python3 -B
"""pome image build --rootfs: what is put into an image, the same bytes again, what is refused. Usage: image-build.py POME"""
import io, json, os, shutil, subprocess, sys, tarfile, tempfile

POME = os.path.abspath(sys.argv[1])
os.environ['PATH'] += ':/usr/sbin:/sbin'
for program in ('fakeroot', 'mke2fs', 'debugfs', 'zstd'):
    if not shutil.which(program):
        print('no ' + program, file=sys.stderr)
        sys.exit(77)
work = tempfile.mkdtemp(prefix='pome-image-build-')
os.chmod(work, 0o755)
os.environ.update(TMPDIR=work, XDG_CACHE_HOME=work + '/cache')
HASH = '$6$saltsaltsaltsalt$' + 'x' * 86


def path(name):
    return os.path.join(work, name)


def write(name, content, mode=0o644):
    os.makedirs(os.path.dirname(path(name)), exist_ok=True)
    with open(path(name), 'w') as f:
        f.write(content)
    os.chmod(path(name), mode)
    return path(name)


def archive(name, time=1700000000):
    """A root file system: owners, a setuid program, links, a device, a long name, 300 small files."""
    with tarfile.open(path(name), 'w:gz') as t:
        def add(name, content=b'', **more):
            i = tarfile.TarInfo(name)
            i.mtime, i.mode, i.size = time, 0o644, len(content)
            for key, value in more.items():
                setattr(i, key, value)
            t.addfile(i, io.BytesIO(content))
        for folder in ('.', './usr', './usr/sbin', './etc', './root', './dev', './many'):
            add(folder, type=tarfile.DIRTYPE, mode=0o700 if folder == './root' else 0o755)
        add('./sbin', type=tarfile.SYMTYPE, linkname='usr/sbin')
        add('./usr/sbin/init', b'#!/bin/sh\n', mode=0o4755)
        add('./usr/sbin/same', type=tarfile.LNKTYPE, linkname='./usr/sbin/init')
        add('./dev/null', type=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666)
        add('./etc/shadow', b'root:*:19000:0:99999:7:::\nbin:*:1::::::\n', mode=0o640, gid=42)
        add('./etc/os-release', b'NAME="Small Linux"\nVERSION_ID="7.5"\n')
        for i in range(300):
            add('./many/%03d' % i, b'%d' % i * i, uid=1000 + i)
    return path(name)


def build(out, *words, status=0, **environment):
    parts = ['--kernel', path('kernel'), '--initramfs', path('kernel'), '--recovery-ramdisk', path('kernel')]
    r = subprocess.run([POME, 'image', 'build', '-o', path(out), *(w for w in parts if '--kernel' not in words), *words],
                       stdin=subprocess.DEVNULL, capture_output=True, text=True, env={**os.environ, **environment}, cwd=work)
    assert r.returncode in ((1, 2, 3) if status == 1 else (status,)), (words, r.returncode, r.stderr)
    return r


def in_system(out, command):
    """What debugfs says about the OS image of a restore image."""
    if not os.path.exists(path(out + '.os')):
        r = subprocess.run([POME, 'image', 'extract', path(out), 'OS', '-o', path(out + '.os')], capture_output=True, text=True)
        assert r.returncode == 0, r.stderr
        with open(path(out + '.os'), 'rb') as f:
            packed = f.read(4) == b'\x28\xb5\x2f\xfd'
        if packed:
            os.rename(path(out + '.os'), path(out + '.zst'))
            subprocess.run(['zstd', '-qd', path(out + '.zst'), '-o', path(out + '.os')], check=True)
    return subprocess.run(['debugfs', '-R', command, path(out + '.os')], capture_output=True, text=True).stdout


def what_is_in_it():
    write('overlay/etc/motd', 'over\n', 0o600)
    write('password', HASH + '\n', 0o600)
    write('key.pub', 'ssh-ed25519 AAAA somebody')
    r = build('full.ipsw', '--rootfs', archive('root.tar.gz'), '--overlay', path('overlay'), '--hostname', 'small-1', '--json',
              '--root-password-file', path('password'), '--ssh-key', path('key.pub'), '--size', '64MiB', '--command-line', 'a=b')
    events = [json.loads(line) for line in r.stdout.splitlines()]
    assert events[-1]['event'] == 'done' and events[-1]['bytes'] == os.path.getsize(path('full.ipsw')), events[-1]
    info = json.loads(subprocess.run([POME, 'image', 'info', path('full.ipsw'), '--json'], capture_output=True, text=True).stdout)
    assert 'Small Linux' in json.dumps(info) and '7.5' in json.dumps(info), info
    assert subprocess.run([POME, 'image', 'verify', path('full.ipsw')], capture_output=True).returncode == 0
    assert os.path.getsize(path('full.ipsw.os')) == 64 << 20 if in_system('full.ipsw', 'ls /') else False
    assert 'small-1' in in_system('full.ipsw', 'cat /etc/hostname')
    assert in_system('full.ipsw', 'cat /etc/shadow').splitlines() == ['root:%s:19000:0:99999:7:::' % HASH, 'bin:*:1::::::']
    assert 'somebody' in in_system('full.ipsw', 'cat /root/.ssh/authorized_keys')
    stat = in_system('full.ipsw', 'stat /usr/sbin/init')
    assert '04755' in stat and 'Links: 2' in stat, stat
    assert 'Group:    42' in in_system('full.ipsw', 'stat /etc/shadow')
    assert 'User:  1299' in in_system('full.ipsw', 'stat /many/299')
    motd = in_system('full.ipsw', 'stat /etc/motd')
    assert '0600' in motd and 'User:     0' in motd, motd
    assert 'Type: character' in in_system('full.ipsw', 'stat /dev/null')
    for line in in_system('full.ipsw', 'stat /many/299').splitlines():
        assert 'time: ' not in line or '0x6553f100:00000000' in line, line


def same_bytes():
    """Archive or folder, time zone, locale, umask, a different work folder and time: the image is the same."""
    tar = archive('root.tar.gz')
    images = []
    for i, zone in enumerate(('UTC', 'Asia/Tokyo')):
        os.makedirs(path('tmp%d' % i), exist_ok=True)
        os.chmod(path('tmp%d' % i), 0o777)
        os.umask(0o022 if i else 0o077)
        build('same%d.ipsw' % i, '--rootfs', tar, TZ=zone, TMPDIR=path('tmp%d' % i))
        os.umask(0o022)
        with open(path('same%d.ipsw' % i), 'rb') as f:
            images.append(f.read())
        assert not os.listdir(path('tmp%d' % i)), os.listdir(path('tmp%d' % i))
    assert images[0] == images[1], 'two builds of one archive differ'
    build('later.ipsw', '--rootfs', tar, SOURCE_DATE_EPOCH='1600000000')
    with open(path('later.ipsw'), 'rb') as f:
        assert f.read() != images[0]
    if os.geteuid() == 0:           # a folder keeps its owners only when root reads it
        os.makedirs(path('folder'))
        subprocess.run(['tar', '-C', path('folder'), '-xzpf', tar, '--numeric-owner'], check=True)
        subprocess.run(['tar', '-C', path('folder'), '-cJf', path('of-folder.tar.xz'), '.'], check=True)
        build('folder.ipsw', '--rootfs', path('folder'))
        build('archive.ipsw', '--rootfs', path('of-folder.tar.xz'))
        with open(path('folder.ipsw'), 'rb') as f, open(path('archive.ipsw'), 'rb') as g:
            assert f.read() == g.read(), 'the folder gives another image than its archive'


def same_recovery():
    """Pome's own Recovery, too, has nothing of the umask in it. It is made of Debian's packages: without them this is not tried."""
    images = []
    for i, mask in enumerate((0o022, 0o077)):
        os.umask(mask)
        words = ['--kernel', path('kernel'), '--initramfs', path('kernel'), '--rootfs', path('root.tar.gz')]
        r = subprocess.run([POME, 'image', 'build', '-o', path('recovery%d.ipsw' % i), *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=work)
        os.umask(0o022)
        if r.returncode:
            print('no Recovery of Debian\'s packages here:', r.stderr[-200:])
            return
        with open(path('recovery%d.ipsw' % i), 'rb') as f:
            images.append(f.read())
    assert images[0] == images[1], 'two builds of Recovery with another umask differ'


def refusals():
    tar = archive('root.tar.gz')
    os.mkdir(path('empty-folder'))
    for words, why in (
            (('--rootfs', path('nothing')), 'nothing'),
            (('--rootfs', path('kernel')), 'not an archive'),
            (('--rootfs', path('empty-folder')), 'holds neither sbin nor usr'),
            (('--rootfs', tar, '--packages', 'vim'), 'packages are for Debian'),
            (('--rootfs', tar, '--hostname', '-x'), "not a host's name"),
            (('--rootfs', tar, '--overlay', tar), 'not a folder'),
            (('--rootfs', tar, '--recovery-include', work), 'nothing is put into'),
            (('--rootfs', tar, '--size', '16MiB', '--overlay', path('big')), 'does not fit'),
            (('--rootfs', tar, '--ssh-key', write('private', '-----BEGIN OPENSSH PRIVATE KEY-----\n')), 'private key'),
            (('--rootfs', tar, '--root-password-file', write('empty', '\n')), 'first line is empty'),
            (('--rootfs', tar, '--root-password-file', '/dev/null'), 'first line is empty'),
            (('--rootfs', tar, '--root-password-file', write('long', 'x' * 256)), 'longer than 255'),
            (('--rootfs', tar, '--root-password-file', write('no-hash', '$6$:')), 'not a hash'),
            (('--rootfs', tar, '--root-password-file', work), 'directory'),
            (('--rootfs', tar, '--command-line', 'a\nb'), 'command line')):
        r = build('refused.ipsw', *words, status=1)
        assert why in r.stderr and '  why: ' in r.stderr, (words, r.stderr)
        assert not os.path.exists(path('refused.ipsw'))
    for words in (('--rootfs', tar, 'debian'), ('gentoo',), ()):
        build('refused.ipsw', *words, status=2)
    leftovers = [n for n in os.listdir(work) if n.startswith('pome-image-')]
    assert not leftovers, leftovers


try:
    write('kernel', 'not a kernel, but nobody starts it here' * 100)
    write('big/file', 'x' * (32 << 20))
    for test in (what_is_in_it, same_bytes, same_recovery, refusals):
        test()
        print('ok', test.__name__)
finally:
    shutil.rmtree(work, ignore_errors=True)
