"""kit.py - cutting a command off at its n-th write, sync, rename, ..., for powerfail.py and copies.py.

A test's arguments: POME SHIM MAKE_TEST_IMAGE [more] [--all] [--only OPERATION] [--at N] [--mode MODE]. Each n runs in a fresh copy of what `prepare` made.
shim.c says what the modes are.
"""
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile

MODES = ["kill", "lose", "torn", "eio", "enospc", "short"]
args = sys.argv[1:]


def option(name):
    if name not in args:
        return None
    at = args.index(name)
    value = args[at + 1]
    del args[at:at + 2]
    return value


def roomy(folder):
    """A file system in memory syncs at once; what is lost in a power failure is the shim's doing."""
    return os.path.isdir(folder) and shutil.disk_usage(folder).free > 1 << 30


only, only_at, only_mode = option("--only"), option("--at"), option("--mode")
everything = "--all" in args
pome, shim, make_image, *more_programs = [a for a in args if a != "--all"]
work = tempfile.TemporaryDirectory(prefix="pome-powerfail-", dir="/dev/shm" if roomy("/dev/shm") else None)
image = os.path.join(work.name, "test.ipsw")
store = os.path.join(work.name, "store")
home = os.path.join(work.name, "home")
vms = os.path.join(home, "vms")
random.seed(int(os.environ.get("POME_RANDOM_SEED", "1")))


def run(*command, **more):
    env = dict(os.environ, POME_HOME=home, POME_AUTHORITY=os.path.join(work.name, "authority"), TERM="dumb", **more)
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)


def sure(*command):
    r = run(*command)
    if r.returncode:
        sys.exit(f"{' '.join(command)}: status {r.returncode}\n{r.stdout}{r.stderr}")
    return r.stdout


def fresh(prepared):
    shutil.rmtree(home, ignore_errors=True)
    shutil.rmtree(store, ignore_errors=True)
    os.mkdir(store)
    subprocess.run(["cp", "-a", "--sparse=always", prepared, home], check=True)


def cut_off(prepared, command, n, mode):
    """Runs the command in a fresh copy; the n-th operation fails as mode says. Whether the command said that all went well."""
    fresh(prepared)
    r = run(*command, LD_PRELOAD=shim, POWERFAIL_UNDER=home, POWERFAIL_STORE=store, POWERFAIL_AT=str(n), POWERFAIL_MODE=mode,
            POWERFAIL_SEED=str(n))
    if mode in ("kill", "lose", "torn"):
        if r.returncode not in (-signal.SIGKILL, 0):
            sys.exit(f"status {r.returncode}, expected to be killed\n{r.stderr}")
    elif r.returncode not in (0, 1) or (r.returncode == 1 and "why:" not in r.stderr):
        sys.exit(f"status {r.returncode}, expected 0 or 1 with a reason\n{r.stderr}")
    return r.returncode == 0


def test(name, prepare, command, moments, check):
    """moments: which of the operations, given as letters, are cut off. check: gets whether the command said that all went well, and
    says in a word what was there."""
    prepared, log = os.path.join(work.name, "prepared"), os.path.join(work.name, "log")
    if only and only != name:
        return
    shutil.rmtree(home, ignore_errors=True)
    shutil.rmtree(prepared, ignore_errors=True)
    os.makedirs(vms)
    prepare()
    os.rename(home, prepared)
    fresh(prepared)
    if os.path.exists(log):
        os.unlink(log)
    r = run(*command, LD_PRELOAD=shim, POWERFAIL_UNDER=home, POWERFAIL_LOG=log)
    if r.returncode:
        sys.exit(f"{name}: status {r.returncode} without any failure\n{r.stderr}")
    letters = open(log).read()
    points = [int(only_at)] if only_at else list(range(1, len(letters) + 1)) if everything else sorted(moments(letters))
    found = {}
    for i, n in enumerate(points):
        # One mode in turn, or all modes where there are few moments.
        for mode in [only_mode] if only_mode else MODES if everything or len(points) < 6 else [MODES[i % len(MODES)]]:
            try:
                word = check(cut_off(prepared, command, n, mode))
            except SystemExit as e:
                sys.exit(f"{name}: {mode} at operation {n} of {len(letters)} ({letters[n - 1]}): {e}\n"
                         f"again: {os.path.basename(sys.argv[0])} ... --only '{name}' --at {n} --mode {mode}")
            found[word] = found.get(word, 0) + 1
    print(f"{name}: {len(letters)} operations, {sum(found.values())} failures tried: " +
          ", ".join(f"{found[word]} {word}" for word in sorted(found)), flush=True)
