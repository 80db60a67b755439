#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The map of a huge filesystem fits into the memory that a capture may take, and is still a map: where
# memory runs out, all of the disk would count as used.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
PATH=$PATH:/usr/sbin:/sbin

requires mke2fs -V
requires jq --version

# 15 TiB: the largest that a sparse file on ext4 can be.  Its bitmaps alone are 480 MiB.
truncate -s 15T disk || { echo "SKIP: no room for a sparse file of 15 TiB"; exit 77; }
mke2fs -q -F -t ext4 -T largefile4 -E lazy_itable_init=1,lazy_journal_init=1,nodiscard disk
(
    ulimit -v 262144 # KiB
    "$PROGRAM" inspect --json disk > facts.json
)
jq -e '.disks[-1].map.volumes[0] | .how == "ext4, clean" and .used < 10000000000' facts.json > /dev/null ||
    fail "the map is $(jq -c '.disks[-1].map' facts.json)"
