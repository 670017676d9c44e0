#!/usr/bin/env python3
"""powerfail.py - every operation on a bundle, cut off at its n-th write, sync, rename, ..., for many n or all.

usage: powerfail.py POME SHIM MAKE_TEST_IMAGE CHECK_INSTALLED [--all] [--only OPERATION] [--at N] [--mode MODE]

Afterwards the bundle must be one of: not there; complete (CHECK_INSTALLED finds every byte); or marked as not installed, and then
`pome install` completes it. `pome list` must work, and leave nothing behind. A new operation: a row in OPERATIONS.
"""
import hashlib
import json
import os
import random
import sys

sys.dont_write_bytecode = True
from kit import home, image, make_image, more_programs, pome, sure, test, vms, work

check_installed = more_programs[0]
apple = os.path.join(work.name, "apple.ipsw")
bundle = os.path.join(vms, "vm.bundle")
PLAIN_WRITES = 10  # of the many plain writes of an operation that many are tried, unless --all


def state():
    """None (no bundle), False (not installed) or True (installed)."""
    found = {m["name"]: m for m in json.loads(sure(pome, "list", "--json"))}
    left = [n for n in os.listdir(vms)] if os.path.isdir(vms) else []
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


def create_half_apple():
    sure(make_image, "--apple", work.name, apple)
    sure(pome, "create", "vm", "--image", apple, "--memory", "4GiB", "--disk", "10GiB")
    with open(os.path.join(bundle, "Install.json"), "w") as f:
        f.write('{"version": 1, "state": "installing"}\n')


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


def whole():
    sure(check_installed, bundle)


def whole_apple():
    """The installation compared every component; these are the rest."""
    found = json.loads(sure(pome, "bundle", "check", "vm", "--json"))["findings"]
    if [f for f in found if f["severity"] == "error"]:
        sys.exit(str(found))


def moments(letters):
    """Every change of names, every sync, truncation; of the plain writes the first, the last and some."""
    structure = [i + 1 for i, kind in enumerate(letters) if kind != "w"]
    plain = [i + 1 for i, kind in enumerate(letters) if kind == "w"]
    if len(plain) <= PLAIN_WRITES:
        return structure + plain
    return structure + plain[:2] + plain[-2:] + random.sample(plain[2:-2], PLAIN_WRITES - 4)


# name, what is there before, the command, the states that may be there afterwards; again: the same command completes it
OPERATIONS = [
    ("create", lambda: None, [pome, "create", "vm", "--image", image, "--disk", "2GiB"], [None, False, True]),
    ("create --keep-image", lambda: None, [pome, "create", "vm", "--image", image, "--disk", "2GiB", "--keep-image"], [None, False, True]),
    ("install", create_half, [pome, "install", "vm", "--image", image], [False, True]),
    ("install macOS", create_half_apple, [pome, "install", "vm", "--image", apple], [False, True]),
    ("install --erase", create_whole, [pome, "install", "vm", "--image", image, "--erase"], [False, True]),
    ("disk resize", create_whole, [pome, "disk", "resize", "vm", "4GiB"], [True]),
    ("disk resize, a little", create_whole, [pome, "disk", "resize", "vm", "2300MiB"], [True]),
    ("security set", create_whole, [pome, "security", "set", "vm", "full"], [True]),
    ("personalize", create_pending, [pome, "personalize", "vm"], [True]),
    ("personalize --all", create_whole, [pome, "personalize", "vm", "--all"], [True]),
    ("delete", create_whole, [pome, "delete", "vm"], [None, True]),
]


def check_of(name, command, allowed):
    def check(said_ok):
        after = state()
        if after not in allowed:
            sys.exit(f"installed: {after}, allowed: {allowed}")
        if said_ok and after is False:
            sys.exit("status 0, and it is not installed")
        if after is False:
            sure(pome, "install", "vm", "--image", apple if "macOS" in name else image)
        elif after and "resize" in name:  # one map is right; a repair makes both so, and the same command does the rest
            sure(check_installed, bundle, "--one-map")
            sure(pome, "bundle", "repair", "vm", "--yes")
            whole()
            sure(*command)
        if after is not None:
            whole_apple() if "macOS" in name else whole()
        return "nothing" if after is None else "complete" if after else "resumable"
    return check


sure(make_image, work.name, image)
for name, prepare, command, allowed in OPERATIONS:
    test(name, prepare, command, moments, check_of(name, command, allowed))
