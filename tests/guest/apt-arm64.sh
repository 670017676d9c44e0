# apt-arm64.sh - sourced by the scripts here: fetches Debian arm64 packages without touching the host's apt setup.
#
# A private apt state (lists, status, cache) lives in the cache folder; sources come from the host's own Debian
# entries, so mirrors and proxies are the host's. No package is installed and nothing of the host is written.

PATH=$PATH:/usr/sbin:/sbin
cache=${XDG_CACHE_HOME:-$HOME/.cache}/pome/guest
apt_state=$cache/apt
suite=${POME_SUITE:-bookworm}

die()
{
    echo "$(basename "$0"): $*" >&2
    exit 1
}

need()
{
    for p in "$@"; do
        command -v "$p" >/dev/null || die "program '$p' is missing"
    done
}

# One "deb" line per Debian repository of the host, whichever of the two source formats it uses.
apt_sources()
{
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg uri release component
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
        sort -u | while read -r uri release component; do
        case $release in
        "$suite" | "$suite"-updates | "$suite"-security)
            echo "deb [arch=arm64 signed-by=$keyring] $uri $release $component"
            ;;
        esac
    done
}

apt_get()
{
    apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State="$apt_state/state" \
        -o Dir::State::status="$apt_state/status" -o Dir::Cache="$apt_state/cache" \
        -o Dir::Etc::sourcelist="$apt_state/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none -o APT::Install-Recommends=false "$@"
}

apt_init()
{
    need apt-get dpkg-deb
    mkdir -p "$apt_state/state/lists/partial" "$apt_state/cache/archives/partial" "$cache/debs"
    : >"$apt_state/status"
    apt_sources >"$apt_state/sources.list"
    [ -s "$apt_state/sources.list" ] || die "the host's apt has no Debian $suite repository"
    # A day is fresh enough: tests need some kernel of this release, not the newest.
    if [ -z "$(find "$apt_state/stamp" -mtime -1 2>/dev/null)" ]; then
        apt_get update || die "apt-get update failed"
        touch "$apt_state/stamp"
    fi
}

# deb_file PACKAGE: prints the path of its .deb in the cache, downloading it first if needed.
deb_file()
{
    local file
    file=$(apt_get download --print-uris "$1" | awk '{print $2}')
    [ -n "$file" ] || die "Debian $suite has no arm64 package '$1'"
    [ -s "$cache/debs/$file" ] || (cd "$cache/debs" && apt_get download "$1") >&2 || die "cannot download '$1'"
    echo "$cache/debs/$file"
}

# What PACKAGE (a metapackage such as linux-image-arm64) depends on first.
first_dependency()
{
    apt-cache -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State="$apt_state/state" \
        -o Dir::State::status="$apt_state/status" -o Dir::Cache="$apt_state/cache" \
        -o Dir::Etc::sourcelist="$apt_state/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        depends "$1" | awk '/Depends:/ {print $2; exit}'
}
