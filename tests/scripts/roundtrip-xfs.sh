#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Random trees in XFS of many kinds, clean, on one disk or on LVM across two: captured, restored by
# qemu-img, and compared with what other programs say.  By xfs_db, which blocks are free: all others,
# the free list among them, are as they were, and those are zero, so the map is neither short nor
# wide.  By xfs_repair, that all is well.  By the kernel, that the files are those that were put in.
#
# Some kinds, and others drawn by the commit, as are layout and state; WHERRY_TEST_ALL=1: all of them
# in all states.  SEED=N instead of the commit.  Version 4 is in vm-xfs.sh: not every kernel has it.

# shellcheck source=tests/scripts/trees.sh
. "$(dirname "$0")/trees.sh"

requires mkfs.xfs -V
requires qemu-img --version
requires jq --version
requires lvm version
requires test "$(id -u)" -eq 0 # mounts

# Name | MiB | arguments of mkfs.xfs | what happens to it; always with + before it.
kinds='
+1k          |144|--unsupported -b size=1024|
4k           |320|-b size=4096|
+sectors     |144|--unsupported -s size=4096|uuid
+rmap        |144|--unsupported -m rmapbt=1,reflink=1 -b size=1024|
plain        |144|--unsupported -m reflink=0,bigtime=0,inobtcount=0,finobt=0 -i sparse=0|
bigtime      |144|--unsupported -m bigtime=1,inobtcount=1 -i sparse=1|
+many        |400|--unsupported -d agcount=24 -l size=8m|
tails        |333|--unsupported -d agsize=64m -b size=2048 -l size=8m|
unit         |160|--unsupported -d su=64k,sw=4 -l su=32k,size=16m|
large-inodes |144|--unsupported -i size=2048 -n size=16384|
log          |160|--unsupported -l size=16m,agnum=3 -m rmapbt=1|clear
'

# outlive HISTORY: what tools do to the filesystem in the file volume once it is unmounted.
outlive ()
{
    case $1 in
    uuid) xfs_admin -U generate -f volume ;;
    clear) xfs_repair -L -f volume ;;
    esac > tool.log 2>&1 || fail "$1: $(cat tool.log)"
}

# fill STATE ARGS HISTORY: the filesystem in the file volume.
fill ()
{
    # shellcheck disable=SC2086 # words
    mkfs.xfs -q -K $2 volume > mkfs.log 2>&1 || fail "mkfs.xfs $2: $(cat mkfs.log)"
    mount_volume volume 0 0 mnt -t xfs
    spoil "$1" mnt
    # Shared blocks, where there can be some, one of which was written to since.
    if cp --reflink=always mnt/file-2 mnt/shared 2> /dev/null; then
        noise_into mnt/shared 0 1
    fi
    sum_tree mnt > sums
    unmount mnt
    outlive "$3"
}

# make_expected: the volume as it must come back.  Of each group xfs_db names the blocks of the free
# list first.
make_expected ()
{
    local ag n_groups block_size ag_blocks
    read -r block_size ag_blocks n_groups < <(xfs_db -r -c 'sb 0' \
        -c 'p blocksize agblocks agcount' volume | awk '{ print $3 }' | xargs)
    for ((ag = 0; ag < n_groups; ag++)); do
        echo "list $ag $(xfs_db -r -c "agf $ag" -c 'p flcount' volume | awk '{ print $3 }')"
    done > lists
    xfs_db -r -c 'freesp -d' volume |
        awk -v bs="$block_size" -v blocks="$ag_blocks" '
            $1 == "list" { skip[$2] = $3; next }
            $1 == "from" { exit }
            $1 ~ /^[0-9]+$/ && skip[$1]-- <= 0 { printf "%.0f %.0f\n", ($1 * blocks + $2) * bs, $3 * bs }
        ' lists - > free
    cp --sparse=always volume expected
    "$VOLUME_TOOL" punch expected < free
}

# check_files: what the file restored holds, which is changed.
check_files ()
{
    xfs_repair -n restored > repair.log 2>&1 || fail "xfs_repair: $(cat repair.log)"
    mark_kernel_log
    mount_volume restored 0 0 got -t xfs -o ro
    sum_tree got > sums.got
    complaints=$(kernel_complaints "${loop_of[got]}")
    [ -z "$complaints" ] || fail "the kernel says: $complaints"
    unmount got
    diff sums sums.got > differ || fail "the files differ: $(head -5 differ)"
}

# check_numbers: the bytes in use by the manifest and by xfs_db.
check_numbers ()
{
    local used fs_used
    used=$(jq '[.. | objects | select(.how? == "XFS, clean") | .used] | .[0]' "$bundle/machine.json")
    fs_used=$((size - $(awk '{ n += $2 } END { printf "%.0f", n }' free)))
    echo "    in use $fs_used, map $used"
    [ "$used" = $((fs_used + tail)) ] || fail "$used bytes in use by the map, $fs_used by xfs_db"
}

# one NAME MIB ARGS|HISTORY LAYOUT STATE
one ()
{
    local name=$1 layout=$4 state=$5 before
    echo "$name, $layout, $state"
    rm -rf disk? masked? raw-disk? to volume restored expected
    size=$(($2 * mib))
    mkdir to
    truncate -s "$size" volume
    fill "$state" "${3%|*}" "${3##*|}"
    put "$layout"
    make_expected
    before=$(sha256 "${disks[@]}")

    bundle=to/wherry/$name
    "$PROGRAM" capture --quiet --to to --name "$name" "${disks[@]}" > out
    [ "$(sha256 "${disks[@]}")" = "$before" ] || fail "$name: the source was changed"
    check_numbers
    image_is_masked "$name" "$state"
    truncate -s $((size + tail)) restored
    follow gather restored raw-
    truncate -s "$size" restored
    cmp restored expected || fail "$name: the map is not that of xfs_db"
    check_files
}

each_kind "$kinds" one
