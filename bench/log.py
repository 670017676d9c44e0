#!/usr/bin/env python3
"""log.py - how long it takes to show a million records of a machine's log, filtered by a predicate.

usage: log.py BUILD [RECORDS]

BUILD is the build folder: pome and bench/make-log are there. CPU and wall-clock seconds, the smaller of three runs, for a log of one boot and one of twenty.
"""
import os
import resource
import subprocess
import sys
import tempfile
import time

build, records = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "1000000"
PREDICATES = ['process == "kernel" AND messageType >= error', 'eventMessage CONTAINS[c] "Status 500"', 'subsystem == "ssh.service" AND processIdentifier == 101',
              'category == "device" AND eventMessage BEGINSWITH "virtio-blk"', 'eventMessage MATCHES ".*from 10[.]0[.]2[.]25[0-3] .*999 us"']


def run(*words):
    best, lines = None, 0
    for _ in range(3):
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        r = subprocess.run([build + "/pome", "log", *words], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, time.monotonic() - begun)
        best, lines = min(best or took, took), r.stdout.count(b"\n")
    return best[0], best[1], lines


with tempfile.TemporaryDirectory(prefix="pome-bench-log-") as work:
    print("| boots | predicate | CPU s | s | lines |\n|---|---|---|---|---|")
    for boots in ("1", "20"):
        log = f"{work}/{boots}.logarchive"
        subprocess.run([build + "/bench/make-log", log, records, boots], check=True)
        size = sum(os.stat(os.path.join(log, f)).st_size for f in os.listdir(log))
        for p in PREDICATES:
            print("| %s | `%s` | %.2f | %.2f | %d |" % (boots, p, *run("show", log, "--predicate", p)))
        print("| %s | everything | %.2f | %.2f | %d |" % (boots, *run("show", log)))
        print("| %s | `pome log stats` | %.2f | %.2f | %d |" % (boots, *run("stats", log)))
    print(f"\n{records} records, {size / 1e6:.1f} MB on the disk")
