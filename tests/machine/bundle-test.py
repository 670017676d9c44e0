#!/usr/bin/env -S python3 -B
# bad images and bundles, a full disk, kills: a clear error and status, nothing lost
import os, random, resource, shutil, signal, subprocess, tempfile, time, zipfile
from visit import *

BAD = os.path.join(WORK, 'bad.ipsw')
KILLS = int(os.environ.get('POME_TEST_KILLS', 8))
CREATE = ('--image', IMAGE, '--disk', '4GiB', '--memory', '512MiB')


def flip(path, at):
    with open(path, 'r+b') as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 0x10]))


def copy(name):
    """A fresh copy of the installed machine "good"."""
    shutil.rmtree(bundle(name), ignore_errors=True)
    subprocess.run(['cp', '-a', '--sparse=always', bundle('good'), bundle(name)], check=True)


def arguments():
    for words in ('--cpus 0', '--cpus 1000000', '--cpus -1', '--memory 9223372036854775808', '--memory 1', '--memory 1073741825',
                  '--memory 1e9TiB', '--disk -1', '--disk 1000000000TiB', '--disk 17TiB', '--disk 1GiB', '--disk 4294967297',
                  '--memory 256MiB', '--cpu-model m9'):
        refused(2, 'create', 'x', '--image', IMAGE, *words.split())
    for name in ('', '..', '.x', 'a\nb', 'n' * 300):
        refused(2, 'create', name, *CREATE)
    refused(3, 'create', 'x', '--image', '/nowhere', why='/nowhere')
    refused(3, 'start', 'nowhere', why='no bundle at')
    refused(1, 'delete', '/', why='not a bundle')
    assert names() == [], names()


def images():
    """Cut, damaged and incomplete restore images."""
    with open(IMAGE, 'rb') as f:
        whole = f.read()
    for cut in (0, 1, 1000, len(whole) // 2, len(whole) - 1):
        with open(BAD, 'wb') as f:
            f.write(whole[:cut])
        refused(1, 'create', 'x', '--image', BAD, why='not a whole zip file')
    with open(BAD, 'wb') as f:
        f.write(whole)
    with zipfile.ZipFile(IMAGE) as z:
        members = z.infolist()
        for i in members:
            at = i.header_offset + 30 + int.from_bytes(whole[i.header_offset + 26:i.header_offset + 28], 'little') + \
                int.from_bytes(whole[i.header_offset + 28:i.header_offset + 30], 'little') + i.file_size // 2
            flip(BAD, at)
            if i.filename.endswith('.plist'):
                refused(1, 'image', 'verify', BAD)
            else:
                refused(1, 'create', 'x', '--image', BAD, '--disk', '4GiB')
            flip(BAD, at)
        with zipfile.ZipFile(BAD, 'w') as short:
            for i in members:
                if not i.filename.startswith(('OS', 'kernelcache')):
                    short.writestr(i.filename, z.read(i))
    refused(1, 'create', 'x', '--image', BAD, why='is missing')
    assert names() == [], names()


def interrupted():
    """Killed at any moment a creation leaves nothing, or a bundle that `install` completes; interrupted it leaves nothing."""
    begin = time.monotonic()
    r = pome('create', 'x', *CREATE)
    assert r.returncode == 0, r.stderr
    whole = time.monotonic() - begin
    os.rename(bundle('x'), bundle('good'))  # a machine is its folder: it can be moved
    shots = random.Random(2)
    left = completed = 0
    for shot in range(KILLS):
        p = subprocess.Popen([POME, 'create', 'x', *CREATE], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(shots.uniform(0, 1.1 * whole))
        p.kill()
        p.wait()
        if not os.path.exists(bundle('x')):
            continue
        left += 1
        state = [line for line in pome('list').stdout.splitlines() if line.startswith('x ')][0]
        assert 'damaged' not in state, state
        if 'incomplete' in state or 'not installed' in state or 'installing' in state:
            refused(4, 'start', 'x', why='installation was not completed')
            if completed < 2:
                r = pome('install', 'x', '--image', IMAGE)
                assert r.returncode == 0, r.stderr
                completed += 1
                starts('x')
        assert pome('delete', 'x').returncode == 0
    pome('list')
    assert names() == ['good.bundle'], names()
    print('killed %d times: %d bundles left, %d completed and started' % (KILLS, left, completed))
    for sig, status in ((signal.SIGINT, 130), (signal.SIGTERM, 130)):
        p = subprocess.Popen([POME, 'create', 'x', *CREATE], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while b'Restoring' not in p.stderr.readline():
            pass
        p.send_signal(sig)
        assert p.wait(60) == status, (sig, p.returncode, p.stderr.read())
        assert names() == ['good.bundle'], names()


def starts(name, *words):
    m = Machine('start', name, *words)
    m.login()
    m.power_off()


def members():
    """Each file of a bundle empty, missing, or something else than a file; of another machine; with wrong settings."""
    for member in ('AuxiliaryStorage', 'Config.json', 'Disk.img', 'HardwareModel', 'MachineIdentifier'):
        copy('x')
        path = os.path.join(bundle('x'), member)
        for put in (lambda: open(path, 'w').close(), lambda: None, lambda: os.mkfifo(path), lambda: os.mkdir(path),
                    lambda: os.symlink(os.path.join(bundle('good'), member), path)):
            if os.path.isdir(path):
                os.rmdir(path)
            elif os.path.lexists(path):
                os.unlink(path)
            put()
            refused(1, 'start', 'x', why=member)
            assert 'damaged' in pome('list').stdout
    copy('x')
    config = os.path.join(bundle('x'), 'Config.json')
    for text in ('', '{', '[]', '{"version":1,"cpuCount":2,"memorySize":1073741824,"ram":1}', '{"version":1,"cpuCount":0,"memorySize":1073741824}',
                 '{"version":1,"cpuCount":"2","memorySize":1073741824}', '{"version":1,"cpuCount":2,"memorySize":1073741825}',
                 '{"version":1,"cpuCount":2,"memorySize":99999999999999999999}', '[' * 60000):
        with open(config, 'w') as f:
            f.write(text)
        refused(2 if text else 1, 'start', 'x', why='Config.json')
    assert pome('create', 'y', *CREATE).returncode == 0
    copy('x')
    shutil.copyfile(os.path.join(bundle('y'), 'AuxiliaryStorage'), os.path.join(bundle('x'), 'AuxiliaryStorage'))
    refused(1, 'start', 'x', why='belongs to machine')
    assert pome('delete', 'y').returncode == 0


def find(name, partition_number, text):
    """Where the text stands first in a partition."""
    base = partition(name, partition_number)
    with open(os.path.join(bundle(name), 'Disk.img'), 'rb') as f:
        f.seek(base)
        return base + f.read(64 << 20).index(text)


def boot_objects():
    """What the firmware refuses: it says stage, object and reason, and falls through to Recovery or ends with 1."""
    disk, aux = os.path.join(bundle('x'), 'Disk.img'), os.path.join(bundle('x'), 'AuxiliaryStorage')
    copy('x')
    flip(disk, find('x', 1, b'krnl') + 1000000)
    m = Machine('start', 'x')
    m.wait_for('boot failed: stage 2, ')
    assert 'digest' in m.wait_for('\n')
    m.wait_for('recovery# ')
    m.power_off()
    flip(disk, find('x', 3, b'rkrn') + 1000000)
    refused(1, 'start', 'x', why='boot failed: stage 2, ')
    refused(1, 'start', 'x', '--recovery', why='boot failed: stage 2, ')
    copy('x')
    with open(aux, 'r+b') as f:             # both NVRAM banks: the defaults serve
        f.seek(0x4000 + 0xa00000)
        f.write(bytes(0x100000))
    starts('x')
    flip(aux, 0x4000 + 0x20000 + 5000)
    refused(1, 'start', 'x', why='boot failed: stage 1, LLB, digest')
    copy('x')
    os.truncate(disk, 1 << 20)
    os.truncate(disk, 4 << 30)
    with open(disk, 'r+b') as f:
        f.write(bytes(1 << 20))
    refused(1, 'start', 'x', why='boot failed: stage 2, ')


def locked():
    m = Machine('start', 'good')
    m.wait_for('Linux version')
    holder = 'process %d ' % m.p.pid
    for words in (('start', 'good'), ('delete', 'good'), ('install', 'good', '--image', IMAGE), ('install', 'good', '--erase', '--image', IMAGE)):
        refused(6, *words, why=holder)
    m.wait_for('login: ')
    m.p.send_signal(signal.SIGTERM)
    assert m.end(5) == 143
    refused(4, 'install', 'good', '--image', IMAGE, why='installed already')
    refused(2, 'start', 'good', '--memory', '128MiB', why='needs at least 512 MiB')


def no_room():
    """A limit on the size of files; a full file system (when we may mount one); a folder that may not be written."""
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100 << 20, 100 << 20))
    r = pome('create', 'x2', *CREATE, preexec_fn=limit)
    assert r.returncode == 1 and 'why: ' in r.stderr and 'File too large' in r.stderr, (r.returncode, r.stderr)
    small = tempfile.mkdtemp(dir=WORK)
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=150m', 'none', small], stderr=subprocess.DEVNULL).returncode == 0:
        try:
            refused(1, 'create', os.path.join(small, 'full.bundle'), *CREATE, why='No space left')
            assert os.listdir(small) == [], os.listdir(small)
        finally:
            subprocess.run(['umount', small], check=True)
    if os.geteuid():                    # root may write everywhere
        os.chmod(small, 0o500)
        refused(5, 'create', os.path.join(small, 'x.bundle'), *CREATE)
    assert 'x2.bundle' not in names()


need_image()
for part in (arguments, images, interrupted, members, boot_objects, locked, no_room):
    if len(sys.argv) < 2 or part.__name__ in sys.argv[1:]:
        begin = time.monotonic()
        part()
        print('\n%s: %.1f s' % (part.__name__, time.monotonic() - begin))
