#!/usr/bin/env python3
"""bundles.py - behaviour of pome config, nvram and bundle, as a user or a script sees it.

usage: bundles.py POME MAKE_TEST_IMAGE
"""
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


os.makedirs(vms)
subprocess.run([make_image, work.name, image], check=True)
run("create", "a", "--image", image, "--cpus", "2", "--memory", "1GiB", "--disk", "2GiB")
config()
print(checks, "checks passed")
