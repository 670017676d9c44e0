#!/usr/bin/env python3
"""make-api.py - what is made from the comments of the public headers (include/pome/*.h).

usage: make-api.py map OUT HEADER...               the linker's map: each function in the node of the release that it is "Since:"
       make-api.py pages SCDOC DIR HEADER...       pome_HEADER.3, a manual page for every header
       make-api.py links MANDIR HEADER...          in $MESON_INSTALL_DESTDIR_PREFIX: FUNCTION.3 -> its header's page
       make-api.py apple INVENTORY HEADER...       docs/apple-api.md on standard output: Apple's classes and members beside ours
       make-api.py check PAGE INVENTORY HEADER...  PAGE is what "apple" prints, labels are well-formed, every function says since when
"""
import os
import re
import subprocess
import sys

LABELS = "Owner|Thread|Errors|State|Like|Since"
FIRST_RELEASE = "0.1"


class Block:
    """A comment and what follows it up to the next comment: functions, or a type."""

    def __init__(self, header, comment, code):
        self.header, self.comment, self.code = header, comment, code
        self.functions = [(re.search(r"(\w+)\s*\($", m.group(1) + "(").group(1), m.group(0))
                          for m in re.finditer(r"^POME_API\s([^;(]*)\([^;]*\);", code, re.M)]

    def label(self, name):
        m = re.search(rf"\b{name}:\s*(.*?)(?=\s(?:{LABELS}):|\Z)", self.comment, re.S)
        return " ".join(m.group(1).split()).rstrip(".") if m else ""


def clean(comment):
    """The text of a comment, without its stars."""
    text = re.sub(r"^/\*|\*/$", "", comment.strip())
    return "\n".join(re.sub(r"^ \*( |$)", "", line) for line in text.splitlines()).strip("\n").strip()


def read(path):
    """(what the header is, its blocks)."""
    text = open(path, encoding="utf-8").read()
    name = os.path.basename(path)
    top = clean(re.match(r"/\*.*?\*/", text, re.S).group(0))
    body = text[text.index("*/") + 2:]
    body = re.sub(r"^#(ifndef|define|ifdef|endif|include)\b[^\n]*(POME_\w+_H|__cplusplus|<[^\n]*>)?[^\n\\]*$",
                  lambda m: m.group(0) if m.group(1) == "define" and not m.group(0).endswith("_H") else "", body, flags=re.M)
    body = re.sub(r'^extern "C" \{\n|^\}\n(?=\s*\Z)', "", body, flags=re.M).rstrip().rstrip("}").rstrip() + "\n"
    blocks = []
    # Comments that begin a line; those behind code belong to it.
    parts = re.split(r"^(/\*.*?\*/)[ \t]*$", body, flags=re.M | re.S)
    for i in range(1, len(parts), 2):
        if not re.match(r"/\* ---", parts[i]):
            blocks.append(Block(name, clean(parts[i]), parts[i + 1].strip("\n")))
        elif parts[i + 1].strip():
            blocks.append(Block(name, "", parts[i + 1].strip("\n")))
    if parts[0].strip():
        blocks.insert(0, Block(name, "", parts[0].strip("\n")))
    return top, blocks


def since(block):
    return block.label("Since") or FIRST_RELEASE


def since_of(block, name):
    """A comment on the function's own line knows better."""
    m = re.search(rf"{name}\(.*?;[^\n]*Since: ([\d.]*\d)", block.code)
    return m.group(1) if m else since(block)


def functions(headers):
    for path in headers:
        last = FIRST_RELEASE
        for b in read(path)[1]:
            if b.label("Since"):
                last = b.label("Since")
            for name, code in b.functions:
                own = since_of(b, name)
                yield name, (own if b.label("Since") or own != FIRST_RELEASE else last), b, code


# --- the linker's map ---

def make_map(out, headers):
    nodes = {}
    for name, release, _, _ in functions(headers):
        nodes.setdefault(release, []).append(name)
    text, before = "/* Made by docs/man/make-api.py from the headers. */\n", ""
    for release in sorted(nodes, key=lambda r: [int(x) for x in r.split(".")]):
        text += f"POME_{release} {{\nglobal:\n" + "".join(f"    {n};\n" for n in sorted(nodes[release]))
        text += ("local:\n    *;\n" if not before else "") + f"}}{before};\n"
        before = f" POME_{release}"
    open(out, "w", encoding="utf-8").write(text)


# --- manual pages ---

def escape(text):
    return re.sub(r"([\\_*#\[\]`~<>|])", r"\\\1", text)


def prose(text):
    """Comment text as scdoc: paragraphs, and labels on lines of their own."""
    text = re.sub(rf"\s*\n?\s*\b({LABELS}): *", r"\n\n\1: ", text)
    out = []
    for paragraph in re.split(r"\n\s*\n", text):
        paragraph = " ".join(paragraph.split())
        m = re.match(rf"({LABELS}): (.*)", paragraph)
        out.append(f"*{m.group(1)}:* {escape(m.group(2))}" if m else escape(paragraph))
    return "\n\n".join(p for p in out if p)


def literal(code):
    return "```\n" + code.strip("\n").replace("POME_API ", "") + "\n```"


def page(path):
    top, blocks = read(path)
    header = os.path.basename(path)
    title = header[:-2]
    first, _, rest = top.partition("\n\n")
    what = " ".join(first.split()).partition(" - ")[2].rstrip(".")
    names = [n for b in blocks for n, _ in b.functions]
    out = [f"pome_{title}(3) \"\" \"Pome\"", "# NAME", escape(", ".join([f"pome_{title}"] + names)) + " - " + escape(what),
           "# SYNOPSIS", f"*\\#include <pome/{escape(header)}>*", "Compile and link with *pkg-config --cflags --libs pome*.",
           "# DESCRIPTION"]
    if rest.strip():
        out.append(prose(rest))
    for b in blocks:
        if b.functions:
            out.append("## " + escape(", ".join(n + "()" for n, _ in b.functions)))
        elif not b.code.strip():
            out.append(prose(b.comment))
            continue
        out.append(literal(b.code))
        if b.comment:
            out.append(prose(b.comment))
    out += ["# SEE ALSO", "*pome*(1), *libpome*(3)"]
    return "\n\n".join(out) + "\n"


def overview(headers):
    out = ['libpome(3) "" "Pome"', "# NAME", "libpome - virtual machines for 64-bit Arm guests", "# SYNOPSIS",
           "*pkg-config --cflags --libs pome*", "# DESCRIPTION",
           escape("Everything that pome(1) does is done through this library. Each header has a page; each function's comment says what it does, the units and "
                  "ranges of numbers, who owns what, from which thread and in which state it may be called, and its errors."),
           escape("A call that can fail returns false or NULL and fills a struct pome_error of the caller's, which may be NULL. Options are structs that begin with "
                  "their size and have an _INIT. The library's threads never call the application: it polls pome_vm_fd() and calls pome_vm_dispatch()."),
           "# PAGES"]
    for path in headers:
        top = read(path)[0].split("\n\n")[0]
        title = os.path.basename(path)[:-2]
        out.append(f"*pome\\_{escape(title)}*(3)\n\t" + escape(" ".join(top.split()).partition(" - ")[2]))
    return "\n\n".join(out) + "\n"


def make_pages(scdoc, folder, headers):
    texts = {f"pome_{os.path.basename(p)[:-2]}.3": page(p) for p in headers}
    texts["libpome.3"] = overview(headers)
    for name, text in texts.items():
        r = subprocess.run([scdoc], input=text, capture_output=True, text=True)
        if r.returncode:
            sys.exit(f"{name}: scdoc says: {r.stderr}")
        open(os.path.join(folder, name), "w", encoding="utf-8").write(r.stdout)


def make_links(mandir, headers):
    folder = os.path.join(os.environ["MESON_INSTALL_DESTDIR_PREFIX"], mandir, "man3")
    os.makedirs(folder, exist_ok=True)
    for name, _, b, _ in functions(headers):
        open(os.path.join(folder, name + ".3"), "w", encoding="utf-8").write(f".so man3/pome_{b.header[:-2]}.3\n")


# --- Apple's names ---

def likes(headers):
    """Apple's name -> ours, in the order of the headers."""
    found = {}

    def add(text, ours):
        for token in re.findall(r"VZ\w+(?:\._?\w+)?", text):
            found.setdefault(token, [])
            if ours not in found[token]:
                found[token].append(ours)

    for path in headers:
        for b in read(path)[1]:
            struct = re.match(r"(?:typedef )?(?:struct|enum) (\w+)", b.code)
            rest = b.comment
            for m in re.finditer(rf"\bLike:(.*?)(?=\b(?:Since|Errors|State|Owner|Thread):|\Z)", rest, re.S):
                for ours in [n + "()" for n, _ in b.functions] or ([struct.group(0)] if struct else []):
                    add(m.group(1), ours)
            for line in b.code.splitlines():
                m = re.search(r"Like: ([^*]*)", line)
                own = re.match(r"\s*POME_API.*?(\w+)\(", line) or re.match(r"\s*(?:[\w ]+[ *])?(\w+)\s*(?:=[^,]*)?[,;]", line)
                if m and own:
                    add(m.group(1), own.group(1) + ("()" if "POME_API" in line else ""))
    return found


def inventory(path):
    """Lines "Class" or "Class.member", with "# section" between; "= ours" behind a name: said here because no comment of a header can."""
    for line in open(path, encoding="utf-8"):
        line = line.strip()
        if line.startswith("#"):
            yield "section", line.lstrip("# "), ""
        elif line:
            name, _, note = (x.strip() for x in line.partition("="))
            yield "name", name, note


def apple(path, headers):
    ours, used, have, count = likes(headers), set(), 0, 0
    body = []
    for kind, name, note in inventory(path):
        if kind == "section":
            body.append(f"\n## {name}\n\n| Apple | Pome |\n|---|---|")
            continue
        count += 1
        here = ", ".join(f"`{o}`" for o in ours.get(name, [])) or note
        used.add(name)
        have += bool(here) and not here.startswith("not ")
        body.append(f"| `{name}` | {here or 'not yet'} |")
    strange = sorted(set(ours) - used)
    head = ("# Apple's names, and ours\n\nMade by `docs/man/make-api.py` from the `Like:` labels of the public headers and the list of Apple's classes and members in "
            "`docs/man/apple.txt`; `make test` compares. A class that is there may lack members; those have rows of their own.\n\n"
            f"{have} of {count} have a counterpart.\n")
    return head + "\n".join(body) + "\n", strange


def check(page_path, inventory_path, headers):
    bad = []
    text, strange = apple(inventory_path, headers)
    bad += [f"{n}: named by a Like: label, and not in {inventory_path}: correct it, or add its row" for n in strange]
    if open(page_path, encoding="utf-8").read() != text:
        bad.append(f"{page_path}: is not current; run: docs/man/make-api.py apple docs/man/apple.txt include/pome/*.h > docs/apple-api.md")
    said = "".join(open(h, encoding="utf-8").read() for h in headers)
    for kind, name, note in inventory(inventory_path):
        for ours in re.findall(r"`(?:struct |enum )?([\w/.]+)(?:\(\))?`", note):
            if not re.search(rf"\b{re.escape(ours)}\b", said):
                bad.append(f"{inventory_path}: {name}: `{ours}` is in no header")
    seen = set()
    for name, _, b, _ in functions(headers):
        if name in seen:
            bad.append(f"{name}: declared twice")
        seen.add(name)
    for path in headers:
        declared = re.findall(r"^POME_API\b", open(path, encoding="utf-8").read(), re.M)
        known = sum(len(b.functions) for b in read(path)[1])
        if len(declared) != known:
            bad.append(f"{path}: {len(declared)} functions are declared, {known} were understood: each needs a comment before its group")
    print("\n".join(bad) if bad else f"{len(seen)} functions, {len(likes(headers))} of Apple's names")
    return 1 if bad else 0


def main(what, *args):
    if what == "map":
        make_map(args[0], sorted(args[1:]))
    elif what == "pages":
        make_pages(args[0], args[1], sorted(args[2:]))
    elif what == "links":
        make_links(args[0], sorted(args[1:]))
    elif what == "apple":
        text, strange = apple(args[0], sorted(args[1:]))
        sys.stdout.write(text)
        return 1 if strange and print("unknown: " + ", ".join(strange), file=sys.stderr) else 0
    elif what == "check":
        return check(args[0], args[1], sorted(args[2:]))
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
