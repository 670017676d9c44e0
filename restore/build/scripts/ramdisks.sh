#!/bin/bash
# ramdisks.sh - writes the two initial ramdisks (newc cpio, not compressed: hashing and copying a few megabytes costs an
# emulated CPU less than inflating them) and the kernel Image. Runs under fakeroot.
. "$POME_FILES/common.sh"

guest=$POME_FILES/guest
modules=$POME_WORK/modules
say "writing kernel and ramdisks"
mkdir -p "$modules"
unpack "$(cat "$POME_WORK/kernel-package")" "$modules"
# The firmware starts an arm64 Image: "ARM\x64" at 56. Some suites compress it.
cp "$modules"/boot/vmlinuz-* "$POME_WORK/kernel"
case $(od -An -tx1 -N4 "$POME_WORK/kernel" | tr -d ' ') in
1f8b*) gzip -dc "$modules"/boot/vmlinuz-* >"$POME_WORK/kernel" ;;
esac
[ "$(od -An -tx1 -j56 -N4 "$POME_WORK/kernel" | tr -d ' ')" = 41524d64 ] ||
    die "the kernel of $(cat "$POME_WORK/kernel-package") is not an arm64 Image that is plain or gzip'ed"
# Where modules lie depends on whether the suite merged /usr; compressed ones are not for the ramdisks.
[ -d "$modules/lib/modules" ] || { mkdir -p "$modules/lib"; mv "$modules/usr/lib/modules" "$modules/lib/"; }
version=$(ls "$modules/lib/modules")
find "$modules/lib/modules" -name '*.ko.xz' -exec xz -d {} +
depmod -b "$modules" "$version"

# Modules loaded before the root is there; the order is that of loading.
early="virtio_pci virtio_blk virtio_console virtio-rng crc32c_generic ext4"
optional="virtio_mmio virtio_net virtio_balloon vfat nls_cp437 nls_ascii nls_utf8 nls_iso8859-1"

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
    echo "$early" >"$1/etc/modules-early"
}

normal=$POME_WORK/ramdisk.d
base "$normal"
add_modules "$normal" $early virtio_mmio
cp "$guest/init" "$normal/init"
chmod 755 "$normal/init"
pack "$normal" "$POME_WORK/ramdisk"

recovery=$POME_WORK/recovery.d
base "$recovery"
add_modules "$recovery" $early $optional
mkdir -p "$recovery"/{sbin,usr/lib,usr/sbin,usr/bin,lib}
mkdir -p "$POME_WORK"/recovery.lib/usr/{bin,sbin,lib}
ln -sfn usr/bin "$POME_WORK/recovery.lib/bin" # merged, as base-files of some suites wants it
ln -sfn usr/sbin "$POME_WORK/recovery.lib/sbin"
ln -sfn usr/lib "$POME_WORK/recovery.lib/lib"
while read -r package; do unpack "$package" "$POME_WORK/recovery.lib"; done <"$POME_WORK/tool-packages"
for program in e2fsck resize2fs dumpe2fs mke2fs tune2fs badblocks debugfs fsck.fat mkfs.fat sfdisk; do
    found=$(find "$POME_WORK/recovery.lib" \( -path "*/sbin/$program" -o -path "*/bin/$program" \) | head -n 1)
    [ -n "$found" ] || die "the packages hold no program '$program'"
    cp -L "$found" "$recovery/sbin/$program"
done
for name in e2fsck:fsck.ext4 mke2fs:mkfs.ext4 fsck.fat:fsck.vfat; do ln -s "${name%:*}" "$recovery/sbin/${name#*:}"; done
# Only the libraries that these programs name, found again in the packages.
needed()
{
    # The names stand as plain text in the dynamic string table.
    grep -haoE 'lib[a-z0-9_+-]+\.so\.[0-9]+|ld-linux-aarch64\.so\.1' "$@" | sort -u
}
wanted=$(needed "$recovery"/sbin/*)
for round in 1 2 3; do
    for name in $wanted; do
        [ -e "$recovery/lib/$name" ] || {
            found=$(find "$POME_WORK/recovery.lib" -name "$name" | head -n 1)
            # Not found: a name that a library loads if it is there (libss and its line editors).
            [ -z "$found" ] || cp -L "$found" "$recovery/lib/$name"
        }
    done
    wanted=$(needed "$recovery"/lib/*.so*)
done
for name in ld-linux-aarch64.so.1 libc.so.6 libext2fs.so.2; do
    [ -e "$recovery/lib/$name" ] || die "no package of the recovery set holds the library '$name'"
done
cp -R "$guest/recovery/." "$recovery/"
# Ours come first in PATH (/sbin) so that the busybox links of the same name do not hide them.
for f in "$recovery"/bin/*; do
    [ "$(basename "$f")" = busybox ] || { chmod 755 "$f"; mv "$f" "$recovery/sbin/"; }
done
chmod 755 "$recovery/init"
mkdir -p "$recovery/tmp"
pack "$recovery" "$POME_WORK/recovery-ramdisk"
