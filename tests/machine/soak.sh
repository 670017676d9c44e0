#!/bin/bash
# soak.sh [N [M]]: N boots of the cloud kernel with 2 CPUs (50), M of the ordinary one with 8 (20), one after the other; counts failures.
# A boot that fails leaves its output in build/soak. Needs the guests of tests/machine/run.sh.
set -u
cd "$(dirname "$0")/../.."
guests=${POME_TEST_GUESTS:-build/guests}
pome=${POME:-build/pome}
mkdir -p build/soak
failed=0

boots() { # kernel cpus times
    local i begin took least=999999 most=0 sum=0 status
    for ((i = 1; i <= $3; i++)); do
        begin=$(date +%s%N)
        timeout 120 "$pome" boot --kernel "$guests/$1" --initrd "$guests/initrd-test.cpio.gz" --append console=ttyAMA0 \
            --cpus "$2" --memory 512MiB </dev/null >build/soak/out 2>build/soak/err
        status=$?
        took=$((($(date +%s%N) - begin) / 1000000))
        sum=$((sum + took)) least=$((took < least ? took : least)) most=$((took > most ? took : most))
        if [ $status != 0 ] || ! grep -q "CPUS $2" build/soak/out || grep -aq "BUG:\|WARNING:\|Oops\|rcu.*stall\|soft lockup" build/soak/out; then
            failed=$((failed + 1))
            cat build/soak/out build/soak/err >"build/soak/$1-$i"
            echo "$1: boot $i failed with status $status after $took ms: build/soak/$1-$i"
        fi
    done
    echo "$1, $2 CPUs: $3 boots, $least to $most ms, $((sum / $3)) on average"
}

boots vmlinuz-cloud 2 "${1:-50}"
boots vmlinuz-arm64 8 "${2:-20}"
echo "$failed failed"
[ $failed = 0 ]
