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

# shellcheck source=tests/scripts/volumes.sh
. "$(dirname "$0")/volumes.sh"

requires mke2fs -V
requires qemu-img --version
requires openssl version
requires jq --version
requires lvm version
requires test "$(id -u)" -eq 0 # mounts

layouts=(bare gpt lvm linear striped)
states=(deleted full fragmented fresh)
garbage='deleted long ago, and not to be carried'

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

noise=$workdir/noise
head -c $((16 * mib)) /dev/zero | openssl enc -aes-128-ctr -pbkdf2 -pass pass:tree -nosalt > "$noise"

# random N: sets $r to one of 0 ... N - 1.
random ()
{
    r=$(((RANDOM << 15 | RANDOM) % $1))
}

# noise_into FILE OFFSET BYTES: from somewhere in the noise.
noise_into ()
{
    random $((12 * mib))
    dd if="$noise" of="$1" iflag=skip_bytes,count_bytes oflag=seek_bytes skip=$r seek="$2" \
        count="$3" bs=256K conv=notrunc status=none
}

# garbage_bytes COUNT.  The end of `yes` by its signal is no failure.
garbage_bytes ()
{
    { yes "$garbage" 2>/dev/null || true; } | head -c "$1"
}

# make_tree DIR: 60 files of 0 bytes to 4 MiB, some with holes, some names of links, folders in
# folders, and hundreds of small files.
make_tree ()
{
    local i size dir=$1
    mkdir -p "$dir/a/b/c/d/e/f" "$dir/small" "$dir/odd name "$'\t'x
    for ((i = 0; i < 60; i++)); do
        random 23
        random $((1 << r))
        size=$r
        case $((i % 4)) in
        0) dir=$1/a/b/c ;;
        1) dir=$1/a/b/c/d/e/f ;;
        2) dir=$1 ;;
        3) dir="$1/odd name "$'\t'x ;;
        esac
        noise_into "$dir/file-$i" 0 $size
        if [ $((i % 6)) -eq 0 ]; then
            random $((40 * mib))
            noise_into "$dir/file-$i" $((size + r)) 5000
            random $((60 * mib))
            truncate -s "+$r" "$dir/file-$i"
        fi
    done
    random 3000
    head -c 400000 "$noise" | split -a 4 -b $((r + 400)) - "$1/small/"
    ln -s short "$1/link"
    ln -s "$(head -c 300 "$noise" | od -An -v -tx1 | tr -d ' \n')" "$1/long-link"
    ln "$1/file-2" "$1/a/other-name"
}

# sum_tree DIR
sum_tree ()
{
    (cd "$1" && find . -name lost+found -prune -o -type f -print0 | xargs -0 sha256sum &&
        find . -type l -printf '%p %l\n') | sort
}

# spoil STATE DIR: garbage is written and deleted again, around what stays.
spoil ()
{
    local i
    case $1 in
    deleted)
        garbage_bytes $((20 * mib)) > "$2/garbage"
        make_tree "$2"
        rm "$2/garbage"
        ;;
    full)
        make_tree "$2"
        cat "$noise" "$noise" "$noise" "$noise" "$noise" > "$2/last" 2>/dev/null || true
        { yes 2>/dev/null || true; } | head -c $((400 * mib)) > "$2/rest" 2>/dev/null || true
        sync -f "$2"
        ;;
    fragmented)
        mkdir "$2/many"
        garbage_bytes $((30 * mib)) | split -a 5 -b 8192 - "$2/many/" 2>/dev/null || true
        sync -f "$2"
        find "$2/many" -type f -name '*[acegikmoqsuwy]' -delete
        make_tree "$2"
        sync -f "$2"
        find "$2/many" -type f -name '*[bfjnrvz]' -delete
        ;;
    fresh) make_tree "$2" ;;
    esac
}

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

# garbage_at DISK OFFSET
garbage_at ()
{
    garbage_bytes $((8 * mib)) | dd of="$1" bs=1M seek=$(($2 / mib)) conv=notrunc status=none
}

# put LAYOUT: the volume onto its disk or disks, with garbage where LVM has nothing; sets $tail, how
# much longer than the filesystem its volume is.
put ()
{
    local end
    disks=(disk0)
    case $1 in
    linear | striped)
        disks=(disk0 disk1)
        lvm_pair "$size" "$([ "$1" = striped ] && echo yes || echo no)"
        end=$(stat -c %s disk0)
        garbage_at disk0 $((end - 36 * mib))
        garbage_at disk1 $((end - 36 * mib))
        ;;
    lvm)
        lay_out lvm "$size" disk0
        end=$((size + 4 * mib - 1))
        echo "0 $((end - end % (4 * mib))) 0 disk0:$offset" > segments
        garbage_at disk0 $(($(stat -c %s disk0) - 36 * mib))
        ;;
    *)
        lay_out "$1" "$size" disk0
        echo "0 $size 0 disk0:$offset" > segments
        ;;
    esac
    tail=$(awk -v size="$size" '{ n += $2 } END { print n - size }' segments)
    truncate -s "+$tail" volume
    follow deal volume ''
    truncate -s "$size" volume
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
    if [ $mounts = yes ]; then
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
    local name=$1 layout=$4 state=$5 i how before masks=()
    echo "$name, $layout, $state"
    rm -rf disk? masked? raw-disk? to volume restored expected tree
    size=$(($2 * mib))
    mkdir to
    truncate -s "$size" volume
    fill "$state" "$3"
    e2fsck -fn volume > fsck.log 2>&1 || fail "$name: e2fsck of the source: $(cat fsck.log)"
    put "$layout"
    make_expected
    before=$(sha256sum "${disks[@]}")

    bundle=to/wherry/$name
    "$PROGRAM" capture --quiet --to to --name "$name" "${disks[@]}" > out
    [ "$(sha256sum "${disks[@]}")" = "$before" ] || fail "$name: the source was changed"
    how=$(jq -r '[.. | objects | .how? // empty] | join("; ")' "$bundle/machine.json")
    grep -qE "(^|; )${name%%-*}, clean" <<< "$how" || fail "$name: how is '$how'"
    check_numbers "$name"

    for i in "${!disks[@]}"; do
        masks+=("disk$i" "masked$i")
    done
    "$MAP_TOOL" mask "${masks[@]}"
    for i in "${!disks[@]}"; do
        qemu-img convert -O raw "$bundle/disk-$i.qcow2" "raw-disk$i"
        cmp "raw-disk$i" "masked$i" || fail "$name: the image is not what the map names"
        if grep -qaF "$garbage" "raw-disk$i" && [ "$state" != fragmented ]; then
            fail "$name: what was deleted is in the image"
        fi
    done
    truncate -s $((size + tail)) restored
    follow gather restored raw-
    truncate -s "$size" restored
    cmp restored expected || fail "$name: the map is not that of dumpe2fs"
    check_files
}

seed=${SEED:-$(draw)}
n_states=1
if [ "${WHERRY_TEST_ALL:-0}" = 1 ]; then n_states=${#states[@]}; fi
RANDOM=$((seed % 32768))
i=$((seed % 9973))
while IFS='|' read -r name mb args; do
    i=$((i + 1))
    case $name in
    '') continue ;;
    +*) name=${name#+} ;;
    *) [ "$n_states" -gt 1 ] || [ $((i % 4)) -eq 0 ] || continue ;;
    esac
    for ((j = 0; j < n_states; j++)); do
        one "${name// /}" "${mb// /}" "$args" "${layouts[(i + j) % 5]}" "${states[(i / 5 + j) % 4]}"
    done
done <<< "$kinds"
