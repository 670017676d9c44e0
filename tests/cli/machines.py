#!/usr/bin/env python3
"""machines.py - behaviour of pome create, install, list, delete, image and log, as a user or a script sees it.

usage: machines.py POME MAKE_TEST_IMAGE
"""
import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile

sys.dont_write_bytecode = True
from kit import env, expect, image, passed, pome, programs, run, vms, work

make_image, = programs


def usage():
    run("--help", says="Verbs:")
    run(status=2)
    run("--version", says="pome ")
    run("create", "--help", says="--memory SIZE")
    for lost in (["--help"], ["help", "image"], ["image", "info", image], ["list", "--json"]):
        with open("/dev/full", "w") as full:
            r = subprocess.run([pome, *lost], env=env, stdout=full, stderr=subprocess.PIPE, text=True)
        expect(r.returncode and "No space left" in r.stderr, f"pome {lost}: output to /dev/full was lost silently: {r.returncode} {r.stderr}")
    expect({"boot", "image list"} <= {v["name"] for v in json.loads(run("help", "--json"))}, "pome help --json: verbs are missing")
    for v in json.loads(run("help", "--json")):  # standard output of the others is the guest's
        expect("--json" in run(*v["name"].split(), "--help") or v["name"] in ("boot", "console", "vsock"), f"pome {v['name']} has no --json")
    expect(json.loads(run("version", "--json"))["version"] in run("version"), "version --json")
    run("help", "image", "verify", says="compare every digest")
    run("image", says="pome image extract", status=2)
    run("crate", status=2, err='did you mean "create"?')
    run("image", "verfy", "x", status=2, err='did you mean "image verify"?')
    run("create", status=2, err="something is missing")
    run("create", "a", "b", "--image", image, status=2, err="one word too many")
    run("create", "a", status=2, err="--image FILE is missing")
    run("create", "a", "--image", image, "--cpus", "33", status=2, err="must be 1 to 32")
    run("create", "a", "--image", image, "--cpus", "two", status=2, err="not a number")
    run("create", "a", "--image", image, "--memory", "2 parsecs", status=2, err="not a size")
    run("create", "a", "--image", image, "--memory", "99999999999999999999G", status=2, err="not a size")
    run("create", "a", "--image", image, "--memory", "1MiB", status=2, err="must be 128 MiB to")
    run("create", "a", "--image", image, "--disk", "17TiB", status=2, err="must be 1 MiB to")
    run("create", "a", "--image", image, "--frobnicate", status=2, err="no such option")
    run("log", "show", "a", "--last", "yesterday", status=2, err='needs "boot" or a time')
    run("--frobnicate", "list", status=2)


def images():
    run("image", "info", image, says="Test System 1.2 (1A1)")
    info = json.loads(run("image", "info", image, "--json"))
    expect(info["supported"] is True and len(info["components"]) == 8, "image info --json is wrong")
    expect(all(len(c["digest"]) == 96 for c in info["components"]), "digests are not SHA-384")
    members = {m["path"]: m for m in json.loads(run("image", "list", image, "--json"))}
    expect(set(members) == set(zipfile.ZipFile(image).namelist()), "image list differs from Python's zipfile")
    run("image", "verify", image, says="all 8 components are right")
    events = [json.loads(line) for line in run("image", "verify", image, "--json").splitlines()]
    expect(events[-1] == {"event": "done", "valid": True, "checked": 8, "unchecked": 0, "bytes": events[-1]["bytes"]}, str(events[-1]))
    out = os.path.join(work.name, "out")
    run("image", "extract", image, "KernelCommandLine", "--payload", "-o", out)
    expect(open(out).read() == "console=ttyAMA0 root=PARTLABEL=Container", "the payload is not the command line")
    run("image", "extract", image, "KernelCommandLine", "-o", out, status=1, err="exists already")
    run("image", "extract", image, "Nothing", status=3, err="no component or member")
    run("image", "info", "/nonexistent", status=3, err="do:")
    short = os.path.join(work.name, "short.ipsw")
    with open(image, "rb") as f, open(short, "wb") as g:
        g.write(f.read(1000000))
    for verb in ("info", "verify", "list"):
        run("image", verb, short, status=1, err="1000000 bytes are not a whole zip file")
    run("create", "a", "--image", short, status=1, err="not a whole zip file")
    data = bytearray(open(image, "rb").read())
    data[4000000] ^= 1
    open(short, "wb").write(data)
    run("image", "verify", short, status=1, err="does not verify")
    run("create", "a", "--image", short, status=1, err="cannot install")
    expect(os.listdir(vms) == [], "a failed creation left something: %s" % os.listdir(vms))


def life():
    run("list", err="No machines yet")
    expect(json.loads(run("list", "--json")) == [], "list --json of nothing is not []")
    for wrong in ("memorySize: 128 MiB, needed at least 512 MiB  [image-memory]", "disk: 1024 MiB, needed at least", "[image-disk-size]", 'cpuModel: "z80", needed'):
        run("create", "a", "--image", image, "--disk", "1GiB", "--memory", "128MiB", "--cpu-model", "z80", status=2, err=wrong) # all of it at once
    expect(not os.path.exists(os.path.join(vms, "a.bundle")), "a refused creation left a bundle")
    run("create", "a", "--image", image, "--cpus", "3", "--memory", "1GiB", "--disk", "2GiB", err="pome start a")
    run("create", "a", "--image", image, status=1, err="exists already")
    machine = json.loads(run("list", "--json"))[0]
    expect((machine["name"], machine["state"], machine["cpu_count"], machine["memory_bytes"], machine["disk_bytes"]) ==
           ("a", "stopped", 3, 1 << 30, 2 << 30), str(machine))
    run("list", says="stopped")
    run("install", "a", "--image", image, status=4, err="is installed already")
    run("install", "a", "--image", image, "--erase")
    bundle = os.path.join(vms, "a.bundle")
    for command in (("install", "a", "--image", image, "--erase"), ("disk", "resize", "a", "3GiB")):  # what a snapshot needs is copied first, and may take long
        run("snapshot", "create", "a", "s")
        keeps = os.path.exists(os.path.join(bundle, "Snapshots", "s", "Disk.map"))  # else the file system shares blocks
        steps = [json.loads(line).get("step") for line in run(*command, "--json").splitlines()]
        expect(("Completing snapshots" in steps) == keeps, f"{command}: {steps}")
        run("snapshot", "create", "a", "t")
        keeps = os.path.exists(os.path.join(bundle, "Snapshots", "t", "Disk.map"))
        events = [json.loads(line) for line in run("snapshot", "delete", "a", "t", "--json").splitlines()]
        steps = [e.get("step") for e in events]
        expect(events[-1]["event"] == "done" and ("Moving blocks that others need" in steps) == (keeps and os.path.exists(os.path.join(bundle, "Snapshots", "s", "Disk.map"))), str(events))
        run("snapshot", "delete", "a", "s", err="Removing the snapshot: done in")
    fd = os.open(bundle, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    run("delete", "a", status=6, err=f"process {os.getpid()}")
    run("install", "a", "--image", image, "--erase", status=6, err="in use")
    expect(json.loads(run("list", "--json"))[0]["state"] == "in use", "a locked bundle is not shown as in use")
    os.close(fd)
    run("log", "show", "a", says="[org.pome.install:step] 1 of ")
    run("log", "show", "a", says="Timestamp                       Thread     Type        Activity             PID    TTL  ")
    for line in run("log", "show", "a", "--json").splitlines():
        json.loads(line)
    json.loads(run("log", "show", "a", "--style", "json"))
    run("log", "show", "a", "--last", "1d", "--style", "compact", says="pome[")
    run("log", "show", "nobody", status=3)
    moved = os.path.join(work.name, "elsewhere.bundle")
    os.rename(bundle, moved)
    run("log", "show", moved, says="installed")
    run("delete", moved + "/")
    expect(not os.path.exists(moved), "delete left the bundle")
    run("delete", "a", status=3, err="there is no bundle")
    run("create", os.path.join(work.name, "by path.bundle"), "--image", image, "--disk", "2GiB")
    run("delete", os.path.join(work.name, "by path.bundle"))
    os.makedirs(os.path.join(vms, "b.bundle"))
    open(os.path.join(vms, "b.bundle", "Config.json"), "w").close()
    run("list", says="damaged")
    run("delete", "b")


def interrupted(how, rounds):
    """Creation interrupted at random moments: nothing is left, or a bundle that pome install completes."""
    left = 0
    for _ in range(rounds):
        p = subprocess.Popen([pome, "create", "k", "--image", image, "--disk", "2GiB"], env=env, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0, 0.5))
        p.send_signal(how)
        status = p.wait(timeout=60)
        machines = {m["name"]: m["state"] for m in json.loads(run("list", "--json"))}
        if how == signal.SIGINT and status not in (0, -signal.SIGINT):
            expect(status == 130 and not machines, f"after Ctrl-C: status {status}, {machines}")
        if machines:
            left += 1
            expect(machines["k"] in ("stopped", "not installed"), str(machines))
            if machines["k"] == "not installed":
                run("install", "k", "--image", image)
            expect(json.loads(run("list", "--json"))[0]["state"] == "stopped", "not completed by pome install")
            run("delete", "k")
        extra = [n for n in os.listdir(vms)]
        expect(not extra, f"left behind: {extra}")
    print(f"{how.name}: {rounds} creations interrupted, {left} left a bundle")


os.makedirs(vms)
subprocess.run([make_image, work.name, image], check=True)
seed = int(os.environ.get("POME_TEST_SEED", 1))
print("seed", seed)
random.seed(seed)
usage()
images()
life()
interrupted(signal.SIGINT, int(os.environ.get("POME_TEST_ROUNDS", 8)))
interrupted(signal.SIGKILL, int(os.environ.get("POME_TEST_ROUNDS", 8)))
passed()
