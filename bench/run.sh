#!/bin/bash
# run.sh [PAIRS]: what `make bench` does. For now one benchmark: from process start to the guest's first user-space line, Pome beside
# QEMU (10 if installed, else what bookworm has), same kernel, same initramfs, in pairs, order swapped each time.
set -eu
cd "$(dirname "$0")/.."
scripts/deps.sh build test
command -v qemu-system-aarch64 >/dev/null || echo "bench: qemu-system-aarch64 is not installed (apt-get install qemu-system-arm): Pome alone" >&2
guests=${POME_TEST_GUESTS:-build/guests}
mkdir -p "$guests"
tests/guest/fetch-kernels.sh "$guests"
[ -f "$guests/initrd-test.cpio.gz" ] || tests/guest/mkinitrd.sh "$guests/initrd-test.cpio.gz"
exec python3 bench/boot.py --kernel "$guests/vmlinuz-cloud" --initrd "$guests/initrd-test.cpio.gz" --pairs "${1:-5}"
