#!/usr/bin/env python3
"""examples.py - installs Pome into a temporary folder, builds the examples against it through pkg-config, and runs them.

usage: examples.py BUILD SOURCE_ROOT GUEST RESTORE_IMAGE_MAKER
The first two examples run with the guest of the API's tests; install-and-boot with a small restore image, whose kernel is none: it must come as far
as its boot firmware. A whole Debian: GUESTS=FOLDER with debian.ipsw.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

build, root, guest, maker = (os.path.abspath(a) for a in sys.argv[1:5])
work = tempfile.mkdtemp(prefix="pome-examples-")


def fail(what, *more):
    print("FAILED:", what, *more)
    shutil.rmtree(work, ignore_errors=True)
    sys.exit(1)


def run(*command, **more):
    r = subprocess.run(command, capture_output=True, text=True, timeout=300, **more)
    return r.returncode, r.stdout, r.stderr


# --- installation ---

dest = os.path.join(work, "dest")
status, out, err = run("meson", "install", "-C", build, "--no-rebuild", "--destdir", dest)
if status:
    fail("meson install:", out[-2000:], err[-2000:])
found = subprocess.run(["find", dest, "-name", "pome.pc"], capture_output=True, text=True).stdout.split()
if len(found) != 1:
    fail("there is not one pome.pc in the installation:", found)
libdir = os.path.dirname(os.path.dirname(found[0]))
path = os.path.dirname(found[0]) + ":" + os.environ.get("PKG_CONFIG_PATH", "")
prefix = re.search(r"^prefix=(.*)$", open(found[0]).read(), re.M).group(1)
flags_env = dict(os.environ, PKG_CONFIG_PATH=path)
here = ["--define-variable=prefix=" + dest + prefix]
if subprocess.run(["pkg-config", "--exists", "pome"], env=flags_env).returncode:
    fail("pkg-config does not take pome.pc")
soname = os.path.join(libdir, "libpome.so.0")
if not os.path.exists(soname) or not os.path.exists(os.path.join(libdir, "libpome.so")):
    fail("libpome.so or its soname is missing in", libdir)
headers = sorted(os.listdir(dest + prefix + "/include/pome"))
if headers != sorted(os.listdir(root + "/include/pome")):
    fail("the installed headers are", headers)
for man in ("man1/pome.1", "man3/pome_vm.3", "man3/pome_vm_start.3", "man3/libpome.3"):
    if shutil.which("scdoc") and not os.path.exists(dest + prefix + "/share/man/" + man):
        fail("the installation has no", man)


def compile_example(name, *packages):
    flags = []
    for arguments in [[*here, "pome"]] + [[p] for p in packages]:
        r = subprocess.run(["pkg-config", "--cflags", "--libs", *arguments], env=flags_env, capture_output=True, text=True)
        if r.returncode:
            fail("pkg-config:", r.stderr)
        flags += r.stdout.split()
    exe = os.path.join(work, name)
    cxx = os.path.exists(f"{root}/examples/{name}.cc")
    compiler = ["c++", "-std=c++17", "-Wno-missing-field-initializers"] if cxx else ["cc", "-std=gnu17", "-Wno-unused-parameter"]
    source = f"{root}/examples/{name}.{'cc' if cxx else 'c'}"
    status, out, err = run(*compiler, "-Wall", "-Wextra", "-Werror", "-o", exe, source, *flags, f"-Wl,-rpath,{libdir}")
    if status:
        fail(source, "does not build:", err)
    return exe


# --- epoll: it says that it runs; a guest that powers off; a power button that is ignored ends in a forced stop ---

def start(exe, *arguments):
    return subprocess.Popen([exe, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def expect(p, text):
    got = ""
    while text not in got:
        c = p.stdout.read(1)
        if not c:
            fail(f"{text} was not said before the end:", got, p.stderr.read())
        got += c


epoll = compile_example("epoll")
if run(epoll)[0] != 2 or run(epoll, "/nonexistent")[0] != 1:
    fail("epoll: wrong arguments are taken")
p = start(epoll, guest)
expect(p, "READY")
p.stdin.write("o")
p.stdin.flush()
out, err = p.communicate(timeout=120)
if p.returncode or "running -> stopped" not in err or "stopped: guest-off" not in err or "it runs" not in err:
    fail("epoll, power off:", p.returncode, out, err)
p = start(epoll, guest)
expect(p, "READY")
p.send_signal(signal.SIGINT)
out, err = p.communicate(timeout=120)
if p.returncode or "it ignores the power button" not in err or "stopped: request" not in err:
    fail("epoll, Ctrl-C:", p.returncode, out, err)
p = start(epoll, guest)
expect(p, "READY")
p.stdin.write("p")
p.stdin.flush()
out, err = p.communicate(timeout=120)
if p.returncode != 1 or "stopped: guest-panic" not in err:
    fail("epoll, panic:", p.returncode, out, err)

# --- C++: a whole life, and every way to its end ---

life = compile_example("life")
os.chdir(work)  # for its life.saved


def live(status, said, *operations, typed=""):
    p = start(life, guest, "-", "", *operations)
    for letter in typed:
        expect(p, "READY")
        p.stdin.write(letter)
        p.stdin.flush()
    out, err = p.communicate(timeout=120)
    told = [line.strip() for line in err.splitlines()]
    if operations[-2:] == ("reset", "stop"):  # the stop may come before the guest starts again, or after
        told = [line for line in told if line != "the guest starts again"]
    if p.returncode != status or told != said:
        fail("life", *operations, typed, "is", p.returncode, told)


begins = ["start", "stopped -> starting", "starting -> running"]
pauses, resumes = ["pause", "running -> pausing", "pausing -> paused"], ["resume", "paused -> resuming", "resuming -> running"]
live(0, begins + pauses + ["save", "paused -> saving", "saving -> paused", "stop", "paused -> stopping", "stopping -> stopped", "stopped: request",
                           "restore", "stopped -> restoring", "restoring -> paused"] + resumes +
     ["request-stop", "it ignores the power button", "running -> stopping", "stopping -> stopped", "stopped: request"] +
     ["start", "stopped -> starting", "starting -> running", "reset", "stop", "running -> stopping", "stopping -> stopped", "stopped: request"],
     "start", "pause", "save", "stop", "restore", "resume", "request-stop", "start", "reset", "stop")
live(0, begins + ["wait", "running -> stopped", "stopped: guest-off"], "start", "wait", typed="o")
live(0, begins + ["wait", "the guest starts again", "running -> stopped", "stopped: guest-off"], "start", "wait", typed="ro")
live(1, ["resume", 'INVALID_STATE: the machine is stopped; "resume" is possible when it is paused'], "resume")
live(1, ["dance", 'INVALID_CONFIGURATION: "dance" is no operation'][1:], "dance")

# --- objects: a kernel, and faults of a configuration ---

devices = compile_example("devices")
status, out, err = run(devices, guest, "/nonexistent/folder")
if status != 1 or "/nonexistent/folder" not in err:
    fail("devices, no folder:", status, out, err)
port = "2222"
p = start(devices, guest, work)
begun = p.stdout.read(1)
if not begun:  # somebody has the port
    if port not in p.communicate(timeout=60)[1]:
        fail("devices: it did not start")
    print("devices.c was not run: port 2222 is in use")
else:
    expect(p, "EADY" if begun == "R" else "READY")
    p.stdin.write("o")
    p.stdin.flush()
    out, err = p.communicate(timeout=120)
    if p.returncode:
        fail("devices, power off:", p.returncode, out, err)

# --- GLib ---

if subprocess.run(["pkg-config", "--exists", "glib-2.0"]).returncode == 0:
    glib = compile_example("glib", "glib-2.0")
    status, out, err = run(glib, guest)
    if status or err.split() != ["starting", "running", "pausing", "paused", "resuming", "running", "stopping", "stopped"] or "READY" not in out:
        fail("glib:", status, out, err)
else:
    print("glib.c was not built: libglib2.0-dev is not installed")

# --- install and boot ---

install = compile_example("install-and-boot")
image, bundle = os.path.join(work, "small.ipsw"), os.path.join(work, "small.bundle")
os.makedirs(work + "/image")
os.environ.update(POME_HOME=work + "/home", XDG_CONFIG_HOME=work + "/config", XDG_CACHE_HOME=work + "/cache", XDG_DATA_HOME=work + "/data")
status, out, err = run(maker, work + "/image", image)
if status:
    fail("the small image:", out, err)
p = subprocess.Popen([install, image, bundle], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
expect(p, "Pome")
p.terminate()
out, err = p.communicate(timeout=60)
if "100%" not in err:
    fail("install-and-boot: the installation did not come to its end:", err)

# --- the log of that start ---

log = compile_example("log")
status, out, err = run(log, bundle, 'process == "firmware"')
if status or "firmware: " not in out or "pome: " in out:
    fail("log:", status, out, err)
status, out, err = run(log, bundle, "process = ")
if status != 1 or "predicate" not in err:
    fail("log, wrong predicate:", status, out, err)

# --- warm clones: what it says of a snapshot without memory (with one: tests/machine/warm-test.py) ---

clones = compile_example("clones")
pome = os.path.join(build, "pome")
status, out, err = run(pome, "snapshot", "create", bundle, "cold")
if status:
    fail("snapshot create:", err)
status, out, err = run(clones, bundle, "cold", "2")
if status != 1 or "has no memory" not in err:
    fail("clones, without memory:", status, out, err)

# --- snapshots: of a machine that runs (its firmware is as far as this one comes), with its memory; gone back to, gone on from, removed ---

snapshots = compile_example("snapshots")
if run(snapshots, bundle)[0] != 2 or run(snapshots, bundle, "dance", "x")[0] != 2:
    fail("snapshots: wrong arguments are taken")


def keep_one(name, begun):
    p = start(snapshots, bundle, "run", name)
    said = ""
    while "is there" not in said:
        c = p.stderr.read(1)
        if not c:
            fail("snapshots run:", said, p.stdout.read())
        said += c
        if said == begun:
            p.send_signal(signal.SIGUSR1)
    p.terminate()
    p.communicate(timeout=60)
    if p.returncode:
        fail("snapshots run, SIGTERM:", p.returncode)


def tree(*lines):
    status, out, err = run(snapshots, bundle, "list")
    if status or out.splitlines() != list(lines):
        fail("snapshots list:", status, out, err)


keep_one("warm", "it runs\n")
tree("cold", "  warm, with memory  <- here")
status, out, err = run(snapshots, bundle, "restore", "warm")
if status:
    fail("snapshots restore:", err)
keep_one("again", "it goes on\n")
tree("cold", "  warm, with memory", "    again, with memory  <- here")
for operation, name in (("delete", "warm"), ("restore", "cold"), ("create", "new")):
    status, out, err = run(snapshots, bundle, operation, name)
    if status:
        fail("snapshots", operation, name, err)
tree("cold", "  again, with memory", "  new  <- here")
status, out, err = run(snapshots, bundle, "restore", "nothing")
if status != 1 or "NOT_FOUND" not in err:
    fail("snapshots restore nothing:", status, err)
debian = os.path.join(os.environ.get("GUESTS", "/nonexistent"), "debian.ipsw")
if os.path.exists(debian):
    begun = time.time()
    p = start(install, debian, os.path.join(work, "debian.bundle"))
    expect(p, "login:")
    p.terminate()
    p.communicate(timeout=60)
    print(f"a whole Debian: installed, and its login after {time.time() - begun:.0f} s")
shutil.rmtree(work)
print("the examples build against the installation and run")
