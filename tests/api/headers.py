#!/usr/bin/env python3
"""headers.py - the public headers: each compiles alone as C17 and C++17, and libpome.so exports what they declare and nothing else.

usage: headers.py SOURCE_ROOT LIBRARY
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

root, library = sys.argv[1:3]
folder = os.path.join(root, "include", "pome")
headers = sorted(h for h in os.listdir(folder) if h.endswith(".h"))
failures = []


def compiles(header, command):
    with tempfile.NamedTemporaryFile("w", suffix=".cc" if "++" in command[0] else ".c") as f:
        f.write(f"#include <pome/{header}>\nint unused_but_here;\n")
        f.flush()
        r = subprocess.run([*command, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I", os.path.join(root, "include"), f.name],
                           capture_output=True, text=True)
        if r.returncode:
            failures.append(f"{header} does not compile alone with {' '.join(command)}:\n{r.stderr}")


for h in headers:
    compiles(h, ["cc", "-std=c17", "-pedantic"])
    if shutil.which("c++"):
        compiles(h, ["c++", "-std=c++17"])

declared = set()
for h in headers:
    text = re.sub(r"/\*.*?\*/", "", open(os.path.join(folder, h)).read(), flags=re.S)
    for d in re.findall(r"^POME_API\s([^;]*?)\(", text, flags=re.M):
        declared.add(re.search(r"(\w+)\s*$", d).group(1))
names = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout
exported = {line.split()[-1].split("@")[0] for line in names.splitlines() if " T " in line}
if declared - exported:
    failures.append("declared POME_API and not exported: " + ", ".join(sorted(declared - exported)))
if exported - declared:
    failures.append("exported and not declared in include/pome: " + ", ".join(sorted(exported - declared)))
if failures:
    sys.exit("\n".join(failures))
print(f"{len(headers)} headers, {len(exported)} functions")
