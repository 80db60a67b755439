#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A disk is made, captured and converted to raw by qemu-img.  The raw image equals the disk wherever
# its map says so and is zero elsewhere; the files in it are those that were put in, by checksum; the
# filesystem's own checker is content; and nothing that had been deleted is in the image.
#
# Each filesystem is tried once with a layout and a sector size that the commit decides; with
# WHERRY_TEST_ALL=1 in all of them.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
PATH=$PATH:/usr/sbin:/sbin
export MTOOLS_SKIP_CHECK=1

requires mke2fs -V
requires mkfs.fat --help
requires mtools --version
requires qemu-img --version
requires openssl version
requires test "$(id -u)" -eq 0 # for loop devices, which have sectors of 4096 bytes

filesystems='ext2-1k ext2-4k ext3-4k ext4-1k ext4-4k ext4-bigalloc ext4-64bit ext4-meta_bg ext4-plain
    FAT12 FAT16 FAT32 swap'
layouts='gpt mbr none'
sector_sizes='512 4096'
mib=1048576
garbage='deleted long ago, and not to be carried'

# random_bytes COUNT SEED
random_bytes ()
{
    head -c "$1" /dev/zero | openssl enc -aes-128-ctr -pbkdf2 -pass "pass:$2" -nosalt
}

# garbage_bytes COUNT.  The end of `yes` by its signal is no failure.
garbage_bytes ()
{
    { yes "$garbage" 2>/dev/null || true; } | head -c "$1"
}

# A tree with an empty file, small and large ones, one with a hole, a deep folder.
make_tree ()
{
    mkdir -p tree/deep/er/still
    : > tree/empty
    for i in $(seq 40); do
        random_bytes $((i * 37)) "small-$i" > "tree/small-$i"
    done
    for i in 1 2 3; do
        random_bytes $((i * 700001)) "large-$i" > "tree/deep/large-$i"
    done
    seq 200000 > tree/deep/er/numbers
    random_bytes 5000 hole > tree/deep/er/still/hole
    truncate -s 900k tree/deep/er/still/hole
    random_bytes 5000 hole2 >> tree/deep/er/still/hole
    (cd tree && find . -type f -exec sha256sum {} + | sort -k 2) > tree.sums

    garbage_bytes 3000000 > garbage.bin
}

# make_ext FILE SIZE ARGS...: filled with the tree, and a large file deleted again.
make_ext ()
{
    local file=$1 size=$2
    shift 2
    mkdir -p with-garbage
    cp -r tree/. with-garbage/
    cp garbage.bin with-garbage/
    truncate -s "$size" "$file"
    mke2fs -q -F -d with-garbage "$@" "$file"
    rm -r with-garbage
    debugfs -w -R 'rm garbage.bin' "$file" > /dev/null 2>&1
    e2fsck -fn "$file" > /dev/null 2>&1
}

# make_fat FILE SIZE ARGS...
make_fat ()
{
    local file=$1 size=$2
    shift 2
    truncate -s "$size" "$file"
    mkfs.fat "$@" "$file" > /dev/null
    mcopy -i "$file" garbage.bin ::garbage.bin
    mcopy -s -i "$file" tree/* ::
    mdel -i "$file" ::garbage.bin
    fsck.fat -n "$file" > /dev/null
}

# make_filesystem KIND SECTOR_SIZE FILE
make_filesystem ()
{
    local kind=$1 sector=$2 file=$3
    case $kind in
    ext2-1k) make_ext "$file" 40M -t ext2 -b 1024 ;;
    ext2-4k) make_ext "$file" 40M -t ext2 -b 4096 ;;
    ext3-4k) make_ext "$file" 60M -t ext3 -b 4096 ;;
    ext4-1k) make_ext "$file" 60M -t ext4 -b 1024 ;;
    ext4-4k) make_ext "$file" 60M -t ext4 -b 4096 ;;
    ext4-bigalloc) make_ext "$file" 200M -t ext4 -b 4096 -O bigalloc -C 65536 ;;
    ext4-64bit) make_ext "$file" 200M -t ext4 -b 4096 -O 64bit,metadata_csum ;;
    ext4-meta_bg) make_ext "$file" 200M -t ext4 -b 1024 -O ^resize_inode,meta_bg ;;
    ext4-plain) make_ext "$file" 60M -t ext4 -b 1024 -O ^has_journal,^metadata_csum,uninit_bg ;;
    FAT12) make_fat "$file" 12M -F 12 -s 8 -S "$sector" ;;
    FAT16) make_fat "$file" $((sector * 60000)) -F 16 -s 1 -S "$sector" ;;
    FAT32) make_fat "$file" $((sector * 70000)) -F 32 -s 1 -S "$sector" ;;
    swap)
        truncate -s 40M "$file"
        garbage_bytes $((10 * mib)) | dd of="$file" bs=$mib seek=1 conv=notrunc status=none
        mkswap -q "$file" 2>/dev/null
        ;;
    esac
}

# with_loop SECTOR_SIZE FILE CMD...: {} among the arguments is the loop device.
with_loop ()
{
    local sector=$1 file=$2 loop r=0
    shift 2
    loop=$(losetup -f --show -b "$sector" "$file")
    "${@//\{\}/$loop}" || r=$?
    losetup -d "$loop"
    return $r
}

# make_disk LAYOUT SECTOR_SIZE VOLUME DISK: sets $offset, where the volume lies in the disk.
make_disk ()
{
    local layout=$1 sector=$2 volume=$3 disk=$4 size
    size=$(stat -c %s "$volume")
    if [ "$layout" = none ]; then
        offset=0
        cp --sparse=always "$volume" "$disk"
        return
    fi
    # In front a boot loader, behind the volume a small gap, then 30 MiB of nothing with garbage in it.
    truncate -s $((size + 40 * mib)) "$disk"
    garbage_bytes $((2 * mib)) | dd of="$disk" bs=$mib seek=$((size / mib + 20)) conv=notrunc status=none
    random_bytes 440 code | dd of="$disk" conv=notrunc status=none
    random_bytes 30000 core | dd of="$disk" bs=4096 seek=10 conv=notrunc status=none
    case $layout in
    gpt)
        offset=$mib
        printf 'label: gpt\nstart=%d, size=%d\n' $((offset / sector)) $((size / sector)) > table
        ;;
    mbr)
        offset=$((3 * mib)) # logical: its link is at 2 MiB
        {
            printf 'label: dos\n1 : start=%d, size=%d, type=83\n' $((mib / sector)) $((mib / sector))
            printf '4 : start=%d, type=5\n' $((2 * mib / sector))
            printf '5 : start=%d, size=%d, type=83\n' $((offset / sector)) $((size / sector))
        } > table
        ;;
    esac
    with_loop "$sector" "$disk" sfdisk -q --no-reread {} < table 2>/dev/null
    dd if="$volume" of="$disk" bs=$mib seek=$((offset / mib)) conv=notrunc,sparse status=none
}

# check_files KIND VOLUME: the tree is in it, and its checker is content.
check_files ()
{
    rm -rf got
    mkdir got
    case $1 in
    ext*)
        e2fsck -fn "$2" > fsck.log 2>&1 || fail "e2fsck: $(cat fsck.log)"
        debugfs -R 'rdump / got' "$2" 2>/dev/null
        rm -rf got/lost+found
        ;;
    FAT*)
        fsck.fat -n "$2" > fsck.log 2>&1 || fail "fsck.fat: $(cat fsck.log)"
        mcopy -s -i "$2" '::*' got/
        ;;
    swap)
        [ "$(blkid -p -s TYPE -o value "$2")" = swap ] || fail "no swap in $2"
        return
        ;;
    esac
    (cd got && find . -type f -exec sha256sum {} + | sort -k 2) | diff tree.sums - ||
        fail "the files of $1 differ"
}

# check_image KIND DISK BUNDLE: DISK is what was captured.
check_image ()
{
    local kind=$1 disk=$2 bundle=$3
    "$PROGRAM" verify --quiet "$bundle" > /dev/null
    qemu-img check -q "$bundle/disk-0.qcow2"
    qemu-img convert -O raw "$bundle/disk-0.qcow2" raw
    cmp raw masked || fail "$kind: the image is not what the map names"
    if grep -qF "$garbage" raw; then fail "$kind: what was deleted is in the image"; fi
    dd if=raw of=restored bs=$mib skip=$((offset / mib)) count="$(stat -c %s volume)" \
        iflag=count_bytes conv=sparse status=none
    check_files "$kind" restored
}

# one KIND LAYOUT SECTOR_SIZE COMPRESS
one ()
{
    local kind=$1 layout=$2 sector=$3 compress=$4 before bundle used how
    echo "$kind $layout $sector $compress"
    rm -rf volume disk raw masked restored to
    mkdir to
    make_filesystem "$kind" "$sector" volume
    make_disk "$layout" "$sector" volume disk
    before=$(sha256 disk)
    bundle=to/wherry/$kind

    if [ "$layout" = none ] || [ "$sector" = 512 ]; then
        "$MAP_TOOL" mask disk masked
        "$PROGRAM" capture --quiet --compress "$compress" --to to --name "$kind" disk > out
    else
        with_loop "$sector" disk "$MAP_TOOL" mask {} masked
        with_loop "$sector" disk "$PROGRAM" capture --quiet --compress "$compress" --to to \
            --name "$kind" {} > out
        [ "$(jq '.disks[0].sector_size' "$bundle/machine.json")" = "$sector" ] ||
            fail "$kind: not the sectors of the disk"
    fi
    [ "$(sha256 disk)" = "$before" ] || fail "$kind: the source was changed"

    how=$(jq -r '[.disks[0].volumes[].how] | join("; ")' "$bundle/machine.json")
    used=$(jq '.disks[0].used' "$bundle/machine.json")
    case $how in
    "carried whole: no known content; "*) how=${how#*; } ;; # the first partition of the MBR
    esac
    case $kind-$how in
    ext?-*-"${kind%%-*}, clean" | FAT*-"$kind, clean" | swap-"swap, header only") ;;
    *) fail "$kind: how is '$how'" ;;
    esac
    [ "$used" -lt $(($(stat -c %s volume) / 2 + 9 * mib)) ] || fail "$kind: $used bytes in use"
    check_image "$kind" disk "$bundle"
}

make_tree
seed=$(draw)
kind_index=0
for kind in $filesystems; do
    cases=()
    for layout in $layouts; do
        for sector in $sector_sizes; do
            case $kind-$sector in
            ext?-1k-4096 | ext4-meta_bg-4096 | ext4-plain-4096) continue ;; # blocks below a sector
            esac
            cases+=("$layout $sector zstd")
        done
    done
    kind_index=$((kind_index + 1))
    drawn=$(((seed + kind_index) % ${#cases[@]}))
    if [ $(((seed + kind_index) % 5)) -eq 0 ]; then cases[drawn]=${cases[drawn]/zstd/none}; fi
    if [ "${WHERRY_TEST_ALL:-0}" != 1 ]; then cases=("${cases[drawn]}"); fi
    for case in "${cases[@]}"; do
        # shellcheck disable=SC2086 # words
        one "$kind" $case
    done
done
