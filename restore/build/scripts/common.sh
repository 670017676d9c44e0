# common.sh - sourced by every script here. The caller (../build.c) sets:
#   POME_WORK      folder of this build, removed by the caller    POME_SUITE     Debian suite
#   POME_FILES     where these scripts and ../guest lie           POME_MIRROR    empty, or the URL of a mirror
#   POME_CACHE     packages and lists kept from build to build    POME_PACKAGES  further packages, separated by spaces
#   POME_OFFLINE   "yes": only what the cache holds               POME_HOSTNAME  empty: as it is
#   POME_OS_BYTES  size of the file system; 0: as needed
#   POME_MAKE_SYSTEM, POME_MAKE_KERNEL, POME_MAKE_RAMDISKS        "yes": made of Debian's packages here
#   POME_OWN_KERNEL                                               "yes": the image's kernel is the caller's
#   POME_ROOTFS, POME_MODULES                                     empty, or a path
#   POME_OVERLAYS, POME_SSH_KEYS, POME_RECOVERY_INCLUDES          paths, one a line
#
# SOURCE_DATE_EPOCH is the date of everything that is written; without it, that of the newest package list, or of the newest
# file of POME_ROOTFS.
#
# A script says what it does on lines "== text"; the caller shows these as progress, all else goes to the build log.

set -eu
export PATH="$PATH:/usr/sbin:/sbin" LC_ALL=C DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
umask 022

if [ -z "${SOURCE_DATE_EPOCH-}" ] && [ -s "$POME_WORK/date" ]; then SOURCE_DATE_EPOCH=$(cat "$POME_WORK/date"); fi
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH-0}"

# Modules of the image's kernel lie below this folder; it need not be there.
image_modules=$POME_WORK/modules
[ -z "$POME_OWN_KERNEL" ] || image_modules=$POME_WORK/own-modules

say()
{
    echo "== $*"
}

die()
{
    echo "!! $*"
    exit 1
}

# apt with a state of its own: the host's lists, packages and configuration of packages are not touched. Proxies and
# other settings of /etc/apt/apt.conf.d hold.
apt_options="-o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State=$POME_WORK/apt/state
    -o Dir::State::status=$POME_WORK/apt/status -o Dir::Cache=$POME_WORK/apt/cache
    -o Dir::Etc::sourcelist=$POME_WORK/sources.list -o Dir::Etc::sourceparts=/dev/null
    -o Acquire::Languages=none -o APT::Install-Recommends=false -o APT::Sandbox::User="

apt_get()
{
    # shellcheck disable=SC2086 # options are words
    apt-get -q $apt_options "$@"
}

apt_cache()
{
    # shellcheck disable=SC2086
    apt-cache -q $apt_options "$@"
}

# unpack PACKAGE FOLDER [PATH...]: files of a package (all, or the given ones) from its .deb in the work folder.
unpack()
{
    local deb folder
    deb=$(deb_of "$1")
    folder=$2
    shift 2
    dpkg-deb --fsys-tarfile "$deb" | tar -C "$folder" --keep-directory-symlink -xf - "$@"
}

# The .deb of PACKAGE among the fetched ones.
deb_of()
{
    set -- "$1" "$POME_WORK/debs/$1"_*.deb
    [ -e "$2" ] || die "the package '$1' was not fetched"
    echo "$2"
}

# What a file system for this tree must hold, in KiB; the same on every host's file system.
tree_kilobytes()
{
    find "$1" -printf '%y %s %i\n' | awk '
        { n += 4096 } $1 == "f" && !seen[$3]++ { n += int(($2 + 4095) / 4096) * 4096 } END { print int(n / 1024) }'
}
