#!/usr/bin/env python3
"""security.py - who signs a machine's boot, how strictly it is checked, and what Recovery may ask for, as a user or a script sees it.

usage: security.py POME MAKE_TEST_IMAGE
"""
import json
import os
import subprocess
import sys

sys.dont_write_bytecode = True
from kit import expect, image, passed, programs, run, work

make_image, = programs


def policy(name):
    return json.loads(run("security", "get", name, "--json"))


def create(name, *more, **expected):
    return run("create", name, "--image", image, "--disk", "2GiB", *more, **expected)


def levels():
    for level in ("full", "reduced", "permissive"):
        done = json.loads(create(level, "--security", level, "--json").splitlines()[-1])
        expect(done["event"] == "done" and done["security"] == level, str(done))
        expect(policy(level)["security"] == level, level)
        run("security", "get", level, says=level)
    create("x", "--security", "none", status=2, err='"none" is not full, reduced or permissive')
    run("install", "full", "--image", image, "--security", "reduced", status=4, err="is installed already")
    expect(policy("full")["security"] == "full", "changed by an installation that was refused")
    run("install", "full", "--image", image, "--erase", "--security", "reduced")
    expect(policy("full")["security"] == "reduced", "pome install --security")
    run("install", "full", "--image", image, "--erase")
    expect(policy("full")["security"] == "full", "pome install forgets the level")
    with open(os.path.join(work.name, "vms", "full.bundle", "Install.json"), "w") as f:
        f.write('{"version": 1, "state": "installing"}\n')
    run("install", "full", "--image", image, "--security", "permissive")
    expect(policy("full")["security"] == "permissive", "pome install --security of one that was interrupted")
    expect(json.loads(run("security", "set", "full", "full", "--json")) == policy("full"), "security set --json")
    expect(json.loads(run("personalize", "full", "--all", "--json")) == policy("full"), "personalize --json")


def authorities():
    """A folder that is made, the same as one file, and what is none."""
    folder, one = os.path.join(work.name, "stick", "keys"), os.path.join(work.name, "one.pem")
    create("a", "--authority", folder)
    digest = json.loads(run("authority", "show", "--authority", folder, "--json"))["digest"]
    expect(policy("a")["authority"] == digest != policy("full")["authority"], "not the authority that was given")
    run("security", "set", "a", "reduced", status=5, err="trusts another signing authority")
    with open(one, "w") as f:
        os.fchmod(f.fileno(), 0o600)
        for part in ("signer.key", "signer.pem", "root.pem"):
            f.write(open(os.path.join(folder, part)).read())
    run("security", "set", "a", "reduced", "--authority", one)
    run("authority", "show", "--authority", one, says="File:   " + one)
    run("authority", "show", "--authority", folder, says="Folder: " + folder)
    expect(policy("a")["security"] == "reduced", "not signed with the file")
    create("b", "--authority", one)
    expect(policy("b")["authority"] == digest, "not the authority in the file")
    os.chmod(one, 0o644)
    create("c", "--authority", one, status=5, err="chmod 600")
    expect(not os.path.exists(os.path.join(work.name, "vms", "c.bundle")), "left behind")
    os.chmod(one, 0o600)
    with open(one, "w") as f:
        f.write("rubbish")
    create("c", "--authority", one, status=1, err="holds neither a private key without a password alone nor one with the signer's certificate")
    run("personalize", "a", "--all", "--authority", one, status=1, err="cat signer.key signer.pem root.pem")
    run("authority", "show", "--authority", one, status=1, err="cat signer.key signer.pem root.pem")


def nonce(name):
    """lpnh of its policy, in the wrapper of its auxiliary storage (docs/boot.md section 4)."""
    with open(os.path.join(work.name, "vms", name + ".bundle", "AuxiliaryStorage"), "rb") as f:
        f.seek(0x80)
        return f.read(48).hex()


def ask(name, level, by=None):
    ecid = int(json.loads(run("bundle", "info", by or name, "--json"))["ecid"], 16)
    run("nvram", "set", name, "pome-policy-request", "%016x %s %s" % (ecid, level, nonce(name)))


def requests():
    expect(policy("full")["requested"] is None, "a request from nowhere")
    run("security", "approve", "full", "reduced", status=3, err="Recovery asked for nothing")
    run("security", "deny", "full", status=3, err="Recovery asked for nothing")
    ask("full", "reduced")
    expect(policy("full")["requested"] == "reduced", "the request is not shown")
    run("security", "get", "full", says="pome security approve full")
    run("security", "approve", "full", status=2, err="pome security approve full reduced")
    run("security", "approve", "full", "permissive", status=4, err="asks for reduced security, not permissive")
    expect(policy("full")["security"] == "full", "raised without the owner's yes")
    approved = json.loads(run("security", "approve", "full", "reduced", "--json", err="approved"))
    expect(approved == policy("full") and approved["security"] == "reduced", str(approved))
    expect(policy("full") | {"security": "reduced", "requested": None} == policy("full"), "not approved")
    run("log", "show", "full", says="Recovery's request was approved")
    ask("full", "permissive")
    expect(json.loads(run("security", "deny", "full", "--json", err="refused"))["requested"] is None, "security deny --json")
    run("log", "show", "full", says="the owner of the host said no")
    old = nonce("full")
    ask("full", "permissive")
    run("security", "set", "full", "full")
    run("security", "approve", "full", "permissive", status=4, err="made under another policy")
    run("security", "deny", "full")
    expect(old != nonce("full"), "the nonce stayed")
    ask("full", "permissive", by="reduced")
    run("security", "approve", "full", "permissive", status=4, err="for another machine")
    run("security", "get", "full", says="cannot be followed")
    run("security", "deny", "full")
    expect(policy("full")["security"] == "full", "raised by a request that was worth nothing")
    run("start", "full", "--approve-policy", "reduced", status=2, err="with --recovery")
    run("start", "full", "--recovery", "--approve-policy", "all", status=2, err="not full, reduced or permissive")


def boot_args():
    run("nvram", "set", "full", "boot-args", "quiet init=/bin/sh", err='"init=/bin/sh" is left out: the machine has full security')
    expect(run("nvram", "get", "full", "boot-args") == "quiet init=/bin/sh\n", "it is not what was set")
    run("security", "set", "full", "permissive")
    run("nvram", "set", "full", "boot-args", "quiet init=/bin/sh", err='"init=/bin/sh" is left out in Recovery')


subprocess.run([make_image, work.name, image], check=True)
for part in (levels, authorities, requests, boot_args):
    part()
passed()
