#!/bin/bash
# fetch.sh - writes sources.list, reads the package lists, fetches the packages that are unpacked without being installed:
# the kernel, and the programs of the ramdisks with all they depend on. Leaves them in $POME_WORK/debs.
. "$POME_FILES/common.sh"

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The host's own Debian repositories of the suite, or the mirror given.
write_sources()
{
    local signed=
    [ ! -e $keyring ] || signed=" signed-by=$keyring"
    if [ -n "$POME_MIRROR" ]; then
        echo "deb [arch=arm64$signed] $POME_MIRROR $POME_SUITE main"
        return
    fi
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
        sort -u | while read -r uri release component; do
        case $release in
        "$POME_SUITE" | "$POME_SUITE-updates" | "$POME_SUITE-security")
            case $component in main) echo "deb [arch=arm64$signed] $uri $release $component" ;; esac
            ;;
        esac
    done
}

say "reading the package lists of $POME_SUITE"
mkdir -p "$POME_WORK"/apt/state/lists/partial "$POME_WORK"/apt/cache/archives/partial "$POME_WORK"/debs
: >"$POME_WORK/apt/status"
write_sources >"$POME_WORK/sources.list"
[ -s "$POME_WORK/sources.list" ] ||
    die "the host's apt knows no Debian repository of the suite '$POME_SUITE': give one with --mirror URL"
apt_get update || die "the package lists cannot be read; the end of the build log says why"

if [ "$SOURCE_DATE_EPOCH" != 0 ]; then
    echo "$SOURCE_DATE_EPOCH"
else
    for list in "$POME_WORK"/apt/state/lists/*Release; do
        date -u -d "$(sed -n 's/^Date: //p;T;q' "$list")" +%s
    done | sort -n | tail -n 1
fi >"$POME_WORK/date"

say "fetching the kernel and the tools of the ramdisks"
kernel=$(apt_cache depends linux-image-cloud-arm64 | awk '/Depends:/ {print $2; exit}')
[ -n "$kernel" ] || die "the repositories have no package linux-image-cloud-arm64"
echo "$kernel" >"$POME_WORK/kernel-package"
cp -l "$POME_CACHE"/*.deb "$POME_WORK/debs/" 2>/dev/null || cp "$POME_CACHE"/*.deb "$POME_WORK/debs/" 2>/dev/null || :
# The tools with all that they depend on (names of libraries change from suite to suite, so apt finds them); the kernel alone.
apt_get --yes install --print-uris busybox-static e2fsprogs dosfstools fdisk >"$POME_WORK/uris" ||
    die "the repositories lack one of busybox-static, e2fsprogs, dosfstools, fdisk"
sed -n "s/^'[^ ]* \([^_ ]*\)_.*/\1/p" "$POME_WORK/uris" >"$POME_WORK/tool-packages"
apt_get download --print-uris "$kernel" >>"$POME_WORK/uris" || die "the repositories have no package $kernel"
missing=
while read -r _ file _; do
    # An older version from an earlier build must not be taken for this one.
    find "$POME_WORK/debs" -name "${file%%_*}_*.deb" ! -name "$file" -delete
    [ -s "$POME_WORK/debs/$file" ] || missing="$missing ${file%%_*}"
done < <(grep "^'" "$POME_WORK/uris")
# shellcheck disable=SC2086 # package names are words
[ -z "$missing" ] || (cd "$POME_WORK/debs" && apt_get download $missing) || die "cannot fetch:$missing"
