#!/bin/bash
# mkinitrd.sh [-m MODULES-DIR] [-t SCRIPT]... OUT: writes the test guest's initramfs (gzip'ed newc cpio).
#   -m DIR     add the virtio, ext4 and vfat modules of an unpacked kernel (fetch-kernels.sh's modules-cloud)
#   -t SCRIPT  add SCRIPT as /tests/<name>, for pome.test=run:<name>
# What it does once booted is written at the top of init-test.
set -eu -o pipefail
here=$(dirname "$0")
. "$here/apt-arm64.sh"

modules= tests=()
while getopts m:t: o; do
    case $o in
    m) modules=$OPTARG ;;
    t) tests+=("$OPTARG") ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
out=${1:?usage: mkinitrd.sh [-m MODULES-DIR] [-t SCRIPT] OUT}
need cpio gzip depmod
apt_init

# with_dependencies MODULES.DEP MODULE: paths of the module and all that it needs.
with_dependencies()
{
    awk -F: -v name="$2" '
        { base = $1; sub(/.*\//, "", base); sub(/\.ko$/, "", base); if (base == name) { print $1; n = split($2, d, " ")
          for (i = 1; i <= n; i++) print d[i] } }' "$1"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root"/{bin,dev,proc,sys,tmp,tests}
dpkg-deb --fsys-tarfile "$(deb_file busybox-static)" | tar -C "$work" -xf - ./bin/busybox 2>/dev/null ||
    die "busybox-static holds no bin/busybox"
cp "$work/bin/busybox" "$root/bin/busybox"
cp "$here/init-test" "$root/init"
chmod 755 "$root/init"
for t in "${tests[@]}"; do cp "$t" "$root/tests/"; done

if [ -n "$modules" ]; then
    version=$(ls "$modules/lib/modules")
    to=$root/lib/modules/$version
    mkdir -p "$to"
    cp "$modules/lib/modules/$version"/modules.{order,builtin,builtin.modinfo} "$to/"
    depmod -b "$modules" "$version"
    for m in virtio_pci virtio_mmio virtio_blk virtio_net virtio_console virtio-rng virtio_balloon crc32c_generic \
        ext4 vfat nls_cp437 nls_ascii nls_utf8 nls_iso8859-1; do
        with_dependencies "$modules/lib/modules/$version/modules.dep" "$m"
    done | sort -u | while read -r f; do
        mkdir -p "$to/$(dirname "$f")"
        cp "$modules/lib/modules/$version/$f" "$to/$f"
    done
    depmod -b "$root" "$version"
fi

# The kernel opens /dev/console before /init runs: without this node init has no output.
mkdir -p "$(dirname "$out")"
if [ "$(id -u)" = 0 ]; then
    mknod "$root/dev/console" c 5 1
    pack() { "$@"; }
else
    need fakeroot
    pack() { fakeroot "$@"; }
fi
export root
pack sh -c '[ -e "$root/dev/console" ] || mknod "$root/dev/console" c 5 1
    cd "$root" && find . -print0 | LC_ALL=C sort -z | cpio --quiet -0 -o -H newc -R 0:0' | gzip -n9 >"$out.tmp"
mv "$out.tmp" "$out"
echo "$out: $(stat -c %s "$out") bytes"
