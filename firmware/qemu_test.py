#!/usr/bin/env python3
"""qemu_test.py - runs the boot ROM and the stage-2 firmware under QEMU's `virt` machine.

Nothing here comes from the project but the two binaries: the disk is made by sfdisk, mkfs.fat and mtools, keys, certificates and
signatures by openssl, the IMG4 containers and NVRAM banks by the lines below, so that a misunderstanding on both sides is less likely.

usage: qemu_test.py ROM STAGE2 [KERNEL INITRD]     (the last two: also boot a real kernel)
"""
import hashlib
import os
import re
import select
import struct
import subprocess
import sys
import tempfile
import time
import zlib

ECID = 0x8877665544332211
BOARD, CHIP = 0x70, 0xFE70
CFG = 0x49000000
FDT = 0x40000000
NAMES = [("iBootSystemContainer", 100), ("Container", 8), ("RecoveryOSContainer", 100)]  # MiB


# DER -----------------------------------------------------------------------------------------------------------
def der(tag, *parts):
    body = b"".join(parts)
    n = len(body)
    if n < 0x80:
        return tag + bytes([n]) + body
    size = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return tag + bytes([0x80 | len(size)]) + size + body


def ia5(s):
    return der(b"\x16", s.encode())


def octets(b):
    return der(b"\x04", b)


def integer(v):
    return der(b"\x02", v.to_bytes(v.bit_length() // 8 + 1, "big"))


def seq(*p):
    return der(b"\x30", *p)


def private(name, value):
    number, out = int.from_bytes(name.encode(), "big"), b""
    while True:
        out = bytes([number & 0x7F | (0x80 if out else 0)]) + out
        number >>= 7
        if not number:
            break
    return der(b"\xff" + out, seq(ia5(name), value))


def dset(*p):
    return der(b"\x31", *p)


def sha384(data):
    return hashlib.sha384(data).digest()


TRUE = b"\x01\x01\xff"
GENERATOR = bytes(range(8))
NONCE = sha384(GENERATOR)[:32]
POLICY_NONCE = sha384(b"policy nonce")


class Authority:
    """Keys and certificates by openssl."""
    def __init__(self, folder):
        self.folder = folder
        os.mkdir(folder)
        for name in ("root", "signer"):
            self.openssl("genrsa", "-out", name + ".key", "3072")
        self.openssl("req", "-x509", "-sha384", "-new", "-key", "root.key", "-subj", "/CN=test root", "-out", "root.pem")
        self.openssl("req", "-new", "-key", "signer.key", "-subj", "/CN=Pome boot tickets", "-utf8", "-out", "signer.csr")
        self.openssl("x509", "-req", "-sha384", "-in", "signer.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-out", "signer.pem",
                     "-extfile", "/dev/stdin", data=b"basicConstraints=CA:FALSE\n")
        self.chain = self.der("signer.pem") + self.der("root.pem")
        self.anchor = sha384(self.der("root.pem"))

    def openssl(self, *words, data=None):
        return subprocess.run(["openssl", *words], cwd=self.folder, input=data, check=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL).stdout

    def der(self, name):
        return self.openssl("x509", "-in", name, "-outform", "DER")

    def sign(self, data):
        return self.openssl("dgst", "-sha384", "-sign", "signer.key", data=data)


def im4p(kind, payload):
    return seq(ia5("IM4P"), ia5(kind), ia5("1.0"), octets(payload))


def im4m(images, ecid=ECID, board=BOARD, nonce=NONCE, authority=None, extra=()):
    """A signed ticket for {kind: IM4P}."""
    machine = dset(private("BNCH", octets(nonce)), private("BORD", integer(board)), private("CHIP", integer(CHIP)),
                   private("ECID", integer(ecid)), private("SDOM", integer(1)), *extra)
    groups = [private(kind, dset(private("DGST", octets(sha384(data))))) for kind, data in images.items()]
    body = dset(private("MANB", dset(private("MANP", machine), *groups)))
    a = authority or AUTHORITY
    return seq(ia5("IM4M"), integer(0), body, octets(a.sign(body)), seq(a.chain))


def img4(kind, payload, ticket_kind=None, **more):
    data = im4p(kind, payload)
    return seq(ia5("IMG4"), data, der(b"\xa0", im4m({ticket_kind or kind: data}, **more)),
               der(b"\xa1", seq(ia5("IM4R"), dset(private("BNCN", octets(GENERATOR))))))


def policy(ticket, *switches, lpnh=POLICY_NONCE, **more):
    extra = [private("lobo", TRUE), private("lpnh", octets(lpnh)), private("nsih", octets(sha384(ticket)))]
    data = im4p("lpol", b"\0")
    return seq(ia5("IMG4"), data, der(b"\xa0", im4m({"lpol": data}, extra=extra + [private(s, TRUE) for s in switches], **more)))


# NVRAM ---------------------------------------------------------------------------------------------------------
def chrp(sig, name, length):
    h = bytearray(struct.pack("<BBH12s", sig, 0, length // 16, name))
    total = h[0]
    for b in h[2:]:
        total += b
        total = (total & 0xFF) + (total >> 8)
    h[1] = total
    return bytes(h)


def bank(generation, **variables):
    b = bytearray(0x80000)
    b[0:16] = chrp(0x5A, b"nvram", 32)
    b[32:48] = chrp(0x71, b"common", 0x60000 - 32)
    b[0x60000:0x60010] = chrp(0x70, b"system", 0x20000)
    text = b"".join(f"{k.replace('_', '-')}={v}".encode() + b"\0" for k, v in variables.items())
    b[48 : 48 + len(text)] = text
    struct.pack_into("<I", b, 20, generation)
    struct.pack_into("<I", b, 16, zlib.adler32(bytes(b[20:])))
    return bytes(b)


def read_bank(b):
    assert struct.unpack_from("<I", b, 16)[0] == zlib.adler32(b[20:]), "bank written by the firmware has a wrong sum"
    text = b[48:0x60000].split(b"\0\0")[0]
    return struct.unpack_from("<I", b, 20)[0], dict(v.split(b"=", 1) for v in text.split(b"\0") if v)


# Disk ----------------------------------------------------------------------------------------------------------
class Machine:
    def __init__(self, folder, rom, stage2, kernel, ramdisk):
        self.folder, self.rom = folder, rom
        self.disk, self.flash, self.cfg = (os.path.join(folder, n) for n in ("disk", "flash", "cfg"))
        self.write_disk(kernel, ramdisk)
        self.write_flash(img4("illb", stage2))

    def run(self, *command, data=None):
        subprocess.run(command, input=data, check=True, stdout=subprocess.DEVNULL)

    def write_disk(self, kernel, ramdisk):
        with open(self.disk, "wb") as f:
            f.truncate(sum(n for _, n in NAMES) * 2**20 + 2**21)
        table, at = "label: gpt\n", 2048
        self.at = {}
        for name, mib in NAMES:
            table += f"start={at}, size={mib * 2048}, name={name}, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4\n"
            self.at[name] = at * 512
            at += mib * 2048
        self.run("sfdisk", "-q", self.disk, data=table.encode())
        for name in ("iBootSystemContainer", "RecoveryOSContainer"):
            volume = os.path.join(self.folder, name)
            with open(volume, "wb") as f:
                f.truncate(dict(NAMES)[name] * 2**20)
            self.run("mkfs.fat", "-F", "32", volume)
            with open(volume, "rb") as f, open(self.disk, "r+b") as d:
                d.seek(self.at[name])
                d.write(f.read())
        b, r = "iBootSystemContainer", "RecoveryOSContainer"
        for folder in ("BOOT", "BOOT/1A2B3C4D", "POLICY"):
            self.run("mmd", "-i", self.volume(b), "::" + folder)
        self.run("mmd", "-i", self.volume(r), "::BOOT")
        self.put(b, "BOOT/ACTIVE", b"1a2b3c4d\n")
        self.objects = {"krnl": im4p("krnl", kernel), "rdsk": im4p("rdsk", ramdisk), "kcmd": im4p("kcmd", b"console=ttyAMA0 normal\n")}
        self.ticket = self.put_set(b, "BOOT/1A2B3C4D", self.objects)
        self.put(b, "POLICY/LOCAL.IM4", policy(self.ticket))
        self.put_set(r, "BOOT", {"rkrn": im4p("rkrn", kernel), "rrdk": im4p("rrdk", ramdisk[::-1]),
                                 "rcmd": im4p("rcmd", b"console=ttyAMA0 recovery")})

    def put_set(self, volume, folder, objects, **more):
        """Kernel, ramdisk, command line and their ticket, which is returned."""
        ticket = im4m(objects, **more)
        for name, data in zip(("KERNEL", "RAMDISK", "CMDLINE", "TICKET"), [*objects.values(), ticket]):
            self.put(volume, f"{folder}/{name}.IM4", data)
        return ticket

    def put_pending(self, objects, digests=None, name="0000AAAA"):
        """A set as a guest makes one."""
        b, names = "iBootSystemContainer", ("KERNEL.IM4", "RAMDISK.IM4", "CMDLINE.IM4")
        self.run("mmd", "-i", self.volume(b), "::BOOT/" + name)
        lines = "".join(f"{hashlib.sha384(d).hexdigest()}  {n}\n" for n, d in zip(names, objects.values()))
        for n, data in [*zip(names, objects.values()), ("DIGESTS", digests or lines.encode())]:
            self.put(b, f"BOOT/{name}/{n}", data)
        self.put(b, "BOOT/PENDING", name.encode() + b"\n")

    def volume(self, name):
        return f"{self.disk}@@{self.at[name]}"

    def put(self, volume, path, data):
        self.run("mcopy", "-o", "-i", self.volume(volume), "-", "::" + path, data=data)

    def write_flash(self, llb, *banks):
        with open(self.flash, "wb") as f:
            f.truncate(0x2000000)
            f.seek(0x20000)
            f.write(llb)
            f.seek(0xA00000)
            f.write((banks or (bank(5), bank(6, boot_args="quiet")))[0])
            f.seek(0xA80000)
            f.write((banks or (bank(5), bank(6, boot_args="quiet")))[1])

    def boot(self, start=0, memory=512, until=None, cpu="max,pauth-impdef=on", ecid=ECID, anchor=None, nonce=NONCE, keys=b""):
        cfg = bytearray(0x1000)
        cfg[0x800:0x830] = AUTHORITY.anchor if anchor is None else anchor
        cfg[0x830:0x850] = nonce
        cfg[0x850:0x880] = POLICY_NONCE
        struct.pack_into("<II", cfg, 0, 2, 1)
        struct.pack_into("<I", cfg, 0x10, BOARD)
        struct.pack_into("<QQ", cfg, 0x18, ecid, memory << 20)
        struct.pack_into("<IIQQQ", cfg, 0x60, start, 0, FDT, 0x100000, FDT)
        with open(self.cfg, "wb") as f:
            f.write(cfg)
        command = ["qemu-system-aarch64", "-M", "virt,highmem=off", "-cpu", cpu, "-m", str(memory), "-nographic",
                   "-nic", "none", "-no-reboot", "-bios", self.rom, "-device", f"loader,file={self.cfg},addr={CFG:#x}"]
        for serial, path in (("root", self.disk), ("aux", self.flash)):
            command += ["-drive", f"if=none,id={serial},file={path},format=raw",
                        "-device", f"virtio-blk-pci,drive={serial},serial={serial}"]
        return run(command, keys, until).decode(errors="replace").replace("\r", "")


def run(command, keys, until):
    """What it says until its end; or, with `until`, until it has said that, and for a moment more."""
    p = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    p.stdin.write(keys)
    p.stdin.close()
    out, end = b"", time.monotonic() + 300
    while select.select([p.stdout], [], [], max(0, end - time.monotonic()))[0]:
        some = os.read(p.stdout.fileno(), 65536)
        out += some
        if not some:
            break
        if until and until.encode() in out:
            until, end = None, time.monotonic() + 1
    p.kill()
    p.wait()
    p.stdout.close()
    return out


def chosen(out):
    """Properties of /chosen in the FDT that the fake kernel printed, by dtc's reader of fdtget."""
    m = re.search(r"FAKE-KERNEL fdt=([0-9a-f]+)\nFAKE-KERNEL end", out)
    assert m, "the fake kernel did not run:\n" + out
    with tempfile.NamedTemporaryFile() as f:
        f.write(bytes.fromhex(m.group(1)))
        f.flush()
        subprocess.run(["dtc", "-q", "-I", "dtb", "-O", "dtb", "-o", "/dev/null", f.name], check=True)

        def get(kind, name):
            return subprocess.run(["fdtget", "-t", kind, f.name, "/chosen", name], check=True,
                                  stdout=subprocess.PIPE).stdout.decode().strip()
        return get("s", "bootargs"), get("x", "linux,initrd-start"), get("x", "linux,initrd-end")


def expect(out, *texts):
    for t in texts:
        assert t in out, f"missing {t!r} in:\n{out}"


def addresses(*words):
    return [int(h, 16) << 32 | int(l, 16) for h, l in (w.split() for w in words)]


def cases(make):
    b, s = "iBootSystemContainer", "BOOT/1A2B3C4D/"

    def normal():
        m = make()
        out = m.boot()
        expect(out, "pome stage1: LLB", "boot set 1A2B3C4D: kernel", "ramdisk 3000000 bytes, digest ok")
        args, start, end = chosen(out)
        assert args == "console=ttyAMA0 normal quiet", args
        start, end = addresses(start, end)
        assert end - start == 3000000 and start % 0x200000 == 0

    def plain_digest_code():
        expect(make().boot(cpu="cortex-a57"), "digest ok", "FAKE-KERNEL end")

    def recovery_asked_by_host():
        args, _, _ = chosen(make().boot(start=1))
        assert args == "console=ttyAMA0 recovery quiet", args

    def recovery_asked_by_nvram_once():
        m = make()
        m.write_flash(img4("illb", m.stage2), bank(8, recovery_boot_mode="unused", keep="me"), bank(7))
        assert chosen(m.boot())[0] == "console=ttyAMA0 recovery"
        assert chosen(m.boot())[0] == "console=ttyAMA0 normal"
        with open(m.flash, "rb") as f:
            f.seek(0xA80000)
            assert read_bank(f.read(0x80000)) == (9, {b"keep": b"me"})

    def no_auto_boot():
        m = make()
        m.write_flash(img4("illb", m.stage2), bank(8, auto_boot="false"), bank(7))
        assert chosen(m.boot())[0] == "console=ttyAMA0 recovery"

    def damaged_nvram():
        m = make()
        broken = bytearray(bank(9, boot_args="wrong"))
        broken[100] ^= 1
        m.write_flash(img4("illb", m.stage2), bytes(broken), bank(2, boot_args="panic=2"))
        assert chosen(m.boot())[0] == "console=ttyAMA0 normal panic=2"
        m.write_flash(img4("illb", m.stage2), bytes(broken), bytes(broken))
        assert chosen(m.boot())[0] == "console=ttyAMA0 normal"

    def falls_to_recovery(name, data, reason):
        m = make()
        m.put(b, name, data)
        out = m.boot()
        expect(out, reason, "trying Recovery")
        assert chosen(out)[0].startswith("console=ttyAMA0 recovery")

    def damaged_kernel():
        k = bytearray(im4p("krnl", KERNEL))
        k[-2000] ^= 1  # inside the payload
        falls_to_recovery(s + "KERNEL.IM4", bytes(k), "1A2B3C4D: kernel, digest differs")

    def ticket_refused(reason, in_policy=True, **more):
        """The set's ticket is another one, which the policy names or not."""
        m = make()
        ticket = m.put_set(b, "BOOT/1A2B3C4D", m.objects, **more)
        if in_policy:
            m.put(b, "POLICY/LOCAL.IM4", policy(ticket))
        out = m.boot()
        expect(out, "boot failed: stage 2, boot set 1A2B3C4D: ticket, " + reason, "trying Recovery")
        assert chosen(out)[0].startswith("console=ttyAMA0 recovery")

    def other_machine():
        ticket_refused("ticket was made for another machine", ecid=1)

    def other_board():
        ticket_refused("ticket was made for another board", board=0x20)

    def old_ticket():
        ticket_refused("ticket is an old one (BNCH", nonce=bytes(32))

    def other_authority():
        ticket_refused("ticket was signed by another authority", authority=OTHER)

    def other_ticket():
        ticket_refused("is not the one that LocalPolicy names", in_policy=False, extra=[private("love", ia5("2"))])

    def no_ticket():
        m = make()
        m.run("mdel", "-i", m.volume(b), "::" + s + "TICKET.IM4")
        expect(m.boot(), "was made in this machine and is not signed: full security", "trying Recovery")

    def wrong_type():
        falls_to_recovery(s + "CMDLINE.IM4", im4p("rcmd", b"x"), "command line, has another type")

    def ticket_without_entry():
        m = make()
        ticket = im4m({k: v for k, v in m.objects.items() if k != "kcmd"})
        m.put(b, s + "TICKET.IM4", ticket)
        m.put(b, "POLICY/LOCAL.IM4", policy(ticket))
        expect(m.boot(), "command line, ticket does not list it", "trying Recovery")

    def no_image():
        m = make()
        ticket = m.put_set(b, "BOOT/1A2B3C4D", dict(m.objects, krnl=im4p("krnl", b"x" * 4096)))
        m.put(b, "POLICY/LOCAL.IM4", policy(ticket))
        expect(m.boot(), "is not an arm64 Linux Image", "trying Recovery")

    def policy_of_another():
        falls_to_recovery("POLICY/LOCAL.IM4", policy(b"", ecid=7), "LocalPolicy, ticket was made for another")

    def old_policy():
        falls_to_recovery("POLICY/LOCAL.IM4", policy(b"", lpnh=sha384(b"old")), "LocalPolicy, is an old one (lpnh")

    def boot_args_filtered():
        """Under full security and in Recovery some words only; under reduced security all."""
        m, words = make(), b'quiet init=/bin/sh x="loglevel=7 loglevel=7" panic=3'
        m.write_flash(img4("illb", m.stage2), bank(8, boot_args=words.decode()), bank(7))
        out = m.boot()
        expect(out, "boot-args: init=/bin/sh is left out, full security does not allow it", 'boot-args: x="loglevel=7 is left out')
        assert chosen(out)[0] == "console=ttyAMA0 normal quiet panic=3", chosen(out)
        m.put(b, "POLICY/LOCAL.IM4", policy(m.ticket, "smb0"))
        assert chosen(m.boot())[0] == "console=ttyAMA0 normal " + words.decode()
        out = m.boot(start=1)
        expect(out, "init=/bin/sh is left out, Recovery does not allow it")
        assert chosen(out)[0] == "console=ttyAMA0 recovery quiet panic=3"

    def older_ticket_under_reduced():
        m = make()
        m.put(b, "POLICY/LOCAL.IM4", policy(b"another", "smb0"))
        assert chosen(m.boot())[0] == "console=ttyAMA0 normal quiet"

    def pending(switches, digests=None, change=None):
        m = make()
        objects = dict(m.objects, kcmd=im4p("kcmd", b"console=ttyAMA0 pending"))
        m.put_pending(objects, digests)
        if change:
            m.put(b, "BOOT/0000AAAA/CMDLINE.IM4", change)
        m.put(b, "POLICY/LOCAL.IM4", policy(m.ticket, *switches))
        out = m.boot()
        return out, chosen(out)[0].split()[1]

    def pending_under_full():
        out, started = pending([])
        expect(out, "full security does not start it", '"pome personalize NAME" signs it', "trying the last signed boot set, 1A2B3C4D")
        assert started == "normal"

    def pending_under_reduced():
        out, started = pending(["smb0"])
        expect(out, "not signed: reduced security accepts it")
        assert started == "pending"

    def pending_damaged():
        out, started = pending(["smb0"], change=im4p("kcmd", b"console=ttyAMA0 changed"))
        expect(out, "boot failed: stage 2, boot set 0000AAAA: command line, digest differs")
        assert started == "normal"
        out, started = pending(["smb0"], digests=b"x")
        expect(out, "DIGESTS, holds a line")
        assert started == "normal"

    def pending_under_permissive():
        out, started = pending(["smb0", "smb1"], change=im4p("kcmd", b"console=ttyAMA0 changed"))
        expect(out, "permissive security starts it all the same")
        assert started == "changed"
        assert pending(["smb0", "smb1"], digests=b"x")[1] == "pending"

    def bad_active():
        falls_to_recovery("BOOT/ACTIVE", b"../../..\n", "/BOOT/ACTIVE, is not a boot set's name")

    def absent_set():
        m = make()
        m.put(b, "BOOT/ACTIVE", b"00000000\n")
        m.put(b, "POLICY/LOCAL.IM4", policy(m.ticket, "smb0"))
        expect(m.boot(), "boot set 00000000: DIGESTS, is missing", "trying Recovery")

    def recovery_damaged():
        m = make()
        m.put("RecoveryOSContainer", "BOOT/TICKET.IM4", im4m({"rkrn": b""}, nonce=bytes(32)))
        out = m.boot(start=1, keys=b"1")
        expect(out, "recovery: ticket, ticket is an old one", "1  boot set 1A2B3C4D (last signed)", "3  shut down")
        assert chosen(out)[0] == "console=ttyAMA0 normal quiet"

    def picker():
        m = make()
        assert chosen(m.boot(start=32, keys=b"x2"))[0] == "console=ttyAMA0 recovery quiet"
        assert "FAKE" not in m.boot(start=32, keys=b"3")

    def both_damaged():
        m = make()
        for v in (b, "RecoveryOSContainer"):
            with open(m.disk, "r+b") as d:
                d.seek(m.at[v])
                d.write(bytes(512))
        out = m.boot()
        expect(out, "trying Recovery", "recovery: RecoveryOSContainer, holds no FAT32 volume", "1  Recovery", "no answer", "restore needed")
        assert "FAKE" not in out

    def primary_table_damaged():
        m = make()
        with open(m.disk, "r+b") as d:
            d.seek(512)
            d.write(bytes(512))
        assert chosen(m.boot())[0] == "console=ttyAMA0 normal quiet"

    def damaged_llb():
        m = make()
        llb = bytearray(img4("illb", m.stage2))
        llb[2000] ^= 4
        m.write_flash(bytes(llb))
        expect(m.boot(), "boot failed: stage 1, LLB, digest differs", "Entering boot ROM recovery mode: restore needed")

    def empty_flash():
        m = make()
        m.write_flash(b"\xff" * 512)
        expect(m.boot(), "boot failed: stage 1, LLB, is not an IMG4")

    def llb_of_another():
        expect(make().boot(ecid=5), "LLB, ticket was made for another machine (ECID)")

    def unknown_authority():
        m = make()
        expect(m.boot(anchor=OTHER.anchor), "LLB, ticket was signed by another authority")
        expect(m.boot(anchor=bytes(48)), "LLB, cannot be checked: the machine knows no signing authority")
        expect(m.boot(nonce=bytes(32)), "LLB, ticket is an old one")

    def dfu():
        out = make().boot(start=16, until="NONC:" + NONCE.hex())
        expect(out, "DFU: waiting for a restore", "CPID:fe70 BDID:70 ECID:8877665544332211", "NONC:" + NONCE.hex())
        assert "stage2" not in out

    def stops():
        m = make()
        out = m.boot(start=2, until="stopped in stage 1")
        expect(out, "stopped in stage 1")
        assert "stage2" not in out
        expect(m.boot(start=4, until="stopped in stage 2"), "stopped in stage 2")

    return [v for k, v in locals().items() if callable(v) and k not in ("make", "falls_to_recovery", "ticket_refused", "pending")]


def main():
    global KERNEL, AUTHORITY, OTHER
    rom, stage2 = sys.argv[1], open(sys.argv[2], "rb").read()
    with tempfile.TemporaryDirectory() as top:
        AUTHORITY, OTHER = (Authority(os.path.join(top, name)) for name in ("authority", "other"))
        here = os.path.dirname(os.path.abspath(__file__))
        elf = os.path.join(top, "fake.elf")
        subprocess.run(["aarch64-linux-gnu-gcc", "-nostdlib", "-static", "-Wl,-Ttext=0", "-DUART=0x09000000", "-o", elf,
                        os.path.join(here, "fake_kernel_test.S")], check=True, stderr=subprocess.DEVNULL)
        subprocess.run(["aarch64-linux-gnu-objcopy", "-O", "binary", elf, elf + ".bin"], check=True)
        KERNEL = open(elf + ".bin", "rb").read() + bytes(range(256)) * 5000
        made = [0]

        def make(kernel=None, ramdisk=None):
            made[0] += 1
            folder = os.path.join(top, str(made[0]))
            os.mkdir(folder)
            m = Machine(folder, rom, stage2, kernel or KERNEL, ramdisk or bytes(i * 7 & 255 for i in range(3000000)))
            m.stage2 = stage2
            return m

        failed = 0
        for case in cases(make):
            if os.environ.get("CASE", case.__name__) != case.__name__:
                continue
            begin = time.monotonic()
            try:
                case()
                print("ok  ", case.__name__, f"{time.monotonic() - begin:.1f} s", flush=True)
            except AssertionError as e:
                failed += 1
                print("FAIL", case.__name__, e, flush=True)
            subprocess.run(["rm", "-rf", os.path.join(top, str(made[0]))])
        if len(sys.argv) > 4:
            m = make(open(sys.argv[3], "rb").read(), open(sys.argv[4], "rb").read())
            out = m.boot()
            print("\n".join(l for l in out.splitlines() if "pome" in l or "INIT" in l))
            expect(out, "INIT-REACHED", "TEST-END")
        sys.exit(1 if failed else 0)


main()
