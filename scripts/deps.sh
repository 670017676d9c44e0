#!/bin/sh
# deps.sh WHAT...: installs what Pome needs from Debian, if it is missing. WHAT: build run test fuzz bench qemu.
# Quiet and without root when everything is there already.
set -eu

build="gcc make meson ninja-build pkg-config gcc-aarch64-linux-gnu binutils-aarch64-linux-gnu libc6-dev-arm64-cross
 libzip-dev libplist-dev libutf8proc-dev libfdt-dev libjansson-dev libarchive-dev libssl-dev libzstd-dev zlib1g-dev scdoc
 libbz2-dev libdeflate-dev libcurl4-openssl-dev liblzma-dev libslirp-dev"
run="mmdebstrap fakeroot systemd e2fsprogs cpio kmod xz-utils zstd ca-certificates"
test="libcmocka-dev libzydis-dev libzycore-dev llvm-14-dev qemu-user python3 device-tree-compiler libplist-utils
 acpica-tools qemu-efi-aarch64 libglib2.0-dev abigail-tools gcc-12 dosfstools mtools fdisk apfsprogs libfsapfs-utils"
fuzz="clang-14 libclang-rt-14-dev"
bench="busybox-static libc6-dev-arm64-cross"
qemu="qemu-system-arm"

want=
for what in "$@"; do
    case $what in
    build) want="$want $build" ;;
    run) want="$want $run" ;;
    test) want="$want $test" ;;
    fuzz) want="$want $fuzz" ;;
    bench) want="$want $bench" ;;
    qemu) want="$want $qemu" ;;
    *) echo "deps.sh: build, run, test, fuzz, bench or qemu, not '$what'" >&2; exit 2 ;;
    esac
done

missing=
for p in $want; do
    dpkg-query -W -f='${db:Status-Status}\n' "$p" 2>/dev/null | grep -qx installed || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

sudo=
if [ "$(id -u)" != 0 ]; then
    sudo=sudo
    command -v sudo >/dev/null || { echo "deps.sh: missing packages:$missing (install them as root)" >&2; exit 1; }
fi
echo "Installing:$missing" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing ||
       { $sudo apt-get update && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing; }
     } >"$log" 2>&1; then
    tail -20 "$log" >&2
    echo "deps.sh: apt-get install failed for:$missing" >&2
    exit 1
fi
