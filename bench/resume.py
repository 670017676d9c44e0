#!/usr/bin/env python3
"""resume.py: how soon a saved machine of 1 GiB runs again, from the start of `pome start --resume` to the guest's next word."""
import argparse
import os
import re
import select
import shutil
import statistics
import subprocess
import tempfile
import time

TICK = rb"tick=\d+\r?\n"


def pome(a, *words):
    subprocess.run([a.pome, *words], check=True, capture_output=True, timeout=300)


def until(p, pattern, seconds=300):
    seen, end = b"", time.monotonic() + seconds
    while not re.search(pattern, seen):
        assert time.monotonic() < end, f"the guest does not say {pattern}: {seen[-300:]}"
        if select.select([p.stdout], [], [], 0.1)[0]:
            some = os.read(p.stdout.fileno(), 65536)
            assert some, f"the machine ended before the guest said {pattern}: {seen[-300:]}"
            seen += some


def start(a, *words):
    return subprocess.Popen([a.pome, "start", "vm", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def say(p, line):
    p.stdin.write(line.encode() + b"\n")
    p.stdin.flush()


def cpu_seconds(pid):
    """Of all threads of a process."""
    return sum(int(open(f"/proc/{pid}/task/{t}/schedstat").read().split()[0]) for t in os.listdir(f"/proc/{pid}/task")) / 1e9


def told(name, values, unit, scale, digits):
    least, median, most = (f"{v * scale:.{digits}f}" for v in (min(values), statistics.median(values), max(values)))
    print(f"{name:24} least {least}, median {median}, most {most} {unit}, of {len(values)}")


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("pome")
    p.add_argument("image", help="a restore image of Debian")
    p.add_argument("--rounds", type=int, default=10)
    p.add_argument("--memory", default="1GiB")
    p.add_argument("--fill", type=int, default=600, metavar="MB", help="of random bytes in the guest's memory")
    a = p.parse_args()
    home = tempfile.mkdtemp(prefix="pome-resume-")
    os.environ["POME_HOME"] = home
    m = None
    try:
        pome(a, "create", "vm", "--image", a.image, "--memory", a.memory)
        m = start(a)
        until(m, b"login: ")
        say(m, "root")
        until(m, b":~# ")
        say(m, f"mount -o remount,size=95% /dev/shm; head -c {a.fill}M /dev/urandom >/dev/shm/x; "
               "while :; do echo tick=$((n=n+1)); sleep 0.005; done")
        until(m, rb"tick=20\r?\n")
        resumes, saves, cpu = [], [], []
        for _ in range(a.rounds + 1):
            begin = time.monotonic()
            pome(a, "save", "vm")
            saves.append(time.monotonic() - begin)
            m.communicate(timeout=300)
            begin = time.monotonic()
            m = start(a, "--resume")
            until(m, TICK)
            resumes.append(time.monotonic() - begin)
            cpu.append(cpu_seconds(m.pid))
            time.sleep(1)  # its memory comes
        # the first round translates what no start had needed before
        told("runs again after", resumes[1:], "ms", 1e3, 0)
        told("CPU time until then", cpu[1:], "ms", 1e3, 0)
        told("saved in", saves[1:], "s", 1, 2)
    finally:
        if m:
            m.kill()
            m.wait()
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
