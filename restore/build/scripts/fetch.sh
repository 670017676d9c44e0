#!/bin/bash
# fetch.sh - writes sources.list, reads the package lists, fetches the packages that are unpacked without being installed:
# the kernel, and the programs of the ramdisks with all they depend on. Leaves them in $POME_WORK/debs.
. "$POME_FILES/common.sh"

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
lists=$POME_WORK/apt/state/lists

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

# The lists of these sources as the last build read them.
kept=$POME_CACHE/lists
read_lists()
{
    if [ -n "$POME_OFFLINE" ]; then
        kept=$kept/$(sha256sum <"$POME_WORK/sources.list" | cut -c1-16)
        [ -d "$kept" ] || die "offline: no build read the package lists of these repositories before"
        cp "$kept"/* "$lists/"
        return
    fi
    apt_get update || die "the package lists cannot be read; the end of the build log says why"
    kept=$kept/$(sha256sum <"$POME_WORK/sources.list" | cut -c1-16)
    rm -rf "$kept.new"
    mkdir -p "$kept.new"
    find "$lists" -maxdepth 1 -type f ! -name lock -exec cp {} "$kept.new/" \;
    rm -rf "$kept"
    mv "$kept.new" "$kept"
}

say "reading the package lists of $POME_SUITE"
mkdir -p "$lists/partial" "$POME_WORK"/apt/cache/archives/partial "$POME_WORK/debs" "$POME_CACHE/debs"
: >"$POME_WORK/apt/status"
write_sources >"$POME_WORK/sources.list"
[ -s "$POME_WORK/sources.list" ] ||
    die "the host's apt knows no Debian repository of the suite '$POME_SUITE': give one with --mirror URL"
read_lists

if [ "$SOURCE_DATE_EPOCH" != 0 ]; then
    echo "$SOURCE_DATE_EPOCH" >"$POME_WORK/date"
elif [ ! -s "$POME_WORK/date" ]; then
    for list in "$lists"/*Release; do
        date -u -d "$(sed -n 's/^Date: //p;T;q' "$list")" +%s
    done | sort -n | tail -n 1 >"$POME_WORK/date"
fi

say "fetching the kernel and the tools of the ramdisks"
kernel= tools=
if [ -n "$POME_MAKE_KERNEL" ]; then
    kernel=$(apt_cache depends linux-image-cloud-arm64 | awk '/Depends:/ {print $2; exit}')
    [ -n "$kernel" ] || die "the repositories have no package linux-image-cloud-arm64"
    echo "$kernel" >"$POME_WORK/kernel-package"
fi
[ -z "$POME_MAKE_RAMDISKS" ] || tools="busybox-static e2fsprogs dosfstools fdisk zstd"
cp -l "$POME_CACHE"/debs/*.deb "$POME_WORK/debs/" 2>/dev/null || cp "$POME_CACHE"/debs/*.deb "$POME_WORK/debs/" 2>/dev/null || :
: >"$POME_WORK/uris"
# The tools with all that they depend on (names of libraries change from suite to suite, so apt finds them); the kernel alone.
# shellcheck disable=SC2086 # package names are words
[ -z "$tools" ] || apt_get --yes install --print-uris $tools >"$POME_WORK/uris" || die "the repositories lack one of $tools"
sed -n "s/^'[^ ]* \([^_ ]*\)_.*/\1/p" "$POME_WORK/uris" >"$POME_WORK/tool-packages"
[ -z "$kernel" ] || apt_get download --print-uris "$kernel" >>"$POME_WORK/uris" || die "the repositories have no package $kernel"
missing=
while read -r _ file _; do
    # An older version from an earlier build must not be taken for this one.
    find "$POME_WORK/debs" -name "${file%%_*}_*.deb" ! -name "$file" -delete
    [ -s "$POME_WORK/debs/$file" ] || missing="$missing ${file%%_*}"
done < <(grep "^'" "$POME_WORK/uris")
[ -z "$missing" ] || [ -z "$POME_OFFLINE" ] || die "offline: the cache lacks$missing"
# shellcheck disable=SC2086
[ -z "$missing" ] || (cd "$POME_WORK/debs" && apt_get download $missing) || die "cannot fetch:$missing"
