#!/usr/bin/env python3
"""boot.py: wall and CPU time from process start to the guest's INIT-REACHED line, Pome beside QEMU, in pairs."""
import argparse
import os
import resource
import shutil
import statistics
import subprocess
import time


def commands(a):
    line = f"console=ttyAMA0 {a.append}"
    yield "pome", ["build/pome", "boot", "--kernel", a.kernel, "--initrd", a.initrd, "--append", line, "--cpus", str(a.cpus),
                   "--memory", f"{a.memory}MiB"]
    if shutil.which("qemu-system-aarch64"):
        yield "qemu", ["qemu-system-aarch64", "-M", "virt,gic-version=3", "-cpu", a.qemu_cpu, "-accel", "tcg,thread=multi",
                       "-smp", str(a.cpus), "-m", str(a.memory), "-nodefaults", "-display", "none", "-serial", "stdio",
                       "-monitor", "none", "-no-reboot", "-kernel", a.kernel, "-initrd", a.initrd, "-append", line]


def one(command, timeout):
    """Seconds to INIT-REACHED, to the end, and of CPU; None when the guest did not get there."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    reached = None
    p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        for text in p.stdout:
            if reached is None and b"INIT-REACHED" in text:
                reached = time.monotonic() - start
            if time.monotonic() - start > timeout:
                p.kill()
        p.wait(timeout)
    except subprocess.TimeoutExpired:
        p.kill()
        p.wait()
    end = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return reached, end, cpu


def main():
    q = argparse.ArgumentParser()
    q.add_argument("--kernel", required=True)
    q.add_argument("--initrd", required=True)
    q.add_argument("--append", default="")
    q.add_argument("--pairs", type=int, default=5)
    q.add_argument("--cpus", type=int, default=2)
    q.add_argument("--memory", type=int, default=1024)
    q.add_argument("--timeout", type=float, default=300)
    q.add_argument("--qemu-cpu", default="max,pauth-impdef=on")
    a = q.parse_args()

    pairs = list(commands(a))
    times = {name: [] for name, _ in pairs}
    for n in range(a.pairs):
        for name, command in (pairs if n % 2 == 0 else pairs[::-1]):
            r = one(command, a.timeout)
            if r[0] is None:
                raise SystemExit(f"{name}: the guest did not reach user space")
            times[name].append(r)
    print(f"boot of {os.path.basename(a.kernel)}, {a.cpus} CPUs, {a.memory} MiB, {a.pairs} pairs: seconds min / median / max")
    for name, rows in times.items():
        for i, what in enumerate(("to user space", "to the end", "of CPU time")):
            v = [r[i] for r in rows]
            print(f"  {name:5} {what:14} {min(v):7.2f} {statistics.median(v):7.2f} {max(v):7.2f}")
    if len(times) == 2:
        ratios = [p[0] / q[0] for p, q in zip(times["pome"], times["qemu"])]
        print(f"  pome / qemu, to user space, pair by pair: {min(ratios):.2f} {statistics.median(ratios):.2f} {max(ratios):.2f}")


main()
