#!/usr/bin/env python3
"""abi.py - what a program was compiled against goes on working: abidiff compares the public headers with the recorded baseline.

usage: abi.py SOURCE_ROOT MAP             0: compatible, 77: abidiff is not installed
       abi.py SOURCE_ROOT MAP --record    writes tests/api/libpome.abi anew: with a release, or when a break is meant (a new soname)

A library is made of the headers alone, each function a stub: it has the public types and nothing else. Allowed: new functions, new values of
enumerations, members at the end of a struct that begins with its size. headers.py sees to it that the real library exports what the headers say.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

root, map_path = (os.path.abspath(a) for a in sys.argv[1:3])
folder, baseline = root + "/include/pome", root + "/tests/api/libpome.abi"
# The lines of abidiff's report that tell of a compatible change, or lead to one. (Its suppressions for members at the end also hide others.)
ALLOWED = re.compile(r"""^(|Functions changes summary: 0 Removed.*|Variables changes summary: 0 Removed.*|\d+ functions? with some indirect sub-type changes?:|
\[C\] 'function .*' at .* has some indirect sub-type changes:|parameter \d+ of type '.*' has sub-type changes:|in (pointed to|unqualified underlying) type .*:|
return type changed:|type size changed from \d+ to \d+ \(in bits\)|type size hasn't changed|\d+ data member insertions?:|'.*', at offset \d+ \(in bits\).*|
\d+ enumerator insertions?:|'.*::\w+' value '\d+'|underlying type .*|.* changed:|.* changed, as reported earlier|\d+ data member changes?:|.*were reported earlier)$""".replace("\n", ""))
work = tempfile.mkdtemp(prefix="pome-abi-")


def library(name, change=lambda text: text):
    """A library of stubs, of the headers as `change` makes them."""
    include = f"{work}/{name}/pome"
    os.makedirs(include)
    stubs = ""
    for h in sorted(os.listdir(folder)):
        text = change(open(f"{folder}/{h}", encoding="utf-8").read())
        open(f"{include}/{h}", "w", encoding="utf-8").write(text)
        plain = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
        stubs += f"#include <pome/{h}>\n" + "".join(m.group(1) + "\n{\n    __builtin_trap();\n}\n"
                                                    for m in re.finditer(r"^(POME_API\s[^;]*\));", plain, re.M))
    source, out = f"{work}/{name}.c", f"{work}/{name}.so"
    open(source, "w", encoding="utf-8").write(stubs)
    subprocess.run(["cc", "-std=gnu17", "-g", "-O0", "-fPIC", "-shared", "-fvisibility=hidden", "-w", "-I", f"{work}/{name}", "-o", out, source,
                    "-Wl,-soname,libpome.so.0", "-Wl,--version-script=" + map_path, "-Wl,--undefined-version"], check=True)
    return out


def compare(lib):
    """What is not compatible: lines of the report."""
    r = subprocess.run(["abidiff", "--no-added-syms", "--harmless", baseline, lib], capture_output=True, text=True)
    if r.returncode & 3:
        return ["abidiff failed: " + r.stdout + r.stderr]
    bad = [line for line in r.stdout.splitlines() if not ALLOWED.match(line.strip())]
    grown = re.findall(r"struct pome_error'.*?type size changed.*", r.stdout, re.S)
    return bad + (["struct pome_error has another size: it is 256 bytes, forever"] if grown else [])


def replacing(old, new):
    return lambda text: text.replace(old, new, 1)


def main():
    if not shutil.which("abidiff"):
        print("skipped: abidiff is not installed (Debian: abigail-tools)")
        return 77
    now = library("now")
    if "--record" in sys.argv:
        text = subprocess.run(["abidw", "--exported-interfaces-only", "--no-show-locs", "--no-corpus-path", "--no-comp-dir-path", "--no-elf-needed",
                               "--no-parameter-names", now], capture_output=True, text=True, check=True).stdout
        open(baseline, "w", encoding="utf-8").write(text)
        return 0
    bad = compare(now)
    if bad:
        print("\n".join(bad) + "\nPrograms that were compiled against the recorded headers would break. Undo the change; or, with a new soname, run abi.py --record.")
        return 1
    # The guard itself: what it must refuse, and what it must let through.
    for what, change, allowed in [
            ("a member of another type", replacing("unsigned timeout_ms;", "uint64_t timeout_ms;"), False),
            ("a function with other arguments", replacing("pome_config_free(pome_config *config)", "pome_config_free(pome_config *config, int x)"), False),
            ("another number for a state", replacing("POME_VM_PAUSED = 2,", "POME_VM_PAUSED = 12,"), False),
            ("an error value that grows", replacing("char message[248];\n", "char message[248];\n    int more;\n"), False),
            ("a member at the end of options", replacing("    bool force; ", "    bool force; int more; "), True),
            ("a new value of an enumeration", replacing("POME_STOP_ERROR = 5, ", "POME_STOP_ERROR = 5, POME_STOP_NEW = 6, "), True)]:
        bad = compare(library(re.sub(r"\W", "-", what), change))
        if (not bad) != allowed:
            print(f"the guard {'refuses' if allowed else 'lets through'} {what}:", *bad, sep="\n")
            return 1
    print("compatible with the baseline; the guard tells six changes apart")
    return 0


try:
    sys.exit(main())
finally:
    shutil.rmtree(work, ignore_errors=True)
