#!/bin/bash
# fetch-kernels.sh DIR: puts Debian's arm64 kernels into DIR as vmlinuz-cloud (small, for virtual machines) and
# vmlinuz-arm64, with their modules under modules-cloud/ and modules-arm64/. Files only: nothing is installed.
set -eu -o pipefail
. "$(dirname "$0")/apt-arm64.sh"

out=${1:?usage: fetch-kernels.sh DIR}
apt_init
mkdir -p "$out"
for flavour in cloud arm64; do
    case $flavour in
    cloud) meta=linux-image-cloud-arm64 ;;
    arm64) meta=linux-image-arm64 ;;
    esac
    package=$(first_dependency $meta)
    [ -n "$package" ] || die "cannot find what $meta depends on"
    [ "$(cat "$out/.$flavour" 2>/dev/null)" != "$package" ] || continue
    deb=$(deb_file "$package")
    rm -rf "$out/modules-$flavour.tmp" "$out/modules-$flavour"
    mkdir "$out/modules-$flavour.tmp"
    dpkg-deb -x "$deb" "$out/modules-$flavour.tmp"
    cp "$out/modules-$flavour.tmp"/boot/vmlinuz-* "$out/vmlinuz-$flavour.tmp"
    cp "$out/modules-$flavour.tmp"/boot/config-* "$out/config-$flavour"
    mv "$out/vmlinuz-$flavour.tmp" "$out/vmlinuz-$flavour"
    mv "$out/modules-$flavour.tmp" "$out/modules-$flavour"
    echo "$package" >"$out/.$flavour"
    echo "$out/vmlinuz-$flavour: $package"
done
