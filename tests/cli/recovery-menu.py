#!/usr/bin/env python3
"""recovery-menu.py - the numbers of Recovery's menu are its commands, with what is typed after them; here, with a shell of the host.

usage: recovery-menu.py RECOVERY_MENU
"""
import os
import shutil
import subprocess
import sys
import tempfile

with tempfile.TemporaryDirectory() as folder:
    shutil.copy(sys.argv[1], folder + "/recovery-menu")
    os.symlink("recovery-menu", folder + "/3")
    for name in ("reinstall", "nvram"):
        with open(f"{folder}/{name}", "w") as f:
            f.write('#!/bin/sh\nprintf "%s|" ' + name + ' "$@"\n')
        os.chmod(f"{folder}/{name}", 0o755)
    for words, status, said in ((["3"], 0, "reinstall|"), (["3", "--keep-data", "-y"], 0, "reinstall|--keep-data|-y|"),
                                (["recovery-menu", "4", "set", "a", "b c"], 0, "nvram|set|a|b c|"), (["recovery-menu", "11"], 2, ""),
                                (["recovery-menu", "0"], 2, ""), (["recovery-menu", "x"], 2, "")):
        r = subprocess.run(["sh", f"{folder}/{words[0]}", *words[1:]], capture_output=True, text=True, env=dict(os.environ, PATH=folder + ":" + os.environ["PATH"]))
        assert (r.returncode, r.stdout) == (status, said), (words, r)
    r = subprocess.run(["sh", folder + "/recovery-menu"], capture_output=True, text=True)
    assert r.returncode == 0 and "reset-password" in r.stdout, r
