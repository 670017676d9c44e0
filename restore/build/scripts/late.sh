#!/bin/sh
# late.sh ROOT - run by mmdebstrap inside rootfs.sh: unpacks the packages of $POME_LATE with their dependencies. Those
# whose scripts cannot run from outside are left as their files; dpkg at the first start installs them properly.
set -eu
root=$1
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
mkdir -p "$root/var/lib/pome/debs"
# What is in the archive folder now is installed already.
mkdir -p "$root/var/cache/pome-hold"
mv "$root"/var/cache/apt/archives/*.deb "$root/var/cache/pome-hold/" 2>/dev/null || :
# apt must find packages that an earlier build kept, without taking the installed ones for new.
uris=$(apt-get -q --yes install --print-uris -o APT::Install-Recommends=false $POME_LATE | awk '/\.deb / {print $2}')
for file in $uris; do
    [ ! -e "$root/var/cache/pome-hold/$file" ] || mv "$root/var/cache/pome-hold/$file" "$root/var/cache/apt/archives/"
done
apt-get -q --yes --download-only -o APT::Install-Recommends=false install $POME_LATE
for file in $uris; do
    deb=$root/var/cache/apt/archives/$file
    dpkg-deb --fsys-tarfile "$deb" | tar -C "$root" --keep-directory-symlink -xf -
    cp "$deb" "$root/var/lib/pome/debs/"
done
mv "$root"/var/cache/pome-hold/*.deb "$root/var/cache/apt/archives/" 2>/dev/null || :
rmdir "$root/var/cache/pome-hold"
