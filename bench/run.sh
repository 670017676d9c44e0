#!/bin/bash
# run.sh [ARGUMENTS OF run.py]: what `make bench` does: fetches what the comparison needs, then Pome beside QEMU and native.
# QEMU is the installed qemu-system-aarch64, or POME_BENCH_QEMU=path (10 is the one to compare with; bookworm has 7.2, its backports 10).
set -eu -o pipefail
cd "$(dirname "$0")/.."
if [ -n "${POME_BENCH_QEMU:-}" ]; then scripts/deps.sh build test bench; else scripts/deps.sh build test bench qemu; fi
guests=${POME_TEST_GUESTS:-build/guests}
mkdir -p "$guests" build/bench
[ -f "$guests/vmlinuz-cloud" ] || tests/guest/fetch-kernels.sh "$guests"
if [ ! -f build/bench/busybox-arm64 ]; then
    . tests/guest/apt-arm64.sh
    apt_init
    dpkg-deb --fsys-tarfile "$(deb_file busybox-static)" | tar -xOf - ./bin/busybox >build/bench/busybox-arm64.tmp
    mv build/bench/busybox-arm64.tmp build/bench/busybox-arm64
fi
build/bench/translate-bench "$guests/vmlinuz-cloud"
exec python3 bench/run.py --kernel "$guests/vmlinuz-cloud" --busybox build/bench/busybox-arm64 "$@"
