#!/usr/bin/env python3
"""bundles.py - behaviour of pome config, nvram and bundle, as a user or a script sees it.

usage: bundles.py POME MAKE_TEST_IMAGE
"""
import base64
import fcntl
import io
import hashlib
import json
import os
import plistlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

sys.dont_write_bytecode = True
from kit import at, env, expect, image, passed, pome, programs, run, vms, work

make_image, = programs


def member(name, file):
    return os.path.join(vms, name + ".bundle", file)


def config():
    everything = json.loads(run("config", "get", "a"))
    expect(everything["cpuCount"] == 2 and everything["memorySize"] == 1 << 30, str(everything))
    run("config", "get", "a", "cpuModel", says="default\n")
    run("config", "get", "a", "nothing", status=3, err="pome config get NAME")
    run("config", "set", "a", "memorySize", "1536MiB")
    run("config", "get", "a", "memorySize", says=str(1536 << 20))
    run("config", "set", "a", "cpuCount", "3", status=4, err="[fixed-at-installation]")
    for wrong in ("[boot-loader-platform]", "[fixed-at-installation]"): # both are told
        run("config", "set", "a", "platform", "generic", status=4, err=wrong)
    run("config", "set", "a", "memorySize", "5", status=2, err="[memory-range]")
    run("config", "set", "a", "colour", "red", status=2, err="[key-unknown]")
    run("config", "set", "a", "networks[0].macAddress", "06:e8:a3:b0:23:b4", err="")
    run("config", "set", "a", "audio", "[{}]", err="")
    run("config", "validate", "a", says="[device-not-there-yet]", err="0 errors, 1 warning")
    run("config", "set", "a", "audio", "")
    run("config", "set", "a", "networks", "")
    expect("networks" not in json.loads(run("config", "get", "a")), "networks are still there")
    path = member("a", "Config.json")
    good = open(path).read()
    open(path, "w").write('{"version": 1,\n "cpuCount": 33, "memory": 5}')
    found = json.loads(run("config", "validate", "a", "--json", status=1))
    expect([f["code"] for f in found["findings"]] == ["key-unknown", "key-missing", "cpu-count-range"], str(found))
    expect(found["errors"] == 3 and found["findings"][0]["line"] == 2 and found["findings"][0]["column"] == 18, str(found))
    run("config", "validate", path, status=1, says=":2:2: cpuCount: 33, needed 1 to 32")
    run("config", "validate", os.path.basename(path), cwd=os.path.dirname(path), status=1, says=":2:2: cpuCount: 33") # a file that is here needs no slash
    open(path, "w").write(good)
    run("config", "validate", "a", err="0 errors, 0 warnings")
    run("config", "validate", "nosuch", status=3)
    rules = json.loads(run("config", "validate", "--rules", "--json"))
    expect(len({r["code"] for r in rules}) == len(rules) > 40, "the rules' codes are not unique")


def nvram():
    names = {v["name"]: v for v in json.loads(run("nvram", "list", "a", "--json"))}
    expect(names["auto-boot"]["text"] == "true" and names["auto-boot"]["partition"] == "common", str(names))
    expect(names["boop-storage-nonces"]["partition"] == "system" and len(names["boop-storage-nonces"]["hex"]) == 224, str(names))
    run("nvram", "list", "a", says="system        24  boop-storage-misc", err="Bank 1, generation 2")
    set_to = json.loads(run("nvram", "set", "a", "boot-args", "--json", "--", "-v debug=0x14e 100%25"))
    expect(set_to == {"name": "boot-args", "partition": "common", "bytes": 19, "text": "-v debug=0x14e 100%"}, str(set_to))
    run("nvram", "list", "a", err="Bank 0, generation 3")
    run("nvram", "get", "a", "boot-args", says="-v debug=0x14e 100%25\n")
    expect(run("nvram", "get", "a", "boot-args", "--raw") == "-v debug=0x14e 100%", "--raw is escaped")
    run("nvram", "print", "a", says="boot-args\t-v debug=0x14e 100%25\n")
    run("nvram", "set", "a", "bytes", "00ff00ff0000000a41", "--hex", "-p", "system")
    run("nvram", "get", "a", "bytes", says="%00%ff%00%ff%00%00%00%0aA\n")
    run("nvram", "set", "a", "bytes", "%00%ffA", "-p", "system")
    run("nvram", "get", "a", "bytes", "--json", says='"bytes":3,"hex":"00ff41"')
    run("nvram", "get", "a", "bytes", "-p", "common", status=3, err="in common")
    expect(json.loads(run("nvram", "delete", "a", "bytes", "--json")) == {"name": "bytes", "partition": "system"}, "nvram delete --json")
    run("nvram", "delete", "a", "bytes", status=3, err="no variable")
    run("nvram", "set", "a", "bad%", "x")
    run("nvram", "set", "a", "bad=", "x", status=2, err="cannot be a variable's name")
    run("nvram", "set", "a", "n" * 128, "x", status=2, err="cannot be a variable's name")
    run("nvram", "set", "a", "x", "%4", status=2, err="two hexadecimal digits")
    run("nvram", "set", "a", "x", "1", "-p", "nowhere", status=2, err="common and system")
    for i in range(10):
        r = subprocess.run([pome, "nvram", "set", "a", f"big{i}", "v" * 60000, "-p", "system"], env=env, capture_output=True, text=True)
    expect(r.returncode == 1 and "are free in system" in r.stderr and "delete variables" in r.stderr, r.stderr)
    run("nvram", "get", "a", "big0")
    # A torn write leaves the variables of before.
    listed = run("nvram", "print", "a")
    aux = member("a", "AuxiliaryStorage")
    before = open(aux, "rb").read()
    run("nvram", "set", "a", "boot-args", "torn")
    after = bytearray(open(aux, "rb").read())
    at = next(i for i in (0xA04000, 0xA84000) if before[i:i + 0x80000] != after[i:i + 0x80000])
    after[at + 0x1000:at + 0x80000] = before[at + 0x1000:at + 0x80000]
    after[at + 0x40] ^= 1
    open(aux, "wb").write(after)
    expect(run("nvram", "print", "a") == listed, "a torn write changed what was there before")
    after[0xA04010] ^= 1
    after[0xA84010] ^= 1
    open(aux, "wb").write(after)
    run("nvram", "list", "a", status=1, err="neither NVRAM bank is valid")
    open(aux, "wb").write(before)
    holder = os.open(os.path.join(vms, "a.bundle"), os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    run("nvram", "set", "a", "x", "1", status=6, err="stop the machine first")
    os.close(holder)
    run("nvram", "list", "nosuch", status=3)


def copy(source, target):
    subprocess.run(["cp", "-a", "--sparse=always", source, target], check=True)


def codes(name, status):
    found = json.loads(run("bundle", "check", name, "--json", status=status))
    return [f["code"] for f in found["findings"]]


def flip(name, file, at, mask=0xFF):
    with open(member(name, file), "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ mask]))


def info():
    i = json.loads(run("bundle", "info", "a", "--json"))
    expect(i["installed"] and i["cpu_count"] == 2 and i["hardware_model"]["platform_version"] == 112 and i["disk_bytes"] == 2 << 30, str(i))
    expect(i["bytes"] > i["allocated_bytes"] > 0 and len(i["ecid"]) == 16, str(i))
    run("bundle", "info", "a", says="Platform:   apple (Pome 1, version 112)")
    run("bundle", "info", "nosuch", status=3)


def check_and_repair():
    expect(codes("a", 0) == [], "a new machine has faults")
    end = (2 << 30)
    damage = [
        ("gpt-primary", 0, True, lambda: flip("a", "Disk.img", 600)),
        ("gpt-backup", 0, True, lambda: flip("a", "Disk.img", end - 500)),
        ("nvram-bank", 0, True, lambda: flip("a", "AuxiliaryStorage", 0xA04000 + 40)),
        ("leftover", 0, True, lambda: open(member("a", ".Disk.img.0123abcd"), "w").write("x")),
        ("member-mode", 0, True, lambda: os.chmod(member("a", "Disk.img"), 0o644)),
        ("config-damaged", 1, True, lambda: open(member("a", "Config.json"), "w").write('{"version":1,"cpuCount":2,"memorySize":7}')),
        ("aux-wrapper", 1, False, lambda: flip("a", "AuxiliaryStorage", 16)),
        ("aux-flash-header", 1, False, lambda: flip("a", "AuxiliaryStorage", 0x4000)),
        ("aux-firmware", 1, False, lambda: flip("a", "AuxiliaryStorage", 0x24000 + 300)),
        ("machine-identifier", 1, False, lambda: flip("a", "MachineIdentifier", 9)),
        ("hardware-model", 1, False, lambda: flip("a", "HardwareModel", 9)),
        ("member-missing", 1, False, lambda: os.unlink(member("a", "HardwareModel"))),
        ("member-size", 1, False, lambda: os.truncate(member("a", "AuxiliaryStorage"), 4096)),
        ("member-kind", 1, False, lambda: (os.unlink(member("a", "MachineIdentifier")), os.symlink("Config.json", member("a", "MachineIdentifier")))),
        ("volume-damaged", 1, False, lambda: flip("a", "Disk.img", 40 * 512 + 510)),
        ("file-unknown", 0, False, lambda: open(member("a", "notes.txt"), "w").write("x")),
        ("not-installed", 0, False, lambda: open(member("a", "Install.json"), "w").write("{}")),
    ]
    whole = os.path.join(work.name, "whole")
    copy(os.path.join(vms, "a.bundle"), whole)
    for code, status, repairable, harm in damage:
        harm()
        found = codes("a", status)
        expect(code in found, f"{code}: found {found}")
        run("bundle", "repair", "a", status=1 if repairable or status else 0, stdin=subprocess.DEVNULL)
        expect(code in codes("a", status), f"{code}: repaired without being asked")
        run("bundle", "repair", "a", "--yes", status=0 if repairable else status)
        again = codes("a", 0 if repairable else status)
        expect((code in again) != repairable, f"{code}: after the repair {again}")
        if repairable:
            run("bundle", "repair", "a", "--yes", err="0 repaired")
        shutil.rmtree(os.path.join(vms, "a.bundle"))
        copy(whole, os.path.join(vms, "a.bundle"))
    # Both copies of something: one cannot be made from the other.
    flip("a", "AuxiliaryStorage", 0xA04000 + 40)
    flip("a", "AuxiliaryStorage", 0xA84000 + 40)
    expect("nvram-lost" in codes("a", 1), "two damaged banks")
    run("bundle", "repair", "a", "--yes", says="")
    run("nvram", "get", "a", "auto-boot", says="true")
    flip("a", "Disk.img", 600)
    flip("a", "Disk.img", end - 500)
    expect("gpt-lost" in codes("a", 1), "two damaged maps")
    run("bundle", "repair", "a", "--yes", status=1)
    # A byte of the kernel: the digest of its ticket finds it.
    shutil.rmtree(os.path.join(vms, "a.bundle"))
    copy(whole, os.path.join(vms, "a.bundle"))
    data = open(member("a", "Disk.img"), "rb").read(520 << 20)
    at = data.index(b"IM4P\x16\x04krnl")
    flip("a", "Disk.img", at + 100)
    expect(codes("a", 1) == ["boot-object"], str(codes("a", 1)))
    flip("a", "Disk.img", at + 100)
    run("bundle", "check", "a", err="a: 0 errors, 0 warnings")
    run("bundle", "check", "nosuch", status=3)
    os.mkdir(os.path.join(vms, "empty.bundle"))
    run("bundle", "check", "empty", status=1, err="is not a bundle")
    os.rmdir(os.path.join(vms, "empty.bundle"))


def same_files(one, other, but=()):
    names = set(os.listdir(one)) | set(os.listdir(other))
    for n in names - set(but) - {"Log"}:
        with open(os.path.join(one, n), "rb") as f, open(os.path.join(other, n), "rb") as g:
            while True:
                x = f.read(1 << 20)
                expect(x == g.read(1 << 20), f"{n} differs in {one} and {other}")
                if not x:
                    break


def cut_off_import(archive):
    """What an import that was cut off has written stays; another archive's, or a damaged one, goes."""
    st, head = os.stat(archive), open(archive, "rb").read(4096)
    key = f"{hashlib.sha384(head).hexdigest().upper()[:64]} {st.st_size} {st.st_mtime_ns // 10**9}.{st.st_mtime_ns % 10**9:09d}\n"
    for text, says in ((key, "Going on with the archive"), (key.replace(" ", " 1", 1), "Reading the archive"), ("", "Reading the archive")):
        run("bundle", "import", archive, "cut")
        kept = os.path.join(vms, "cut.bundle.import")
        os.rename(os.path.join(vms, "cut.bundle"), kept)
        open(os.path.join(kept, ".import"), "w").write(text)
        os.unlink(os.path.join(kept, "MachineIdentifier"))
        with open(os.path.join(kept, "Disk.img"), "r+b") as f: # the power failed while this was written
            f.write(b"torn")
        run("bundle", "import", archive, "cut", err=says)
        expect(not os.path.exists(kept) and not os.path.exists(member("cut", ".import")), "the folder of the import is still there")
        run("bundle", "check", "cut", err="0 errors, 0 warnings")
        expect(open(member("cut", "Disk.img"), "rb").read() == open(member("a", "Disk.img"), "rb").read(), "another disk was imported")
        run("delete", "cut")
    os.makedirs(kept)
    for verb in (["bundle", "check"], ["bundle", "info"], ["start"]):
        run(*verb, "cut", status=3, err="an import of it was cut off")
        run(*verb, kept, status=4, err="what an import wrote that was cut off")
    run("delete", "cut")
    expect(not os.path.exists(kept), "pome delete left what an import had begun")


def copies():
    bundle = os.path.join(vms, "a.bundle")
    before = json.loads(run("bundle", "info", "a", "--json"))
    run("bundle", "clone", "a", "b", err="Machine: " + os.path.join(vms, "b.bundle"))
    after = json.loads(run("bundle", "info", "b", "--json"))
    expect(after["ecid"] != before["ecid"] and after["installed"] and after["disk_used_bytes"] < before["disk_used_bytes"] * 1.2, str(after))
    expect(codes("b", 0) == [] and codes("a", 0) == [], "clone or original have faults")
    nonce = run("nvram", "get", "a", "com.apple.System.boot-nonce")
    expect(nonce != run("nvram", "get", "b", "com.apple.System.boot-nonce"), "the clone has the boot nonce of the original")
    run("bundle", "clone", "a", "b", status=1, err="exists already")
    run("bundle", "clone", "a", "c", "--keep-identity", status=2, err="pome bundle export")
    run("bundle", "clone", "nosuch", "c", status=3)
    holder = os.open(bundle, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    run("bundle", "clone", "a", "c", status=6, err="stop it first")
    os.close(holder)
    # A ticket that its authority did not sign is not signed by being cloned.
    data = open(member("a", "Disk.img"), "rb").read(520 << 20)
    at = data.index(b"DGST", data.index(b"IM4M")) + 20
    flip("a", "Disk.img", at)
    run("bundle", "clone", "a", "c", status=1, err="its signature is wrong")
    flip("a", "Disk.img", at)
    expect(sorted(os.listdir(vms)) == ["a.bundle", "b.bundle"], str(os.listdir(vms)))

    run("bundle", "move", "b", "moved")
    expect(json.loads(run("bundle", "info", "moved", "--json"))["ecid"] == after["ecid"], "a move changed the identity")
    run("bundle", "move", "moved", "a", status=1, err="exists already")
    if os.path.isdir("/dev/shm") and os.stat("/dev/shm").st_dev != os.stat(vms).st_dev:
        with tempfile.TemporaryDirectory(prefix="pome-move-", dir="/dev/shm") as other:
            kept = os.path.join(work.name, "kept")
            copy(os.path.join(vms, "moved.bundle"), kept)
            run("bundle", "move", "moved", other + "/far.bundle", err="it goes to another file system")
            expect(sorted(os.listdir(vms)) == ["a.bundle"], "the original is still there")
            same_files(kept, other + "/far.bundle")
            expect(codes(other + "/far.bundle", 0) == [], "the moved machine has faults")
            run("bundle", "move", other + "/far.bundle", "moved")
            shutil.rmtree(kept)

    out = os.path.join(work.name, "a.tar.zst")
    run("bundle", "export", "a", "-o", out)
    run("bundle", "export", "a", "-o", out, status=1, err="--force")
    cut_off_import(out)
    expect(os.path.getsize(out) < before["allocated_bytes"], "the archive is larger than the data")
    run("bundle", "import", out, status=1, err="give it another name")
    run("bundle", "import", out, "back")
    same_files(bundle, os.path.join(vms, "back.bundle"))
    used = json.loads(run("bundle", "info", "back", "--json"))
    expect(used["disk_used_bytes"] <= before["disk_used_bytes"] * 1.1, f"holes were filled: {used}")
    expect(codes("back", 0) == [], "the imported machine has faults")
    unpacked = os.path.join(work.name, "unpacked")
    os.mkdir(unpacked)
    if shutil.which("zstd"):
        subprocess.run(["tar", "--zstd", "-xSf", out, "-C", unpacked], check=True)
        same_files(bundle, unpacked + "/a.bundle", but=[".digests"])
    data = open(out, "rb").read()
    bad = os.path.join(work.name, "bad.tar.zst")
    for cut in (0, 3, 100, len(data) // 2, len(data) - 20):
        open(bad, "wb").write(data[:cut])
        run("bundle", "import", bad, "cut", status=1, err="do:")
    for at in range(20, len(data), len(data) // 12):
        open(bad, "wb").write(data[:at] + bytes([data[at] ^ 1]) + data[at + 1:])
        r = subprocess.run([pome, "bundle", "import", bad, "cut"], env=env, capture_output=True, text=True)
        expect(r.returncode == 1, f"a flipped bit at {at}: status {r.returncode} {r.stderr}")
    expect("cut.bundle" not in os.listdir(vms) and not [n for n in os.listdir(vms) if ".tmp-" in n], f"left: {os.listdir(vms)}")


def hostile():
    """Archives that no export makes."""
    def make(name, *members):
        plain = os.path.join(work.name, "evil.tar")
        with tarfile.open(plain, "w") as t:
            for path, kind, data in members:
                i = tarfile.TarInfo(path)
                i.type = kind
                i.size = len(data) if kind == tarfile.REGTYPE else 0
                i.linkname = "/etc/passwd"
                t.addfile(i, io.BytesIO(data))
        archive = os.path.join(work.name, name + ".tar.zst")
        subprocess.run(["zstd", "-q", "-f", plain, "-o", archive], check=True)
        return archive

    top = ("x.bundle", tarfile.DIRTYPE, b"")
    file = tarfile.REGTYPE
    for what, members in {
        "traversal": [top, ("x.bundle/../../evil", file, b"x")],
        "absolute": [top, ("/tmp/evil", file, b"x")],
        "other": [top, ("y.bundle/Config.json", file, b"x")],
        "hidden": [top, ("x.bundle/.ssh", file, b"x")],
        "symlink": [top, ("x.bundle/Disk.img", tarfile.SYMTYPE, b"")],
        "hardlink": [top, ("x.bundle/Disk.img", tarfile.LNKTYPE, b"")],
        "device": [top, ("x.bundle/Disk.img", tarfile.CHRTYPE, b"")],
        "twice": [top, ("x.bundle/a", file, b"x"), ("x.bundle/a", file, b"y")],
        "deep": [top, ("x.bundle/a/b/c/d/e/f", file, b"x")],
        "nodigests": [top, ("x.bundle/Config.json", file, b"{}")],
        "baddigests": [top, ("x.bundle/Config.json", file, b"{}"), ("x.bundle/.digests", file, b"x")],
        "noname": [("..bundle", tarfile.DIRTYPE, b"")],
        "nobundle": [("etc", tarfile.DIRTYPE, b"")],
    }.items():
        r = subprocess.run([pome, "bundle", "import", make(what, *members)], env=env, capture_output=True, text=True)
        expect(r.returncode == 1 and "why:" in r.stderr, f"{what}: status {r.returncode} {r.stderr}")
    expect(not os.path.exists(os.path.join(work.name, "evil")) and not [n for n in os.listdir(vms) if n.startswith("x.bundle")], "a hostile archive left something")


def foreign_machines():
    """One machine of each tool that Pome knows, made here: folder -> (tool, guest, boots by)."""
    base = os.path.join(work.name, "foreign")
    model = plistlib.dumps({"DataRepresentationVersion": 1, "PlatformVersion": 2, "MinimumSupportedOS": [13, 0, 0]}, fmt=plistlib.FMT_BINARY, sort_keys=False)
    ident = plistlib.dumps({"ECID": 0x1234567890ABCDEF}, fmt=plistlib.FMT_BINARY)
    kernel = bytes(56) + b"ARM\x64" + bytes(100)
    mac = "06:e8:a3:b0:23:b4"

    def put(path, data=None, size=None):
        path = os.path.join(base, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data if data is not None else b"")
            if size:
                f.truncate(size)
        return path

    for name in ("VM.bundle", "mac.vbvm"):
        put(name + "/HardwareModel", model)
        put(name + "/MachineIdentifier", ident)
        put(name + "/AuxiliaryStorage", size=0x2004000)
        put(name + "/Disk.img", b"disk", 64 << 20)
    hardware = {"cpuCount": 3, "memorySize": 3 << 30, "networkDevices": [{"macAddress": mac}], "displayDevices": [{"width": 1920, "height": 1080, "pixelsPerInch": 80}]}
    put("mac.vbvm/.vbdata/Config.plist", plistlib.dumps({"version": 1, "systemType": "mac", "hardware": hardware}))
    put("linux.vbvm/.vbdata/Config.plist", plistlib.dumps(
        {"version": 1, "systemType": "linux", "hardware": dict(hardware, storageDevices=[{"managedImage": {"filename": "Disk", "format": "raw"}}])}))
    put("linux.vbvm/.vbdata/nvram", b"efi")
    put("linux.vbvm/Disk.img", b"disk", 64 << 20)
    put("GUI Linux VM.bundle/NVRAM", b"efi")
    put("GUI Linux VM.bundle/Disk.img", b"disk", 64 << 20)
    tart = {"version": 1, "arch": "arm64", "cpuCount": 4, "cpuCountMin": 2, "memorySize": 4 << 30, "memorySizeMin": 4 << 30, "macAddress": mac,
            "display": {"width": 1024, "height": 768}}
    put("tart-linux/config.json", json.dumps(dict(tart, os="linux")).encode())
    put("tart-linux/disk.img", b"disk", 64 << 20)
    put("tart-linux/nvram.bin", b"efi")
    put("tart-mac/config.json", json.dumps(dict(tart, os="darwin", hardwareModel=base64.b64encode(model).decode(), ecid=base64.b64encode(ident).decode())).encode())
    put("tart-mac/disk.img", b"disk", 64 << 20)
    put("tart-mac/nvram.bin", size=0x2004000)
    utm = {"Backend": "Apple", "ConfigurationVersion": 4, "Information": {"Name": "My Linux"},
           "System": {"Architecture": "aarch64", "CPUCount": 2, "MemorySize": 1024, "Boot": {"OperatingSystem": "Linux", "UEFIBoot": True, "EfiVariableStoragePath": "efi_vars.fd"}},
           "Drive": [{"ImageName": "A.img", "ReadOnly": False}, {"ImageName": "B.img", "ReadOnly": True}, {"Identifier": "external"}],
           "Network": [{"Mode": "Shared", "MacAddress": mac}], "Display": [{"WidthPixels": 800, "HeightPixels": 600, "PixelsPerInch": 80}]}
    put("efi.utm/config.plist", plistlib.dumps(utm))
    put("efi.utm/Data/A.img", b"disk", 64 << 20)
    put("efi.utm/Data/B.img", b"disk two", 1 << 20)
    put("efi.utm/Data/efi_vars.fd", b"efi")
    utm_mac = dict(utm, System={"Architecture": "aarch64", "CPUCount": 4, "MemorySize": 4096, "Boot": {"OperatingSystem": "macOS"},
                                "MacPlatform": {"HardwareModel": model, "MachineIdentifier": ident, "AuxiliaryStoragePath": "AuxiliaryStorage"}}, Drive=[{"ImageName": "A.img"}])
    put("mac.utm/config.plist", plistlib.dumps(utm_mac, fmt=plistlib.FMT_BINARY))
    put("mac.utm/Data/A.img", b"disk", 64 << 20)
    put("mac.utm/Data/AuxiliaryStorage", size=0x2004000)
    put("mvm/Image", kernel)
    put("mvm/initrd", b"initrd")
    put("mvm/disk.img", b"disk", 64 << 20)
    put("mvm/aux.img", size=0x2004000)
    linux = {"version": 1, "os": "linux", "cpus": 2, "ram": 1 << 30, "bootInfo": {"kernel": "Image", "parameters": "console=hvc0 root=/dev/vda"},
             "storage": [{"type": "disk", "file": "disk.img"}, {"type": "initrd", "file": "initrd"}], "networks": [{"type": "nat", "mac": mac}]}
    put("mvm/linux.json", json.dumps(linux).encode())
    put("mvm/mac.json", json.dumps({"version": 1, "os": "macos", "cpus": 4, "ram": 4 << 30, "hardwareModel": base64.b64encode(model).decode(), "machineId": base64.b64encode(ident).decode(),
                                    "storage": [{"type": "disk", "file": "disk.img"}, {"type": "aux", "file": "aux.img"}]}).encode())
    put("mvm/run.sh", b"#!/bin/sh\n# starts it\nvfkit --cpus 2 --memory 1024 \\\n  --bootloader linux,kernel=Image,initrd=initrd,cmdline=\"\\\"console=hvc0 quiet\\\"\" "
                      b"--device virtio-blk,path=disk.img --device virtio-net,nat,mac=06:e8:a3:b0:23:b4 --device virtio-fs,sharedDir=/tmp,mountTag=x\n")
    put("mvm/mac.sh", b"vfkit -c 2 -m 2048 --bootloader macos,auxImagePath=aux.img --device virtio-blk,path=disk.img\n")
    return base


def foreign():
    base = foreign_machines()
    for path, tool, system, boot in (
            ("VM.bundle", "Apple's sample app", "macOS", "macos"), ("GUI Linux VM.bundle", "Apple's Linux sample app", "Linux", "efi"),
            ("mac.vbvm", "VirtualBuddy", "macOS", "macos"), ("linux.vbvm", "VirtualBuddy", "Linux", "efi"),
            ("tart-mac", "tart", "macOS", "macos"), ("tart-linux", "tart", "Linux", "efi"), ("mac.utm", "UTM", "macOS", "macos"), ("efi.utm", "UTM", "Linux", "efi"),
            ("mvm/mac.json", "macosvm", "macOS", "macos"), ("mvm/linux.json", "macosvm", "Linux", "linux"), ("mvm/run.sh", "vfkit", "Linux", "linux"),
            ("mvm/mac.sh", "vfkit", "macOS", "macos")):
        full = os.path.join(base, path)
        if os.path.isdir(full):
            for verb in (["start"], ["delete"], ["bundle", "export"], ["config", "get"]):
                run(*verb, full, status=69, err="is a machine of " + tool)
            run("start", full, status=69, err="import\" makes one of Pome's from it" if system == "Linux" else "a macOS guest, which runs on a Mac only")
            expect(os.path.isdir(full), f"{path}: another tool's machine was removed")
        i = json.loads(run("bundle", "info", full, "--json"))
        expect((i["tool"], i["os"], i["boot"], i["importable"]) == (tool, system, boot, system == "Linux"), f"{path}: {i}")
        if system == "macOS":
            expect(path == "mvm/mac.sh" or (i["ecid"] == "1234567890ABCDEF" and i["hardware_model"]["platform_version"] == 2), f"{path}: {i}")
            found = json.loads(run("bundle", "check", full, "--json", status=1))
            wanted = {"foreign-macos"} | ({"foreign-identity"} if path == "mvm/mac.sh" else set())
            expect({f["code"] for f in found["findings"] if f["severity"] == "error"} == wanted, f"{path}: {found}")
            run("bundle", "import", full, "nope", status=69, err="Apple's boot ROM")
            continue
        run("bundle", "check", full)
        run("bundle", "import", full, "guest")
        info = json.loads(run("bundle", "info", "guest", "--json"))
        expect(info["platform"] == "generic" and info["installed"] and info["boot"] == boot and info["cpu_count"] == i["cpu_count"], f"{path}: {info}")
        c = json.loads(run("config", "get", "guest"))
        expect(c["memorySize"] == i["memory_bytes"] and ("mac_address" not in i or c["networks"][0]["macAddress"] == i["mac_address"]), f"{path}: {c}")
        expect(open(member("guest", "Disk.img"), "rb").read(4) == b"disk" and os.path.getsize(member("guest", "Disk.img")) == 64 << 20, f"{path}: the disk is another")
        expect(set(codes("guest", 0)) <= {"device-not-there-yet"}, f"{path}: {codes('guest', 0)}")
        if boot != "efi":
            expect(c["boot"]["kernel"] == "Kernel" and c["boot"]["commandLine"].startswith("console=hvc0") and os.path.exists(member("guest", "Ramdisk")), f"{path}: {c}")
        if path == "efi.utm":
            expect([(d["file"], d["type"], d["readOnly"]) for d in c["disks"]] == [("Disk2.img", "virtio", True)] and i["name"] == "My Linux", f"{path}: {c}")
            run("bundle", "clone", "guest", "guest2")
            expect(json.loads(run("bundle", "info", "guest2", "--json"))["ecid"] != info["ecid"], "a generic clone has the same identity")
            run("delete", "guest2")
        run("delete", "guest")
    # Wrong in one way or another.
    tart = os.path.join(base, "tart-linux")
    good = open(tart + "/config.json").read()
    for change, code in ((good.replace("arm64", "amd64"), "foreign-architecture"), (good.replace('"cpuCount": 4', '"cpuCount": 64'), "foreign-cpu-count"),
                         (good[:40], "foreign-config"), (good.replace(str(4 << 30), "1"), "foreign-memory"), (good.replace("06:e8", "07:e8"), "foreign-setting")):
        open(tart + "/config.json", "w").write(change)
        found = json.loads(subprocess.run([pome, "bundle", "check", tart, "--json"], env=env, capture_output=True, text=True).stdout)
        expect(code in [f["code"] for f in found["findings"]], f"{code}: {found}")
    open(tart + "/config.json", "w").write(good)
    open(tart + "/disk.img", "r+b").write(b"QFI\xfb")
    run("bundle", "check", tart, status=1, says="qcow2")
    os.unlink(tart + "/disk.img")
    run("bundle", "import", tart, status=1, err="pome bundle check")
    utm = os.path.join(base, "efi.utm/config.plist")
    c = plistlib.load(open(utm, "rb"))
    c["Drive"][0]["ImageName"] = "../../../etc/passwd"
    plistlib.dump(c, open(utm, "wb"))
    run("bundle", "check", os.path.dirname(utm), status=1, says="[foreign-config]")
    run("bundle", "info", work.name, status=1)


os.makedirs(vms)
subprocess.run([make_image, work.name, image], check=True)
run("create", "a", "--image", image, "--cpus", "2", "--memory", "1GiB", "--disk", "2GiB")
config()
nvram()
info()
check_and_repair()
foreign()
copies()
if shutil.which("zstd"):
    hostile()
passed()
