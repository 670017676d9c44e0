#!/bin/bash
# rootfs.sh - installs Debian into a folder and writes it twice: as root.tar, and as an ext4 image for the machine that configures
# it and writes root.tar again. Runs as a user without rights under fakeroot, in one go: owners and device nodes live in
# fakeroot's memory only.
#
# No Arm code runs: mmdebstrap's chrootless mode installs what can be installed from outside (the essential packages,
# apt, systemd). Maintainer scripts of such an installation run on the host, hence "a user without rights". Packages
# that cannot be configured from outside are unpacked here and configured inside a machine (../configure.c).
. "$POME_FILES/common.sh"

root=$POME_WORK/root
guest=$POME_FILES/guest

# What is configured here, and what is only unpacked here and configured in the machine. The first list works for bookworm on
# bookworm; in other suites the scripts of systemd want programs of their own release, so everything but the essential
# packages and apt goes to the machine.
system="systemd-sysv kmod passwd login e2fsprogs util-linux procps iproute2 less nano sed tzdata fdisk dosfstools"
case $POME_SUITE in
bookworm)
    include=usr-is-merged,$(echo $system | tr ' ' ,)
    late="udev netbase $POME_PACKAGES" # netbase's script would look at the host's /etc/hosts
    ;;
*)
    include=base-files
    late="$system udev netbase $POME_PACKAGES"
    ;;
esac

say "installing Debian $POME_SUITE for arm64 (no Arm code runs here)"
mmdebstrap --verbose --mode=chrootless --variant=apt --architectures=arm64 --include=$include \
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
    --setup-hook='mkdir -p "$1/var/cache/apt/archives/partial" "$1/var/lib/apt/lists"' \
    --setup-hook='cp "$POME_WORK"/debs/*.deb "$1/var/cache/apt/archives/"' \
    --setup-hook='find "$POME_WORK/apt/state/lists" -maxdepth 1 -type f -exec cp {} "$1/var/lib/apt/lists/" \;' \
    --skip=update --skip=download/empty --skip=essential/unlink --skip=cleanup/apt/cache \
    --customize-hook="POME_LATE='$late' sh \"$POME_FILES/late.sh\" \"\$1\"" \
    "$POME_SUITE" "$root" - <"$POME_WORK/sources.list" || die "mmdebstrap failed; the end of the build log says why"

# New packages go to the caller's cache.
cp -n "$root"/var/cache/apt/archives/*.deb "$POME_WORK/debs/" 2>/dev/null || :
rm -rf "$root"/var/cache/apt/archives/*.deb

say "setting the system up"
find "$root/usr/share/doc" -type f ! -name copyright -delete
find "$root/usr/share/doc" -type l ! -name copyright -delete
find "$root/usr/share/doc" -depth -type d -empty -delete
rm -rf "$root"/usr/share/man/* "$root"/usr/share/info/* "$root"/usr/share/locale/* "$root"/usr/share/lintian
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/tmp/* "$root"/run/* "$root"/var/tmp/*
mkdir -p "$root/var/lib/apt/lists/partial" "$root/var/log/journal"

# Our files: guest/root/ mirrors the tree.
cp -R "$guest/root/." "$root/"
# Of these a kernel that is installed later gets its ramdisk.
mkdir -p "$root/usr/lib/pome/ramdisk"
cp "$POME_WORK/configure-ramdisk.d/bin/busybox" "$POME_WORK/configure-ramdisk.d/etc/modules-early" "$guest/init" "$root/usr/lib/pome/ramdisk/"
mkdir -p "$root/usr/local/sbin"
for name in poweroff reboot halt; do ln -s /usr/lib/pome/leave "$root/usr/local/sbin/$name"; done
chmod -R 755 "$root/usr/lib/pome" "$root"/etc/kernel/postinst.d/zz-pome "$root"/etc/initramfs/post-update.d/pome
# No password for root. Where the package passwd comes later, its script makes the shadow files from these.
if [ -e "$root/etc/shadow" ]; then
    sed -i 's/^root:[^:]*:/root::/' "$root/etc/shadow"
else
    sed -i 's/^root:[^:]*:/root::/' "$root/etc/passwd"
fi
: >"$root/etc/machine-id"
printf 'PARTLABEL=Container / ext4 errors=remount-ro 0 1\n' >"$root/etc/fstab"
sed 's/^deb \[[^]]*\]/deb/' "$POME_WORK/sources.list" >"$root/etc/apt/sources.list"
echo 'nameserver 10.0.2.3' >"$root/etc/resolv.conf" # that of the machine's own network; the build host's means nothing there
ln -sf /usr/share/zoneinfo/Etc/UTC "$root/etc/localtime"
[ -e "$root/etc/default/locale" ] || echo 'LANG=C.UTF-8' >"$root/etc/default/locale"

# Groups and users that the late packages' scripts would make: the first start needs them before those scripts ran.
# Ids of the system range that nothing else here uses; the scripts find them present.
grep -q '^messagebus:' "$root/etc/passwd" || {
    echo 'messagebus:x:904:904::/nonexistent:/usr/sbin/nologin' >>"$root/etc/passwd"
    [ ! -e "$root/etc/shadow" ] || echo 'messagebus:!:19000::::::' >>"$root/etc/shadow"
}
id=900
for group in input sgx kvm render messagebus; do
    grep -q "^$group:" "$root/etc/group" || {
        echo "$group:x:$id:" >>"$root/etc/group"
        [ ! -e "$root/etc/gshadow" ] || echo "$group:!::" >>"$root/etc/gshadow"
    }
    id=$((id + 1))
done

unit=$root/etc/systemd/system
wants()
{
    mkdir -p "$unit/$1.wants"
    ln -sf "$2" "$unit/$1.wants/$(basename "$2")"
}
wants multi-user.target /lib/systemd/system/pome-first-start.service
wants multi-user.target /lib/systemd/system/pome-grow.service
wants sockets.target /lib/systemd/system/pome-renew.socket
wants multi-user.target /lib/systemd/system/systemd-networkd.service
# Timers and services that cost an emulated CPU time and give a virtual machine nothing. Without dbus, logind only
# fails: it is masked until dbus is there.
mask="apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer
    man-db.timer systemd-pstore.service systemd-networkd-wait-online.service getty-static.service systemd-repart.service
    systemd-update-utmp-runlevel.service sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount
    sys-fs-fuse-connections.mount dev-hugepages.mount"
case " $late " in
*" dbus "* | *" libpam-systemd "*) ;;
*) mask="$mask systemd-logind.service" ;;
esac
for u in $mask; do ln -sf /dev/null "$unit/$u"; done
ln -sf /lib/systemd/system/multi-user.target "$unit/default.target"
# One login on the machine's screen would be a login nobody sees.
rm -f "$unit/getty.target.wants/getty@tty1.service"

# Users and caches are made here already: the services that would do it at the first start compare these with /usr.
if grep -q '^systemd-network:' "$root/etc/passwd"; then
    : >"$root/etc/.updated"
    : >"$root/var/.updated"
fi

say "writing the file system for the machine"
rm -rf "$root"/var/cache/ldconfig/aux-cache
find "$root" -xdev -newermt "@$SOURCE_DATE_EPOCH" -print0 | xargs -0 -r touch -h -d "@$SOURCE_DATE_EPOCH"
tar -C "$root" --sort=name --numeric-owner --xattrs -cf "$POME_WORK/root.tar" .
mke2fs -q -t ext4 -m 0 -E lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0 -d "$root" "$POME_WORK/os.img" \
    "$(($(tree_kilobytes "$root") * 5 / 4 / 1024 + 500))M" || die "mke2fs failed"
