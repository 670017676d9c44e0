"""kit.py - running pome as a user does, for the tests beside it. Arguments of each: POME [other programs]."""
import os
import subprocess
import sys
import tempfile

pome, *programs = map(os.path.abspath, sys.argv[1:])
work = tempfile.TemporaryDirectory(prefix="pome-cli-")
env = dict(os.environ, POME_HOME=work.name, TERM="dumb")
env.pop("POME_AUTHORITY", None)
image = os.path.join(work.name, "test.ipsw")
vms = os.path.join(work.name, "vms")
checks = 0


def at(name):
    return os.path.join(work.name, name)


def run(*args, status=0, says=None, err=None, **more):
    """Runs pome; its exit status and what it says must be as given. Returns standard output."""
    global checks
    checks += 1
    more = {"stdin": subprocess.DEVNULL, "env": env, **more} if "input" not in more else {"env": env, **more}
    r = subprocess.run([pome, *args], capture_output=True, text=True, timeout=120, **more)
    for want, got, name in ((says, r.stdout, "standard output"), (err, r.stderr, "standard error")):
        if want is not None and want not in got:
            sys.exit(f"pome {' '.join(args)}: {name} does not say {want!r}:\n{r.stdout}{r.stderr}")
    if r.returncode != status:
        sys.exit(f"pome {' '.join(args)}: status {r.returncode}, expected {status}:\n{r.stdout}{r.stderr}")
    return r.stdout


def expect(what, text):
    global checks
    checks += 1
    if not what:
        sys.exit(text)


def passed():
    print(checks, "checks passed")
