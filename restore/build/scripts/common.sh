# common.sh - sourced by every script here. The caller (../debian.c) sets:
#   POME_WORK      folder of this build, removed by the caller    POME_SUITE   Debian suite
#   POME_FILES     where these scripts and ../guest lie           POME_MIRROR  empty, or the URL of a mirror
#   POME_CACHE     .deb files kept from build to build            POME_PACKAGES further packages, separated by spaces
#
# SOURCE_DATE_EPOCH is the date of everything that is written; without it, that of the newest package list.
#
# A script says what it does on lines "== text"; the caller shows these as progress, all else goes to the build log.

set -eu
export PATH="$PATH:/usr/sbin:/sbin" LC_ALL=C DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
umask 022

if [ -z "${SOURCE_DATE_EPOCH-}" ] && [ -s "$POME_WORK/date" ]; then SOURCE_DATE_EPOCH=$(cat "$POME_WORK/date"); fi
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH-0}"

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
