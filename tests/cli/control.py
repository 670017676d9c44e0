#!/usr/bin/env python3
"""control.py - running machines from outside: pome start --detach, stop, pause, resume, console, wait, get, set, rename, delete, and the socket itself.

usage: control.py POME KERNEL OPENAPI UNIT WATCH    (KERNEL: tests/cli/guest.S, which starts in no time; WATCH: examples/watch.c)
"""
import fcntl
import json
import os
import pty
import random
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

from kit import at, env, expect, passed, pome, programs, run, vms, work

kernel, openapi, unit, watch = programs
runtime = os.path.join(work.name, "run")
os.mkdir(runtime, 0o700)
env.update(XDG_RUNTIME_DIR=runtime, POME_CACHE="off")
started = []  # processes of machines: ended at the end, whatever happens


def make(name):
    disk = os.path.join(work.name, "disk.img")
    with open(disk, "wb") as f:
        f.truncate(1 << 20)
    line = os.path.join(work.name, "line")
    with open(line, "w") as f:
        f.write(f"vfkit --cpus 1 --memory 128 --bootloader linux,kernel={kernel},cmdline=\"x\" --device virtio-blk,path={disk}\n")
    run("bundle", "import", line, name)


def start(name):
    answer = json.loads(run("start", name, "--detach", "--json"))
    started.append(answer["pid"])
    expect(answer["state"] == "running" and answer["name"] == name, str(answer))
    Http(answer["socket"]).console().until(b"ready")  # from now on it minds its power button
    return answer


def state(name):
    return json.loads(run("status", name, "--json"))["state"]


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rsplit(")", 1)[1].split()[0] != "Z"


def has_socket(pid):
    """It has connected to somebody."""
    try:
        return any(os.readlink(f"/proc/{pid}/fd/{n}").startswith("socket:") for n in os.listdir(f"/proc/{pid}/fd"))
    except OSError:  # closed meanwhile
        return False


def until(what, text, seconds=60):
    end = time.monotonic() + seconds
    while not what():
        expect(time.monotonic() < end, text)
        time.sleep(0.01)


class Http:
    """A client that says exactly what it is told to."""

    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(path)
        self.s.settimeout(60)
        self.rest = b""

    def send(self, text):
        self.s.sendall(text if isinstance(text, bytes) else text.encode())
        return self

    def more(self):
        piece = self.s.recv(65536)
        self.rest += piece
        return bool(piece)

    def head(self):
        while b"\r\n\r\n" not in self.rest:
            if not self.more():
                return 0, {}
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        return int(lines[0].split()[1]), {k.lower(): v for k, v in (x.split(": ", 1) for x in lines[1:])}

    def answer(self):
        status, fields = self.head()
        n = int(fields.get("content-length", 0))
        while len(self.rest) < n:
            if not self.more():
                break
        body, self.rest = self.rest[:n], self.rest[n:]
        return status, fields, json.loads(body) if body else None

    def call(self, method, path, body=None, fields=""):
        text = json.dumps(body) if body is not None else ""
        return self.send(f"{method} {path} HTTP/1.1\r\nHost: p\r\n{fields}Content-Length: {len(text)}\r\n\r\n{text}").answer()

    def event(self):
        while True:
            size, mark, rest = self.rest.partition(b"\r\n")
            if mark:
                n = int(size, 16)
                if len(rest) >= n + 2:
                    self.rest = rest[n + 2:]
                    return json.loads(rest[:n]) if n else None
            if not self.more():
                return None

    def listen(self):
        self.send("GET /v1/events HTTP/1.1\r\nHost: p\r\n\r\n")
        expect(self.head()[0] == 200, "no events")
        return self

    def console(self, query=""):
        self.send(f"GET /v1/console{query} HTTP/1.1\r\nHost: p\r\nConnection: Upgrade\r\nUpgrade: pome-console\r\n\r\n")
        expect(self.head()[0] == 101, "no console")
        return self

    def until(self, text):
        while text not in self.rest:
            expect(self.more(), f"the console ended before {text!r}: {self.rest[-300:]!r}")
        return self


def life():
    run("status", "nobody", status=3, err="no bundle at")
    run("stop", "nobody", status=3, err="no bundle at")
    run("console", "a", status=4, err="does not run")
    run("pause", "a", status=4, err="does not run")
    run("stop", "a", err="does not run")
    run("wait", "a", "--timeout", "1")
    expect(state("a") == "stopped", "not stopped")
    answer = start("a")
    path = answer["socket"]
    st = os.stat(path)
    expect(stat.S_IMODE(st.st_mode) == 0o600 and stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700, "the socket is open to others")
    expect(len(path) < 108 and path.startswith(runtime), path)
    machine = json.loads(run("list", "--json"))[0]
    expect((machine["state"], machine["pid"]) == ("running", answer["pid"]), str(machine))
    run("start", "a", "--detach", status=6, err=f"process {answer['pid']}")
    run("start", "a", status=6, err=f"process {answer['pid']}")
    run("wait", "a", "--for", "running", "--timeout", "10")
    run("wait", "a", "--timeout", "0", status=124, err="not stopped")
    run("delete", "a", status=6, err="--force")
    run("rename", "a", "b", status=6, err="stop it first")
    run("pause", "a", "--json", says='"state":"paused"')
    expect(state("a") == "paused", "not paused")
    run("pause", "a", status=4, err="paused")
    run("stop", "a", "--timeout", "1", status=4, err="resume it first")
    run("resume", "a")
    run("resume", "a", status=4, err="running")
    run("balloon", "a", "100 bananas", status=2, err="not a size")
    run("balloon", "a", status=2, err="no memory balloon")
    run("balloon", "nobody", status=3)
    run("stop", "a", "--json", says='"state":"stopped"')
    expect(not os.path.exists(path), "the socket of a stopped machine is left")
    until(lambda: not alive(answer["pid"]), "the process of a stopped machine is left")
    run("log", "show", "a", "--last", "boot", says="power button")
    run("set", "a", "balloons", "[{}]")
    for size in ("1GiB", "64MiB", "128MiB"):  # stopped means that it can be started at once
        start("a")
        run("balloon", "a", "--json", says='"target_bytes":134217728')
        run("balloon", "a", size, "--json", says='"target_bytes":134217728')  # no more than it has, and no less than a machine needs
        run("stop", "a")
    run("set", "a", "balloons", "")


def gone_wrong():
    """What cannot start says so, with its status, before the command returns."""
    make("broken")
    config = os.path.join(work.name, "vms", "broken.bundle")
    image = [f for f in os.listdir(config) if open(os.path.join(config, f), "rb").read(64)[56:60] == b"ARM\x64"][0]
    with open(os.path.join(config, image), "r+b") as f:
        f.write(bytes(64))
    run("start", "broken", "--detach", status=1, err="pome start: ")
    expect(state("broken") == "stopped", "a machine that did not start is not stopped")
    run("start", "nobody", "--detach", status=3, err="no bundle at")
    run("start", "a", "--json", status=2, err="--detach")
    run("delete", "broken")


def stopping():
    """The power button, a guest that ignores it, the plug."""
    answer = start("a")
    console = Http(answer["socket"]).console().until(b"ready")
    console.send("i").until(b"ignoring")
    run("stop", "a", "--timeout", "1", status=124, err="--force")
    console.until(b"power button")
    expect(state("a") == "running", "not running any more")
    begin = time.monotonic()
    run("stop", "a", "--timeout", "1", "--force", err="it is ended")
    expect(time.monotonic() - begin >= 1, "the guest was not given its second")
    expect(state("a") == "stopped", "not stopped")
    start("a")
    run("stop", "a", "--timeout", "0", "--force")
    start("a")
    run("delete", "a", "--force", "--json", says="deleted")
    make("a")


def waiting():
    answer = start("a")
    w = subprocess.Popen([pome, "wait", "a", "--json"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    events = Http(answer["socket"]).listen()
    first = events.event()
    expect(first["event"] == "state" and first["state"] == "running", str(first))
    until(lambda: has_socket(w.pid), "wait does not connect")
    time.sleep(0.5)
    expect(w.poll() is None, "wait did not wait")
    Http(answer["socket"]).console().until(b"ready").send("p")
    out, err = w.communicate(timeout=60)
    expect(w.returncode == 1 and "Kernel panic" in err and '"guest-panic"' in out, f"{w.returncode} {out} {err}")
    seen = []
    while (e := events.event()) is not None:
        seen.append((e["event"], e["state"]))
    expect(("stopped", "stopped") in seen, str(seen))
    until(lambda: not alive(answer["pid"]), "a crashed machine's process stays")
    answer = start("a")
    console = Http(answer["socket"]).console().until(b"ready")
    console.send("r").until(b"ready\r\nready" if b"\r" in console.rest else b"ready\nready")  # a reboot stays the same machine
    expect(state("a") == "running", "not running after a reboot")
    console.send("q")
    run("wait", "a", "--timeout", "60", "--json", says='"stopped"')


def programs():
    """A program of the library sees and does the same (examples/watch.c)."""
    r = subprocess.run([watch, "a"], env=env, capture_output=True, text=True, timeout=60)
    expect(r.returncode == 4 and "INVALID_STATE" in r.stderr, f"{r.returncode} {r.stderr}")
    answer = start("a")
    p = subprocess.Popen([watch, "a"], env=env, stdout=subprocess.PIPE, text=True)
    expect(p.stdout.readline() == f"process {answer['pid']}, 1 CPUs, 128 MiB of memory\n", "the first line is wrong")
    expect(p.stdout.readline() == "state: running\n", "the first event is wrong")
    run("pause", "a")
    run("resume", "a")
    subprocess.run([watch, "a", "stop"], env=env, check=True, stdout=subprocess.DEVNULL, timeout=60)
    out = p.communicate(timeout=60)[0]
    expect(p.returncode == 0 and "state: paused\n" in out and out.endswith("it has ended: guest-off\n"), out)
    run("wait", "a")


def consoles():
    """Several viewers, a terminal, and one that does not read."""
    answer = start("a")
    one, two = Http(answer["socket"]).console().until(b"ready"), Http(answer["socket"]).console("?read_only=1").until(b"ready")
    one.send("abc").until(b"abc")
    two.until(b"abc").send("xyz")
    one.send("mno").until(b"abcmno")
    expect(b"xyz" not in one.rest, "a viewer that only looks could type")
    late = Http(answer["socket"]).console("?recent=3")
    late.until(b"mno")
    expect(late.rest == b"mno", f"the last 3 bytes are {late.rest!r}")
    none = Http(answer["socket"]).console("?recent=0").send("Z").until(b"Z")
    expect(none.rest == b"Z", f"more than nothing: {none.rest!r}")
    status = json.loads(run("status", "a", "--json"))
    expect(status["console_viewers"] == 4 and status["socket"] == answer["socket"], str(status))
    expect(f"Socket:    {answer['socket']}\n" in run("status", "a"), "the socket is not shown")
    # a terminal
    master, slave = pty.openpty()
    t = subprocess.Popen([pome, "console", "a"], env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    text = b""

    def read(what):
        nonlocal text
        end = time.monotonic() + 60
        while what not in text and time.monotonic() < end and select.select([master], [], [], 1) is not None:
            if select.select([master], [], [], 0.2)[0]:
                text += os.read(master, 4096)
        expect(what in text, f"the terminal does not show {what!r}: {text!r}")
    read(b"all may type")
    read(b"mno")
    os.write(master, b"T")
    read(b"T")
    os.write(master, b"\x01?\x01x")  # keys that come together all count
    read(b"press the power button")
    expect(t.wait(timeout=60) == 0, "Ctrl-A x is no success")
    one.until(b"T")
    expect(state("a") == "running", "leaving the console ended the machine")
    # a flood, with a viewer that never reads: the machine goes on, and he is told what he missed
    deaf = Http(answer["socket"]).console()
    one.send("f")
    seen = 0
    while seen < 2 << 20:  # more than the sockets and the machine keep for him
        one.rest = b""
        expect(one.more(), "the flood ended")
        seen += len(one.rest)
    one.send("!").until(b"!")
    expect(state("a") == "running", "a viewer that does not read stops the machine")
    deaf.until(b"were not read in time and are not shown]")
    run("stop", "a", "--force", "--timeout", "5")


def foreground():
    """pome start on this terminal is the same machine to others; standard output stays the guest's, byte for byte."""
    p = subprocess.Popen([pome, "start", "a"], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    run("wait", "a", "--for", "running", "--timeout", "60")
    path = os.path.join(runtime, "pome", os.listdir(os.path.join(runtime, "pome"))[0])
    other = Http(path).console().until(b"ready")
    p.stdin.write(b"one")
    p.stdin.flush()
    other.until(b"one").send("two").until(b"onetwo")
    other.send("q")
    out, err = p.communicate(timeout=60)
    expect(p.returncode == 0 and out == b"ready\nonetwo" and err == b"", f"{p.returncode} {out} {err}")
    p = subprocess.Popen([pome, "start", "a"], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    run("wait", "a", "--for", "running", "--timeout", "60")
    p.send_signal(signal.SIGTERM)
    p.communicate(timeout=60)
    expect(p.returncode == 128 + signal.SIGTERM and state("a") == "stopped", f"SIGTERM: {p.returncode}")


def notified():
    """What a service manager hears: ready when it runs, stopping when it ends."""
    for name in (os.path.join(work.name, "notify"), "\0pome-notify-%d" % os.getpid()):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        s.bind(name)
        s.settimeout(60)
        p = subprocess.Popen([pome, "start", "a"], env=dict(env, NOTIFY_SOCKET=name.replace("\0", "@")), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        heard = s.recv(4096).decode()
        expect("READY=1\n" in heard and f"MAINPID={p.pid}\n" in heard and state("a") == "running", heard)
        run("stop", "a", "--force", "--timeout", "5")
        expect("STOPPING=1\n" in s.recv(4096).decode(), "no STOPPING")
        p.communicate(timeout=60)
        s.close()
    # the unit, as its manager would read it
    with open(unit) as f:
        text = f.read()
    line = [line.split("=", 1)[1].split() for line in text.splitlines() if line.startswith("ExecStart=")][0]
    successes = [line.split("=", 1)[1].split() for line in text.splitlines() if line.startswith("SuccessExitStatus=")][0]
    if shutil.which("systemd-analyze"):
        copy = os.path.join(work.name, "pome@.service")
        with open(copy, "w") as f:
            f.write(text.replace(line[0], pome))
        r = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True)
        expect("pome@" not in r.stderr, r.stderr)
    command = [pome] + [word.replace("%I", "a") for word in line[1:]]
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(at("unit"))
    heard.settimeout(60)

    def begin():
        p = subprocess.Popen(command, env=dict(env, NOTIFY_SOCKET=at("unit")), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        expect("READY=1\n" in heard.recv(4096).decode() and state("a") == "running", "not running")
        return p
    saved = os.path.join(vms, "a.bundle", "SaveFile.pomesave")
    p = begin()
    run("save", "a")
    expect(p.wait(timeout=60) == 0 and os.path.exists(saved), "saving is a failure of the unit")
    expect(state("a") == "saved", f"a saved machine is {state('a')}")
    run("list", says="saved")
    run("bundle", "info", "a", says="saved")
    heard.recv(4096)  # STOPPING
    p = begin()
    expect(not os.path.exists(saved), "what was saved was not resumed")
    run("log", "show", "a", "--predicate", 'eventMessage BEGINSWITH "restored in"', says="restored in")
    p.send_signal(signal.SIGTERM)
    status = p.wait(timeout=60)
    expect(str(status) in successes, f"{status} is a failure of the unit: {successes}")
    heard.close()
    run("start", "a", "--resume-or-start", "--discard-saved", status=2, err="--resume-or-start")


def levels():
    """Which types of messages are shown: as log(1) on a Mac does it, whatever the order of the options."""
    archive = os.path.join(work.name, "levels.logarchive")
    os.mkdir(archive)
    types = ["Debug", "Info", "Default", "Error", "Fault"]
    with open(os.path.join(archive, "00000001.log"), "w") as f:
        for i, name in enumerate(types):
            f.write(json.dumps({"t": i + 1, "m": i + 1, "l": i, "p": "x", "x": name}, separators=(",", ":")) + "\n")
    always = types[2:]
    for options, more in (((), []), (("--info",), ["Info"]), (("--debug",), ["Debug"]), (("--debug", "--info"), ["Debug", "Info"]), (("--no-info", "--debug"), ["Debug"]),
                          (("--debug", "--no-info", "--info"), ["Debug"]), (("--info", "--no-debug"), ["Info"]), (("--no-debug", "--info", "--debug"), ["Info"]),
                          (("--no-info", "--no-debug"), [])):
        shown = [json.loads(line)["messageType"] for line in run("log", "show", archive, "--json", *options).splitlines()]
        expect(shown == more + always, f"{options}: {shown}")
    run("log", "show", archive, "--predicate", "messageType == info", err="no such records")
    run("log", "show", archive, "--info", "--predicate", "messageType == info", says="Info")
    for level in ("default", "info", "debug"):
        run("log", "stream", archive, "--level", level, "--timeout", "1")
    run("log", "stream", archive, "--level", "loud", status=2, err="default, info and debug")


def logs():
    """The log of a machine that runs: as it happens, copied, counted; and erased, which those who watch it survive, now and when it has stopped."""
    answer = start("a")
    stream = subprocess.Popen([pome, "log", "stream", "a", "--predicate", 'process == "kernel" AND eventMessage CONTAINS[c] "A LINE"', "--style", "ndjson"],
                              env=env, stdout=subprocess.PIPE, text=True)
    everything = subprocess.Popen([pome, "log", "stream", "a"], env=env, stdout=subprocess.PIPE, text=True)
    heard = everything.stdout.readline()  # its heading: from now on it misses nothing
    console = Http(answer["socket"]).console()
    begin = time.monotonic()
    while not select.select([stream.stdout], [], [], 0.5)[0]:  # it has no heading: is told again until it listens
        expect(time.monotonic() - begin < 60, "no line in the stream")
        console.send("k").until(b"a line of the kernel")
    line = json.loads(stream.stdout.readline())
    expect(line["eventMessage"] == "usb 1-1: a line of the kernel" and line["process"] == "kernel" and line["guestNs"] == 500000000, str(line))
    stream.send_signal(signal.SIGINT)
    expect(stream.wait(timeout=60) == 0, "Ctrl-C is no success")
    boot = json.loads(run("log", "show", "a", "--last", "boot", "--json").splitlines()[0])
    expect(boot["bootUUID"] and boot["activityIdentifier"] == int(boot["bootUUID"][:8], 16) == line["activityIdentifier"], str(boot))
    copy = os.path.join(work.name, "a.logarchive")
    run("log", "collect", "a", "-o", copy, "--json", says="logarchive")
    run("log", "collect", "a", "-o", copy, status=1, err="--output")
    run("log", "collect", "a", "-o", copy + "x", status=2, err=".logarchive")
    run("log", "show", copy, "--predicate", 'process == "kernel"', says="a line of the kernel")
    run("log", "show", copy, "--predicate", 'process == "kernel"', says='Filtering the log data using "process == "kernel""')
    run("log", "show", copy, "--process", "nobody", err="no such records")
    run("log", "show", copy, "--process", "kernel", "--predicate", 'eventMessage CONTAINS "xyz" OR TRUEPREDICATE', says="a line")
    run("log", "show", copy, "--start", "@1", "--end", "@2", err="no such records")
    run("log", "show", copy, "--start", "2020-01-01", "--end", "2100-01-01 00:00:00", says="a line")
    run("log", "show", copy, "--start", "yesterday", status=2, err="YYYY-MM-DD")
    for wrong, what in (("process", "needed =="), ("process == kernel", "in quotes"), ("loudness == 1", "a key"), ("process == 'a' AND", "its end")):
        run("log", "show", copy, "--predicate", wrong, status=2, err=what)
    stats = json.loads(run("log", "stats", "a", "--json"))
    expect(stats["records"] >= 10 and stats["processes"]["kernel"] >= 1 and stats["segments"] >= 1 and stats["boots"] >= 1, str(stats))
    expect(sum(stats["types"].values()) == stats["records"] == sum(stats["processes"].values()), str(stats))
    run("log", "stats", "a", says="Records:")
    run("log", "erase", "a", err="is empty")
    console.send("q")
    run("wait", "a", "--timeout", "60")
    while "machine stopped" not in heard:
        more = everything.stdout.readline()
        expect(more, heard)
        heard += more
    everything.send_signal(signal.SIGTERM)
    out = heard + everything.stdout.read()
    expect(everything.wait(timeout=60) == 0, "a signal is no success")
    expect("a line of the kernel" in out and "machine stopped" in out and "system boot" not in out, out)
    run("log", "stream", "a", "--timeout", "1", says="Timestamp")
    left = run("log", "show", "a", says="machine stopped")
    expect("a line of the kernel" not in left, left)
    again = json.loads(run("log", "show", "a", "--last", "boot", "--json").splitlines()[0])
    expect(again["bootUUID"] == boot["bootUUID"], f"what came after the erasure stands under no mark of its boot: {again}")
    run("log", "erase", "a", "--json", says="true")
    expect(json.loads(run("log", "stats", "a", "--json"))["records"] == 0, "something is left")
    run("log", "show", "a", err="no such records")
    run("log", "stats", "nobody", status=3)


def ports():
    """A clone wants the ports of its original: it is said at once, and by the start that does not get one, with who has it and what to do."""
    make("f")
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    holder.listen()
    port = holder.getsockname()[1]
    run("set", "f", "networks", '[{"type": "nat"}]')
    run("set", "f", "forwards", json.dumps([{"hostPort": port, "guestPort": 22}]))
    run("clone", "f", "f2", err=f"Port {port} of this host leads to \"f\", too: before both run, pome set f2 'forwards[0].hostPort' NUMBER")
    for what in (f"why: networks[0]: forwards[0]: TCP port {port} of 127.0.0.1 is in use by process {os.getpid()} (", "pome set f2 'forwards[0].hostPort' NUMBER"):
        run("start", "f2", "--detach", status=6, err=what)
    holder.close()
    start("f2")
    run("stop", "f2")
    for name in ("f", "f2"):
        run("delete", name, "--force")


def configuration():
    """What two controllers write is not lost, whether the machine runs or not."""
    for running in (False, True):
        answer = start("a") if running else None
        before = run("get", "a", "--generation").strip()
        run("set", "a", "memorySize", "256MiB", err="next start" if running else "")
        expect(run("get", "a", "memorySize").strip() == str(256 << 20), "set did not set")
        run("set", "a", "memorySize", "512MiB", "--if-generation", before, status=75, err="generation")
        now = run("get", "a", "--generation").strip()
        expect(now != before, "the generation stays")
        run("set", "a", "memorySize", "128MiB", "--if-generation", now, "--json", says='"generation"')
        expect(run("get", "a", "--generation").strip() == before, "the same content is another generation")
        run("set", "a", "memorySize", "1", status=2, err="memory")
        run("set", "a", "nonsense", "1", status=2)
        run("get", "a", "nonsense", status=3)
        keys = ["boot.commandLine", "memorySize"]
        values = {keys[0]: [f"k{i}" for i in range(12)], keys[1]: [f"{128 + i}MiB" for i in range(12)]}
        failed = []

        def writer(key):
            for v in values[key]:
                while True:
                    r = subprocess.run([pome, "set", "a", key, v], env=env, capture_output=True, text=True)
                    if r.returncode != 6:  # someone else has the bundle at this moment
                        break
                if r.returncode:
                    failed.append(r.stderr)
        threads = [threading.Thread(target=writer, args=[k]) for k in keys]
        [t.start() for t in threads]
        [t.join() for t in threads]
        expect(not failed, failed and failed[0])
        expect(run("get", "a", keys[0]).strip() == "k11" and run("get", "a", keys[1]).strip() == str(139 << 20), "a write was lost")
        run("set", "a", "memorySize", "128MiB")
        if running:
            h = Http(answer["socket"])
            status, fields, body = h.call("GET", "/v1/config")
            expect(status == 200 and fields["etag"].strip('"') == run("get", "a", "--generation").strip(), str(fields))
            status, _, body = h.call("PUT", "/v1/config", {"key": "memorySize", "value": "1GiB"}, 'If-Match: "0000"\r\n')
            expect(status == 412 and body["error"]["code"] == "CONFLICT", str(body))
            status, _, body = h.call("PUT", "/v1/config", {"key": "memorySize", "value": "3"})
            expect(status == 422 and body["error"]["findings"][0]["field"], str(body))
            run("stop", "a")


def snapshots():
    """A snapshot of a running machine has the configuration that it runs with, whatever was set since; what differs at a resume is told, and what to do."""
    start("a")
    run("set", "a", "memorySize", "256MiB", err="next start")
    run("snapshot", "create", "a", "warm")
    expect(run("get", "a", "memorySize").strip() == str(256 << 20), "the snapshot changed the machine's configuration")
    run("snapshot", "create", "a", "doomed 1", status=2)
    for name in ("doomed%1", "doomed2", "doomed3"):
        run("snapshot", "create", "a", name)
    for name in ("doomed2", "doomed3", "doomed%1"):
        run("snapshot", "delete", "a", name)
        expect(state("a") == "running", "removing a snapshot stopped the machine")
    run("snapshot", "delete", "a", "doomed2", status=3, err="pome snapshot list")
    left = json.loads(run("snapshot", "list", "a", "--json"))
    expect([s["name"] for s in left] == ["warm"] and left[0]["current"], str(left))
    run("snapshot", "restore", "a", "warm", status=6, err="pome stop NAME, pome save NAME")
    run("pause", "a")
    run("snapshot", "create", "a", "doomed2")
    run("snapshot", "delete", "a", "doomed2")
    expect(state("a") == "paused", state("a"))
    run("resume", "a")
    run("stop", "a")
    run("snapshot", "restore", "a", "warm")
    expect(run("get", "a", "memorySize").strip() == str(128 << 20), "the snapshot has a configuration that the machine did not run with")
    run("set", "a", "memorySize", "256MiB")
    run("start", "a", "--resume", "--detach", status=1, err="--discard-saved")
    run("set", "a", "memorySize", "128MiB")
    started.append(json.loads(run("start", "a", "--resume", "--detach", "--json"))["pid"])
    expect(state("a") == "running", state("a"))
    run("stop", "a")
    run("snapshot", "delete", "a", "warm")


def killed():
    """kill -9 leaves a socket that nobody minds, and a machine that starts again."""
    answer = start("a")
    os.kill(answer["pid"], signal.SIGKILL)
    until(lambda: not alive(answer["pid"]), "it survived")
    expect(os.path.exists(answer["socket"]), "nothing is left: this test tests nothing")
    until(lambda: state("a") == "stopped", "a dead machine is not stopped")  # the kernel may still be at its files
    run("console", "a", status=4, err="does not run")
    run("stop", "a", err="does not run")
    run("wait", "a", "--timeout", "60")
    make("c")
    other = start("c")
    expect(not os.path.exists(answer["socket"]), "the dead process's socket was not removed")
    again = start("a")
    expect(again["socket"] == answer["socket"] and state("a") == "running", str(again))
    fd = os.open(os.path.join(work.name, "vms", "a.bundle"), os.O_RDONLY)
    run("stop", "a")
    run("stop", "c")
    fcntl.flock(fd, fcntl.LOCK_EX)
    run("console", "a", status=6, err=f"process {os.getpid()}")
    run("wait", "a", "--timeout", "1", status=124)
    os.close(fd)
    run("delete", "c")
    expect(other["socket"] != again["socket"], "two machines have one socket")


def folders():
    """The socket is found in another environment, and a folder of others is not used."""
    other = dict(env)
    del other["XDG_RUNTIME_DIR"]
    answer = start("a")
    os.chmod(os.path.join(runtime, "pome"), 0o755)
    run("status", "a", says="in use")  # not trusted: others could have put a socket there
    os.chmod(os.path.join(runtime, "pome"), 0o700)
    run("status", "a", says="running")
    run("rename", "a", "d", status=6)
    os.rename(os.path.join(work.name, "vms", "a.bundle"), os.path.join(work.name, "vms", "d.bundle"))  # as a file manager would
    run("status", "d", says="running")
    run("stop", "d")
    run("rename", "d", "a", err='"a" now')
    run("rename", "nobody", "b", status=3)
    run("rename", "a", "x/y", status=2, err="no slash")
    make("b")
    run("rename", "a", "b", status=1, err="exists")
    run("delete", "b")
    until(lambda: not alive(answer["pid"]), "the process of a stopped machine is left")


def hostile():
    """What is no request is answered with what is wrong, and costs nobody else anything."""
    answer = start("a")
    path = answer["socket"]
    calls = Http(path).call("GET", "/v1")[2]["calls"]
    spec = json.load(open(openapi))
    described = {(m.upper(), p) for p, ms in spec["paths"].items() for m in ms}
    expect({(c["method"], c["path"]) for c in calls} == described, f"docs/openapi.json and the socket differ: {described ^ {(c['method'], c['path']) for c in calls}}")
    for text, status in ((b"\r\n\r\n", 400), (b"GET / HTTP/1.0\r\n\r\n", 505), (b"GET /v1 HTTP/1.1\r\n\r\n", 400), (b"\0" * 9000, 431),
                         (b"GET /v1 HTTP/1.1\r\nHost: p\r\nTransfer-Encoding: chunked\r\n\r\n", 501), (b"X" * 100000, 431),
                         (b"POST /v1/machine/stop HTTP/1.1\r\nHost: p\r\nContent-Length: 99999999\r\n\r\n", 413)):
        expect(Http(path).send(text).answer()[0] == status, f"{text[:40]!r} is not answered with {status}")
    h = Http(path).send(b"\0" * 9000)
    until(h.more, "not refused")
    expect(h.send(b"X" * 100000).answer()[0] == 431 and not h.more(), "who speaks on after a refusal is cut off")
    h = Http(path)
    for method, target, status in (("GET", "/", 404), ("DELETE", "/v1/machine", 405), ("GET", "/v1/console", 426), ("GET", "/v1/../v1", 404)):
        expect(h.call(method, target)[0] == status, f"{method} {target} is not answered with {status}")
    expect(h.send("PUT /v1/config HTTP/1.1\r\nHost: p\r\nContent-Length: 5\r\n\r\n{\"a\":").answer()[0] == 400, "broken JSON was taken")
    expect(h.send("PUT /v1/config HTTP/1.1\r\nHost: p\r\nContent-Length: 2\r\n\r\n[]").answer()[0] == 400, "an array was taken")
    h.send("GET /v1/machine HTTP/1.1\r\nHost: p\r\n\r\n" * 50)  # a pipeline
    expect(all(h.answer()[0] == 200 for _ in range(50)), "not all of a pipeline was answered")
    slow = Http(path)
    for c in "GET /v1/machine HTTP/1.1\r\nHost: p\r\n":
        slow.send(c)
    crowd = [socket.socket(socket.AF_UNIX) for _ in range(100)]
    for s in crowd:
        s.connect(path)
    for s in crowd:
        s.close()
    deaf = Http(path)
    deaf.send("GET /v1 HTTP/1.1\r\nHost: p\r\n\r\n" * 2000)  # and reads nothing
    expect(Http(path).call("GET", "/v1/machine")[2]["state"] == "running", "others are not answered")
    expect(slow.send("\r\n").answer()[0] == 200, "a slow client is not answered")
    slow = Http(path)
    slow.send("GET /v1/mach")
    expect(slow.answer()[0] == 408, "a request that does not come is waited for")
    seed = int(os.environ.get("POME_TEST_SEED", 1))
    print("seed", seed)
    dice = random.Random(seed)
    good = b"PUT /v1/config?a=%20 HTTP/1.1\r\nHost: p\r\nIf-Match: \"a\"\r\nContent-Length: 7\r\n\r\n{\"a\":1}"
    for _ in range(300):
        text = bytearray(good)
        for _ in range(dice.randrange(4)):
            text[dice.randrange(len(text))] = dice.randrange(256)
        s = Http(path)
        s.send(bytes(text))
        s.s.close()
    expect(Http(path).call("GET", "/v1/machine")[2]["state"] == "running", "random requests broke it")
    listeners = [Http(path).listen() for _ in range(5)]
    for _ in range(20):
        run("pause", "a")
        run("resume", "a")
    for l in listeners:
        states = [l.event()["state"] for _ in range(81)]
        expect(states == ["running"] + ["pausing", "paused", "resuming", "running"] * 20, f"events were lost: {states}")
    run("stop", "a")


make("a")
try:
    for part in (life, gone_wrong, stopping, waiting, programs, consoles, foreground, notified, levels, logs, ports, configuration, snapshots, killed, folders, hostile):
        t = time.monotonic()
        part()
        print(f"{part.__name__}: {time.monotonic() - t:.1f} s", flush=True)
finally:
    for pid in started:
        if alive(pid):
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if b"pome" in f.read():
                    os.kill(pid, signal.SIGKILL)
passed()
