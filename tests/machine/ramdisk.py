"""ramdisk.py - the test initramfs with scripts, files and kernel modules behind it."""
import json, os, subprocess, shutil

GUESTS, WORK = os.environ['GUESTS'], os.environ['WORK']
KERNEL = os.path.join(GUESTS, 'vmlinuz-cloud')


def closure(dep, names):
    """Paths of modules and of all that they need (modules.dep)."""
    needs = dict((line.split(':')[0], line.split(':')[1].split()) for line in open(dep))
    by_name = dict((os.path.basename(p)[:-3].replace('-', '_'), p) for p in needs)
    paths = set()
    for n in names:
        p = by_name[n.replace('-', '_')]
        paths |= {p, *needs[p]}
    return paths


def add_modules(root, names):
    base = os.path.join(GUESTS, 'modules-cloud', 'lib', 'modules')
    version = os.listdir(base)[0]
    source, to = os.path.join(base, version), os.path.join(root, 'lib', 'modules', version)
    if not os.path.exists(os.path.join(source, 'modules.dep')):
        subprocess.run(['/sbin/depmod', '-b', os.path.join(GUESTS, 'modules-cloud'), version], check=True)
    for p in closure(os.path.join(source, 'modules.dep'), names):
        os.makedirs(os.path.join(to, os.path.dirname(p)), exist_ok=True)
        shutil.copy(os.path.join(source, p), os.path.join(to, p))
    for name in ('modules.order', 'modules.builtin', 'modules.builtin.modinfo'):
        shutil.copy(os.path.join(source, name), to)
    subprocess.run(['/sbin/depmod', '-b', root, version], check=True)


def program(name, source, *flags):
    """Compiles C for the guest, without libraries that it would need; the bytes."""
    c, out = os.path.join(WORK, name + '.c'), os.path.join(WORK, name)
    with open(c, 'w') as f:
        f.write(source)
    subprocess.run(['aarch64-linux-gnu-gcc', '-static', '-O2', '-Wall', '-Wno-pointer-sign', '-o', out, c, *flags], check=True)
    with open(out, 'rb') as f:
        return f.read()


def ramdisk(name, scripts, modules=()):
    """Writes it; the kernel unpacks one archive after the other. scripts: name in /tests -> text or bytes."""
    root, out = os.path.join(WORK, name + '.root'), os.path.join(WORK, name + '.cpio.gz')
    shutil.rmtree(root, ignore_errors=True)
    os.makedirs(os.path.join(root, 'tests'))
    for file, text in scripts.items():
        path = os.path.join(root, 'tests', file)
        with open(path, 'wb') as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        os.chmod(path, 0o755)
    if modules:
        add_modules(root, modules)
    more = subprocess.run('find . -mindepth 1 | cpio -o -H newc --quiet -R 0:0 | gzip -1', shell=True, cwd=root, stdout=subprocess.PIPE, check=True)
    with open(os.path.join(GUESTS, 'initrd-test.cpio.gz'), 'rb') as f:
        base = f.read()
    with open(out, 'wb') as f:
        f.write(base + b'\0' * (-len(base) % 4) + more.stdout)
    return out


def command_line(test, modules):
    """Loads the modules and runs /tests/<test>."""
    return 'quiet console=ttyAMA0 pome.modules=%s pome.test=%s' % (','.join(modules), test)


def boot(initrd, test, modules, *more, append=''):
    """The words of `pome boot` for that."""
    return ['boot', '--kernel', KERNEL, '--initrd', initrd, '--append', '%s %s' % (command_line(test, modules), append), *more]


def boots(folder, initrd, test, modules):
    """From now on the machine in this bundle does that."""
    shutil.copy(KERNEL, os.path.join(folder, 'Kernel'))
    shutil.copy(initrd, os.path.join(folder, 'Ramdisk'))
    path = os.path.join(folder, 'Config.json')
    with open(path) as f:
        config = json.load(f)
    config['boot'] = {'type': 'linux', 'kernel': 'Kernel', 'ramdisk': 'Ramdisk', 'commandLine': command_line(test, modules)}
    with open(path, 'w') as f:
        json.dump(config, f)
