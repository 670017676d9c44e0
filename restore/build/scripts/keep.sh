#!/bin/bash
# keep.sh - keeps the packages of this build for the next one, and only these: an older version is removed. The work
# folder may belong to another user, so a name is taken only if it looks like a package's file and is a plain file.
. "$POME_FILES/common.sh"

mkdir -p "$POME_CACHE"
cd "$POME_WORK/debs"
for file in *.deb; do
    [ -f "$file" ] && [ ! -L "$file" ] || continue
    [ -s "$POME_CACHE/$file" ] && continue
    cp "$file" "$POME_CACHE/.$file.tmp"
    mv "$POME_CACHE/.$file.tmp" "$POME_CACHE/$file"
    for old in "$POME_CACHE/${file%%_*}"_*.deb; do
        [ "$old" = "$POME_CACHE/$file" ] || rm -f "$old"
    done
done
