#!/bin/bash
# keep.sh - keeps the packages of this build for the next one, and only these: an older version is removed. Also run after a
# build that failed or was cancelled. The work folder may belong to another user, so a name is taken only if it looks like a
# package's file and is a plain file that dpkg-deb can read (a download may have been cut).
. "$POME_FILES/common.sh"

mkdir -p "$POME_CACHE/debs"
for folder in "$POME_WORK/debs" "$POME_WORK/root/var/cache/apt/archives"; do
    cd "$folder" 2>/dev/null || continue
    for file in *.deb; do
        [ -f "$file" ] && [ ! -L "$file" ] || continue
        [ -s "$POME_CACHE/debs/$file" ] && continue
        dpkg-deb --info "$file" >/dev/null 2>&1 || continue
        cp "$file" "$POME_CACHE/debs/.$file.tmp"
        mv "$POME_CACHE/debs/.$file.tmp" "$POME_CACHE/debs/$file"
        for old in "$POME_CACHE/debs/${file%%_*}"_*.deb; do
            [ "$old" = "$POME_CACHE/debs/$file" ] || rm -f "$old"
        done
    done
done
