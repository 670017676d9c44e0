#!/bin/bash
# fuzz.sh TARGET SECONDS: one fuzz target with libFuzzer, ASan and UBSan, on this terminal.
# fuzz.sh all SECONDS: every target of fuzz/meson.build, so long for what is read from files of others, a sixth of it for the rest, one for each
# processor at a time; "ok|FAILED|skip NAME" for each as it ends, and to standard error what failing ones said.
# `all` begins from the same seed each time (FUZZ_SEED; 0: another each time), so that what it finds has to do with the change under test.
# New inputs stay in build-fuzz/corpus/TARGET, inputs that crash in build-fuzz/crashes/TARGET, output in build-fuzz/logs.
set -u
cd "$(dirname "$0")/.."
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-halt_on_error=1:print_stacktrace=1}
symbolizer=/usr/lib/llvm-14/bin/llvm-symbolizer
[ -x $symbolizer ] && export ASAN_SYMBOLIZER_PATH=$symbolizer

# What is missing to build the targets, or nothing. A program is linked: Debian has clang, and the fuzzer's library, in separate packages.
missing() {
    command -v clang-14 >/dev/null || { echo "clang-14 is not there (apt-get install clang-14 libclang-rt-14-dev)"; return; }
    echo 'int LLVMFuzzerTestOneInput(const char *p, long n) { return 0; }' |
        clang-14 -x c -fsanitize=fuzzer,address,undefined -o /dev/null - 2>/dev/null ||
        echo "clang-14 links no libFuzzer program (apt-get install libclang-rt-14-dev)"
}

build() {
    if [ ! -f build-fuzz/build.ninja ]; then
        CC=clang-14 meson setup build-fuzz -Dfuzz=true -Dbuildtype=debugoptimized -Db_lundef=false \
            -Dc_args=-fsanitize=fuzzer-no-link,address,undefined -Dc_link_args=-fsanitize=address,undefined >/dev/null || return 1
    fi
    ninja -C build-fuzz --quiet fuzzers
}

targets() { # the programs that `fuzzers` stands for: a row that is gone has left its program behind
    ninja -C build-fuzz -t query fuzzers | sed -n 's/^ *|* *fuzz\/fuzz_\([a-z0-9_]*\)$/\1/p' | sort -u
}

fuzz() { # target seconds
    local seeds=fuzz/corpus/$1 words=fuzz/words/$1
    mkdir -p "build-fuzz/corpus/$1" "build-fuzz/crashes/$1"
    [ -d "$seeds" ] || seeds=
    [ -f "$words" ] && words=-dict=$words || words=
    exec "build-fuzz/fuzz/fuzz_$1" -seed="${FUZZ_SEED:-0}" -max_total_time="$2" -timeout=60 -print_final_stats=1 $words \
        -artifact_prefix="build-fuzz/crashes/$1/" "build-fuzz/corpus/$1" $seeds
}

# One target among others, its output in a file. A process that neither ends nor notices its own time-out is ended.
verdict() { # target seconds
    local log=build-fuzz/logs/$1 inputs status begun=$SECONDS
    mkdir -p build-fuzz/logs
    timeout -k 10 $(($2 + 180)) "$0" run "$1" "$2" >"$log" 2>&1
    status=$?
    inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    if [ $status = 0 ] && [ "${inputs:-0}" -gt 0 ]; then
        echo "ok fuzz: $1 ($inputs inputs, $((SECONDS - begun)) s)"
        return
    fi
    echo "FAILED fuzz: $1 (status $status after ${inputs:-0} inputs, $((SECONDS - begun)) s)"
    {
        echo "--- fuzz: $1"
        sed -n '/ERROR: \|runtime error: \|SUMMARY: \|Assertion\|^ *#[0-9]* 0x/p' "$log" | head -n 40
        tail -n 5 "$log"
        sed -n "s|.*Test unit written to \(.*\)|the input: $PWD/\1 (once fixed it belongs into fuzz/corpus/$1)|p" "$log"
    } >&2
}

# Restore images, bundles, disks: what people pass on, in formats of others.
files_of_others=' aea apfs fat fw_disk gpt image4 lzfse lzss nvram plist settings udif zip '

with_seconds() { # seconds
    local t
    targets | while read -r t; do
        case $files_of_others in
        *" $t "*) echo "$t $1" ;;
        *) echo "$t $((($1 + 5) / 6))" ;;
        esac
    done
}

every() { # seconds
    export FUZZ_SEED=${FUZZ_SEED:-1}
    local why log
    [ "$1" != 0 ] || { echo "skip fuzz: FUZZ_SECONDS is 0"; return; }
    why=$(missing)
    [ -z "$why" ] || { echo "skip fuzz: $why"; return; }
    log=$(mktemp)
    if build >"$log" 2>&1; then
        echo "ok build: fuzz targets"
        with_seconds "$1" | xargs -P "$(nproc)" -n 2 "$0" verdict
    else
        echo "FAILED build: fuzz targets"
        tail -n 60 "$log" >&2
    fi
    rm -f "$log"
}

case ${1:-} in
all) every "${2:-60}" ;;
verdict) verdict "$2" "$3" ;; # these two: `all` calls itself
run) fuzz "$2" "$3" ;;
*)
    scripts/deps.sh build fuzz
    why=$(missing)
    [ -z "$why" ] || { echo "fuzz.sh: $why" >&2; exit 1; }
    build || exit 1
    targets | grep -qx "${1:-}" || { echo "fuzz.sh: T=NAME, one of:" >&2; targets | sed 's/^/  /' >&2; exit 2; }
    fuzz "$1" "${2:-60}"
    ;;
esac
