#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The power fails under a mounted btrfs, see power-cuts.sh.  The last 20 files are only in its log:
# where the kernel does not replay it, they are not there.
#
# The usual kind in all layouts, an orphan in one, and one drawn of the others;
# WHERRY_TEST_ALL=1: all of them.

# shellcheck source=tests/scripts/power-cuts.sh
. "$(dirname "$0")/power-cuts.sh"

requires mkfs.btrfs --version

size=$((512 * mib))

# Each: name | layouts, * for all | arguments of mkfs.btrfs | options of mount | what the map says.
# An orphan of many extents is in those that have "+" before the name.
fixed='
btrfs            |*|                               |               |btrfs, log followed
+btrfs           |*|                               |               |btrfs, log followed
'
drawn='
btrfs-mixed      |*|-M                             |               |btrfs, log followed
+btrfs-mixed-4k  |*|-M -n 4096                     |               |btrfs, log followed
+btrfs-single    |*|-m single                      |               |btrfs, log followed
+btrfs-4k        |*|-n 4096                        |               |btrfs, log followed
btrfs-64k        |*|-n 65536                       |               |btrfs, log followed
btrfs-old        |*|-O ^no-holes,^skinny-metadata,^extref -R ^free-space-tree | |btrfs, log followed
+btrfs-cache-v1  |*|-R ^free-space-tree            |space_cache=v1 |btrfs, log followed
+btrfs-xxhash    |*|--csum xxhash                  |               |btrfs, log followed
btrfs-sha256     |*|--csum sha256                  |               |btrfs, log followed
+btrfs-blake2    |*|--csum blake2                  |               |btrfs, log followed
btrfs-nodatacow  |*|                               |nodatacow      |btrfs, log followed
+btrfs-nodatasum |*|                               |nodatasum      |btrfs, log followed
btrfs-zstd       |*|                               |compress-force=zstd |btrfs, log followed
+btrfs-lzo       |*|                               |compress=lzo   |btrfs, log followed
+btrfs-discard   |*|                               |discard=sync   |btrfs, log followed
'

make_fs ()
{
    attach disk "$offset" $size
    # shellcheck disable=SC2086 # words
    mkfs.btrfs -q -K $1 "$loop" > /dev/null 2>&1 || fail "mkfs.btrfs $1"
    btrfs device scan --forget "$loop" > /dev/null 2>&1 || true
    detach "$loop"
}

set_mount ()
{
    mount=(-t btrfs -o "commit=600${2:+,$2}")
}

# Of a btrfs as small as these tables, volume groups and gaps would be half of what is carried.
write_more ()
{
    mkdir mnt/more
    for _ in {1..12}; do cat "$noise"; done | split -a 3 -b 700000 - mnt/more/
}

# wrap_log: new logs, and commits that end them.
wrap_log ()
{
    local round
    for round in 1 2 3; do
        mkdir -p "mnt/churn-$round"
        "$VOLUME_TOOL" scatter "mnt/churn-$round/file" 100 4096
        sync -f mnt
        if [ "$round" = 2 ]; then rm -r mnt/churn-1; fi
    done
}

# What waits for the next commit is "reserved".
count_in_use ()
{
    local dir sum=0 used reserved total disk_total
    for dir in "/sys/fs/btrfs/$(findmnt -n -o UUID mnt)/allocation/"*/; do
        [ -r "$dir/disk_used" ] || continue
        read -r used < "$dir/disk_used"
        read -r reserved < "$dir/bytes_reserved"
        read -r total < "$dir/total_bytes"
        read -r disk_total < "$dir/disk_total"
        [ "$total" = 0 ] || sum=$((sum + used + reserved * (disk_total / total)))
    done
    echo $sum
}

count_lost ()
{
    local lost
    cp --sparse=always "$1" unlogged.img
    mount_volume unlogged.img "$offset" $size unlogged -t btrfs -o ro,rescue=nologreplay
    lost=$(cd unlogged && b2sum -c "$workdir/sums" 2> /dev/null | grep -vc ': OK$') || true
    unmount unlogged
    rm unlogged.img
    echo "$lost"
}

check_fs ()
{
    attach "$1" "$offset" $size
    btrfs check --check-data-csum "$loop" > check.log 2>&1 || fail "$2: $(cat check.log)"
    detach "$loop"
}

run_table "$fixed" "$drawn" 1
