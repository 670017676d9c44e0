#!/bin/bash
# input.sh - gathers what the caller gave into the work folder, with the rights of the caller: root.tar, overlay.tar,
# recovery-include.tar, own-modules/, ssh-keys; and the date, where no package list will say it.
. "$POME_FILES/common.sh"

# The contents of the folders on standard input, one over the other, as an archive in a fixed order.
archive() # file options...
{
    local to=$1 folder n=0
    shift
    while read -r folder; do
        [ -n "$folder" ] || continue
        n=$((n + 1))
        tar -C "$folder" --sort=name --numeric-owner "$@" -cf "$to.$n" . || die "$folder cannot be read"
    done
    for part in "$to".[0-9] "$to".[0-9][0-9]; do
        [ ! -e "$part" ] || echo "$part"
    done >"$to.list"
}

newest_of_archive()
{
    tar --full-time --utc -tvf "$1" 2>/dev/null | awk '{print $4 " " $5}' | sort | tail -n 1 | sed 's/$/ UTC/' |
        { read -r text && date -u -d "$text" +%s; }
}

if [ -n "$POME_ROOTFS" ]; then
    say "reading the root file system"
    if [ -d "$POME_ROOTFS" ]; then
        tar -C "$POME_ROOTFS" --sort=name --numeric-owner --xattrs --one-file-system -cf "$POME_WORK/root.tar" . ||
            die "$POME_ROOTFS cannot be read completely"
    else
        cp --reflink=auto "$POME_ROOTFS" "$POME_WORK/root.tar" || die "$POME_ROOTFS cannot be read"
    fi
    [ "$SOURCE_DATE_EPOCH" = 0 ] || echo "$SOURCE_DATE_EPOCH" >"$POME_WORK/date"
    [ -s "$POME_WORK/date" ] || newest_of_archive "$POME_WORK/root.tar" >"$POME_WORK/date" && [ -s "$POME_WORK/date" ] ||
        die "$POME_ROOTFS is not an archive that tar reads"
fi
echo "$POME_OVERLAYS" | archive "$POME_WORK/overlay" --owner=0 --group=0
echo "$POME_RECOVERY_INCLUDES" | archive "$POME_WORK/recovery-include" --owner=0 --group=0
if [ -n "$POME_MODULES" ]; then
    mkdir -p "$POME_WORK/own-modules/lib/modules"
    cp -R "$POME_MODULES" "$POME_WORK/own-modules/lib/modules/" || die "$POME_MODULES cannot be read"
fi
echo "$POME_SSH_KEYS" | while read -r key; do
    [ -z "$key" ] || { cat "$key" && echo; } || die "$key cannot be read"
done | sed '/^[[:space:]]*$/d' >"$POME_WORK/ssh-keys"
if grep -q 'PRIVATE KEY' "$POME_WORK/ssh-keys"; then die "a private key was given where public ones belong"; fi
