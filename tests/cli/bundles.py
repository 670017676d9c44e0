#!/usr/bin/env python3
"""bundles.py - behaviour of pome config, nvram and bundle, as a user or a script sees it.

usage: bundles.py POME MAKE_TEST_IMAGE
"""
import fcntl
import json
import os
import subprocess
import sys
import tempfile

pome, make_image = sys.argv[1:3]
work = tempfile.TemporaryDirectory(prefix="pome-bundles-")
env = dict(os.environ, POME_HOME=work.name, TERM="dumb")
image = os.path.join(work.name, "test.ipsw")
vms = os.path.join(work.name, "vms")
checks = 0


def run(*args, status=0, says=None, err=None, **more):
    """Runs pome; its exit status and what it says must be as given. Returns standard output."""
    global checks
    checks += 1
    r = subprocess.run([pome, *args], env=env, capture_output=True, text=True, timeout=120, **more)
    for want, got, name in ((says, r.stdout, "standard output"), (err, r.stderr, "standard error")):
        if want is not None and want not in got:
            sys.exit(f"pome {' '.join(args)}: {name} does not say {want!r}:\n{got}")
    if r.returncode != status:
        sys.exit(f"pome {' '.join(args)}: status {r.returncode}, expected {status}:\n{r.stdout}{r.stderr}")
    return r.stdout


def expect(what, text):
    global checks
    checks += 1
    if not what:
        sys.exit(text)


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
    run("config", "set", "a", "platform", "generic", status=2, err="[boot-loader-platform]")
    run("config", "set", "a", "memorySize", "5", status=2, err="[memory-range]")
    run("config", "set", "a", "colour", "red", status=2, err="[key-unknown]")
    run("config", "set", "a", "networks[0].macAddress", "06:e8:a3:b0:23:b4", err="")
    run("config", "validate", "a", says="[device-not-there-yet]", err="0 errors, 1 warning")
    run("config", "set", "a", "networks", "")
    expect("networks" not in json.loads(run("config", "get", "a")), "networks are still there")
    path = member("a", "Config.json")
    good = open(path).read()
    open(path, "w").write('{"version": 1,\n "cpuCount": 9, "memory": 5}')
    found = json.loads(run("config", "validate", "a", "--json", status=1))
    expect([f["code"] for f in found["findings"]] == ["key-unknown", "key-missing", "cpu-count-range"], str(found))
    expect(found["errors"] == 3 and found["findings"][0]["line"] == 2 and found["findings"][0]["column"] == 17, str(found))
    run("config", "validate", path, status=1, says=":2:2: cpuCount: 9, needed 1 to 8")
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
    run("nvram", "set", "a", "boot-args", "--", "-v debug=0x14e 100%25")
    run("nvram", "list", "a", err="Bank 0, generation 3")
    run("nvram", "get", "a", "boot-args", says="-v debug=0x14e 100%25\n")
    expect(run("nvram", "get", "a", "boot-args", "--raw") == "-v debug=0x14e 100%", "--raw is escaped")
    run("nvram", "print", "a", says="boot-args\t-v debug=0x14e 100%25\n")
    run("nvram", "set", "a", "bytes", "00ff00ff0000000a41", "--hex", "-p", "system")
    run("nvram", "get", "a", "bytes", says="%00%ff%00%ff%00%00%00%0aA\n")
    run("nvram", "set", "a", "bytes", "%00%ffA", "-p", "system")
    run("nvram", "get", "a", "bytes", "--json", says='"bytes":3,"hex":"00ff41"')
    run("nvram", "get", "a", "bytes", "-p", "common", status=3, err="in common")
    run("nvram", "delete", "a", "bytes")
    run("nvram", "delete", "a", "bytes", status=3, err="no variable")
    run("nvram", "set", "a", "bad%", "x")
    run("nvram", "set", "a", "bad=", "x", status=1, err="cannot be a variable's name")
    run("nvram", "set", "a", "n" * 128, "x", status=1, err="cannot be a variable's name")
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


os.makedirs(vms)
subprocess.run([make_image, work.name, image], check=True)
run("create", "a", "--image", image, "--cpus", "2", "--memory", "1GiB", "--disk", "2GiB")
config()
nvram()
print(checks, "checks passed")
