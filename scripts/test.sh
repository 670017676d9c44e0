#!/bin/bash
# test.sh all|san: builds and runs the tests; the last line counts what ran.
# all: the ordinary build with every test, the unit tests again under ASan and UBSan, a clang build, a cross build for arm64,
# FUZZ_SECONDS (60; 0: none) of fuzzing for each target (scripts/fuzz.sh), and the whole-machine tests.
set -u
cd "$(dirname "$0")/.."
passed=0 failed=0 skipped=0
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-halt_on_error=1:print_stacktrace=1}

step() { # name command...: one thing that passes or fails, and how long it took
    local name=$1 begun=$SECONDS log
    shift
    log=$(mktemp)
    if "$@" >"$log" 2>&1; then
        passed=$((passed + 1))
        printf 'ok      %s (%d s)\n' "$name" $((SECONDS - begun))
    else
        failed=$((failed + 1))
        printf 'FAILED  %s\n' "$name"
        tail -60 "$log"
    fi
    rm -f "$log"
}

run_meson() { # builddir label [meson test options]: runs its tests and adds up
    local dir=$1 label=$2 begun=$SECONDS
    shift 2
    meson test -C "$dir" --no-rebuild --num-processes 2 -t 4 "$@" >/dev/null 2>&1
    local report p f s
    report=$(mktemp)
    python3 scripts/count-tests.py "$dir/meson-logs/testlog.json" "$label" >"$report" || echo "0 1 0" >>"$report"
    head -n -1 "$report"
    echo "        ${label}tests took $((SECONDS - begun)) s"
    read -r p f s < <(tail -1 "$report")
    rm -f "$report"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

tally() { # adds up and shows the lines "ok|FAILED|skip NAME" of another script
    local verdict name
    while read -r verdict name; do
        case $verdict in
        ok) passed=$((passed + 1)) ;;
        FAILED) failed=$((failed + 1)) ;;
        skip) skipped=$((skipped + 1)) ;;
        esac
        printf '%-7s %s\n' "$verdict" "$name"
    done
}

configure() { # builddir options...
    local dir=$1
    shift
    [ -f "$dir/build.ninja" ] || meson setup "$dir" "$@"
}

build_ordinary() { configure build && ninja -C build; }
build_san() { configure build-san -Db_sanitize=address,undefined -Dbuildtype=debugoptimized -Db_lundef=false && ninja -C build-san; }
build_clang() { CC=clang-14 configure build-clang -Dwerror=true && ninja -C build-clang; }
build_arm64() { configure build-arm64 --cross-file scripts/aarch64.ini -Dwerror=true &&
    ninja -C build-arm64 $(ninja -C build-arm64 -t targets all | sed -n 's/^\([^:]*\.a\): .*/\1/p'); }

if [ "${1:-all}" = all ]; then
    step "build: gcc, warnings are errors" eval 'configure build; meson configure build -Dwerror=true && build_ordinary'
    run_meson build ""
fi
step "build: ASan and UBSan" build_san
run_meson build-san "sanitized: " --suite unit
if [ "${1:-all}" = all ]; then
    scripts/deps.sh fuzz 2>/dev/null # the fuzz step says what is missing
    command -v clang-14 >/dev/null && step "build: clang" build_clang
    step "build: arm64 compiles" build_arm64
    tally < <(scripts/fuzz.sh all "${FUZZ_SECONDS:-60}")
    tally < <(tests/machine/run.sh)
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
