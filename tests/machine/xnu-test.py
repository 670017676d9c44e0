#!/usr/bin/env -S python3 -B
# Apple's open-source kernel starts all its CPUs and passes its own tests (only with a kernel of yours in POME_TEST_XNU)
"""XNU on 1, 2, 4 and 8 CPUs: the lines of its start, and its built-in tests (kernPOST=1) to their end without a failure.

POME_TEST_XNU           a DEVELOPMENT kernel for MACHINE_CONFIG VMAPPLE, or a kernel collection; nothing of it comes with Pome
POME_TEST_XNU_RAMDISK   its RAM disk: the start goes on to the first program of user space
POME_TEST_XNU_DEVICETREE  an Apple device tree instead of the machine's own
POME_TEST_XNU_ROUNDS    how often in a row (1)
With arguments only these numbers of CPUs. Environment besides: POME, GUESTS, WORK (tests/machine/run.sh)."""
import os, signal, sys, time
from visit import Machine

KERNEL, RAMDISK, TREE = (os.environ.get('POME_TEST_XNU' + x) for x in ('', '_RAMDISK', '_DEVICETREE'))
ROUNDS = int(os.environ.get('POME_TEST_XNU_ROUNDS', '1'))
# kprintf only prints with debug bit 3 and -enable_kprintf_spam. More vCPUs than the host has cores make handlers, locks and answers look slow;
# each limit has a factor of its own, as ml-timeout-global-scale is multiplied with a variable that begins as 0 (XNU 8020, osfmk/kern/machine.c).
SCALED = ('lock', 'ticket-lock', 'arm64-ipi-test')
APPEND = 'serial=3 debug=0x14e -enable_kprintf_spam kernPOST=1 interrupt-masked-debug-mode=0 ' + ' '.join('ml-timeout-%s-scale=20' % t for t in SCALED)
START = ['kprintf initialized', 'Darwin Kernel Version ', '_ARM64_VMAPPLE', 'pmap_startup() init/release time', 'vm_page_bootstrap: ',
         '"vm_compressor_mode" is 4', 'VM bootstrap done: ', 'Log queues configured: ', 'standard timeslicing quantum is 10000 us',
         'mig_table_max_displ = ', 'iBoot version: ', '[KTEST]\tSTART\t']


def in_order(text, lines):
    at = 0
    for line in lines:
        at = text.find(line, at)
        assert at >= 0, 'not said, or not in this place: %r' % line


def without_failure(text):
    """XNU compares FEAT_FP16 with what it was compiled for: on VMAPPLE that fails on each processor that has it."""
    for line in text.splitlines():
        bad = 'panic(cpu' in line or ('[KTEST]\tFAIL' in line and 'neon fp16 value should match legacy' not in line)
        assert not bad, line


def boot(cpus):
    words = ['boot', '--kernel', KERNEL, '--cpus', str(cpus), '--memory', '1GiB', '--no-reboot', '--append', APPEND + (' rd=md0' if RAMDISK else '')]
    words += (['--ramdisk', RAMDISK] if RAMDISK else []) + (['--device-tree', TREE] if TREE else [])
    began = time.monotonic()
    m = Machine(*words)
    start = m.wait_for('[KTEST]\tFINISH', 300)
    took = time.monotonic() - began
    in_order(start, START)
    without_failure(start)
    try:
        rest = m.wait_for('load_init_program: attempting to load' if RAMDISK else 'Waiting on <dict', 300)
    except AssertionError:
        without_failure(m.seen.decode(errors='replace'))
        raise
    without_failure(rest)
    for i in range(cpus):
        assert 'cpu_number %d is type' % i in start + rest, 'CPU %d was not registered' % i
    for i in range(1, cpus):
        assert 'cpu_start() cpu: %d' % i in start + rest and 'arm_cpu_init(): cpu %d online' % i in start + rest, 'CPU %d did not come online' % i
    m.p.send_signal(signal.SIGTERM)
    m.end()
    return took


if not KERNEL:
    print('POME_TEST_XNU names no kernel', file=sys.stderr)
    sys.exit(77)
for cpus in [int(a) for a in sys.argv[1:]] or [1, 2, 4, 8]:
    times = [boot(cpus) for _ in range(ROUNDS)]
    print('%d CPUs: %d times to the end of the self tests, %s s' % (cpus, ROUNDS, ' '.join('%.1f' % t for t in times)))
