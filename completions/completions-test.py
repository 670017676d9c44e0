#!/usr/bin/env python3
"""completions-test.py - what bash and, where it is installed, fish offer at a given command line; that zsh can read its own.

usage: completions-test.py POME DIR
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

pome, folder = map(os.path.abspath, sys.argv[1:3])
work = tempfile.TemporaryDirectory(prefix="pome-complete-")
for name in ("dev", "build one", "deb"):
    os.makedirs(os.path.join(work.name, "vms", name + ".bundle"))
for name in ("warm", "cold"):
    os.makedirs(os.path.join(work.name, "vms", "dev.bundle", "Snapshots", name))
open(os.path.join(work.name, "vms", "dev.bundle", "Snapshots", "Current"), "w").close()
env = dict(os.environ, POME_HOME=work.name)


def offered_by_fish(*words):
    line = " ".join(["pome", *words]) if words[-1] else " ".join(["pome", *words[:-1]]) + " "
    r = subprocess.run(["fish", "--no-config", "-c", f"source {folder}/pome.fish; complete -C '{line}'"], env=env, cwd=work.name, capture_output=True, text=True, check=True)
    if r.stderr:
        sys.exit(r.stderr)
    return {choice.split("\t")[0] for choice in r.stdout.split("\n")} - {""}


def offered(*words):
    script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _pome; printf "%s\\n" "${COMPREPLY[@]}"'
    r = subprocess.run(["bash", "-c", script, "bash", os.path.join(folder, "pome.bash"), "pome", *words], env=env, cwd=work.name, capture_output=True, text=True, check=True)
    if r.stderr:
        sys.exit(r.stderr)
    return set(r.stdout.split("\n")) - {""}


def expect(words, *, has=(), hasnt=()):
    for shell in [offered] + ([offered_by_fish] if shutil.which("fish") else []):
        got = {choice.rstrip("/") for choice in shell(*words)}
        if not set(has) <= got or set(hasnt) & got:
            sys.exit(f"{shell.__name__}: pome {' '.join(words)}<TAB>: {sorted(got)}; needed {has}, not {hasnt}")


verbs = [v["name"] for v in json.loads(subprocess.run([pome, "help", "--json"], capture_output=True, text=True, check=True).stdout)]
expect([""], has={v.split()[0] for v in verbs})
expect(["sta"], has=["start", "status"], hasnt=["stop"])
expect(["image", ""], has=[v.split()[1] for v in verbs if v.startswith("image ")], hasnt=["start"])
expect(["start", "de"], has=["dev", "deb"], hasnt=["build"])
expect(["log", "show", "d"], has=["dev", "deb"])
expect(["start", "dev", "--de"], has=["--detach"], hasnt=["--memory"])
expect(["create", "x", "--image", ""], hasnt=["dev", "--cpus"])
expect(["help", "st"], has=["start", "stop"])
expect(["snapshot", "restore", "dev", ""], has=["warm", "cold"], hasnt=["Current", "dev", "vms"])
expect(["clone", "dev", "new", "--from-snapshot", "w"], has=["warm"], hasnt=["cold"])
expect(["set", "dev", "mem"], has=["memorySize"], hasnt=["mainDisk"])
expect(["config", "get", "dev", "mainDisk."], has=["mainDisk.cachingMode", "mainDisk.synchronizationMode"])
expect(["security", "set", "dev", "r"], has=["reduced"], hasnt=["full"])
expect(["rename", "dev", ""], hasnt=["vms", "dev"])
expect(["image", "info", ""], has=["vms"])
checked = ["bash"]
for shell, name in (("zsh", "_pome"), ("fish", "pome.fish")):
    if shutil.which(shell):
        subprocess.run([shell, "-n", os.path.join(folder, name)], check=True)
        checked.append(shell)
for name in ("_pome", "pome.fish"):
    text = open(os.path.join(folder, name)).read()
    missing = [v for v in verbs if v not in text]
    if missing:
        sys.exit(f"{name}: does not know {missing}")
print("checked with", ", ".join(checked))
