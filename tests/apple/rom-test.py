"""rom-test.py POME GUEST MAKE_TEST_IMAGE: a boot ROM of the user's, by pome boot and pome start; what is refused."""
import os
import struct
import subprocess
import sys
import tempfile

pome, guest, make_test_image = map(os.path.abspath, sys.argv[1:])


def run(*args, status, says=""):
    r = subprocess.run([pome, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=100)
    text = r.stdout.decode(errors="replace") + r.stderr.decode(errors="replace")
    if r.returncode != status or says not in text:
        sys.exit(f"pome {' '.join(args)}: status {r.returncode}, needed {status} and {says!r}\n{text}")
    return text


with tempfile.TemporaryDirectory(prefix="pome-rom-") as d:
    os.chdir(d)
    os.environ["POME_HOME"] = d
    os.environ["POME_CACHE"] = "off"
    for name, sectors in (("root", 2048), ("aux", 64)):
        with open(name, "wb") as f:
            for i in range(sectors):
                f.write(struct.pack("<I", i).ljust(512, b"\0"))
    text = run("boot", "--rom", guest, "--disk", "root", "--disk", "aux", "--cpus", "2", status=0, says="all passed")
    if "ok boot rom" not in text:
        sys.exit(text)
    with open("aux", "rb") as f:
        f.seek(5 * 512)
        if f.read(4) != struct.pack("<I", 0xabcd0005):
            sys.exit("aux: the ROM's write is not there")
    run("boot", "--rom", "nosuch", status=1, says="nosuch")
    run("boot", "--rom", guest, "--kernel", guest, status=2, says="one of them")
    run("boot", "--rom", guest, "--append", "x", status=2, says="go with --kernel")
    with open("large", "wb") as f:
        f.truncate((1 << 20) + 1)
    run("boot", "--rom", "large", status=1, says="1048577 bytes, a boot ROM has 1 to 1048576")
    open("empty", "wb").close()
    run("boot", "--rom", "empty", status=1, says="0 bytes")

    os.mkdir("parts")
    subprocess.run([make_test_image, "parts", "image.ipsw"], check=True, stdout=subprocess.DEVNULL)
    run("create", "a", "--image", "image.ipsw", "--cpus", "2", "--disk", "8GiB", status=0)
    run("config", "set", "a", "cpuModel", "apple", status=0)
    run("start", "a", "--rom", guest, status=0, says="all passed")
    run("start", "a", "--rom", "nosuch", status=3, says="nosuch")
    run("create", "b", "--efi", "--disk", "1GiB", status=0)
    run("start", "b", "--rom", guest, status=69, says="platform")
