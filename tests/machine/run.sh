#!/bin/bash
# run.sh [NAME...]: whole-machine tests with real Debian kernels and, last, the story of the README. One line of
# "ok|FAILED|skip NAME" for each; what failing ones said goes to standard error. Keeps downloads in build/guests.
set -u
cd "$(dirname "$0")/../.."
guests=${POME_TEST_GUESTS:-build/guests}
pome=$PWD/build/pome
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
only=("$@")

wanted() { # name
    [ ${#only[@]} = 0 ] && return 0
    local n
    for n in "${only[@]}"; do
        [[ $1 == $n ]] && return 0
    done
    return 1
}

verdict() { # ok|FAILED name: shows the log of a failure
    echo "$1 $2"
    [ "$1" = ok ] || { echo "--- $2"; tail -n 40 "$work/out" "$work/err"; } >&2
}

# boots KERNEL with the test initramfs; output in $work/out, status in $status
boot() { # seconds kernel append options...
    local limit=$1 kernel=$2 append=$3
    shift 3
    timeout "$limit" "$pome" boot --kernel "$guests/$kernel" --initrd "$guests/initrd-test.cpio.gz" \
        --append "console=ttyAMA0 $append" "$@" </dev/null >"$work/raw" 2>"$work/err"
    status=$?
    tr -d '\r' <"$work/raw" >"$work/out"
}

check() { # name status-wanted pattern...
    local name=$1 want=$2 pattern
    shift 2
    [ "$status" = "$want" ] || { echo "status $status, wanted $want" >>"$work/err"; verdict FAILED "$name"; return; }
    for pattern in "$@"; do
        grep -q -- "$pattern" "$work/out" "$work/err" || { echo "no \"$pattern\"" >>"$work/err"; verdict FAILED "$name"; return; }
    done
    verdict ok "$name"
}

fetch() {
    mkdir -p "$guests"
    tests/guest/fetch-kernels.sh "$guests" >"$work/out" 2>"$work/err" &&
        { [ "$guests/initrd-test.cpio.gz" -nt tests/guest/mkinitrd.sh ] && [ "$guests/initrd-test.cpio.gz" -nt tests/guest/init-test ] && [ "$guests/initrd-test.cpio.gz" -nt "$guests/.cloud" ] ||
            tests/guest/mkinitrd.sh -m "$guests/modules-cloud" "$guests/initrd-test.cpio.gz" >>"$work/out" 2>>"$work/err"; }
}

if ! fetch; then
    verdict FAILED "machine: fetching Debian's arm64 kernels"
    exit 1
fi

for kernel in vmlinuz-cloud vmlinuz-arm64; do
    for cpus in 1 2 8; do
        name="machine: $kernel reaches user space with $cpus CPUs"
        wanted "$name" || continue
        boot 300 $kernel "" --cpus $cpus --memory 512MiB
        check "$name" 0 INIT-REACHED "CPUS $cpus\$" "TEST-END poweroff"
    done
done

name="machine: 128 MiB is enough"
wanted "$name" && { boot 300 vmlinuz-cloud "" --memory 128MiB; check "$name" 0 INIT-REACHED; }
name="machine: 17 GiB are seen by the guest"
wanted "$name" && { boot 300 vmlinuz-cloud "" --memory 17GiB; check "$name" 0 'MEMORY 17[0-9]\{6\} kB'; }
name="machine: the apple CPU model boots"
wanted "$name" && { boot 300 vmlinuz-cloud "" --cpu apple --cpus 2; check "$name" 0 INIT-REACHED paca; }
name="machine: a reboot ends pome boot --no-reboot with 0"
wanted "$name" && { boot 300 vmlinuz-cloud pome.test=reboot --no-reboot; check "$name" 0 "TEST-END reboot"; }
name="machine: a panic is told apart and gives 1"
wanted "$name" && { boot 300 vmlinuz-cloud pome.test=panic; check "$name" 1 "Kernel panic" "the guest crashed"; }
name="machine: a panic that reboots gives 1 too"
wanted "$name" && { boot 300 vmlinuz-cloud "pome.test=panic panic=1" --no-reboot; check "$name" 1 "the guest crashed"; }

for f in tests/machine/*-test.sh tests/machine/*-test.py; do
    [ -x "$f" ] || continue
    name="machine: $(sed -n '2s/^# //p' "$f")"
    wanted "$name" || continue
    POME=$pome GUESTS=$guests WORK=$work "$f" >"$work/out" 2>"$work/err"
    case $? in
    0) verdict ok "$name" ;;
    77) echo "skip $name: $(tail -1 "$work/err")" ;;
    *) verdict FAILED "$name" ;;
    esac
done
