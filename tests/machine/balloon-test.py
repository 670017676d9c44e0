#!/usr/bin/env -S python3 -B
# a guest's free memory goes back to the host: reported by itself, and asked for by a target; statistics are told
"""Linux's balloon driver, by `pome boot` and by the library. Environment: POME, GUESTS, WORK (tests/machine/run.sh)."""
import ctypes, os, sys, time
from ramdisk import KERNEL, boot, ramdisk
from visit import Machine, POME

MODULES = ['virtio_pci', 'virtio_balloon']
USE = '''mount -t tmpfs -o size=300m none /mnt 2>/dev/null || { mkdir -p /mnt; mount -t tmpfs -o size=300m none /mnt; }
dd if=/dev/urandom of=/mnt/x bs=1M count=220 2>/dev/null
echo FILLED
read x
rm /mnt/x
echo FREED
while read x; do case $x in free) grep MemFree /proc/meminfo; echo SAID;; end) exit;; esac; done
'''


def resident(pid):
    """MiB of the process's own memory."""
    with open('/proc/%d/status' % pid) as f:
        return int(next(line for line in f if line.startswith('RssAnon')).split()[1]) // 1024


def wait_until(what, test, seconds=300):
    end = time.monotonic() + seconds
    while not test():
        if time.monotonic() > end:
            sys.exit('not within %d s: %s' % (seconds, what))
        time.sleep(0.2)


def reports():
    """Free pages go back within seconds, without anybody asking."""
    m = Machine(*boot(INITRD, 'run:use', MODULES, '--balloon', '--memory', '512MiB'))
    m.wait_for('FILLED')
    full = resident(m.p.pid)
    m.type('')
    m.wait_for('FREED')
    wait_until('200 MiB less', lambda: resident(m.p.pid) < full - 200)
    print('resident: %d MiB full, %d MiB freed' % (full, resident(m.p.pid)))
    m.type('end')
    assert m.end() == 0


class Error(ctypes.Structure):
    _fields_ = [('code', ctypes.c_int32), ('os_errno', ctypes.c_int32), ('message', ctypes.c_char * 248)]


class Status(ctypes.Structure):
    _fields_ = [('size', ctypes.c_size_t)] + [(n, ctypes.c_uint64) for n in (
        'target_size', 'actual_size', 'returned_size', 'total', 'free', 'available', 'caches', 'major_faults', 'updates')]


def target():
    """By the library: the guest gives up what the target says, and gets it back; statistics come."""
    lib = ctypes.CDLL(os.path.join(os.path.dirname(os.path.abspath(POME)), 'api', 'libpome.so'))
    for name in ('pome_config_new', 'pome_device_new', 'pome_vm_new'):
        getattr(lib, name).restype = ctypes.c_void_p
    err, p = Error(), ctypes.c_void_p
    ok = lambda done: done or sys.exit(err.message.decode())
    out = os.open('/dev/null', os.O_WRONLY)
    c = p(lib.pome_config_new())
    lib.pome_config_set_memory_size(c, ctypes.c_uint64(512 << 20))
    lib.pome_config_set_console(c, -1, out)
    ok(lib.pome_config_add_device(c, p(lib.pome_device_new(7, ctypes.byref(err))), ctypes.byref(err)))
    words = boot(INITRD, 'idle', MODULES)
    ok(lib.pome_config_set_linux_boot(c, KERNEL.encode(), INITRD.encode(), words[words.index('--append') + 1].encode(), ctypes.byref(err)))
    vm = p(ok(lib.pome_vm_new(c, ctypes.byref(err))))
    ok(lib.pome_vm_start_wait(vm, 300000, ctypes.byref(err)))

    def status():
        s = Status(ctypes.sizeof(Status))
        ok(lib.pome_vm_balloon_status(vm, ctypes.byref(s), ctypes.byref(err)))
        return s
    wait_until('statistics', lambda: status().updates > 1)
    s = status()
    assert 400 << 20 < s.total < 512 << 20 and 0 < s.free < s.total and s.target_size == s.actual_size == 512 << 20, list(getattr(s, f[0]) for f in s._fields_)
    before = s.free
    ok(lib.pome_vm_balloon_set_target(vm, ctypes.c_uint64(300 << 20), ctypes.byref(err)))
    wait_until('212 MiB given up', lambda: status().actual_size == 300 << 20)
    wait_until('less free memory', lambda: status().free < before - (200 << 20))
    ok(lib.pome_vm_balloon_set_target(vm, ctypes.c_uint64(1 << 40), ctypes.byref(err)))
    wait_until('all taken back', lambda: status().actual_size == 512 << 20)
    wait_until('free memory again', lambda: status().free > before - (20 << 20))
    assert status().returned_size >= 212 << 20
    lib.pome_vm_free(vm)
    lib.pome_config_free(c)


INITRD = ramdisk('balloon', {'use': USE}, MODULES)
for part in (reports, target):
    if not sys.argv[1:] or part.__name__ in sys.argv[1:]:
        part()
