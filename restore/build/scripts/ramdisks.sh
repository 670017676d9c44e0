#!/bin/bash
# ramdisks.sh - writes the two initial ramdisks (newc cpio, not compressed: hashing and copying a few megabytes costs an
# emulated CPU less than inflating them) and the kernel Image. Runs under fakeroot.
. "$POME_FILES/common.sh"

guest=$POME_FILES/guest
debian=$POME_WORK/modules

# The kernel package, unpacked; its kernel as an Image.
unpack_kernel()
{
    say "unpacking the kernel"
    mkdir -p "$debian"
    unpack "$(cat "$POME_WORK/kernel-package")" "$debian"
    # The firmware starts an arm64 Image: "ARM\x64" at 56. Some suites compress it.
    cp "$debian"/boot/vmlinuz-* "$POME_WORK/kernel"
    case $(od -An -tx1 -N4 "$POME_WORK/kernel" | tr -d ' ') in
    1f8b*) gzip -dc "$debian"/boot/vmlinuz-* >"$POME_WORK/kernel" ;;
    esac
    [ "$(od -An -tx1 -j56 -N4 "$POME_WORK/kernel" | tr -d ' ')" = 41524d64 ] ||
        die "the kernel of $(cat "$POME_WORK/kernel-package") is not an arm64 Image that is plain or gzip'ed"
    # Where modules lie depends on whether the suite merged /usr.
    [ -d "$debian/lib/modules" ] || { mkdir -p "$debian/lib"; mv "$debian/usr/lib/modules" "$debian/lib/"; }
}

# What the ramdisks and the system get: the modules in $modules/lib/modules/$version; none: both empty.
use_modules() # folder
{
    modules=$1 version=
    [ -d "$modules/lib/modules" ] || { modules=; return 0; }
    version=$(ls "$modules/lib/modules")
    find "$modules/lib/modules" -name '*.ko.xz' -exec xz -d {} + # compressed ones are not for the ramdisks
    depmod -b "$modules" "$version" || die "the modules of $version cannot be read"
}

# Modules loaded before the root is there; the order is that of loading.
early="virtio_pci virtio_blk virtio_console virtio-rng crc32c_generic ext4"
optional="virtio_mmio virtio_net virtio_balloon loop vfat nls_cp437 nls_ascii nls_utf8 nls_iso8859-1"

with_dependencies()
{
    awk -F: -v name="$1" '
        { base = $1; sub(/.*\//, "", base); sub(/\.ko(\.xz|\.zst)?$/, "", base)
          if (base == name) { print $1; n = split($2, d, " "); for (i = 1; i <= n; i++) print d[i] } }' \
        "$modules/lib/modules/$version/modules.dep"
}

# add_modules ROOT NAME...
add_modules()
{
    local to=$1/lib/modules/$version m
    [ -n "$modules" ] || return 0
    mkdir -p "$to"
    cp "$modules/lib/modules/$version"/modules.{order,builtin,builtin.modinfo} "$to/"
    shift
    for m in "$@"; do with_dependencies "$m"; done | sort -u | while read -r m; do
        mkdir -p "$to/$(dirname "$m")"
        cp "$modules/lib/modules/$version/$m" "$to/$m"
    done
    depmod -b "${to%/lib/modules/*}" "$version"
}

# pack ROOT FILE: the same tree gives the same bytes.
pack()
{
    [ -e "$1/dev/console" ] || mknod -m 600 "$1/dev/console" c 5 1
    find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    (cd "$1" && find . -print0 | sort -z | cpio --quiet --reproducible -0 -o -H newc -R 0:0) >"$2.tmp"
    mv "$2.tmp" "$2"
}

base()
{
    mkdir -p "$POME_WORK/busybox.d" "$1"/{bin,dev,etc,proc,run,sys}
    unpack busybox-static "$POME_WORK/busybox.d"
    find "$POME_WORK/busybox.d" -name busybox -path '*bin/busybox' -exec cp {} "$1/bin/busybox" \;
    [ -x "$1/bin/busybox" ] || die "the package busybox-static holds no busybox"
    if [ -n "$modules" ]; then echo "$early"; fi >"$1/etc/modules-early"
}

recovery_programs="e2fsck resize2fs dumpe2fs mke2fs tune2fs badblocks debugfs fsck.fat mkfs.fat sfdisk zstd"

add_programs() # root
{
    local lib=$POME_WORK/recovery.lib package program found name
    mkdir -p "$lib"/usr/{bin,sbin,lib}
    # Merged, as base-files of some suites wants it.
    for name in bin sbin lib; do ln -sfn usr/$name "$lib/$name"; done
    while read -r package; do unpack "$package" "$lib"; done <"$POME_WORK/tool-packages"
    for program in $recovery_programs; do
        found=$(find "$lib" \( -path "*/sbin/$program" -o -path "*/bin/$program" \) | head -n 1)
        [ -n "$found" ] || die "the packages hold no program '$program'"
        cp -L "$found" "$1/sbin/$program"
    done
    for name in e2fsck:fsck.ext4 mke2fs:mkfs.ext4 fsck.fat:fsck.vfat; do ln -s "${name%:*}" "$1/sbin/${name#*:}"; done
}

# The names stand as plain text in the dynamic string table.
needed()
{
    grep -haoE 'lib[a-z0-9_+-]+\.so\.[0-9]+|ld-linux-aarch64\.so\.1' "$@" | sort -u
}

# Only the libraries that the programs name, and those that these name, found again in the packages.
add_libraries() # root
{
    local wanted round name found
    wanted=$(needed "$1"/sbin/*)
    for round in 1 2 3; do
        for name in $wanted; do
            [ ! -e "$1/lib/$name" ] || continue
            found=$(find "$POME_WORK/recovery.lib" -name "$name" | head -n 1)
            # Not found: a name that a library loads if it is there (libss and its line editors).
            [ -z "$found" ] || cp -L "$found" "$1/lib/$name"
        done
        wanted=$(needed "$1"/lib/*.so*)
    done
    for name in ld-linux-aarch64.so.1 libc.so.6 libext2fs.so.2; do
        [ -e "$1/lib/$name" ] || die "no package of the recovery set holds the library '$name'"
    done
}

# Ours come first in PATH (/sbin) so that the busybox links of the same name do not hide them.
add_ours() # root
{
    local f part
    cp -R "$guest/recovery/." "$1/"
    for f in "$1"/bin/*; do
        [ "$(basename "$f")" = busybox ] || { chmod 755 "$f"; mv "$f" "$1/sbin/"; }
    done
    chmod 755 "$1/init"
    while read -r part; do tar -C "$1" -xf "$part" || die "what --recovery-include gave cannot be unpacked"; done \
        <"$POME_WORK/recovery-include.list"
}

make_recovery() # file
{
    local to=$POME_WORK/recovery.d
    say "writing Recovery"
    base "$to"
    mkdir -p "$to"/{sbin,usr/lib,usr/sbin,usr/bin,lib,tmp}
    add_modules "$to" $early $optional
    add_programs "$to"
    add_libraries "$to"
    add_ours "$to"
    pack "$to" "$1"
}

make_normal() # file
{
    local to=$1.d
    say "writing the normal ramdisk"
    base "$to"
    add_modules "$to" $early virtio_mmio
    cp "$guest/init" "$to/init"
    chmod 755 "$to/init"
    pack "$to" "$1"
}

[ -z "$POME_MAKE_KERNEL" ] || unpack_kernel
if [ -n "$POME_MAKE_RAMDISKS" ]; then
    # The machine that configures packages always runs Debian's kernel.
    [ -z "$POME_MAKE_SYSTEM" ] || { use_modules "$debian"; make_normal "$POME_WORK/configure-ramdisk"; }
    use_modules "$image_modules"
    make_normal "$POME_WORK/ramdisk"
    make_recovery "$POME_WORK/recovery-ramdisk"
else
    use_modules "$image_modules"
fi
