#!/bin/bash
# system.sh - makes the OS image of root.tar: unpacks it, adds what the caller wants in it, writes the ext4 file system. The
# same archive gives the same bytes. Runs under fakeroot, in one go: owners and device nodes live in its memory only.
. "$POME_FILES/common.sh"

tree=$POME_WORK/tree
image=$POME_WORK/os.img
date=@$SOURCE_DATE_EPOCH

say "unpacking the system"
rm -rf "$POME_WORK/root"
mkdir -p "$tree"
tar -C "$tree" --numeric-owner --xattrs --xattrs-include='*' -xpf "$POME_WORK/root.tar" ||
    die "the root file system is not an archive that tar reads to its end"
rm -f "$POME_WORK/root.tar"
# A pure symbolic link or folder; anything else is no system.
[ -L "$tree/sbin" ] || [ -d "$tree/sbin" ] || [ -d "$tree/usr" ] || die "the root file system holds neither /sbin nor /usr"

say "setting the system up"
# Modules of the kernel that the boot set carries; the kernel itself is not on this volume.
add_modules()
{
    local to=$tree/lib version
    [ -d "$image_modules/lib/modules" ] || return 0
    [ ! -L "$tree/lib" ] || to=$tree/usr/lib
    mkdir -p "$to/modules"
    cp -R "$image_modules/lib/modules/." "$to/modules/"
    version=$(ls "$image_modules/lib/modules")
    chown -R -h 0:0 "$to/modules/$version"
}

set_hostname()
{
    [ -n "$POME_HOSTNAME" ] || return 0
    echo "$POME_HOSTNAME" >"$tree/etc/hostname"
    printf '127.0.0.1\tlocalhost %s\n::1\tlocalhost ip6-localhost ip6-loopback\n' "$POME_HOSTNAME" >"$tree/etc/hosts"
}

set_password()
{
    [ -s "$POME_WORK/root-password" ] || return 0
    grep -q '^root:' "$tree/etc/shadow" || die "the system has no /etc/shadow with an entry for root"
    awk -F: -v OFS=: -v hashfile="$POME_WORK/root-password" \
        'BEGIN { getline hash <hashfile } $1 == "root" { $2 = hash } { print }' "$tree/etc/shadow" >"$POME_WORK/shadow"
    cat "$POME_WORK/shadow" >"$tree/etc/shadow"
    [ ! -f "$tree/etc/issue" ] || sed -i '/there is no password/d' "$tree/etc/issue"
}

add_ssh_keys()
{
    [ -s "$POME_WORK/ssh-keys" ] || return 0
    mkdir -p "$tree/root/.ssh"
    cat "$POME_WORK/ssh-keys" >>"$tree/root/.ssh/authorized_keys"
    chmod 700 "$tree/root/.ssh"
    chmod 600 "$tree/root/.ssh/authorized_keys"
}

fact() # file default text
{
    echo "${3:-$2}" >"$POME_WORK/$1"
}

os_release() # key
{
    sed -n "s/^$1=//p" "$tree/etc/os-release" "$tree/usr/lib/os-release" 2>/dev/null | head -n 1 | tr -d '"' | tr -cd ' -~'
}

add_modules
while read -r part; do tar -C "$tree" -xf "$part" || die "what --overlay gave cannot be unpacked"; done <"$POME_WORK/overlay.list"
set_hostname
set_password
add_ssh_keys
version=$(tr -cd '0-9.' <"$tree/etc/debian_version" 2>/dev/null || :)
version=${version:-$(os_release VERSION_ID)}
version=${version:-0}
fact version 0 "$version"
fact name Linux "$(os_release NAME)"
fact build "" "${version%%.*}D$(date -u -d "$date" +%Y%m%d)"

# What tells one build from another: caches with times in them, and times later than the date.
rm -f "$tree"/var/cache/ldconfig/aux-cache "$tree"/var/cache/apt/*.bin
find "$tree" -newermt "$date" -print0 | xargs -0 -r touch -h -d "$date"
# A folder's time says when apt or dpkg last worked in it: whether something was downloaded, for one.
[ -z "$POME_MAKE_SYSTEM" ] || find "$tree" -type d -print0 | xargs -0 touch -d "$date"

say "writing the file system"
size=$POME_OS_BYTES
[ "$size" != 0 ] || size=$((($(tree_kilobytes "$tree") * 5 / 4 / 1024 + 200 + 63) / 64 * 64 * 1048576))
rm -f "$image"
export E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH
mke2fs -q -t ext4 -b 4096 -L pome -m 1 \
    -E lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0,hash_seed=70e0e0a5-0000-4000-8000-000000000001 \
    -O ^metadata_csum_seed -U 70e0e0a5-0000-4000-8000-000000000002 -d "$tree" "$image" "$((size / 1024))k" ||
    die "the system does not fit the file system of $((size / 1048576)) MiB, or mke2fs failed (see the log)"
# Inodes have the times of the tree's files here and now; mke2fs gives them out one after another.
used=$(dumpe2fs -h "$image" 2>/dev/null | awk -F: '/^Inode count/ {n = $2} /^Free inodes/ {n -= $2} END {print n}')
awk -v n="$used" -v date="$date" 'BEGIN {
    for (i = 2; i <= n; i++) if (i == 2 || i > 10) {
        print "sif <" i "> atime " date; print "sif <" i "> ctime " date
        print "sif <" i "> atime_extra 0"; print "sif <" i "> ctime_extra 0"; print "sif <" i "> mtime_extra 0" } }' >"$POME_WORK/times"
debugfs -w -f "$POME_WORK/times" "$image" >/dev/null || die "the times of the file system cannot be set"
e2fsck -fn "$image" || die "the file system that was written does not check clean"
