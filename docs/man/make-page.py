#!/usr/bin/env python3
"""make-page.py - manual pages: what the command itself knows of a verb (name, synopsis, options) around what a person wrote.

usage: make-page.py POME SCDOC DIR SOURCE...   pages in roff into DIR
       make-page.py --check POME DIR           every verb has its page and its examples, every page its verb, "pome --help" fits a screen

A SOURCE pome-VERB.scd ("pome-image-info.scd" for "image info") begins with "# DESCRIPTION" and has "# EXAMPLES"; title, NAME, SYNOPSIS, OPTIONS (after
the description), EXIT STATUS and SEE ALSO are made here. NAME.SECTION.scd (pome.1.scd, pome-bundle.5.scd) is a whole page.
"""
import json
import os
import re
import subprocess
import sys

COMMON = """# EXIT STATUS

0 done, 1 failed, 2 usage, 3 not found, 4 wrong state, 5 permission, 6 in use, 69 missing feature, 75 try again, 124 timed out, 130 interrupted.
"""


def escape(text):
    return re.sub(r"([\\_*#\[\]`~<>|])", r"\\\1", text)


def output(pome, *args):
    return subprocess.run([pome, *args], capture_output=True, text=True, check=True, env=dict(os.environ, POME_HOME="/nonexistent")).stdout


def verbs(pome):
    return {v["name"]: v for v in json.loads(output(pome, "help", "--json"))}


def options(pome, name):
    """The option lines of "pome VERB --help": "  -k, --kernel FILE          arm64 Linux Image"."""
    for line in output(pome, *name.split(), "--help").splitlines():
        m = re.match(r"  (?:-(.), |    )--(\S+)(?: (\S+))? +(.*)$", line)
        if m:
            letter, long, argument, text = m.groups()
            head = (f"*-{letter}*, " if letter else "") + f"*--{escape(long)}*" + (f" _{escape(argument)}_" if argument else "")
            yield f"{head}\n\t{escape(text)}\n"


def related(name, names):
    group = name.split()[0]
    near = [n for n in names if n.split()[0] == group and n != name]
    pages = ["*pome*(1)"] + [f"*pome-{n.replace(' ', '-')}*(1)" for n in near] + ["*pome-bundle*(5)"]
    return "# SEE ALSO\n\n" + ", ".join(pages) + "\n"


def page(pome, known, source):
    text = open(source, encoding="utf-8").read()
    base = os.path.basename(source)
    if re.search(r"\.\d\.scd$", base):
        return text
    name = next((n for n in known if f"pome-{n.replace(' ', '-')}.scd" == base), None)
    if name is None:
        sys.exit(f"{source}: pome has no such verb; rename or remove this page and its row in docs/man/meson.build")
    dashed = name.replace(" ", "-")
    head = f"pome-{dashed}(1) \"\" \"Pome\"\n\n# NAME\n\npome-{dashed} - {escape(known[name]['help'][:1].lower() + known[name]['help'][1:])}\n\n"
    rest = known[name]["synopsis"][len(name):].strip()
    head += f"# SYNOPSIS\n\n*pome {name}* {escape(rest)}\n\n"
    listed = list(options(pome, name))
    # After the description: before the second heading.
    second = [m.start() for m in re.finditer(r"^# ", text, re.M)]
    at = second[1] if len(second) > 1 else len(text)
    middle = "# OPTIONS\n\n" + "\n".join(listed) + "\n" if listed else ""
    tail = "" if "# EXIT STATUS" in text else COMMON + "\n"
    return head + text[:at].rstrip() + "\n\n" + middle + text[at:].rstrip() + "\n\n" + tail + related(name, known)


def check(pome, folder):
    bad = []
    known = verbs(pome)
    listed = open(os.path.join(folder, "meson.build"), encoding="utf-8").read()
    for name in known:
        source = f"pome-{name.replace(' ', '-')}.scd"
        path = os.path.join(folder, source)
        if not os.path.exists(path):
            bad.append(f"pome {name}: has no manual page: write docs/man/{source} (# DESCRIPTION and # EXAMPLES) and name it in docs/man/meson.build")
            continue
        if f"'{source[:-4]}'" not in listed:
            bad.append(f"docs/man/{source}: is not named in docs/man/meson.build")
        text = open(path, encoding="utf-8").read()
        if not text.startswith("# DESCRIPTION\n") or not re.search(r"^# EXAMPLES\n+\S", text, re.M):
            bad.append(f"docs/man/{source}: must begin with # DESCRIPTION and have # EXAMPLES")
        if len(text) < 250:
            bad.append(f"docs/man/{source}: says too little")
    for source in os.listdir(folder):
        if source.endswith(".scd") and not re.search(r"\.\d\.scd$", source) and source[5:-4] not in [n.replace(" ", "-") for n in known]:
            bad.append(f"docs/man/{source}: pome has no such verb")
    screen = output(pome, "--help").splitlines()
    bad += [f"pome --help: has {len(screen)} lines, a screen has 24"] if len(screen) > 24 else []
    bad += [f"pome --help: wider than 80 columns: {line}" for line in screen if len(line) > 80]
    for line in bad:
        print(line)
    print(f"{len(known)} verbs, {len(bad)} faults")
    return 1 if bad else 0


def make(pome, scdoc, folder, sources):
    known = verbs(pome)
    for source in sources:
        base = os.path.basename(source)[:-4]
        name = base if re.search(r"\.\d$", base) else base + ".1"
        roff = subprocess.run([scdoc], input=page(pome, known, source), capture_output=True, text=True)
        if roff.returncode:
            sys.exit(f"{source}: scdoc says: {roff.stderr}")
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(roff.stdout)


if __name__ == "__main__":
    if sys.argv[1] == "--check":
        sys.exit(check(sys.argv[2], sys.argv[3]))
    make(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
