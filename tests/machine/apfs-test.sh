#!/bin/bash
# Linux's APFS driver, in a guest, mounts every volume of a machine made from an image shaped like macOS's and reads all their files
#
# The driver (Debian's apfs-dkms) is built here for the guest's kernel, with the cross compiler. Skipped when its packages cannot be had.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
build=$(dirname "$POME")
. tests/guest/apt-arm64.sh

skip()
{
    echo "$*" >&2
    exit 77
}

modules=$(echo "$GUESTS"/modules-cloud/lib/modules/*)
version=$(basename "$modules")
[ -d "$modules" ] || skip "no kernel modules in $GUESTS"
command -v aarch64-linux-gnu-gcc >/dev/null || skip "aarch64-linux-gnu-gcc is missing"
[ -x "$build/restore/make_test_image" ] || skip "$build/restore/make_test_image is missing"

# The driver. linux-kbuild holds programs that run here; all else is the guest's.
apt_init
root=$WORK/root
for p in "linux-headers-$version" "linux-headers-${version%-cloud-arm64}-common" apfs-dkms; do
    deb=$(deb_file "$p") || skip "no package $p"
    dpkg-deb -x "$deb" "$root"
done
(cd "$WORK" && apt-get -qq download "linux-kbuild-${version%%.0-*}") 2>/dev/null || skip "no package linux-kbuild"
dpkg-deb -x "$WORK"/linux-kbuild-*.deb "$root"
headers=$root/usr/src/linux-headers-$version
sed -i "s#/usr/src/#$root/usr/src/#" "$headers/Makefile"
driver=$(echo "$root"/usr/src/linux-apfs-rw-*)
echo '#define GIT_COMMIT "Debian"' >"$driver/version.h"
make -s -C "$headers" ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- CC=aarch64-linux-gnu-gcc M="$driver" modules >"$WORK/build.log" 2>&1 ||
    { tail "$WORK/build.log"; exit 1; }
aarch64-linux-gnu-strip --strip-debug "$driver/apfs.ko" -o "$WORK/apfs.ko"

cat >"$WORK/mount-apfs" <<'END'
#!/bin/sh
insmod /tests/libcrc32c.ko
insmod /tests/apfs.ko || exit 1
mkdir -p /mnt
for part in 1 2 3; do
    for volume in 0 1 2 3 4 5 6; do
        mount -t apfs -o ro,vol=$volume /dev/vda$part /mnt 2>/dev/null || continue
        echo "MOUNTED $part.$volume: $(find /mnt -type d | wc -l) folders, $(find /mnt -type f | wc -l) files," \
            "$(find /mnt -type f -exec cat {} + | wc -c) bytes, sum $(find /mnt -type f -exec cat {} + | sha256sum | cut -c1-16)"
        umount /mnt
    done
done
END
tests/guest/mkinitrd.sh -m "$GUESTS/modules-cloud" -t "$WORK/mount-apfs" -t "$WORK/apfs.ko" -t "$modules/kernel/lib/libcrc32c.ko" "$WORK/initrd.gz" >/dev/null

# The machine
export POME_HOME=$WORK/home
mkdir -p "$POME_HOME"
"$build/restore/make_test_image" --apple "$WORK" "$WORK/apple.ipsw"
"$POME" create mac --image "$WORK/apple.ipsw" --cpus 2 --memory 4GiB --disk 12GiB >/dev/null 2>&1
timeout 300 "$POME" boot --kernel "$GUESTS/vmlinuz-cloud" --initrd "$WORK/initrd.gz" --memory 1GiB --no-reboot --disk "$POME_HOME/vms/mac.bundle/Disk.img" \
    --append "console=ttyAMA0 quiet pome.modules=virtio_pci,virtio_blk pome.test=run:mount-apfs" </dev/null >"$WORK/console" 2>"$WORK/messages"
tr -d '\r' <"$WORK/console" | grep MOUNTED || true
n=$(grep -c "MOUNTED" "$WORK/console" || true)
[ "$n" = 12 ] || { cat "$WORK/console" "$WORK/messages"; echo "$n volumes were mounted, expected 12"; exit 1; }
# iBootSystemContainer's Preboot, Container's Preboot and Recovery, RecoveryOSContainer's Recovery have files
for volume in 1.0 2.2 2.3 3.0; do
    grep -q "MOUNTED $volume: .*, [1-9][0-9]* files, [1-9][0-9]* bytes" "$WORK/console" || { echo "volume $volume is empty"; exit 1; }
done
