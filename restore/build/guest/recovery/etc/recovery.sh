# recovery.sh - sourced by the commands of Recovery. A command's second line says what it is: "# NAME ARGUMENTS: what it does".

say()
{
    echo "$*"
}

fail()
{
    echo "${0##*/}: $*" >&2
    exit 1
}

# The comment at the head of the command, for --help and mistakes.
usage()
{
    sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"
    exit "${1:-2}"
}

case ${1-} in -h | --help) usage 0 ;; esac

# The device of the disk with this serial number (root, aux, image, log); nothing when there is none.
disk()
{
    for d in /sys/block/vd*; do
        [ "$(cat "$d/serial" 2>/dev/null)" != "$1" ] || { echo "/dev/${d##*/}"; return; }
    done
}

mounted()
{
    grep -q " $1 " /proc/mounts
}

# Mounts the main volume at /volume for this command, unless it is there already; the exit takes it away again.
use_volume() # ro|rw
{
    if mounted /volume; then
        [ "$1" = ro ] || mount -o remount,rw /volume || fail "the main volume cannot be written"
        return
    fi
    device=$(volume-device) || exit 1
    mount -t ext4 -o "$1" "$device" /volume || fail "the main volume cannot be mounted: check-volume says why"
    trap leave_volume EXIT
}

leave_volume()
{
    trap - EXIT
    sync
    for at in /os/mnt /os /volume; do ! mounted $at || umount $at; done
}

# The system container, with the boot sets, at /isc; the exit takes it away (and /volume, if that was mounted here).
use_isc()
{
    for m in vfat nls_cp437 nls_ascii nls_utf8; do modprobe -q $m; done
    mounted /isc || mount -t vfat -o utf8 "$(volume-device iBootSystemContainer)" /isc || fail "the iBootSystemContainer cannot be mounted"
}

# True after a "yes" on the terminal.
confirmed()
{
    printf '%s Type "yes" to go on: ' "$1"
    read -r answer
    [ "$answer" = yes ]
}
