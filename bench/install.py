#!/usr/bin/env python3
"""install.py - how fast an installation is, beside copying the same bytes and digesting them on one thread.

usage: install.py POME IMAGE.ipsw [ROUNDS]

The yardstick: `cp --sparse=always` of what an installation writes (Disk.img, AuxiliaryStorage), synced, and `openssl dgst -sha384` over the OS image, both at
once. The installation also reads and digests the compressed image and uncompresses it. Minima of several rounds, alternating.
"""
import json
import os
import plistlib
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile

pome, image = sys.argv[1:3]
rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
work = tempfile.mkdtemp(prefix="pome-bench-install-", dir=os.path.dirname(os.path.abspath(image)))
env = dict(os.environ, POME_HOME=work, TERM="dumb")
raw, keep, copy = (os.path.join(work, name) for name in ("os.raw", "keep", "copy"))


def timed(run):
    os.sync()
    before, begun = os.times(), time.monotonic()
    run()
    after = os.times()
    return time.monotonic() - begun, after.children_user + after.children_system - before.children_user - before.children_system


def yardstick():
    shutil.rmtree(copy, ignore_errors=True)
    digest = subprocess.Popen(["openssl", "dgst", "-sha384", raw], stdout=subprocess.DEVNULL)
    subprocess.run(["cp", "-r", "--sparse=always", keep, copy], check=True)
    subprocess.run(["sync", *(os.path.join(copy, name) for name in os.listdir(copy))], check=True)
    digest.wait()


def install():
    subprocess.run([pome, "create", "vm", "--image", image, "--disk", "16GiB"], env=env, check=True, capture_output=True)


def delete():
    subprocess.run([pome, "delete", "vm"], env=env, capture_output=True)


try:
    install()  # makes the signing authority, and the raw image for the yardstick
    with open(os.path.join(work, "vms/vm.bundle/Disk.img"), "rb") as disk, open(raw, "wb") as out:
        part = subprocess.run(["sfdisk", "--json", disk.name], check=True, capture_output=True, text=True)
        first = json.loads(part.stdout)["partitiontable"]["partitions"][1]["start"] * 512
        os_bytes = plistlib.loads(zipfile.ZipFile(image).read("BuildManifest.plist"))["BuildIdentities"][0]["Manifest"]["OS"]["Info"]["UncompressedSize"]
        disk.seek(first)
        for at in range(0, os_bytes, 1 << 20):
            out.write(disk.read(min(1 << 20, os_bytes - at)))
    os.mkdir(keep)
    for name in ("Disk.img", "AuxiliaryStorage"):
        subprocess.run(["cp", "--sparse=always", os.path.join(work, "vms/vm.bundle", name), keep], check=True)
    written = sum(os.stat(os.path.join(keep, name)).st_blocks * 512 for name in os.listdir(keep))
    delete()
    best = {}
    for _ in range(rounds):
        for name, run in (("cp + sha384", yardstick), ("pome create", install)):
            wall, cpu = timed(run)
            old = best.get(name, (wall, cpu))
            best[name] = min(old[0], wall), min(old[1], cpu)
            delete()
    for name, (wall, cpu) in best.items():
        print(f"{name:12} {written / wall / 1e6:8.0f} MB/s  {wall:6.2f} s  {cpu:6.2f} s of CPU")
    print(f"pome / yardstick: {best['cp + sha384'][0] / best['pome create'][0] * 100:.0f} %")
finally:
    shutil.rmtree(work)
