#!/usr/bin/env -S python3 -B
# verified boot: a changed bit in any object, other machines' and old tickets, missing objects, sets made in the guest; kinds of start
import hashlib, os, shutil, subprocess, sys, time
from visit import *

SYSTEM, RECOVERY = 1, 3
NAMES = ('KERNEL.IM4', 'RAMDISK.IM4', 'CMDLINE.IM4')
WORDS = {'KERNEL.IM4': 'kernel', 'RAMDISK.IM4': 'ramdisk', 'CMDLINE.IM4': 'command line', 'TICKET.IM4': 'ticket'}
FLASH, LLB, BANK = 0x4000, 0x4000 + 0x20000, 0x4000 + 0xa00000


def disk(name='x'):
    return os.path.join(bundle(name), 'Disk.img')


def tool(command, number, *words, data=None, name='x'):
    """mtools on a container of the machine's disk."""
    return subprocess.run([command, '-i', '%s@@%d' % (disk(name), partition(name, number)), *words], input=data, check=True,
                          stdout=subprocess.PIPE).stdout


def get(number, path, name='x'):
    return tool('mcopy', number, '::' + path, '-', name=name)


def put(number, path, data):
    tool('mcopy', number, '-o', '-', '::' + path, data=data)


def active():
    return get(SYSTEM, 'BOOT/ACTIVE').decode().strip()


def said(text, *options, keys=b'', name='x'):
    """What the firmware says until `text`; the machine is then ended."""
    m = Machine('start', name, *options)
    m.p.stdin.write(keys)
    m.p.stdin.flush()
    out = m.wait_for(text, 30) + text
    m.p.kill()
    m.p.communicate()
    return out


def changed(data, at):
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1:]


def places(data):
    """Offsets all over an object: its headers, its ends, and some between."""
    n = len(data)
    return sorted({0, 1, 5, 12, 30, n // 5, n // 3, n // 2, n * 4 // 5, n - 400, n - 1} & set(range(n)))


def refused_set(reason):
    """The normal start is refused for this reason, and Recovery, which was verified, comes up."""
    out = said('Linux version')
    assert reason in out and 'trying Recovery' in out and 'recovery: ramdisk' in out, (reason, out[-1500:])


def whole():
    out = said('Linux version', '--verbose')
    assert 'LocalPolicy ok, full security' in out and 'boot failed' not in out, out


def normal_objects():
    for name, word in WORDS.items():
        path = 'BOOT/%s/%s' % (active(), name)
        right = get(SYSTEM, path)
        for at in places(right) if len(right) < 1 << 20 else places(right)[::3]:
            put(SYSTEM, path, changed(right, at))
            refused_set('boot failed: stage 2, boot set %s: %s, ' % (active(), word))
        if name != 'TICKET.IM4':
            tool('mdel', SYSTEM, '::' + path)
            refused_set('boot set %s: %s, is missing' % (active(), word))
        put(SYSTEM, path, right)
    right = get(SYSTEM, 'POLICY/LOCAL.IM4')
    for at in places(right):
        put(SYSTEM, 'POLICY/LOCAL.IM4', changed(right, at))
        refused_set('boot failed: stage 2, normal start: LocalPolicy, ')
    tool('mdel', SYSTEM, '::POLICY/LOCAL.IM4')
    refused_set('LocalPolicy, is missing')
    put(SYSTEM, 'POLICY/LOCAL.IM4', right)
    text = pome('log', 'show', 'x', '--last', 'boot').stdout
    assert 'boot failed: stage 2, normal start: LocalPolicy, is missing' in text, text[:2000]
    whole()


def recovery_objects():
    """Recovery is verified, too; then there is the list on the console."""
    for name, word in WORDS.items():
        path = 'BOOT/' + name
        right = get(RECOVERY, path)
        for at in places(right)[::4]:
            put(RECOVERY, path, changed(right, at))
            out = said('within 10 seconds', '--recovery')
            assert 'boot failed: stage 2, recovery: %s, ' % word in out and '(last signed)' in out, out[-1500:]
        put(RECOVERY, path, right)
    put(RECOVERY, 'BOOT/TICKET.IM4', b'x')
    assert 'boot set %s: ramdisk' % active() in said('Linux version', '--recovery', keys=b'1')
    r = subprocess.run([POME, 'start', 'x', '--recovery'], input=b'3', stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
    assert r.returncode == 1 and b'boot failed: stage 2, recovery: ticket' in r.stderr, r
    put(RECOVERY, 'BOOT/TICKET.IM4', get(RECOVERY, 'BOOT/TICKET.IM4', name='good'))


def firmware():
    """LLB: every part of its IMG4; NVRAM: the other bank serves."""
    aux = os.path.join(bundle('x'), 'AuxiliaryStorage')
    with open(aux, 'r+b') as f:
        f.seek(LLB)
        head = f.read(8)
        size = 4 + int.from_bytes(head[2:4], 'big') if head[1] == 0x82 else 5 + int.from_bytes(head[2:5], 'big')

        def flip(at):
            f.seek(at)
            byte = f.read(1)[0]
            f.seek(at)
            f.write(bytes([byte ^ 0x10]))
            f.flush()
        for at in places(bytes(size)):
            flip(LLB + at)
            refused(1, 'start', 'x', why='boot failed: stage 1, LLB, ')
            flip(LLB + at)
        for at in (BANK + 100, BANK + 0x80000 + 100):
            flip(at)
            assert 'boot failed' not in said('Linux version')
            flip(at)


def old_and_foreign():
    """Tickets and policies of another machine, and of this one from before."""
    ticket, policy, recovery = 'BOOT/%s/TICKET.IM4' % active(), 'POLICY/LOCAL.IM4', 'BOOT/TICKET.IM4'
    r = pome('create', 'other', '--image', IMAGE, '--disk', '4GiB', '--memory', '512MiB')
    assert r.returncode == 0, r.stderr
    keep = get(SYSTEM, ticket), get(SYSTEM, policy), get(RECOVERY, recovery)
    theirs = get(SYSTEM, 'BOOT/ACTIVE', name='other').decode().strip()
    put(SYSTEM, ticket, get(SYSTEM, 'BOOT/%s/TICKET.IM4' % theirs, name='other'))
    refused_set('ticket, ticket was made for another machine (ECID)')
    put(SYSTEM, ticket, keep[0])
    put(SYSTEM, policy, get(SYSTEM, policy, name='other'))
    refused_set('LocalPolicy, ticket was made for another machine (ECID)')
    put(SYSTEM, policy, keep[1])
    assert pome('security', 'set', 'x', 'reduced').returncode == 0
    assert 'reduced security' in said('Linux version')
    put(SYSTEM, policy, keep[1])
    refused_set('LocalPolicy, is an old one (lpnh')
    refused(1, 'security', 'set', 'x', 'reduced', why='LocalPolicy is an old one')
    refused(1, 'security', 'get', 'x', why='LocalPolicy is an old one')
    assert pome('personalize', 'x', '--all').returncode == 0
    whole()
    put(SYSTEM, ticket, keep[0])
    refused_set('ticket, ticket is an old one (BNCH')
    refused(3, 'personalize', 'x', '--authority', os.path.join(WORK, 'nowhere', 'authority'), why='nowhere')
    put(RECOVERY, recovery, keep[2])
    assert 'recovery: ticket, ticket is an old one' in said('within 10 seconds', '--recovery')
    assert pome('delete', 'other').returncode == 0


def pending():
    """A set made in the guest: explained under full security, started under reduced, signed by the host."""
    copy()
    signed, name = active(), '0123ABCD'
    objects = {n: get(SYSTEM, 'BOOT/%s/%s' % (signed, n)) for n in NAMES}
    text = b'console=ttyAMA0 root=PARTLABEL=Container pending.set=1'
    objects['CMDLINE.IM4'] = b'\x30' + bytes([20 + len(text)]) + b'\x16\x04IM4P\x16\x04kcmd\x16\x04test\x04' + bytes([len(text)]) + text
    digests = ''.join('%s  %s\n' % (hashlib.sha384(objects[n]).hexdigest(), n) for n in NAMES).encode()
    tool('mmd', SYSTEM, '::BOOT/' + name)
    for n in NAMES:
        put(SYSTEM, 'BOOT/%s/%s' % (name, n), objects[n])
    put(SYSTEM, 'BOOT/%s/DIGESTS' % name, digests)
    put(SYSTEM, 'BOOT/PENDING', name.encode() + b'\n')
    out = said('Linux version')
    assert 'full security does not start it' in out and 'boot set %s: ramdisk' % signed in out, out
    assert name in pome('security', 'get', 'x').stdout
    assert pome('security', 'set', 'x', 'reduced').returncode == 0
    assert 'reduced security accepts it' in said('pending.set=1')
    path = 'BOOT/%s/CMDLINE.IM4' % name
    put(SYSTEM, path, changed(objects['CMDLINE.IM4'], 40))
    out = said('Linux version')
    assert 'boot set %s: command line, digest differs' % name in out and 'boot set %s: ramdisk' % signed in out, out
    refused(1, 'personalize', 'x', why='CMDLINE.IM4: is not what DIGESTS says')
    assert pome('security', 'set', 'x', 'permissive').returncode == 0
    assert 'permissive security starts it all the same' in said('Linux version')
    put(SYSTEM, path, objects['CMDLINE.IM4'])
    assert pome('security', 'set', 'x', 'full').returncode == 0
    r = pome('personalize', 'x')
    assert r.returncode == 0 and name in r.stderr, r.stderr
    assert active() == name
    out = said('pending.set=1')
    assert 'LocalPolicy ok, full security' in out and 'not signed' not in out, out
    refused(3, 'personalize', 'x', why='no boot set waits')


def starts():
    ecid = said('stage2: version').split('ECID ')[1][:16]
    out = said('authority: ', '--dfu')
    assert 'CPID:fe70 BDID:70 ECID:%s' % ecid in out and 'NONC:' in out and 'stage2' not in out, out
    assert 'stage2' not in said('stopped in stage 1', '--stop-in-stage1')
    assert 'LLB' in said('stopped in stage 2', '--stop-in-stage2')
    assert 'recovery: ramdisk' in said('Linux version', '--picker', keys=b'2')
    refused(2, 'start', 'x', '--dfu', '--recovery')
    whole()


def copy():
    shutil.rmtree(bundle('x'), ignore_errors=True)
    subprocess.run(['cp', '-a', '--sparse=always', bundle('good'), bundle('x')], check=True)


if not all(shutil.which(t) for t in ('mcopy', 'mmd', 'mdel')):
    print('mtools are not installed', file=sys.stderr)
    sys.exit(77)
need_image()
if not os.path.exists(bundle('good')):
    r = pome('create', 'good', '--image', IMAGE, '--disk', '4GiB', '--memory', '512MiB')
    assert r.returncode == 0, r.stderr
for part in (normal_objects, recovery_objects, firmware, old_and_foreign, pending, starts):
    if len(sys.argv) < 2 or part.__name__ in sys.argv[1:]:
        begin = time.monotonic()
        copy()
        part()
        print('\n%s: %.1f s' % (part.__name__, time.monotonic() - begin))
