#!/usr/bin/env python3
"""copies.py - clone, move, rename, export, import, repair, snapshots, nvram and config, cut off at their n-th write, sync, rename, ...

usage: copies.py POME SHIM MAKE_TEST_IMAGE LIVE_SNAPSHOT [--all] [--only OPERATION] [--at N] [--mode MODE]

As powerfail.py, for operations that never make a machine less than whole: afterwards the original is whole (`pome bundle check` finds nothing), and the copy is not there
or whole; nothing is left behind after `pome list`; and the same command then succeeds.
"""
import json
import os
import random
import sys

sys.dont_write_bytecode = True
from kit import home, image, make_image, more_programs, pome, run, sure, test, vms, work

out = os.path.join(home, "vm.tar.zst")
foreign = os.path.join(home, "guest")
POINTS = 14  # of an operation that has more moments than that are tried, unless --all


def machines(resumable=()):
    """The machines; nothing else is there but what the same command goes on with."""
    found = [m["name"] for m in json.loads(sure(pome, "list", "--json"))]
    odd = [n for n in os.listdir(vms) if n[:-7] not in found and n not in resumable]
    if odd:
        sys.exit(f"left behind: {odd}")
    return found


def whole(name, but=()):
    r = run(pome, "bundle", "check", name, "--json")
    bad = [f for f in json.loads(r.stdout)["findings"] if f["code"] not in but]
    if bad:
        sys.exit(f"{name}: {bad}")
    return json.loads(sure(pome, "bundle", "info", name, "--json"))["ecid"]


def create():
    sure(pome, "create", "vm", "--image", image, "--disk", "2GiB")


def create_exported():
    create()
    sure(pome, "bundle", "export", "vm", "-o", out)


def create_foreign():
    """A machine of tart with a disk that holds something."""
    os.makedirs(foreign)
    with open(os.path.join(foreign, "config.json"), "w") as f:
        json.dump({"version": 1, "os": "linux", "arch": "arm64", "cpuCount": 2, "cpuCountMin": 2, "memorySize": 1 << 30, "memorySizeMin": 1 << 30,
                   "macAddress": "06:e8:a3:b0:23:b4", "display": {"width": 1024, "height": 768}}, f)
    for name, size in (("disk.img", 4 << 20), ("nvram.bin", 131072)):
        with open(os.path.join(foreign, name), "wb") as f:
            f.write(random.randbytes(size // 2))
            f.truncate(size)


def create_quiet():
    create()
    sure(pome, "nvram", "set", "vm", "boot-args", "quiet")


def create_damaged():
    create()
    with open(os.path.join(vms, "vm.bundle", "Disk.img"), "r+b") as f:
        f.seek(600)
        f.write(b"damaged")
    with open(os.path.join(vms, "vm.bundle", "Config.json"), "w") as f:
        f.write('{"version": 1, "cpuCount": 2, "memorySize": 1}')


def create_with_snapshots():
    create()
    sure(pome, "snapshot", "create", "vm", "first")
    sure(pome, "config", "set", "vm", "memorySize", "1GiB")
    sure(pome, "nvram", "set", "vm", "boot-args", "quiet")
    sure(pome, "snapshot", "create", "vm", "second")


def snapshots():
    r = run(pome, "snapshot", "delete", "vm", "nothing") # whatever uses the machine ends what was begun
    if r.returncode != 3:
        sys.exit(f"snapshot delete: status {r.returncode}\n{r.stderr}")
    whole("vm")
    return {s["name"]: s for s in json.loads(sure(pome, "snapshot", "list", "vm", "--json"))}


def state():
    return sure(pome, "config", "get", "vm", "memorySize").strip(), sure(pome, "nvram", "get", "vm", "boot-args").strip()


def after_snapshot_create(ok):
    there = snapshots()
    if not {"first", "second"} <= set(there) or (ok and "new" not in there):
        sys.exit(f"snapshots: {list(there)}")
    if state() != (str(1 << 30), "quiet"):
        sys.exit(f"the machine is {state()}")
    if "new" in there:
        if there["new"]["parent"] != "second":
            sys.exit(f"parent {there['new']['parent']}")
        sure(pome, "snapshot", "restore", "vm", "new")
        if state() != (str(1 << 30), "quiet"):
            sys.exit(f"the snapshot is {state()}")
    return "new" in there


# What the played guest (live_snapshot.c) writes: sectors of one value at places 1 MiB apart.
GUEST, LIVED, OLD = 900, ["a", "b", "c"], 0xaa
TORN = -1 # a sector that was written in part: never one that was flushed, nor one of a snapshot
PLACES = [0, 1, 2] + [11 + i for i in range(len(LIVED))] + [19]
flushed = os.path.join(work.name, "flushed")


def live(name, value):
    return [more_programs[0], os.path.join(vms, "vm.bundle"), name, str(value), flushed]


def create_lived():
    create()
    with open(os.path.join(vms, "vm.bundle", "Disk.img"), "r+b") as f:
        f.seek(GUEST << 20)
        f.write(bytes([OLD]) * (20 << 20))
    for i, name in enumerate(LIVED):
        sure(*live(name, i + 1))


def on_disk():
    found = {}
    with open(os.path.join(vms, "vm.bundle", "Disk.img"), "rb") as f:
        for place in PLACES:
            f.seek(GUEST + place << 20)
            sector = f.read(512)
            found[place] = sector[0] if sector == sector[:1] * 512 else TORN
    return found


def lived(last):
    """The disk as snapshot `last` (0: the first) has it."""
    own = {11 + i: i + 1 if i == last else i + 65 if i < last else OLD for i in range(len(LIVED))}
    return {0: last + 1, 1: last + 1, 2: last + 1, **own, 19: OLD}


NOW = {**{i: 67 for i in range(3)}, **{11 + i: i + 65 for i in range(len(LIVED))}, 19: OLD}


def same_lived(names):
    """In turns, so that going back goes forth as well."""
    for name in sorted(names) + sorted(names)[:1]:
        sure(pome, "snapshot", "restore", "vm", name)
        if on_disk() != lived(LIVED.index(name)):
            sys.exit(f"snapshot {name}: {on_disk()}, needed {lived(LIVED.index(name))}")


def after_live_snapshot(ok):
    """What the guest flushed is there; each snapshot is what the disk was."""
    there, disk = snapshots(), on_disk()
    last = {}
    if os.path.exists(flushed):
        for line in open(flushed):
            last[int(line.split()[0])] = int(line.split()[1])
        os.unlink(flushed)
    for place, value in last.items():
        if disk[place] != value and (value != 9 or disk[place] not in (73, TORN)): # what was not flushed may be there, in part or not
            sys.exit(f"the guest flushed {value} at {place}, {disk[place]} is there")
    if not set(LIVED) <= set(there) or (ok and "new" not in there):
        sys.exit(f"snapshots: {list(there)}")
    if "new" in there:
        sure(pome, "snapshot", "restore", "vm", "new")
        if on_disk() not in [{**before, 0: 9, 1: 9, 2: 9, 19: 9} for before in (NOW, lived(0))]: # same_lived ends there
            sys.exit(f"the snapshot is {on_disk()}")
    same_lived(LIVED)
    return "new" in there


def after_lived_delete(ok):
    there = snapshots()
    if not {"a", "c"} <= set(there) or (ok and "b" in there) or on_disk() not in (NOW, lived(0)): # same_lived ends there
        sys.exit(f"snapshots {list(there)}, disk {on_disk()}")
    same_lived(there)
    return "b" not in there


def after_lived_restore(ok):
    there = snapshots()
    disk = on_disk()
    if set(there) != set(LIVED) or disk not in (NOW, lived(0)) or (ok and disk != lived(0)):
        sys.exit(f"snapshots {list(there)}, disk {disk}")
    same_lived(there)
    return disk == lived(0)


def after_lived_security(ok):
    same_lived(snapshots())
    return False


def after_lived_resize(ok):
    """The snapshots were made whole first."""
    sure(pome, "bundle", "repair", "vm", "--yes")
    disk = on_disk()
    if disk != NOW:
        sys.exit(f"disk {disk}")
    same_lived(snapshots())
    return True


def after_snapshot_restore(ok):
    there = snapshots()
    old, now = (str(2 << 30), ""), state() # of disk, configuration and NVRAM all or none
    if set(there) != {"first", "second"} or now not in (old, (str(1 << 30), "quiet")) or (ok and now != old):
        sys.exit(f"snapshots {list(there)}, the machine is {now}")
    return now == old


def after_snapshot_delete(ok):
    there = snapshots()
    if "second" not in there or (ok and "first" in there) or there["second"]["parent"] not in (None, "first") or state() != (str(1 << 30), "quiet"):
        sys.exit(f"snapshots {there}, the machine is {state()}")
    return "first" not in there


def after_clone(ok):
    there = machines()
    if "vm" not in there or (ok and "new" not in there):
        sys.exit(f"machines: {there}")
    if "new" in there and whole("new") == whole("vm"):
        sys.exit("the clone has the identity of the original")
    whole("vm")
    return "new" in there


def after_move(ok):
    there = machines()
    if there not in (["vm"], ["new"]) or (ok and there != ["new"]):
        sys.exit(f"machines: {there}")
    whole(there[0])
    return there == ["new"]


def after_export(ok):
    whole("vm")
    if os.path.exists(out):
        sure(pome, "bundle", "import", out, "check")
        whole("check")
        sure(pome, "delete", "check")
    elif ok:
        sys.exit("no file")
    left = set(os.listdir(home)) - {"vms", os.path.basename(out)}
    if left and (ok or not left <= {os.path.basename(out) + end for end in (".part", ".part.state", ".part.state.new")}):
        sys.exit(f"left behind: {left}")
    return os.path.exists(out)


def after_import(ok):
    there = machines([] if ok else ["new.bundle.import"])
    if "new" in there:
        whole("new")
    elif ok:
        sys.exit("no machine")
    return "new" in there


def after_create_efi(ok):
    there = machines()
    if there:
        whole("vm")
    elif ok:
        sys.exit("no machine")
    return there == ["vm"]


def after_import_foreign(ok):
    there = machines()
    if "new" in there:
        whole("new", ["device-not-there-yet"])
    elif ok:
        sys.exit("no machine")
    return "new" in there


def after_nvram_delete(ok):
    whole("vm", ["nvram-bank"])
    r = run(pome, "nvram", "get", "vm", "boot-args")
    if r.returncode not in (0, 3) or (r.returncode == 0 and r.stdout.strip() != "quiet") or (ok and r.returncode == 0):
        sys.exit(f"boot-args: status {r.returncode}, {r.stdout}")
    return r.returncode == 3


def after_nvram(ok):
    whole("vm", ["nvram-bank"])
    value = sure(pome, "nvram", "get", "vm", "boot-args").strip()
    if value not in ("", "quiet") or (ok and value != "quiet"):
        sys.exit(f"boot-args: {value}")
    return False


def after_config(ok):
    whole("vm", [] if ok else ["leftover"])
    value = sure(pome, "config", "get", "vm", "memorySize").strip()
    if value not in (str(2 << 30), str(1 << 30)) or (ok and value != str(1 << 30)):
        sys.exit(f"memorySize: {value}")
    return False


def after_repair(ok):
    if ok:
        whole("vm")
    return False


# name, what is there before, the command, the check: it gets whether the command said that all went well, and says whether it is done
OPERATIONS = [
    ("clone", create, [pome, "bundle", "clone", "vm", "new"], after_clone),
    ("move", create, [pome, "bundle", "move", "vm", "new"], after_move),
    ("export", create, [pome, "bundle", "export", "vm", "-o", out], after_export),
    ("import", create_exported, [pome, "bundle", "import", out, "new"], after_import),
    ("rename", create, [pome, "rename", "vm", "new"], after_move),
    ("clone --from-snapshot", create_with_snapshots, [pome, "bundle", "clone", "vm", "new", "--from-snapshot", "first"], after_clone),
    ("create --efi", lambda: None, [pome, "create", "vm", "--efi", "--disk", "64MiB"], after_create_efi),
    ("import of tart's", create_foreign, [pome, "bundle", "import", foreign, "new"], after_import_foreign),
    ("nvram delete", create_quiet, [pome, "nvram", "delete", "vm", "boot-args"], after_nvram_delete),
    ("nvram set", create, [pome, "nvram", "set", "vm", "boot-args", "quiet"], after_nvram),
    ("config set", create, [pome, "config", "set", "vm", "memorySize", "1GiB"], after_config),
    ("snapshot create", create_with_snapshots, [pome, "snapshot", "create", "vm", "new"], after_snapshot_create),
    ("snapshot create, live", create_lived, live("new", 9), after_live_snapshot),
    ("snapshot delete, from between", create_lived, [pome, "snapshot", "delete", "vm", "b"], after_lived_delete),
    ("snapshot restore, of what changed", create_lived, [pome, "snapshot", "restore", "vm", "a"], after_lived_restore),
    ("security set after snapshots", create_lived, [pome, "security", "set", "vm", "full"], after_lived_security),
    ("disk resize after snapshots", create_lived, [pome, "disk", "resize", "vm", "4GiB"], after_lived_resize),
    ("snapshot restore", create_with_snapshots, [pome, "snapshot", "restore", "vm", "first"], after_snapshot_restore),
    ("snapshot delete", create_with_snapshots, [pome, "snapshot", "delete", "vm", "first"], after_snapshot_delete),
    ("repair", create_damaged, [pome, "bundle", "repair", "vm", "--yes"], after_repair),
]


def moments(letters):
    """The end, where names are taken, and some of the rest."""
    points = list(range(1, len(letters) + 1))
    return points if len(points) <= POINTS else set(points[-8:]) | set(points[:4]) | set(random.sample(points, POINTS - 12))


def check_of(command, check):
    def both(said_ok):
        if check(said_ok):
            return "done"
        sure(*command)
        check(True)
        return "succeeded the second time"
    return both


sure(make_image, work.name, image)
for name, prepare, command, check in OPERATIONS:
    test(name, prepare, command, moments, check_of(command, check))
