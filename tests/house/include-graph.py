#!/usr/bin/env python3
"""include-graph.py ROOT: compares every #include in the sources with the table of docs/architecture.md."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
FREE = {"tests", "fuzz", "examples", "bench"}  # may include everything


def allowed_by_table():
    table = {}
    for line in (root / "docs/architecture.md").read_text().splitlines():
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        if len(cells) == 3 and cells[0].startswith("`"):
            table[cells[0].strip("`")] = set(re.findall(r"`([^`]+)`", cells[2]))
    return table


def main():
    table = allowed_by_table()
    if len(table) < 15:
        sys.exit("docs/architecture.md: the table was not found")
    wrong, seen = [], 0
    for path in sorted(root.rglob("*.[chS]")) + sorted(root.rglob("*.inc")):
        rel = path.relative_to(root)
        top = "include/pome" if rel.parts[:2] == ("include", "pome") else rel.parts[0]
        if top.startswith("build") or top.startswith(".") or top in FREE:
            continue
        if top not in table:
            wrong.append(f"{rel}: folder {top} is not in the table")
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            m = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
            if not m:
                continue
            target = m.group(2)
            if target.startswith("pome/"):
                to = "include/pome"
            elif m.group(1) == '"' and "/" in target:
                to = target.split("/")[0]
            elif m.group(1) == '"' and (path.parent / target).exists():
                to = top
            else:
                continue  # system headers
            seen += 1
            fine = to == top or to in table[top]
            if top != "include/pome" and not fine:
                # base is free for all but the command; the error value is the same inside and out
                fine = (to == "base" and top not in ("cli", "firmware")) or target == "pome/error.h" or \
                       (to == "include/pome" and top in ("api", "base", "cli"))
            if not fine:
                wrong.append(f"{rel}:{number}: {top} may not include {target}")
    if seen < 10:
        sys.exit("no includes found: wrong root?")
    print(f"{seen} includes looked at")
    if wrong:
        print("\n".join(wrong))
        sys.exit(1)


main()
