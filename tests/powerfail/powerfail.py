#!/usr/bin/env python3
"""powerfail.py - every operation on a bundle, cut off at its n-th write, sync, rename, ..., for many n or all.

usage: powerfail.py POME SHIM MAKE_TEST_IMAGE CHECK_INSTALLED [--all] [--only OPERATION] [--at N] [--mode MODE]

Afterwards the bundle must be one of: not there; complete (CHECK_INSTALLED finds every byte); or marked as not installed, and then
`pome install` completes it. `pome list` must work, and leave nothing behind. shim.c says what the modes are.

A new operation: a row in OPERATIONS. Each n runs in a fresh copy of what `prepare` made.
"""
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile

args = sys.argv[1:]


def option(name, default=None):
    if name not in args:
        return default
    at = args.index(name)
    value = args[at + 1]
    del args[at:at + 2]
    return value


only, only_at, only_mode = option("--only"), option("--at"), option("--mode")
everything = "--all" in args
pome, shim, make_image, check_installed = [a for a in args if a != "--all"]


def roomy(folder):
    """A file system in memory syncs at once; what is lost in a power failure is the shim's doing."""
    return os.path.isdir(folder) and shutil.disk_usage(folder).free > 1 << 30


work = tempfile.TemporaryDirectory(prefix="pome-powerfail-", dir="/dev/shm" if roomy("/dev/shm") else None)
image = os.path.join(work.name, "test.ipsw")
store = os.path.join(work.name, "store")
home = os.path.join(work.name, "home")
bundle = os.path.join(home, "vms", "vm.bundle")

MODES = ["kill", "lose", "torn", "eio", "enospc", "short"]
PLAIN_WRITES = 10  # of the many plain writes of an operation that many are tried in each mode, unless --all


def run(*command, **more):
    env = dict(os.environ, POME_HOME=home, POME_AUTHORITY=os.path.join(work.name, "authority"), TERM="dumb", **more)
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)


def sure(*command):
    r = run(*command)
    if r.returncode:
        sys.exit(f"{' '.join(command)}: status {r.returncode}\n{r.stdout}{r.stderr}")
    return r.stdout


def state():
    """None (no bundle), False (not installed) or True (installed)."""
    found = {m["name"]: m for m in json.loads(sure(pome, "list", "--json"))}
    left = [n for n in os.listdir(os.path.join(home, "vms"))] if os.path.isdir(os.path.join(home, "vms")) else []
    odd = [n for n in left if n != "vm.bundle"]
    if odd:
        sys.exit(f"left behind: {odd}")
    if "vm" not in found:
        return None
    if "error" in found["vm"]:
        sys.exit(f"damaged: {found['vm']['error']}")
    return found["vm"]["state"] != "not installed"


def create_half():
    sure(pome, "create", "vm", "--image", image, "--disk", "2GiB")
    with open(os.path.join(bundle, "Install.json"), "w") as f:
        f.write('{"version": 1, "state": "installing"}\n')


def create_whole():
    sure(pome, "create", "vm", "--image", image, "--disk", "2GiB")


def create_pending():
    """As the guest's kernel hook leaves it: a set beside the signed one (docs/boot.md section 6)."""
    create_whole()
    volume, made = os.path.join(bundle, "Disk.img") + "@@20480", os.path.join(work.name, "set")
    sure("mcopy", "-i", volume, "::BOOT/ACTIVE", os.path.join(work.name, "active"))
    signed = open(os.path.join(work.name, "active")).read().strip()
    os.mkdir(made)
    files = ["KERNEL.IM4", "RAMDISK.IM4", "CMDLINE.IM4"]
    sure("mcopy", "-i", volume, *(f"::BOOT/{signed}/{f}" for f in files), made)
    with open(os.path.join(made, "DIGESTS"), "w") as digests:
        for f in files:
            digests.write(f"{hashlib.sha384(open(os.path.join(made, f), 'rb').read()).hexdigest()}  {f}\n")
    with open(os.path.join(work.name, "pending"), "w") as f:
        f.write("0BADCAFE\n")
    sure("mmd", "-i", volume, "::BOOT/0BADCAFE")
    sure("mcopy", "-i", volume, *(os.path.join(made, f) for f in files + ["DIGESTS"]), "::BOOT/0BADCAFE")
    sure("mcopy", "-i", volume, os.path.join(work.name, "pending"), "::BOOT/PENDING")


# name, what is there before, the command, the states that may be there afterwards; again: the same command completes it
OPERATIONS = [
    ("create", lambda: None, [pome, "create", "vm", "--image", image, "--disk", "2GiB"], [None, False, True], False),
    ("install", create_half, [pome, "install", "vm", "--image", image], [False, True], False),
    ("install --erase", create_whole, [pome, "install", "vm", "--image", image, "--erase"], [False, True], False),
    ("disk resize", create_whole, [pome, "disk", "resize", "vm", "4GiB"], [True], True),
    ("disk resize, a little", create_whole, [pome, "disk", "resize", "vm", "2100MiB"], [True], True),
    ("security set", create_whole, [pome, "security", "set", "vm", "full"], [True], False),
    ("personalize", create_pending, [pome, "personalize", "vm"], [True], False),
    ("personalize --all", create_whole, [pome, "personalize", "vm", "--all"], [True], False),
    ("delete", create_whole, [pome, "delete", "vm"], [None, True], False),
]


def fresh(prepared):
    shutil.rmtree(home, ignore_errors=True)
    shutil.rmtree(store, ignore_errors=True)
    os.mkdir(store)
    subprocess.run(["cp", "-a", "--sparse=always", prepared, home], check=True)


def attempt(name, prepared, command, allowed, again, n, mode):
    fresh(prepared)
    r = run(*command, LD_PRELOAD=shim, POWERFAIL_UNDER=home, POWERFAIL_STORE=store, POWERFAIL_AT=str(n), POWERFAIL_MODE=mode,
            POWERFAIL_SEED=str(n))
    if mode in ("kill", "lose", "torn"):
        if r.returncode not in (-signal.SIGKILL, 0):
            sys.exit(f"status {r.returncode}, expected to be killed\n{r.stderr}")
    elif r.returncode not in (0, 1) or (r.returncode == 1 and "why:" not in r.stderr):
        sys.exit(f"status {r.returncode}, expected 0 or 1 with a reason\n{r.stderr}")
    after = state()
    if after not in allowed:
        sys.exit(f"installed: {after}, allowed: {allowed}")
    if r.returncode == 0 and after is False:
        sys.exit("status 0, and it is not installed")
    if after is False:
        sure(pome, "install", "vm", "--image", image)
    elif after and again:
        sure(check_installed, bundle, "--one-map")
        sure(*command)
    if after is not None:
        sure(check_installed, bundle)
    return "nothing" if after is None else "complete" if after else "resumable"


def moments(letters):
    """Every change of names, every sync, truncation; of the plain writes the first, the last and some."""
    structure = [i + 1 for i, kind in enumerate(letters) if kind != "w"]
    plain = [i + 1 for i, kind in enumerate(letters) if kind == "w"]
    if everything or len(plain) <= PLAIN_WRITES:
        return structure + plain
    return structure + plain[:2] + plain[-2:] + random.sample(plain[2:-2], PLAIN_WRITES - 4)


def test(name, prepare, command, allowed, again):
    prepared, log = os.path.join(work.name, "prepared"), os.path.join(work.name, "log")
    shutil.rmtree(home, ignore_errors=True)
    shutil.rmtree(prepared, ignore_errors=True)
    os.makedirs(os.path.join(home, "vms"))
    prepare()
    os.rename(home, prepared)
    fresh(prepared)
    if os.path.exists(log):
        os.unlink(log)
    r = run(*command, LD_PRELOAD=shim, POWERFAIL_UNDER=home, POWERFAIL_LOG=log)
    if r.returncode:
        sys.exit(f"{name}: status {r.returncode} without any failure\n{r.stderr}")
    letters = open(log).read()
    tried = {"nothing": 0, "complete": 0, "resumable": 0}
    points = [int(only_at)] if only_at else sorted(moments(letters))
    for i, n in enumerate(points):
        # All modes at a few moments; one mode in turn at the others.
        modes = [only_mode] if only_mode else MODES if everything else [MODES[i % len(MODES)]]
        for mode in modes:
            try:
                tried[attempt(name, prepared, command, allowed, again, n, mode)] += 1
            except SystemExit as e:
                sys.exit(f"{name}: {mode} at operation {n} of {len(letters)} ({letters[n - 1]}): {e}\n"
                         f"again: powerfail.py ... --only '{name}' --at {n} --mode {mode}")
    print(f"{name}: {len(letters)} operations, {sum(tried.values())} failures tried: " + ", ".join(f"{v} {k}" for k, v in tried.items()))


seed = int(os.environ.get("POME_RANDOM_SEED", "1"))
random.seed(seed)
sure(make_image, work.name, image)
for row in OPERATIONS:
    if not only or only == row[0]:
        test(*row)
