#!/usr/bin/env python3
"""images.py - pome image info, list, verify, extract, diff on images shaped like macOS's and on the files in them.

usage: images.py POME MAKE_TEST_IMAGE
"""
import base64
import glob
import hashlib
import json
import os
import plistlib
import shutil
import subprocess
import sys
import zipfile

sys.dont_write_bytecode = True
import kit
from kit import at, env, expect, pome, programs, work

make_image, = programs
samples = os.environ.get("POME_SAMPLES", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../shared/facts/samples"))


def run(*args, **more):
    return kit.run("image", *args, cwd=work.name, **more)


def make(name, *options):
    out = subprocess.run([make_image, "--apple", *options, work.name, at(name)], check=True, capture_output=True, text=True)
    return out.stdout.strip()


def sha384(path):
    return hashlib.sha384(open(path, "rb").read()).hexdigest()


def same(ours, theirs, place):
    """Every key of a list, as Python's plistlib reads it."""
    if isinstance(theirs, bytes):
        theirs = theirs.hex()
    if isinstance(theirs, dict):
        expect(set(ours) == set(theirs), f"{place}: other keys")
        for k in theirs:
            same(ours[k], theirs[k], f"{place}.{k}")
    elif isinstance(theirs, list):
        expect(len(ours) == len(theirs), f"{place}: another length")
        for i, v in enumerate(theirs):
            same(ours[i], v, f"{place}[{i}]")
    else:
        expect(ours == theirs, f"{place}: {ours!r}, not {theirs!r}")


def restore_images():
    text = run("info", "plain.ipsw", says="macOS 13.6 (22Z120)")
    for want in ("VirtualMac" not in text, "vma2macosap  Customer Upgrade Install (IPSW)  Update     0x20   0xFE00" in text, "13.0.0" in text):
        expect(want, "image info does not tell what it should:\n" + text)
    info = json.loads(run("info", "plain.ipsw", "--json"))
    expect(len(info["identities"]) == 6 and info["identity_count"] == 6, "identities")
    expect(info["identities"][3]["minimum_memory_bytes"] == 4 << 30 and info["minimum_cpu_count"] == 2, "what a virtual Mac needs")
    expect(info["supported"] is False and "not started" in info["reason"], "support")
    lists = zipfile.ZipFile(at("plain.ipsw"))
    for name, found in info["lists"].items():
        same(found, plistlib.loads(lists.read(name)), name)
    expect(len(info["lists"]) == 4, "four lists")
    for c in info["components"]:
        expect(hashlib.sha384(lists.read(c["path"])).hexdigest() == c["digest"], c["name"] + ": digest")
    empty = plistlib.loads(lists.read("BuildManifest.plist"))
    empty["BuildIdentities"][0]["BbFDRSecurityKeyHash"] = b"" # as real manifests have it
    with zipfile.ZipFile(at("empty.ipsw"), "w") as z:
        z.writestr("BuildManifest.plist", plistlib.dumps(empty))
    found = json.loads(run("info", "empty.ipsw", "--json"))["lists"]["BuildManifest.plist"]["BuildIdentities"][0]["BbFDRSecurityKeyHash"]
    expect(found == "", f"empty data is {found!r}")
    run("verify", "plain.ipsw", says="all 25 components are right")
    run("verify", "sealed.ipsw", says="all 25 components are right")


def property_lists():
    """Outside an image, too; those that say who a virtual Mac is, in words."""
    open(at("MachineIdentifier"), "wb").write(plistlib.dumps({"ECID": 0x1234567890ABCDEF}, fmt=plistlib.FMT_BINARY))
    run("info", "MachineIdentifier", says="1234567890ABCDEF")
    open(at("HardwareModel"), "wb").write(plistlib.dumps({"DataRepresentationVersion": 2, "PlatformVersion": 2, "MinimumSupportedOS": [13, 0, 0]}, fmt=plistlib.FMT_BINARY,
                                                         sort_keys=False))
    run("info", "HardwareModel", says="Apple vma2")
    one = {"Text": "x", "No text": "", "Number": 7, "Negative": -1426047457, "Least": -1 << 63, "Most": (1 << 64) - 1, "Data": b"\1\2", "Empty": b"", "List": [True, {"Key": 1.5}]}
    for fmt in (plistlib.FMT_XML, plistlib.FMT_BINARY):
        open(at("one.plist"), "wb").write(plistlib.dumps(one, fmt=fmt))
        expect(json.loads(run("info", "one.plist", "--json"))["list"] == {**one, "Data": "0102", "Empty": "", "List": [True, {"Key": "1.5"}]}, "a list's values")
    run("verify", "one.plist", status=69, err="it has no digests")
    open(at("bad.plist"), "wb").write(b"bplist00 and no more")
    run("info", "bad.plist", status=1, err="bad.plist")


def support():
    make("old.ipsw", "--version", "11.7", "--without-vm", "--os-size", "4")
    run("info", "old.ipsw", says="macOS 11.7 is too old")
    make("new.ipsw", "--version", "28.0", "--min-host", "27.0.0", "--os-size", "4")
    run("info", "new.ipsw", says="macOS 28.0 is too new: it needs a host like macOS 27.0.0")
    make("macs.ipsw", "--without-vm", "--os-size", "4")
    run("info", "macs.ipsw", says="none of its 3 identities is for a virtual machine")


def differences():
    expect(run("diff", "plain.ipsw", "plain.ipsw") == "no difference\n", "a file differs from itself")
    text = run("diff", "macs.ipsw", "plain.ipsw")
    for want in ("+ Identities: vma2macosap, macOS Customer", "+ Components: KernelCache (", "~ Chosen for: j274ap -> vma2macosap",
                 "~ Components: OS: digest: "):
        expect(want in text, f"image diff does not say {want!r}:\n{text}")
    changes = json.loads(run("diff", "plain.ipsw", "new.ipsw", "--json"))
    expect({"change": "changed", "path": ["product"], "from": "macOS 13.6 (22Z120)", "to": "macOS 28.0 (22Z120)"} in changes, "image diff --json")


def image4():
    run("extract", "plain.ipsw", "KernelCache", "-o", "kernel.im4p")
    info = json.loads(run("info", "kernel.im4p", "--json"))
    expect(info["type"] == "krnl" and info["compression"] == "LZFSE" and info["uncompressed_bytes"] == 9 << 20, "kernel.im4p")
    expect(info["im4p_sha384"] == sha384(at("kernel.im4p")), "SHA-384 of the IM4P")
    run("verify", "kernel.im4p", says="all of it is right")
    run("extract", "kernel.im4p", "-o", "kernel")
    run("extract", "plain.ipsw", "KernelCache", "--payload", "-o", "kernel2")
    expect(os.path.getsize(at("kernel")) == 9 << 20 and sha384(at("kernel")) == sha384(at("kernel2")), "the kernel's payload")
    run("extract", "plain.ipsw", "DeviceTree", "-o", "tree.im4p")
    run("info", "tree.im4p", says="LZSS")
    run("extract", "tree.im4p", "-o", "tree")
    expect(os.path.getsize(at("tree")) == 58476, "the device tree's payload")
    damaged = bytearray(open(at("kernel.im4p"), "rb").read())
    damaged[damaged.index(b"bvx2") + 5] ^= 4  # the size of the first block
    open(at("damaged.im4p"), "wb").write(damaged)
    run("verify", "damaged.im4p", status=1, err="LZFSE")
    run("extract", "damaged.im4p", "-o", "nothing", status=1)
    expect(not os.path.exists(at("nothing")), "a damaged payload came out")
    run("extract", "plain.ipsw", "Firmware/Manifests/restore/macOS Customer/apticket.vma2macosap.im4m", "-o", "ticket.im4m")
    run("info", "ticket.im4m", says="krnl (kernel cache):")
    ticket = json.loads(run("info", "ticket.im4m", "--json"))
    expect(ticket["groups"]["MANP"]["BORD"] == 0x20 and ticket["groups"]["krnl"]["DGST"] == sha384(at("kernel.im4p")), "the ticket")
    run("extract", "ticket.im4m", "-o", "nothing", status=69, err="nothing is inside")
    run("extract", "plain.ipsw", "StaticTrustCache", "-o", "cache.im4p")
    cache = json.loads(run("info", "cache.im4p", "--json"))["trust_cache"]
    expect(cache["count"] == 900 and len(cache["entries"]) == 900 and cache["sorted"] is True, "the trust cache")
    run("extract", "cache.im4p", "-o", "cache")
    run("list", "cache", says=cache["entries"][5]["cdhash"])
    run("verify", "cache", says="all of it is right")
    run("extract", "plain.ipsw", "SystemVolume", "-o", "hash.im4p")
    run("info", "hash.im4p", says="root hash of the system volume")


def fletcher(block):
    """[Objects] of Apple's reference: the checksum of all behind it."""
    low = high = 0
    for i in range(8, len(block), 4):
        low = (low + int.from_bytes(block[i:i + 4], "little")) % 0xffffffff
        high = (high + low) % 0xffffffff
    a = 0xffffffff - (low + high) % 0xffffffff
    return (0xffffffff - (low + a) % 0xffffffff) << 32 | a


def volumes():
    """A disk as it is: its partitions, containers and volumes; those that cannot be read say why."""
    env["POME_HOME"] = at("home")
    subprocess.run([make_image, "--apple", work.name, at("mac.ipsw")], check=True)
    subprocess.run([pome, "create", "mac", "--image", at("mac.ipsw"), "--memory", "4GiB", "--disk", "12GiB"], env=env, check=True, capture_output=True)
    disk = os.path.join(at("home"), "vms", "mac.bundle", "Disk.img")
    facts = json.loads(run("info", disk, "--json"))
    parts = [p["apfs"]["volumes"] for p in facts["partitions"]]
    expect([len(p) for p in parts] == [4, 6, 2], str(parts))
    expect(facts["kind"] == "disk (raw)" and not any("not_readable" in v for p in parts for v in p), str(facts)[:500])
    run("verify", disk, status=69, err="it has no digests")
    run("extract", disk, "-o", "x", status=69, err="nothing is packed in it")
    changes = {b"Macintosh HD": (0x38, 0x20), b"Data": (0x108, -1), b"Preboot": (0xd8, 3), b"VM": (0x2c0, b"\x1b[2JVM")}
    with open(disk, "r+b") as f:
        f.seek(1024 + 128 + 32)
        first = int.from_bytes(f.read(8), "little") * 512
        for block in range(0, 40000):
            f.seek(first + block * 4096)
            b = bytearray(f.read(4096))
            name = bytes(b[0x2c0:0x3c0]).split(b"\0")[0]
            if b[0x20:0x24] != b"APSB" or name not in changes:
                continue
            at_byte, value = changes[name]
            if isinstance(value, bytes):
                b[at_byte:at_byte + len(value)] = value
            else:
                b[at_byte] = b[at_byte] & ~1 if value < 0 else b[at_byte] | value
            b[0:8] = fletcher(b).to_bytes(8, "little")
            f.seek(first + block * 4096)
            f.write(b)
    said = {v["name"]: v for v in json.loads(run("info", disk, "--json"))["partitions"][1]["apfs"]["volumes"]}
    expect("it is sealed" in said["Macintosh HD"]["not_readable"] and "it is encrypted" in said["Data"]["not_readable"], str(said))
    expect("its snapshots" in said["Preboot"]["not_read"] and said["Preboot"]["snapshots"] == 3, str(said))
    expect("\x1b" not in run("info", disk, says="?[2JVM"), "a name reached the terminal as it was")


def disks(key):
    run("extract", "plain.ipsw", "OS", "-o", "os.dmg")
    run("info", "os.dmg", says="7C3457EF-0000-11AA-AA11-00306543ECAC")
    run("verify", "os.dmg", says="all of it is right")
    run("extract", "os.dmg", "-o", "os.raw")
    run("extract", "plain.ipsw", "OS", "--payload", "-o", "os2.raw")
    expect(sha384(at("os.raw")) == sha384(at("os2.raw")) and os.path.getsize(at("os.raw")) == 64 << 20, "the disk")
    expect(os.stat(at("os.raw")).st_blocks * 512 < 32 << 20, "holes were written")
    if shutil.which("7zz"):  # somebody else's reader
        subprocess.run(["7zz", "t", at("os.dmg")], check=True, capture_output=True)
    run("extract", "sealed.ipsw", "OS", "-o", "os.dmg.aea")
    run("info", "os.dmg.aea", says="org.pome.made-for:  tests")
    run("verify", "os.dmg.aea", status=69, err="no key was given")
    run("verify", "os.dmg.aea", "--key", key, says="all of it is right")
    run("verify", "os.dmg.aea", "--key", "ab" * 32, status=1, err="another key")
    run("verify", "os.dmg.aea", "--key", "ab", status=2, err="not 64 hexadecimal digits")
    other = bytearray(open(at("os.dmg.aea"), "rb").read(1 << 20))
    other[4] = 5  # the profile: AEAD with a password
    open(at("password.aea"), "wb").write(other)
    run("info", "password.aea", says="a symmetric key only (profile 1)")
    run("verify", "password.aea", "--key", key, status=69, err="only profile 1, ")
    auth = b"".join((5 + len(k) + len(v)).to_bytes(4, "little") + k + b"\0" + v for k, v in (
        (b"com.apple.wkms.fcs-response", b'{"enc-request":"BA==","wrapped-key":"AA=="}'), (b"com.apple.wkms.fcs-key-url", b"https://keys.test/one")))
    open(at("wrapped.aea"), "wb").write(b"AEA1" + (1).to_bytes(4, "little") + len(auth).to_bytes(4, "little") + auth + bytes(4096))
    run("info", "wrapped.aea", says="wrapped for a private key (HPKE)")  # as in macOS's own images
    run("info", "wrapped.aea", says="https://keys.test/one")
    run("extract", "wrapped.aea", "-o", "os6.raw", status=69, err="--key-file")
    open(at("key"), "wb").write(bytes.fromhex(key))
    run("extract", "os.dmg.aea", "-o", "os3.raw", "--key-file", "key")
    run("extract", "sealed.ipsw", "OS", "--payload", "-o", "os4.raw", "--key", "base64:" + base64.b64encode(bytes.fromhex(key)).decode())
    expect(sha384(at("os.raw")) == sha384(at("os3.raw")) == sha384(at("os4.raw")), "the sealed disk")
    run("extract", "sealed.ipsw", "OS", "--payload", "-o", "os5.raw", status=69, err="no key was given")
    expect(not os.path.exists(at("os5.raw")), "something came out without a key")
    damaged = bytearray(open(at("os.dmg"), "rb").read())
    damaged[1000] ^= 1
    open(at("bad.dmg"), "wb").write(damaged)
    run("verify", "bad.dmg", status=1, err="CRC-32")


def mistakes():
    open(at("text"), "w").write("nothing of the kind\n" * 100)
    run("info", "text", status=69, err="not a restore image, disk image, archive, Image4 file, trust cache, property list, Darwin kernel or device tree")
    run("info", "nowhere", status=3)
    run("extract", "plain.ipsw", status=2, err="name a component")
    run("extract", "os.dmg", status=2, err="-o FILE is missing")
    run("extract", "os.dmg", "OS", "-o", "x", status=2, err="no components")
    run("extract", "os.dmg", "-o", "os.raw", status=1, err="exists already")


def real_lists():
    """A zip around real lists, if they are there: every key is told, and quickly (282 kB of manifest)."""
    name = os.path.join(samples, "BuildManifest-iPhone14,3-iOS-15.4.1-19E258.plist")
    if not os.path.exists(name):
        print(f"{samples}: no real lists there")
        return
    with zipfile.ZipFile(at("ios.ipsw"), "w") as z:
        z.write(name, "BuildManifest.plist")
        z.write(os.path.join(samples, "Restore-iOS-11.2.plist"), "Restore.plist")
    run("info", "ios.ipsw", says="d64ap")
    found = json.loads(run("info", "ios.ipsw", "--json"))["lists"]["BuildManifest.plist"]
    real = plistlib.load(open(name, "rb"))
    same(found, real, "iOS")
    for other in glob.glob(os.path.join(samples, "*.plist")):
        same(json.loads(run("info", other, "--json"))["list"], plistlib.load(open(other, "rb")), other)


key = make("sealed.ipsw", "--encrypted")
make("plain.ipsw")
restore_images()
property_lists()
support()
differences()
image4()
disks(key)
volumes()
mistakes()
real_lists()
print("images: all as expected")
