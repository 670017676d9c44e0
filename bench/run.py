#!/usr/bin/env python3
"""run.py: Pome beside QEMU and native: the programs of bench/programs, boot, idle, memory, translation.

Each round boots every machine once, in an order that turns round from round to round, and runs all programs in it; a program's time is
taken on the host between the guest's START and END lines: wall-clock, and CPU seconds of the machine's process. Medians over the rounds are
compared. QEMU is taken at its better of two CPU models for each program. Outputs carry checksums, which must be equal everywhere.
"""
import argparse
import json
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

import kit

TARGETS = {"int": (5, 50), "fp": (12, 60), "simd": (10, 50), "mem": (2.5, 60), "sys": (5, 40), "cold": (8, 20), "smp": (None, None)}
MEMORY_MIB, CPUS = 1024, 2
APPEND = "console=ttyAMA0 quiet"


def qemu_binary():
    named = os.environ.get("POME_BENCH_QEMU")
    return named if named else shutil.which("qemu-system-aarch64")


def machines(a, initrd):
    """name -> command. QEMU twice: what is on by default, and without what costs it most."""
    found = {"pome": [a.pome, "boot", "--kernel", a.kernel, "--initrd", initrd, "--append", APPEND, "--cpus", str(CPUS),
                      "--memory", f"{MEMORY_MIB}MiB", "--stats"]}
    q = qemu_binary()
    if q:
        version = re.search(r"version (\d+)", subprocess.run([q, "--version"], capture_output=True, text=True).stdout)
        lean = "max,pauth=off,sve=off" + (",sme=off" if version and int(version.group(1)) >= 8 else "")
        share = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(q))), "share/qemu")
        for name, cpu in (("qemu", "max,pauth-impdef=on"), ("qemu-lean", lean)):
            found[name] = [q, "-L", share, "-M", "virt,gic-version=3", "-cpu", cpu, "-accel", "tcg,thread=multi", "-smp", str(CPUS),
                           "-m", str(MEMORY_MIB), "-nodefaults", "-display", "none", "-serial", "stdio", "-monitor", "none",
                           "-no-reboot", "-kernel", a.kernel, "-initrd", initrd, "-append", APPEND]
    return found


# ---- one run ----

def process_cpu(pid):
    """CPU seconds of a running process, all threads, ended ones included."""
    return time.clock_gettime((~pid << 3) | 2)


def memory_kib(pid):
    """(resident kibibytes in the guest's RAM, elsewhere): RAM is the mappings of just its size."""
    ram = other = size = 0
    with open(f"/proc/{pid}/smaps") as f:
        for line in f:
            m = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line)
            if m:
                size = int(m.group(2), 16) - int(m.group(1), 16)
            elif line.startswith("Pss:"):
                if size == MEMORY_MIB << 20:
                    ram += int(line.split()[1])
                else:
                    other += int(line.split()[1])
    return ram, other


def native_cpu(words):
    return int(words[3]) / 1e6


class Run:
    """What one start gave: times[program] = (wall, cpu), checks[program], boot seconds, stats."""

    def __init__(self):
        self.times, self.checks, self.boot, self.idle, self.memory, self.stats = {}, {}, None, None, None, {}

    def line(self, text, now, p, native):
        words = text.split()
        if text.startswith("@BOOT") and self.boot is None:
            self.boot = now - self.start
        elif text.startswith("@START"):
            self.current = (words[1], time.monotonic(), None if native else process_cpu(p.pid))
            self.output = []
        elif text.startswith("@END"):
            name, wall, cpu = self.current
            if words[2] != "0":
                raise SystemExit(f"bench: {name} ended with status {words[2]}")
            self.times[name] = (now - wall, native_cpu(words) if native else process_cpu(p.pid) - cpu)
            self.checks[name] = "\n".join(self.output)
        elif text.startswith("@IDLE"):
            time.sleep(2)
            begin = process_cpu(p.pid)
            self.memory = memory_kib(p.pid)
            time.sleep(3)
            self.idle = (process_cpu(p.pid) - begin) / 3
        elif hasattr(self, "output"):
            self.output.append(text)


def run(command, native=False, timeout=900, env=None):
    r = Run()
    with open("/dev/null") as null:
        r.start = time.monotonic()
        p = subprocess.Popen(command, stdin=null, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
        try:
            for raw in p.stdout:
                r.line(raw.decode(errors="replace").strip(), time.monotonic(), p, native)
                if time.monotonic() - r.start > timeout:
                    raise SystemExit(f"bench: {command[0]} takes longer than {timeout} s")
            p.wait(30)
        finally:
            if p.poll() is None:
                p.kill()
                p.wait()
    for text in p.stderr.read().decode(errors="replace").splitlines():
        if text.startswith("{"):
            r.stats = json.loads(text)
    if r.boot is None:
        raise SystemExit(f"bench: {command[0]}: the guest did not reach user space")
    return r


# ---- what came out ----

def median(runs, name, what):
    return statistics.median(r.times[name][what] for r in runs)


def spread(runs, name, what):
    v = [r.times[name][what] for r in runs]
    return (max(v) - min(v)) / statistics.median(v)


def geomean(v):
    return math.exp(sum(map(math.log, v)) / len(v)) if v else float("nan")


def check_outputs(results, listed):
    """Every machine must have computed the same."""
    bad = 0
    for name, _ in listed:
        seen = {}
        for who, runs in results.items():
            for r in runs:
                seen.setdefault(r.checks.get(name), []).append(who)
        if len(seen) != 1:
            bad += 1
            print(f"WRONG: {name}: " + "; ".join(f"{sorted(set(w))}: {c!r}" for c, w in seen.items()))
    return bad


def or_dash(value, form, times, unit=""):
    """The value so many times, in a column; a dash as wide for one that was not measured."""
    text = f"{(value or 0) * times:{form}}{unit}"
    return text if value else f"{'-':>{len(text)}}"


def print_programs(results, listed, what):
    """Times of each program; returns {class: ([QEMU/Pome], [native/Pome])}. Who was left out has a dash."""
    qemus = [q for q in results if q.startswith("qemu")]
    classes = {}
    for name, cls in listed:
        pome = median(results["pome"], name, what)
        native = median(results["native"], name, what) if "native" in results else None
        qemu = min((median(results[q], name, what) for q in qemus), default=None)
        ratios = classes.setdefault(cls, ([], []))
        for other, to in ((qemu, ratios[0]), (native, ratios[1])):
            if other:
                to.append(other / pome)
        times = "".join(" " + or_dash(t, "9.1f", 1000) for t in (pome, native, qemu))
        print(f"  {cls:5} {name:12}{times} {or_dash(qemu, '7.2f', 1 / pome, 'x')} {or_dash(native, '7.1f', 100 / pome, ' %')}"
              f"   ±{100 * spread(results['pome'], name, what):.0f} %")
    return classes


def print_classes(classes):
    print(f"  {'class':6} {'QEMU/Pome':>10} {'target':>7} {'of native':>10} {'target':>7}")
    for cls, (ratios, natives) in classes.items():
        target, of_native = TARGETS[cls]
        against, beside = (geomean(r) if r else None for r in (ratios, natives))
        print(f"  {cls:6} {or_dash(against, '9.2f', 1, 'x')} {f'{target}x' if target else '':>7} {or_dash(beside, '8.1f', 100, ' %')} "
              f"{f'{of_native} %' if of_native else '':>7}")


def report(results, listed, rounds):
    bad = check_outputs(results, listed)
    for what, title in ((1, "CPU seconds"), (0, "wall-clock")):
        print(f"\n{title}: medians of {rounds} rounds, milliseconds; spread of Pome's")
        print(f"  {'class':5} {'program':12} {'Pome':>9} {'native':>9} {'QEMU':>9} {'QEMU/Pome':>8} {'of native':>8}")
        classes = print_programs(results, listed, what)
        print()
        print_classes(classes)
        if {"one", "two"} <= {n for n, _ in listed}:
            more = {who: 2 * median(results[who], "one", 0) / median(results[who], "two", 0) for who in ("pome", "native") if who in results}
            native = f"; two native threads {more['native']:.2f}" if "native" in more else ""
            print(f"  two busy vCPUs do {more['pome']:.2f} times the work of one (wall-clock; target 1.9){native}")
    return bad


def print_kept(a, initrd, results, listed):
    """The cold programs once more, at the second start with a cache of translations."""
    command = machines(a, initrd)["pome"] + ["--cache", os.path.join(a.folder, "translations-programs")]
    again = [run(command) for _ in range(2)][1]
    wrong = [n for n, _ in listed if again.checks[n] != results["pome"][0].checks[n]]
    if wrong:
        print("WRONG with kept translations: " + " ".join(wrong))
    print("\ncold programs, translations kept from the start before (CPU milliseconds, without and with)")
    for name in (n for n, c in listed if c == "cold"):
        print(f"  {name:12} {1000 * median(results['pome'], name, 1):9.1f} {1000 * again.times[name][1]:9.1f}")
    return len(wrong)


def print_machine(boots, rounds):
    print(f"\nmachine: cloud kernel, {CPUS} vCPUs, {MEMORY_MIB} MiB; medians of {rounds} starts")
    for who, runs in boots.items():
        ram, other = (statistics.median(r.memory[i] for r in runs) for i in (0, 1))
        print(f"  {who:10} to user space {statistics.median(r.boot for r in runs):6.3f} s   idle {100 * statistics.median(r.idle for r in runs):5.2f} % "
              f"of a core   guest RAM {ram / 1024:6.1f} MiB, beside it {other / 1024:6.1f} MiB")
    s = statistics.median_low([r.stats["translate_ns"] / max(1, r.stats["guest_insns"]) for r in boots["pome"] if r.stats] or [0])
    print(f"  translation in that boot: {s:.0f} ns per guest instruction (target 200)")
    best = min((statistics.median(r.boot for r in runs) for who, runs in boots.items() if who.startswith("qemu")), default=None)
    if best:
        for who in boots:
            if who.startswith("pome"):
                print(f"  boot, {who} / QEMU: {statistics.median(r.boot for r in boots[who]) / best:.2f}")
    pauses = [r.stats.get("longest_pause_ns") for r in boots["pome"] if r.stats.get("longest_pause_ns") is not None]
    if pauses:
        print(f"  longest pause of a vCPU for the translator: {max(pauses) / 1e6:.2f} ms")


def main():
    q = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    q.add_argument("--kernel", required=True)
    q.add_argument("--busybox", required=True, help="a static arm64 busybox")
    q.add_argument("--native-busybox", default=shutil.which("busybox"))
    q.add_argument("--pome", default="build/pome")
    q.add_argument("--folder", default="build/bench")
    q.add_argument("--rounds", type=int, default=3)
    q.add_argument("--only", default="", help="programs or classes, with commas")
    q.add_argument("--without", default="", help="machines to leave out: qemu,qemu-lean,native")
    q.add_argument("--no-boot", action="store_true", help="programs only")
    q.add_argument("--json", help="all figures into this file")
    a = q.parse_args()

    kit.build(a.folder)
    only = set(filter(None, a.only.split(",")))
    chosen = [(n, c, s, k) for n, c, s, k in kit.listed() if not only or n in only or c in only]
    listed = [(n, c) for n, c, _, _ in chosen]
    # A boot is the kernel's and init's: nothing else is in its initramfs, and nothing has to be unpacked.
    initrd, quiet = os.path.join(a.folder, "initrd.cpio.gz"), os.path.join(a.folder, "idle.cpio")
    kit.initramfs(a.folder, initrd, a.busybox, [(n, s) for n, _, s, _ in chosen],
                  [f"{n} {kit.path_of(n, s, '/bench', '/bin/busybox')} {k}" for n, _, s, k in chosen])
    kit.initramfs(a.folder, quiet, a.busybox, [], ["idle"])
    native = os.path.join(a.folder, "native")
    tools = dict(os.environ, PATH=kit.native_tools(a.folder, a.native_busybox))
    shutil.copy(os.path.join(kit.PROGRAMS, "cold/script.sh"), native)
    with open(os.path.join(a.folder, "list"), "w") as f:
        f.writelines(f"{n} {kit.path_of(n, s, os.path.abspath(native), a.native_busybox)} {k}\n" for n, _, s, k in chosen)

    left_out = set(a.without.split(",")) - {"pome"}
    commands = machines(a, initrd) | {"native": [os.path.join(native, "guest"), os.path.join(a.folder, "list")]}
    commands = {k: v for k, v in commands.items() if k not in left_out}
    results, boots = {k: [] for k in commands}, {}
    os.environ["POME_CACHE"] = "off" # everything is translated anew, as at the first start; the kept cache has rows of its own
    print(f"load {os.getloadavg()[0]:.2f}; QEMU: {qemu_binary() or 'not installed'}", flush=True)
    for n in range(a.rounds):
        order = list(commands)
        for who in order if n % 2 == 0 else order[::-1]:
            print(f"round {n + 1}: {who}", file=sys.stderr, flush=True)
            results[who].append(run(commands[who], who == "native", env=tools if who == "native" else None))
    if not a.no_boot:
        commands = {k: v for k, v in machines(a, quiet).items() if k not in left_out}
        kept = os.path.join(a.folder, "translations")
        commands["pome kept"] = commands["pome"] + ["--cache", kept]
        run(commands["pome kept"])
        boots = {k: [] for k in commands}
        for n in range(a.rounds):
            order = list(commands)
            for who in order if n % 2 == 0 else order[::-1]:
                boots[who].append(run(commands[who]))
    bad = report(results, listed, a.rounds)
    if any(c == "cold" for _, c in listed) and not a.no_boot:
        bad += print_kept(a, initrd, results, listed)
    if boots:
        print_machine(boots, a.rounds)
    if a.json:
        with open(a.json, "w") as f:
            json.dump({who: [{"times": r.times, "boot": r.boot, "idle": r.idle, "memory": r.memory, "stats": r.stats} for r in runs]
                       for who, runs in list(results.items()) + [(f"boot {k}", v) for k, v in boots.items()]}, f, indent=1)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
