#!/usr/bin/env python3
"""darwin-test.py POME MAKE_MACHO GUEST.elf: Mach-O kernels of ours, started as Darwin's are; the guest itself checks what it was given (guest.c)."""
import json
import os
import struct
import subprocess
import sys
import tempfile

pome, make_macho, elf = map(os.path.abspath, sys.argv[1:4])
work = tempfile.TemporaryDirectory(prefix="pome-darwin-")
env = dict(os.environ, POME_HOME=work.name, POME_CACHE="off")
ran = 0


def at(name):
    return os.path.join(work.name, name)


def write(name, data):
    with open(at(name), "wb") as f:
        f.write(data)
    return at(name)


def make(*args):
    subprocess.run([make_macho, *args], check=True)
    return args[-1]


def boot(*args, says=(), err="", status=0):
    """pome boot; what it prints must hold every text of `says`."""
    global ran
    ran += 1
    r = subprocess.run([pome, "boot", *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, env=env, errors="replace")
    for text in says:
        if text not in r.stdout:
            sys.exit(f"pome boot {' '.join(args)}: does not say {text!r}:\n{r.stdout}{r.stderr}")
    if r.returncode != status or err not in r.stderr:
        sys.exit(f"pome boot {' '.join(args)}: status {r.returncode}, wanted {status} and {err!r}:\n{r.stdout}{r.stderr}")
    return r.stdout


GOOD = "darwin guest: all good\n"


def plain(kernel):
    for cpus in "1", "3", "8":
        boot("--kernel", kernel, "--cpus", cpus, "--append", "serial=3 -v", says=[GOOD, "boot-args: serial=3 -v\n"])
    boot("--kernel", kernel, "--memory", "2GiB", says=[GOOD])


def forms(kernel):
    """The kinds of files that a kernel comes in."""
    fileset = make("fileset", elf, at("fileset"))
    told = info(make("im4p-lzfse", "krnl", fileset, at("fileset.im4p")))["kernel"]
    if [m["name"] for m in told["members"]] != ["com.apple.kernel", "org.pome.test"] or told["cpu"] != "arm64e":
        sys.exit(f"pome image info: {told}")
    boot("--kernel", fileset, says=[GOOD])
    for how in "plain", "lzfse", "lzss":
        boot("--kernel", make("im4p-" + how, "krnl", kernel, at("kernel." + how)), says=[GOOD])


def companions(kernel):
    """RAM disk and trust cache, bare and wrapped: where the tree says that they are."""
    disk = write("ramdisk", b"RAMdisk!" + bytes(range(256)) * 4000)
    first, size = struct.unpack("<Q", b"RAMdisk!")[0], os.path.getsize(disk)
    ramdisk_line = f"RAMDisk: first bytes 0x{first:016x} bytes 0x{size:016x}\n"
    cache = write("trust", struct.pack("<I16sI", 1, b"u" * 16, 2) + b"a" * 20 + b"\2\0" + b"b" * 20 + b"\2\0")
    cache_line = f"TrustCache: first bytes 0x{8 << 32 | 1:016x} bytes 0x{8 + os.path.getsize(cache):016x}\n"
    boot("--kernel", kernel, "--ramdisk", disk, "--trust-cache", cache, says=[GOOD, ramdisk_line, cache_line])
    boot("--kernel", kernel, "--ramdisk", make("im4p-lzfse", "rdsk", disk, at("ramdisk.im4p")),
         "--trust-cache", make("im4p-plain", "trst", cache, at("trust.im4p")), says=[GOOD, ramdisk_line, cache_line])


def info(path):
    return json.loads(subprocess.run([pome, "image", "info", "--json", path], check=True, capture_output=True, text=True, env=env).stdout)


def given_tree(kernel):
    """A tree like a restore image's: what a boot loader fills in is filled in, CPUs that are not there are taken away."""
    tree = make("tree", "32", at("tree"))
    root = info(tree)["device_tree"]["device-tree"]
    if len([n for n in root["cpus"] if n.startswith("cpu")]) != 32 or root["chosen"]["of-the-file"] != "kept":
        sys.exit(f"pome image info: {root}")
    wrapped = make("im4p-lzfse", "dtre", tree, at("tree.im4p"))
    if info(wrapped)["device_tree"]["device-tree"] != root:
        sys.exit("pome image info: another tree in the Image4 payload")
    boot("--kernel", kernel, "--cpus", "2", "--device-tree", tree, says=[GOOD])
    boot("--kernel", kernel, "--cpus", "2", "--device-tree", wrapped, says=[GOOD])
    boot("--kernel", kernel, "--cpus", "3", "--device-tree", make("tree", "2", at("small")), status=1, err="2 nodes in /cpus, the machine has 3 CPUs")


def pome_does(*args, status=0, **more):
    r = subprocess.run([pome, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, env=env, errors="replace", **more)
    if r.returncode != status:
        sys.exit(f"pome {' '.join(args)}: status {r.returncode}, wanted {status}:\n{r.stdout}{r.stderr}")
    return r.stdout


def installed(kernel):
    """A restore image, installed into a bundle, started by boot ROM and stage 2; an object whose bytes differ is not used."""
    disk, image = write("root", b"RAMdisk!" + b"x" * 300000), at("darwin.ipsw")
    cache = write("trust", struct.pack("<I16sI", 1, b"u" * 16, 2) + b"a" * 20 + b"\2\0" + b"b" * 20 + b"\2\0")
    packed = make("im4p-lzfse", "krnl", kernel, at("packed"))
    pome_does("image", "build", "--darwin", "--kernel", packed, "--ramdisk", disk, "--trust-cache", cache, "--device-tree", make("tree", "8", at("tree8")),
              "-o", image)
    pome_does("image", "build", "--darwin", "--kernel", disk, "--ramdisk", disk, "-o", at("no.ipsw"), status=1)
    pome_does("image", "verify", image)
    pome_does("create", "d", "--image", image, "--cpu-model", "apple", "--cpus", "2", "--memory", "512MiB", "--disk", "2GiB")
    pome_does("bundle", "check", "d")
    said = pome_does("start", "d")
    for text in "device tree", "trust cache", "boot-args: serial=3 rd=md0\n", f"RAMDisk: first bytes 0x{struct.unpack('<Q', b'RAMdisk!')[0]:016x}", GOOD:
        if text not in said.replace("\r", ""):
            sys.exit(f"pome start: does not say {text!r}:\n{said}")
    log = [(r.get("process") or r.get("processImagePath", ""), r.get("eventMessage", "")) for r in json.loads(pome_does("log", "show", "d", "--last", "boot", "--style", "json"))]
    for record in ("kernel", "darwin guest: all good"), ("firmware", "pome stage2: LocalPolicy ok, full security"):
        if record not in log:
            sys.exit(f"pome log show: no {record} in {log}")
    if not any(process == "pome" and "cpu 1: brought online by CPU 0" in text for process, text in log):
        sys.exit(f"pome log show: nothing of the host beside the guest: {log}")
    with open(at("vms/d.bundle/Disk.img"), "r+b") as f:
        f.seek(0)
        place = f.read(64 << 20).find(b"a" * 20)
        f.seek(place)
        f.write(b"A")
    said = pome_does("start", "d")
    if "trust cache, digest" not in said or "Recovery cannot" in said or GOOD not in said.replace("\r", ""):
        sys.exit(f"pome start with another trust cache:\n{said}")


def refused(kernel):
    text = write("text", b"hello\n" * 100)
    boot("--kernel", text, status=1, err="no kernel that can be started")
    boot("--kernel", kernel, "--trust-cache", text, status=1, err="text: trust cache")
    boot("--kernel", kernel, "--device-tree", text, status=1, err="text: device tree")
    boot("--kernel", kernel, "--append", "x" * 1024, status=1, err="takes at most 1023")
    boot("--kernel", kernel, "--ramdisk", at("none"), status=1, err="No such file")
    cut = write("cut", open(kernel, "rb").read()[:-0x8000])
    boot("--kernel", cut, status=1, err="cut: Mach-O: segment")
    big = write("big", b"")
    os.truncate(big, 600 << 20)
    boot("--kernel", kernel, "--ramdisk", big, status=1, err="big")


executable = make("executable", elf, at("kernel"))
for part in plain, forms, companions, given_tree, installed, refused:
    part(executable)
print(ran, "starts")
