#!/usr/bin/env python3
"""install.py - how fast an installation is, beside copying the same bytes and digesting them on one thread.

usage: install.py POME IMAGE.ipsw [--rounds N] [--disk SIZE] [--big MIB stored|deflated]

The yardstick: `cp --sparse=always` of what an installation writes (Disk.img, AuxiliaryStorage), synced, and at once `openssl dgst -sha384` over
  image   the restore image: the bytes that an installation digests;
  system  for images of ours, the OS image as it lies on the disk, uncompressed.
The installation also uncompresses, and makes file systems and tickets. Rounds alternate; minima and medians of wall-clock and CPU seconds are told, and the load.

--big gives an image that is shaped like macOS's (build/restore/make_test_image --apple) a SystemOS cryptex of that size, stored or deflated in the zip: a
component that is installed as it is.
"""
import argparse
import base64
import hashlib
import json
import os
import plistlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile

parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n")[0])
parser.add_argument("pome")
parser.add_argument("image")
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--disk", default="16GiB")
parser.add_argument("--big", nargs=2, metavar=("MIB", "HOW"))
args = parser.parse_args()
work = tempfile.mkdtemp(prefix="pome-bench-install-", dir=os.path.dirname(os.path.abspath(args.image)))
env = dict(os.environ, POME_HOME=work, TERM="dumb")
system, keep, copy, image = (os.path.join(work, name) for name in ("system", "keep", "copy", "image.ipsw"))
members = os.path.join(work, "vms/vm.bundle")


def enlarge(mib, how):
    """The image with another SystemOS cryptex, its digest corrected."""
    sums = hashlib.sha384()
    with zipfile.ZipFile(args.image) as old, zipfile.ZipFile(image, "w", allowZip64=True) as new:
        manifest = plistlib.loads(old.read("BuildManifest.plist"))
        path = manifest["BuildIdentities"][-1]["Manifest"]["Cryptex1,SystemOS"]["Info"]["Path"]
        entry = zipfile.ZipInfo(path)
        entry.compress_type = zipfile.ZIP_DEFLATED if how == "deflated" else zipfile.ZIP_STORED
        with new.open(entry, "w", force_zip64=True) as out:
            for _ in range(mib):
                piece = os.urandom(1 << 20) if how == "stored" else base64.b64encode(os.urandom(3 << 18))
                sums.update(piece)
                out.write(piece)
        for identity in manifest["BuildIdentities"]:
            identity["Manifest"]["Cryptex1,SystemOS"]["Digest"] = sums.digest()
        for i in old.infolist():
            if i.filename not in (path, "BuildManifest.plist"):
                new.writestr(i, old.read(i))
        new.writestr("BuildManifest.plist", plistlib.dumps(manifest))


def timed(run):
    os.sync()
    before, begun = os.times(), time.monotonic()
    run()
    after = os.times()
    return time.monotonic() - begun, after.children_user + after.children_system - before.children_user - before.children_system


def yardstick(digested):
    def run():
        digest = subprocess.Popen(["openssl", "dgst", "-sha384", digested], stdout=subprocess.DEVNULL)
        subprocess.run(["cp", "-r", "--sparse=always", keep, copy], check=True)
        subprocess.run(["sync", *(os.path.join(copy, name) for name in os.listdir(copy))], check=True)
        digest.wait()
    return run


def install():
    done = subprocess.run([args.pome, "create", "vm", "--image", image, "--disk", args.disk, "--memory", "4GiB"], env=env, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)


def delete():
    subprocess.run([args.pome, "delete", "vm"], env=env, capture_output=True)
    shutil.rmtree(copy, ignore_errors=True)


def system_bytes():
    with zipfile.ZipFile(image) as z:
        return plistlib.loads(z.read("BuildManifest.plist"))["BuildIdentities"][0]["Manifest"]["OS"]["Info"].get("UncompressedSize", 0)


def keep_system(n):
    disk = os.path.join(members, "Disk.img")
    table = json.loads(subprocess.run(["sfdisk", "--json", disk], check=True, capture_output=True, text=True).stdout)["partitiontable"]
    with open(disk, "rb") as f, open(system, "wb") as out:
        f.seek(table["partitions"][1]["start"] * 512)
        for at in range(0, n, 1 << 20):
            out.write(f.read(min(1 << 20, n - at)))


try:
    if args.big:
        enlarge(int(args.big[0]), args.big[1])
    else:
        os.symlink(os.path.abspath(args.image), image)
    install()  # makes the signing authority, and the files for the yardstick
    runs = [("yardstick, image", yardstick(image)), ("pome create", install)]
    if system_bytes():
        keep_system(system_bytes())
        runs.insert(1, ("yardstick, system", yardstick(system)))
    os.mkdir(keep)
    for name in ("Disk.img", "AuxiliaryStorage"):
        subprocess.run(["cp", "--sparse=always", os.path.join(members, name), keep], check=True)
    written = sum(os.stat(os.path.join(keep, name)).st_blocks * 512 for name in os.listdir(keep))
    delete()
    found = {name: [] for name, _ in runs}
    loads = []
    for _ in range(args.rounds):
        for name, run in runs:
            found[name].append(timed(run))
            loads.append(os.getloadavg()[0])
            delete()
    print(f"{os.stat(image).st_size / 1e6:.0f} MB image, {written / 1e6:.0f} MB written, {args.rounds} rounds, load {min(loads):.1f} to {max(loads):.1f}")
    best = {name: tuple(min(column) for column in zip(*rows)) for name, rows in found.items()}
    for name, rows in found.items():
        wall, cpu = best[name]
        print(f"{name:18} {wall:6.2f} s ({statistics.median(r[0] for r in rows):.2f})  {cpu:6.2f} s of CPU ({statistics.median(r[1] for r in rows):.2f})"
              f"  {written / wall / 1e6:6.0f} MB/s")
    for name in best:
        if name != "pome create":
            pairs = [y[0] / p[0] for y, p in zip(found[name], found["pome create"])]
            print(f"throughput of {name}: wall {best[name][0] / best['pome create'][0] * 100:.0f} % (pairs {statistics.median(pairs) * 100:.0f} %),"
                  f" CPU {best[name][1] / best['pome create'][1] * 100:.0f} %")
finally:
    shutil.rmtree(work)
