#!/usr/bin/env python3
"""download.py - pome image latest and download against a server of our own on the loopback interface, which misbehaves on demand.

usage: download.py POME
"""
import hashlib
import http.server
import json
import os
import plistlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

pome = os.path.abspath(sys.argv[1])
work = tempfile.TemporaryDirectory(prefix="pome-download-")
content = random.Random(5).randbytes(6 << 20)
sha1 = hashlib.sha1(content).hexdigest()
asked = []  # (path, Range) of every request
etag = ['"one"']
breaks = []  # how many bytes to send before the connection is closed, one for each request


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def plain(self, status, body, **headers):
        self.send_response(status)
        for k, v in headers.items():
            self.send_header(k.replace("_", "-"), v)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def image(self, ranges=True, length=None, slow=False):
        begin = 0
        wanted = self.headers.get("Range")
        same = self.headers.get("If-Range") in (None, etag[0])
        if ranges and wanted and same:
            begin = int(wanted[6:].split("-")[0])
        if begin > len(content):
            return self.plain(416, b"")
        self.send_response(206 if begin else 200)
        self.send_header("ETag", etag[0])
        self.send_header("Content-Length", str((length or len(content)) - begin))
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        end = min(len(content), begin + breaks.pop(0)) if breaks else len(content)
        try:
            for at in range(begin, end, 65536):
                self.wfile.write(content[at:min(end, at + 65536)])
                if slow:
                    time.sleep(0.1)
        except (BrokenPipeError, ConnectionResetError):
            pass
        if end < (length or len(content)):
            self.close_connection = True
            self.connection.close()

    def do_GET(self):
        asked.append((self.path, self.headers.get("Range")))
        path = self.path
        try:
            if path == "/catalogue":
                self.plain(200, catalogue())
            elif path == "/other-catalogue":
                self.plain(200, b"<html>not a list</html>")
            elif path == "/empty-catalogue":
                self.plain(200, plistlib.dumps({"MobileDeviceSoftwareVersionsByVersion": {}}))
            elif path == "/image.ipsw":
                self.image()
            elif path == "/slow.ipsw":
                self.image(slow=True)
            elif path == "/whole-only.ipsw":
                self.image(ranges=False)
            elif path == "/short.ipsw":
                self.image(length=len(content) + 1000)
            elif path == "/huge.ipsw":
                self.image(length=1 << 60)
            elif path == "/file":
                self.plain(302, b"", Location="file:///etc/passwd")
            elif path == "/away":
                self.plain(302, b"", Location="/image.ipsw")
            elif path == "/circle":
                self.plain(302, b"", Location="/circle")
            else:
                self.plain(404, b"nothing here")
        except (BrokenPipeError, ConnectionResetError):
            pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
env = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()}
env.update(TERM="dumb", POME_IMAGE_CATALOGUE=url + "/catalogue")


def catalogue():
    def restore(version, build, where, digest):
        return {"Restore": {"ProductVersion": version, "BuildVersion": build, "FirmwareURL": where, "FirmwareSHA1": digest}}

    devices = {
        "VirtualMac2,1": {
            "Unknown": {"Universal": restore("26.10", "25K9", url + "/image.ipsw", sha1)},
            "25K9": restore("26.10", "25K9", url + "/image.ipsw", sha1),
            "25C56": restore("26.2", "25C56", url + "/image.ipsw", "0" * 40),
            "25X": restore("27.0", "25X", "file:///etc/passwd", sha1),
        },
        "Macmini9,1": {"99Z": restore("99.0", "99Z", url + "/image.ipsw", sha1)},
    }
    return plistlib.dumps({"MobileDeviceSoftwareVersionsByVersion": {"1": {"MobileDeviceSoftwareVersions": devices}}})


def at(name):
    return os.path.join(work.name, name)


def run(*args, status=0, says=None, err=None):
    r = subprocess.run([pome, "image", *args], env=env, capture_output=True, text=True, timeout=120, cwd=work.name)
    for want, got, name in ((says, r.stdout, "standard output"), (err, r.stderr, "standard error")):
        if want is not None and want not in got:
            sys.exit(f"pome image {' '.join(args)}: {name} does not say {want!r}:\n{got}")
    if r.returncode != status:
        sys.exit(f"pome image {' '.join(args)}: status {r.returncode}, expected {status}:\n{r.stdout}{r.stderr}")
    return r.stdout


def expect(what, text):
    if not what:
        sys.exit(text + f"\nasked: {asked}")


def whole(name):
    expect(open(at(name), "rb").read() == content, name + ": other bytes")
    expect(not [n for n in os.listdir(work.name) if n.startswith(name + ".part")], name + ": something was left beside it")
    os.unlink(at(name))


def nothing(name):
    expect(not [n for n in os.listdir(work.name) if n.startswith(name)], name + ": something was left")


def catalogues():
    run("latest", says="macOS 26.10 (25K9)")
    expect([i["build"] for i in json.loads(run("latest", "--all", "--json"))] == ["25K9", "25C56"], "latest --all")
    run("latest", "--catalogue", url + "/other-catalogue", status=1, err="not a property list")
    run("latest", "--catalogue", url + "/empty-catalogue", status=3, err="no image for virtual Macs")
    run("latest", "--catalogue", url + "/nowhere", status=1, err="404")
    run("latest", "--catalogue", "file:///etc/passwd", status=2, err="neither http:// nor https://")
    run("latest", "--catalogue", url + "/file", status=1)


def right():
    run("download", err="macOS 26.10")
    whole("image.ipsw")
    run("download", "--build", "25K9", "-o", "b.ipsw")
    whole("b.ipsw")
    run("download", "--version", "12.0", status=3, err="no image of version 12.0")
    run("download", url + "/away", "-o", "c.ipsw")
    whole("c.ipsw")
    open(at("d.ipsw"), "w").close()
    run("download", url + "/image.ipsw", "-o", "d.ipsw", status=1, err="exists already")


def wrong():
    run("download", "--version", "26.2", "-o", "a", status=1, err="its SHA-1 is")
    nothing("a")
    run("download", url + "/image.ipsw", "--sha1", "12", "-o", "a", status=2, err="not a SHA-1")
    run("download", url + "/nowhere.ipsw", "-o", "a", status=3, err="check the URL")
    run("download", url + "/file", "-o", "a", status=1, err="rotocol")
    run("download", url + "/circle", "-o", "a", status=1, err="look at the URL and the network")
    run("download", url + "/huge.ipsw", "-o", "a", status=1, err="MiB are needed")
    nothing("a")
    run("download", "file:///etc/passwd", "-o", "a", status=2, err="neither http:// nor https://")
    run("download", url + "/", status=2, err="names no file")


def interrupted():
    breaks[:] = [1 << 20, 2 << 20]  # twice, then it goes through
    del asked[:]
    run("download", url + "/image.ipsw", "--sha1", sha1, "-o", "a.ipsw")
    expect([r for _, r in asked] == [None, f"bytes={1 << 20}-", f"bytes={3 << 20}-"], "a broken connection is not gone on with")
    whole("a.ipsw")
    breaks[:] = [1 << 20]
    del asked[:]
    run("download", url + "/whole-only.ipsw", "--sha1", sha1, "-o", "a.ipsw")  # a server that does not know ranges
    whole("a.ipsw")
    run("download", url + "/short.ipsw", "-o", "a.ipsw", status=1)  # says more than it sends, again and again
    expect(not os.path.exists(at("a.ipsw")), "a short file appeared")
    for name in ("a.ipsw.part", "a.ipsw.part.info"):
        os.unlink(at(name))


def cancel(name):
    """Ctrl-C as soon as something has come; the part is kept."""
    p = subprocess.Popen([pome, "image", "download", url + "/slow.ipsw", "-o", name], env=env, cwd=work.name, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True)
    while not os.path.exists(at(name + ".part.info")) or os.path.getsize(at(name + ".part")) < 1 << 18:
        time.sleep(0.02)
    run("download", url + "/slow.ipsw", "-o", name, status=6, err="another process")
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=60)
    expect(p.returncode == 130 and "for the next time" in err, "cancelled: " + err)
    expect(os.path.getsize(at(name + ".part")) >= 1 << 18 and not os.path.exists(at(name)), "the part was not kept")
    return os.path.getsize(at(name + ".part"))


def resumed():
    size = cancel("a.ipsw")
    del asked[:]
    run("download", url + "/slow.ipsw", "--sha1", sha1, "-o", "a.ipsw")
    expect(asked[0][1] == f"bytes={size}-", "the rest was not asked for")
    whole("a.ipsw")
    cancel("a.ipsw")
    etag[0] = '"two"'  # the file changed meanwhile: all of it comes again
    run("download", url + "/slow.ipsw", "--sha1", sha1, "-o", "a.ipsw")
    whole("a.ipsw")
    cancel("a.ipsw")  # another URL: nothing of it is used
    del asked[:]
    run("download", url + "/image.ipsw", "--sha1", sha1, "-o", "a.ipsw")
    expect(asked[0][1] is None, "the part of another URL was gone on with")
    whole("a.ipsw")
    cancel("a.ipsw")
    with open(at("a.ipsw.part"), "r+b") as f:  # damage on disk is found in the end
        f.write(b"damage")
    run("download", url + "/slow.ipsw", "--sha1", sha1, "-o", "a.ipsw", status=1, err="its SHA-1 is")
    nothing("a.ipsw")


def as_json():
    lines = [json.loads(line) for line in run("download", "--json", "-o", "j.ipsw").splitlines()]
    expect(lines[-1] == {"event": "done", "path": "j.ipsw"}, "download --json")
    whole("j.ipsw")


catalogues()
right()
wrong()
interrupted()
resumed()
as_json()
print(f"download: all as expected, {len(asked)} requests in the last part")
