#!/usr/bin/env python3
"""completions-test.py - what bash offers at a given command line; that zsh and fish can read theirs, where they are installed.

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
env = dict(os.environ, POME_HOME=work.name)


def offered(*words):
    script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _pome; printf "%s\\n" "${COMPREPLY[@]}"'
    r = subprocess.run(["bash", "-c", script, "bash", os.path.join(folder, "pome.bash"), "pome", *words], env=env, cwd=work.name, capture_output=True, text=True, check=True)
    if r.stderr:
        sys.exit(r.stderr)
    return set(r.stdout.split("\n")) - {""}


def expect(words, *, has=(), hasnt=()):
    got = offered(*words)
    if not set(has) <= got or set(hasnt) & got:
        sys.exit(f"pome {' '.join(words)}<TAB>: {sorted(got)}; needed {has}, not {hasnt}")


verbs = [v["name"] for v in json.loads(subprocess.run([pome, "help", "--json"], capture_output=True, text=True, check=True).stdout)]
expect([""], has={v.split()[0] for v in verbs})
expect(["sta"], has=["start", "status"], hasnt=["stop"])
expect(["image", ""], has=[v.split()[1] for v in verbs if v.startswith("image ")], hasnt=["start"])
expect(["start", "de"], has=["dev", "deb"], hasnt=["build"])
expect(["log", "show", "d"], has=["dev", "deb"])
expect(["start", "dev", "--de"], has=["--detach"], hasnt=["--memory"])
expect(["create", "x", "--image", ""], hasnt=["dev", "--cpus"])
expect(["help", "st"], has=["start", "stop"])
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
