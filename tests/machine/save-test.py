#!/usr/bin/env python3
# machines that are saved and restored: in the middle of disk and console traffic, many times; differences told; snapshots; a key
"""save-test.py [PART]...: parts boot, stream, differences, hosts, bundle."""
import hashlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import time

pome, guests, work = os.environ["POME"], os.environ["GUESTS"], os.environ["WORK"]
os.makedirs(work, exist_ok=True)
cycles = os.path.join(os.path.dirname(os.path.abspath(pome)), "tests", "save", "save-cycles")
kernel = os.path.join(guests, "vmlinuz-cloud")
initrd = os.path.join(guests, "initrd-test.cpio.gz")
N = int(os.environ.get("POME_TEST_SAVES", "50"))
BLOCKS = 96  # of 64 KiB, in two halves: one for each CPU


def fail(text):
    sys.exit(f"save-test.py: {text}")


def path(name):
    return os.path.join(work, name)


# Two writers, each with its half of the disk and its lines on the console, and a third process that reads everything back all the time.
STREAM = r"""
[ -b /dev/vda ] || { echo "ERROR no disk"; dmesg; exit 1; }
block() { printf '%04d' $1; yes "block $1" | head -c 65532; }
writer() {
    i=$1
    while [ $i -lt $2 ]; do
        block $i | dd of=/dev/vda bs=64k seek=$i conv=notrunc,fsync 2>/dev/null || echo "ERROR write $i"
        [ "$(dd if=/dev/vda bs=64k skip=$i count=1 2>/dev/null | sha256sum)" = "$(block $i | sha256sum)" ] || echo "ERROR block $i"
        echo "LINE $3 $i"
        i=$((i+1))
    done
    echo "WRITER $3 done"
}
writer 0 HALF a & a=$!
writer HALF ALL b & b=$!
( while :; do dd if=/dev/vda of=/dev/null bs=64k count=ALL 2>/dev/null; sleep 0.02; done ) & r=$!
wait $a; wait $b; kill $r
dmesg | grep -iE 'stall|lockup|hung|I.O error|timed out' && echo "ERROR kernel"
echo 3 >/proc/sys/vm/drop_caches
echo "DISK $(dd if=/dev/vda bs=64k count=ALL 2>/dev/null | sha256sum)"
""".replace("HALF", str(BLOCKS // 2)).replace("ALL", str(BLOCKS))


def make_initrd():
    """The test guest's, and a second archive with the script."""
    top = path("extra")
    os.makedirs(os.path.join(top, "tests"), exist_ok=True)
    with open(os.path.join(top, "tests", "stream"), "w") as f:
        f.write(STREAM)
    more = subprocess.run("find . | cpio -o -H newc --quiet | gzip -1", shell=True, cwd=top, capture_output=True, check=True).stdout
    out = path("initrd")
    with open(out, "wb") as f:
        f.write(open(initrd, "rb").read() + more)
    return out


def run_cycles(n, seed, command_line, files=(), ramdisk=initrd, ms="1,60"):
    env = dict(os.environ, POME_SAVES_MS=ms)
    r = subprocess.run([cycles, kernel, ramdisk, "console=ttyAMA0 " + command_line, "2", str(n), str(seed), path("saved"), *files],
                       env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=1200)
    text = r.stdout.decode(errors="replace").replace("\r", "")
    if r.returncode:
        fail(f"status {r.returncode}: {r.stderr.decode()}\n{text[-2000:]}")
    print(r.stderr.decode().strip())
    return text


def boot():
    """Saved at random moments of a boot: the guest comes up as ever."""
    text = run_cycles(N, 7, "pome.test=poweroff")
    for wanted in ("INIT-REACHED", "CPUS 2", "TEST-END poweroff", "reboot: Power down"):
        if wanted not in text:
            fail(f"boot: no \"{wanted}\" in\n{text[-2000:]}")
    bad = re.findall(r".*(?:stall|lockup|BUG:|Unable to handle|WARNING:).*", text)
    if bad:
        fail(f"boot: {bad}")
    times = [float(t) for t in re.findall(r"^\[ *(\d+\.\d+)\]", text, re.M)]
    if any(b + 1 < a for a, b in zip(times, times[1:])): # lines of two CPUs may change places
        fail("boot: the guest's clock went backwards")


def stream():
    """Saved at random moments of a load of two CPUs, disk and console: nothing is lost, nothing is there twice."""
    disk, ramdisk = path("disk"), make_initrd()
    for seed in (1, 2):
        with open(disk, "wb") as f:
            f.truncate(BLOCKS * 65536)
        text = run_cycles(N // 2, seed, "quiet pome.modules=virtio_pci,virtio_blk pome.test=run:stream", [disk], ramdisk, ms="30,160")
        if "ERROR" in text or "TEST-STATUS 0" not in text:
            fail(f"stream: {text[-3000:]}")
        for who, numbers in (("a", range(0, BLOCKS // 2)), ("b", range(BLOCKS // 2, BLOCKS))):
            lines = [int(n) for n in re.findall(rf"LINE {who} (\d+)\n", text)]
            if lines != list(numbers):
                fail(f"stream: console lines of writer {who}: {lines}")
        wanted = b"".join(b"%04d" % i + (b"block %d\n" % i * 10000)[:65532] for i in range(BLOCKS))
        with open(disk, "rb") as f:
            found = f.read()
        if found != wanted:
            places = [i for i in range(0, len(wanted), 512) if found[i:i + 512] != wanted[i:i + 512]]
            guest = re.findall(r"^DISK (\w+)", text, re.M)
            fail(f"stream: the disk differs in {len(places)} sectors from byte {places[0]} to {places[-1]}, there is {found[places[0]:places[0] + 24]}; "
                 f"the guest read what it {'wrote' if guest == [hashlib.sha256(wanted).hexdigest()] else 'did not write'}")
        if f"DISK {hashlib.sha256(wanted).hexdigest()}" not in text:
            fail("stream: the guest read something else than it wrote")


class Machine:
    """A command with the guest's console between pipes."""

    def __init__(self, *command):
        self.p = subprocess.Popen([pome, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.seen = b""

    def until(self, text, seconds=300):
        end = time.monotonic() + seconds
        while text not in self.seen:
            if not select.select([self.p.stdout], [], [], max(0, end - time.monotonic()))[0]:
                self.p.kill()
                fail(f"no {text} within {seconds} s: {self.seen[-1500:]}")
            some = os.read(self.p.stdout.fileno(), 65536)
            if not some:
                fail(f"no {text} before the end: {self.seen[-1500:]} {self.p.stderr.read()}")
            self.seen += some
        self.seen = self.seen[self.seen.index(text) + len(text):]

    def type(self, text):
        self.p.stdin.write(text)
        self.p.stdin.flush()

    def end(self, how, status):
        self.p.send_signal(how)
        out, err = self.p.communicate(timeout=300)
        if self.p.returncode != status:
            fail(f"status {self.p.returncode}, expected {status}: {err.decode()}")
        return self.seen + out


def refused(status, *command):
    r = subprocess.run([pome, *command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    if r.returncode != status:
        fail(f"{command}: status {r.returncode}, expected {status}: {r.stderr}")
    return r.stderr


def differences():
    """Another machine: every difference is told. A key. A file that was changed."""
    saved, key = path("saved"), path("key")
    common = ["boot", "-k", kernel, "-i", initrd, "-a", "console=ttyAMA0 pome.test=shell", "--saved", saved]
    with open(key, "w") as f:
        f.write("a long pass phrase\n")
    m = Machine(*common, "--cpus", "2", "--key-file", key)
    m.until(b"TEST-SHELL")
    m.type(b"x=kept; echo ready-$((1+1))\n")
    m.until(b"ready-2")
    m.end(signal.SIGUSR1, 0)
    if b"TEST-SHELL" in open(saved, "rb").read():
        fail("differences: the file is not encrypted")
    if "no key" not in refused(5, *common, "--cpus", "2", "--resume"):
        fail("differences: no key: not said")
    refused(5, *common, "--cpus", "2", "--resume", "--key-file", kernel)
    text = refused(1, *common, "--cpus", "1", "--memory", "1GiB", "--cpu", "apple", "--resume", "--key-file", key)
    for field in ("CPUs: 1, needed 2", "memory: 1073741824 bytes, needed 536870912 bytes", "CPU model: apple, needed default", "ID_AA64ISAR1_EL1: "):
        if field not in text:
            fail(f"differences: no \"{field}\" in\n{text}")
    m = Machine(*common, "--cpus", "2", "--resume", "--key-file", key)
    m.type(b"echo it-$x\n")
    m.until(b"it-kept")
    m.end(signal.SIGUSR1, 0)
    with open(saved, "r+b") as f:
        f.seek(-100, 2)
        byte = f.read(1)
        f.seek(-100, 2)
        f.write(bytes([byte[0] ^ 1]))
    if "damaged" not in refused(1, *common, "--cpus", "2", "--resume", "--key-file", key):
        fail("differences: a damaged file")


def hosts():
    """Saved on one host, resumed on others: on one whose CPU has less, on one without a compiler's help, and back."""
    poor = "avx,aes,pclmul,popcnt,bmi1,bmi2,lzcnt,sha,gfni,fptraps"
    command = ["boot", "-k", kernel, "-i", initrd, "-a", "console=ttyAMA0 quiet pome.test=shell", "--cpus", "2", "--saved", path("saved")]
    count = b"i=0; while [ $i -lt 500 ]; do i=$((i+1)); done; "
    for n, (without, engine) in enumerate([("", ""), (poor, ""), ("", "eval"), (poor, ""), ("", "")]):
        for name, value in (("POME_X64_WITHOUT", without), ("POME_ENGINE", engine)):
            os.environ.pop(name, None)
            if value:
                os.environ[name] = value
        m = Machine(*command, *(["--resume"] if n else []))
        if not n:
            m.until(b"TEST-SHELL")
            m.type(b"x=kept\n")
        m.type(count + b'echo "$x-$((i+%d))-$(echo abc | sha256sum | cut -c1-8)"\n' % n)
        m.until(b"kept-%d-edeaaff3" % (500 + n))
        m.end(signal.SIGUSR1, 0)


def bundle():
    """An installed machine: saved, gone on from, snapshots with memory and without."""
    image = os.path.join(guests, "debian.ipsw")
    if not os.path.exists(image):
        print("bundle: skipped, no debian.ipsw", file=sys.stderr)
        return
    os.environ["POME_HOME"] = path("home")
    subprocess.run([pome, "create", "vm", "--image", image, "--cpus", "2", "--memory", "1GiB", "--disk", "4GiB"], check=True, capture_output=True)
    m = Machine("start", "vm")
    m.until(b"login:")
    m.type(b"root\n")
    m.until(b"# ")
    m.type(b"echo one >/root/f; sync; x=warm; (i=0; while :; do i=$((i+1)); echo n-$i-n; sleep 0.02; done) &\n")
    m.until(b"n-20-n")
    said = m.end(signal.SIGUSR1, 0)
    numbers = list(re.finditer(rb"n-(\d+)-n", said))
    last, begun = (int(numbers[-1][1]), said[numbers[-1].end():]) if numbers else (20, said) # it may be in the middle of the next
    if "--resume" not in refused(4, "start", "vm") or "memory: " not in refused(1, "start", "vm", "--resume", "--memory", "2GiB"):
        fail("bundle: a start of a saved machine")
    # Exported and imported it is the same machine at the same moment.
    archive = path("vm.tar.zst")
    subprocess.run([pome, "bundle", "export", "vm", "-o", archive, "--force"], check=True, capture_output=True)
    subprocess.run([pome, "bundle", "import", archive, "imported"], check=True, capture_output=True)
    m = Machine("start", "imported", "--resume")
    m.seen = begun
    m.until(b"n-%d-n" % (last + 1))
    m.end(signal.SIGTERM, 128 + signal.SIGTERM)
    subprocess.run([pome, "snapshot", "create", "vm", "warm"], check=True, capture_output=True)
    for round in range(2):
        m = Machine("start", "vm", "--resume")
        m.seen = begun
        m.until(b"n-%d-n" % (last + 1)) # the very next number, each time
        m.type(b"\nkill %1; echo $x-$(cat /root/f); echo two >/root/f; sync; echo end-$((1+2))\n")
        m.until(b"warm-one")
        m.until(b"end-3")
        m.end(signal.SIGTERM, 128 + signal.SIGTERM)
        if round == 0:
            refused(4, "start", "vm", "--resume") # the saved machine is used up
        subprocess.run([pome, "snapshot", "restore", "vm", "warm"], check=True, capture_output=True)
    with open(os.path.join(os.environ["POME_HOME"], "vms", "vm.bundle", "Disk.img"), "r+b") as f:
        f.seek(4096)
        byte = f.read(1)
        f.seek(4096)
        f.write(byte)
    if "written to last" not in refused(1, "start", "vm", "--resume"):
        fail("bundle: a disk that was changed since was not noticed")
    there = json.loads(subprocess.run([pome, "snapshot", "list", "vm", "--json"], check=True, capture_output=True).stdout)
    if [(s["name"], s["memory"], s["current"]) for s in there] != [("warm", True, True)]:
        fail(f"bundle: snapshots {there}")
    subprocess.run([pome, "bundle", "clone", "vm", "copy", "--from-snapshot", "warm"], check=True, capture_output=True)
    m = Machine("start", "copy")
    m.until(b"login:")
    m.type(b"root\n")
    m.until(b"# ")
    m.type(b"cat /root/f; echo end-$((1+2))\n")
    m.until(b"one")
    m.until(b"end-3")
    m.end(signal.SIGTERM, 128 + signal.SIGTERM)
    subprocess.run([pome, "snapshot", "delete", "vm", "warm"], check=True, capture_output=True)
    subprocess.run([pome, "bundle", "check", "vm"], check=True, capture_output=True)


parts = {"boot": boot, "stream": stream, "differences": differences, "hosts": hosts, "bundle": bundle}
if not os.path.exists(cycles):
    print("save-cycles is not built", file=sys.stderr)
    sys.exit(77)
for name in sys.argv[1:] or parts:
    parts[name]()
    print(f"{name}: ok")
