#!/bin/bash
# check.sh - the file system after the machine used it: its journal is empty and everything is in order, or the build fails.
. "$POME_FILES/common.sh"

say "checking the file system"
e2fsck -fn "$POME_WORK/os.img" || die "the file system is not in order after the machine configured it"
