#!/bin/bash
# fuzz.sh TARGET SECONDS: one fuzz target with libFuzzer, ASan and UBSan. New inputs stay in build-fuzz/corpus/TARGET.
set -eu
cd "$(dirname "$0")/.."
scripts/deps.sh build test
command -v clang-14 >/dev/null || { echo "fuzz.sh: needs clang-14 (apt-get install clang-14)" >&2; exit 1; }
[ -f build-fuzz/build.ninja ] || CC=clang-14 meson setup build-fuzz -Dfuzz=true -Dbuildtype=debugoptimized -Db_lundef=false \
    -Dc_args=-fsanitize=fuzzer-no-link,address,undefined -Dc_link_args=-fsanitize=address,undefined >/dev/null
ninja -C build-fuzz --quiet
target=build-fuzz/fuzz/fuzz_$1
if [ -z "$1" ] || [ ! -x "$target" ]; then
    echo "fuzz.sh: T=NAME, one of:" >&2
    ls build-fuzz/fuzz | sed -n 's/^fuzz_\([a-z0-9_]*\)$/  \1/p' >&2
    exit 2
fi
mkdir -p "build-fuzz/corpus/$1"
seeds=fuzz/corpus/$1
exec "$target" -max_total_time="$2" -print_final_stats=1 -artifact_prefix=build-fuzz/ "build-fuzz/corpus/$1" $([ -d "$seeds" ] && echo "$seeds")
