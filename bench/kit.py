"""kit.py: builds the programs of bench/programs for both sides, and the guest's initramfs. Used by run.py."""
import gzip
import os
import re
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = os.path.join(HERE, "programs")
# One source, one compiler version, the same options; fused multiply-add only where the source asks for it, so that results are equal.
FLAGS = ["-O2", "-static", "-std=gnu17", "-Wall", "-ffp-contract=off", "-pthread"]
TOOLS = ("sh", "sed", "tr", "awk", "seq", "sort", "head", "grep", "cat", "md5sum", "rm") # of busybox, for the scripts
COMPILERS = {"arm64": "aarch64-linux-gnu-gcc", "native": "gcc"}


def listed():
    """(name, class, source, times) of each line of list.txt."""
    with open(os.path.join(PROGRAMS, "list.txt")) as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                cls, name, times = line.split()
                found = [p for p in (os.path.join(PROGRAMS, cls, name + ext) for ext in (".c", ".py", ".sh")) if os.path.exists(p)]
                yield name, cls, found[0], int(times)


def programs():
    return [(name, cls, source) for name, cls, source, _ in listed()]


def newer(path, *sources):
    return os.path.exists(path) and all(os.path.getmtime(path) > os.path.getmtime(s) for s in sources)


def compile_one(side, out, flags, *sources):
    subprocess.run([COMPILERS[side], *FLAGS, *flags, "-I", PROGRAMS, "-o", out + ".tmp", *sources, "-lm"], check=True)
    os.rename(out + ".tmp", out)


def build(folder):
    """Builds all programs below folder/arm64 and folder/native."""
    main, header = os.path.join(PROGRAMS, "main.c"), os.path.join(PROGRAMS, "bench.h")
    for side in COMPILERS:
        os.makedirs(os.path.join(folder, side), exist_ok=True)
        guest, source = os.path.join(folder, side, "guest"), os.path.join(PROGRAMS, "guest.c")
        if not newer(guest, source):
            compile_one(side, guest, [], source)
        for name, cls, source in programs():
            out = os.path.join(folder, side, name)
            if source.endswith(".sh") or newer(out, source, main, header):
                continue
            with open(source) as f:
                text = f.read()
            # the option that lets the native compiler use what every AArch64 CPU has
            extra = re.search(r"native: (-.*?) *\*/", text) if side == "native" else None
            if source.endswith(".py"):
                made = os.path.join(folder, name + ".c")
                with open(made, "w") as f:
                    f.write(subprocess.run(["python3", source], check=True, capture_output=True, text=True).stdout)
                source = made
                compile_one(side, out, ["-I", os.path.join(PROGRAMS, cls)], source, main)
            else:
                compile_one(side, out, extra.group(1).split() if extra else [], source, main)


def native_tools(folder, busybox):
    """The same tools for the native side; returns the folder for PATH."""
    tools = os.path.join(folder, "native", "tools")
    os.makedirs(tools, exist_ok=True)
    for tool in TOOLS:
        if not os.path.islink(os.path.join(tools, tool)):
            os.symlink(busybox, os.path.join(tools, tool))
    return tools


def path_of(name, source, root, busybox):
    """The words that run a program."""
    return f"{busybox} sh {root}/{name}.sh" if source.endswith(".sh") else f"{root}/{name}"


class Cpio:
    """A newc archive, in memory."""

    def __init__(self):
        self.data = bytearray()
        self.inode = 1

    def add(self, name, mode, content=b"", rdev=(0, 0)):
        raw = name.encode() + b"\0"
        fields = [self.inode, mode, 0, 0, 1, 0, len(content), 0, 0, rdev[0], rdev[1], len(raw), 0]
        self.inode += 1
        self.data += b"070701" + b"".join(b"%08X" % x for x in fields) + raw
        self.data += bytes(-len(self.data) % 4) + content
        self.data += bytes(-len(self.data) % 4)

    def write(self, path):
        self.add("TRAILER!!!", 0)
        with open(path, "wb") as f:
            f.write(gzip.compress(bytes(self.data), 1) if path.endswith(".gz") else bytes(self.data))


def initramfs(folder, out, busybox, chosen, lines):
    """The guest's file system: the chosen programs, busybox with links, init, and the list of what to run."""
    c = Cpio()
    for d in ("bench", "bin", "dev", "proc", "tmp"):
        c.add(d, 0o40755)
    c.add("dev/console", 0o20600, rdev=(5, 1))
    for name, source in chosen:
        if source.endswith(".sh"):
            with open(source, "rb") as f:
                c.add(f"bench/{name}.sh", 0o100755, f.read())
        else:
            with open(os.path.join(folder, "arm64", name), "rb") as f:
                c.add(f"bench/{name}", 0o100755, f.read())
    with open(busybox, "rb") as f:
        c.add("bin/busybox", 0o100755, f.read())
    for tool in TOOLS:
        c.add(f"bin/{tool}", 0o120777, b"busybox")
    with open(os.path.join(folder, "arm64", "guest"), "rb") as f:
        c.add("init", 0o100755, f.read())
    c.add("list", 0o100644, "".join(line + "\n" for line in lines).encode())
    c.write(out)
