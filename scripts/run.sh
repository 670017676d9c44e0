#!/bin/bash
# run.sh: from a fresh build to the console of a Debian machine: restore image, bundle, installation, start.
# On a terminal you get the console; without one a short scripted visit, which powers the machine off and ends with 0.
set -euo pipefail
cd "$(dirname "$0")/.."
export POME_HOME=${POME_HOME:-$PWD/build/run}
image=$POME_HOME/debian.ipsw name=${POME_RUN_NAME:-dev}
pome() { build/pome "$@"; }

mkdir -p "$POME_HOME"
say() { printf '\n==> pome %s\n' "$*" >&2; }
step() {
    say "$@"
    pome "$@"
}

[ -f "$image" ] || step image build debian -o "$image"
pome list --json 2>/dev/null | grep -q "\"$name\"" || step create "$name" --image "$image" --cpus 2 --memory 1GiB --disk 8GiB

if [ -t 0 ] && [ -t 1 ]; then
    printf '\nThe console of "%s" follows. Log in as root (no password). Ctrl-A ? helps, Ctrl-A x leaves.\n' "$name" >&2
    say start "$name"
    exec build/pome start "$name"
fi
say start "$name"
exec scripts/visit.sh build/pome start "$name" -- 'uname -a' lsblk 'cat /proc/cpuinfo' poweroff
