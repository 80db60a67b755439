#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Random trees in ext filesystems of many kinds, clean, on one disk or on LVM across two: captured,
# restored by qemu-img, and compared with what other programs say.  By dumpe2fs, which blocks are
# free: all others are as they were, and those are zero, so the map is neither short nor wide.
# By e2fsck, that all is well.  By the kernel, or by debugfs where the kernel knows too little, that
# the files are those that were put in.
#
# Some kinds, and others drawn by the commit, as are layout and state; WHERRY_TEST_ALL=1: all of them
# in all states.  SEED=N instead of the commit.

# shellcheck source=tests/scripts/trees.sh
. "$(dirname "$0")/trees.sh"

requires mke2fs -V
requires qemu-img --version
requires jq --version
requires lvm version
requires test "$(id -u)" -eq 0 # mounts

# Name | MiB | arguments of mke2fs; always with + before it.
kinds='
ext2-1k       |90 |-t ext2 -b 1024
+ext2-4k      |130|-t ext2 -b 4096
ext3-1k       |120|-t ext3 -b 1024
+ext3-4k      |150|-t ext3 -b 4096
+ext4-1k      |140|-t ext4 -b 1024
ext4-2k       |150|-t ext4 -b 2048
+ext4-4k      |200|-t ext4 -b 4096
ext4-bigalloc |300|-t ext4 -b 4096 -O bigalloc -C 65536
ext4-big1k    |200|-t ext4 -b 1024 -O bigalloc -C 16384
ext4-meta_bg  |300|-t ext4 -b 1024 -O meta_bg,^resize_inode
ext4-sparse2  |300|-t ext4 -b 1024 -O sparse_super2
ext4-inline   |150|-t ext4 -b 4096 -O inline_data -I 512
ext4-uninit   |400|-t ext4 -b 1024 -O uninit_bg,^metadata_csum -E lazy_itable_init=1
ext4-64bit    |200|-t ext4 -b 4096 -O 64bit
ext4-32bit    |200|-t ext4 -b 4096 -O ^64bit
ext4-plain    |150|-t ext4 -b 4096 -O ^has_journal
ext4-no-csum  |150|-t ext4 -b 4096 -O ^metadata_csum,^uninit_bg
ext4-no-flex  |300|-t ext4 -b 1024 -O ^flex_bg,^sparse_super,^resize_inode
ext4-casefold |150|-t ext4 -b 4096 -O casefold -E encoding=utf8
ext4-quota    |150|-t ext4 -b 4096 -O quota,project
ext4-orphans  |150|-t ext4 -b 4096 -O orphan_file,metadata_csum_seed
ext4-rare     |200|-t ext4 -b 4096 -O ea_inode,large_dir,mmp,encrypt,stable_inodes
ext4-packed   |300|-t ext4 -b 1024 -g 4096 -G 4 -E packed_meta_blocks=1
'

# fill STATE: the filesystem in the file volume; sets $mounts, whether the kernel knows it.
fill ()
{
    local args=$2
    mounts=yes
    # shellcheck disable=SC2086 # words
    mke2fs -q -F -E nodiscard $args volume
    if mount_volume volume 0 0 mnt -t ext4 2>/dev/null; then
        spoil "$1" mnt
        sum_tree mnt > sums
        unmount mnt
        return
    fi
    mounts=no
    mkdir tree
    make_tree tree
    sum_tree tree > sums
    garbage_bytes $((8 * mib)) > tree/garbage
    rm volume
    truncate -s "$size" volume
    # shellcheck disable=SC2086 # words
    mke2fs -q -F -d tree $args volume
    debugfs -w -R 'rm garbage' volume > /dev/null 2>&1
    e2fsck -fy volume > fsck.log 2>&1 || [ $? -eq 1 ] # the quota
}

# make_expected: the volume as it must come back, by dumpe2fs, which of a range of clusters names the
# first block of the first and of the last.
make_expected ()
{
    local block_size cluster_size
    cp --sparse=always volume expected
    dumpe2fs volume 2>/dev/null > dump
    block_size=$(sed -n 's/^Block size: *//p' dump)
    cluster_size=$(sed -n 's/^Cluster size: *//p' dump)
    sed -n 's/^  Free blocks: *//p' dump | tr -s ', ' '\n' |
        awk -F - -v bs="$block_size" -v cluster="${cluster_size:-$block_size}" -v size="$size" '
            /./ {
                end = (NF == 2 ? $2 : $1) * bs + cluster
                if (end > size) end = size
                print $1 * bs, end - $1 * bs
            }' > free
    "$VOLUME_TOOL" punch expected < free
}

# check_files: what the file restored holds, which is changed.
check_files ()
{
    e2fsck -fn restored > fsck.log 2>&1 || fail "e2fsck: $(cat fsck.log)"
    if [ "$mounts" = yes ]; then
        mark_kernel_log
        mount_volume restored 0 0 got -t ext4 -o ro
        sum_tree got > sums.got
        complaints=$(kernel_complaints "${loop_of[got]}")
        [ -z "$complaints" ] || fail "the kernel says: $complaints"
        unmount got
    else
        mkdir -p got
        debugfs -R 'rdump / got' restored 2> /dev/null
        sum_tree got > sums.got
        rm -r got
    fi
    diff sums sums.got > differ || fail "the files differ: $(head -5 differ)"
}

# check_numbers NAME: the bytes in use by the manifest and by dumpe2fs.
check_numbers ()
{
    local used fs_used
    used=$(jq "[.. | objects | select((.how? // \"\") | test(\"^${1%%-*}, clean\")) | .used] | .[0]" \
        "$bundle/machine.json")
    fs_used=$((size - $(awk '{ n += $2 } END { print n + 0 }' free)))
    echo "    in use $fs_used, map $used"
    [ "$used" = $((fs_used + tail)) ] || fail "$used bytes in use by the map, $fs_used by dumpe2fs"
}

# one NAME MIB ARGS LAYOUT STATE
one ()
{
    local name=$1 layout=$4 state=$5 how before
    echo "$name, $layout, $state"
    rm -rf disk? masked? raw-disk? to volume restored expected tree
    size=$(($2 * mib))
    mkdir to
    truncate -s "$size" volume
    fill "$state" "$3"
    e2fsck -fn volume > fsck.log 2>&1 || fail "$name: e2fsck of the source: $(cat fsck.log)"
    put "$layout"
    make_expected
    before=$(sha256 "${disks[@]}")

    bundle=to/wherry/$name
    "$PROGRAM" capture --quiet --to to --name "$name" "${disks[@]}" > out
    [ "$(sha256 "${disks[@]}")" = "$before" ] || fail "$name: the source was changed"
    how=$(jq -r '[.. | objects | .how? // empty] | join("; ")' "$bundle/machine.json")
    grep -qE "(^|; )${name%%-*}, clean" <<< "$how" || fail "$name: how is '$how'"
    check_numbers "$name"

    image_is_masked "$name" "$state"
    truncate -s $((size + tail)) restored
    follow gather restored raw-
    truncate -s "$size" restored
    cmp restored expected || fail "$name: the map is not that of dumpe2fs"
    check_files
}

each_kind "$kinds" one
