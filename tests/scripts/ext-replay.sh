#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The map of an ext filesystem whose disk was copied while it was mounted and busy, against the
# replay of debugfs: it writes the same bytes, and each block that dumpe2fs calls in use before it
# or after it is in the map, and nearly no other.  Mounts need root.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
PATH=$PATH:/usr/sbin:/sbin

requires test "$(id -u)" -eq 0
requires mke2fs -V
requires debugfs -V
requires mkfs.btrfs --version
requires jq --version
mkdir mnt
truncate -s 8M probe
mke2fs -q -F -t ext4 probe
requires mount -o loop probe mnt
umount mnt
trap 'fsfreeze -u mnt 2> /dev/null || true; umount mnt 2> /dev/null || true; rm -rf "$workdir"' EXIT

head -c 3M /dev/urandom > noise

# Two of them, and two drawn ones; with WHERRY_TEST_ALL all.
# name; options of mke2fs; options of mount; what is done beside; MiB.  The journals are small, so
# that they wrap.
cases='
ext3-1k; -t ext3 -b 1024 -J size=1;;;48
ext3-2k; -t ext3 -b 2048 -J size=2;;orphan;64
ext3-4k; -t ext3 -b 4096 -J size=4;;;128
ext3-data; -t ext3 -b 1024 -J size=1; data=journal;;48
ext4-1k; -t ext4 -b 1024 -J size=1;;orphan;48
ext4-4k; -t ext4 -b 4096 -J size=4;;orphan;128
ext4-old; -t ext4 -b 1024 -O ^64bit,^metadata_csum,^uninit_bg -J size=1;;;48
ext4-uninit; -t ext4 -b 1024 -O ^64bit,^metadata_csum,uninit_bg -J size=1;;orphan;64
ext4-data; -t ext4 -b 4096 -J size=8; data=journal;;128
ext4-data-nosum; -t ext4 -b 1024 -O ^metadata_csum -J size=2; data=journal;;64
ext4-checksum; -t ext4 -b 1024 -O ^metadata_csum -J size=1; journal_checksum;;48
ext4-async; -t ext4 -b 1024 -J size=1; data=writeback,journal_async_commit;;48
ext4-async-v1; -t ext4 -b 1024 -O ^metadata_csum -J size=1; data=writeback,journal_async_commit;;48
ext4-bigalloc; -t ext4 -b 1024 -C 8192 -O bigalloc -J size=1;;;64
ext4-meta_bg; -t ext4 -b 1024 -O meta_bg,^resize_inode -J size=1;;;64
ext4-orphans; -t ext4 -b 4096 -O orphan_file,metadata_csum_seed -J size=4;;orphan;128
ext4-quiet; -t ext4 -b 4096 -J size=4;;quiet;64
ext4-idle; -t ext4 -b 4096 -J size=4;;idle;64
ext4-frozen; -t ext4 -b 4096 -J size=4;;frozen;128
'

# in_use IMAGE: the blocks, a range on each line.  A range of free clusters is printed by the first
# block of the first and of the last one.
in_use ()
{
    dumpe2fs "$1" 2> /dev/null | awk '
        /^First block:/ { next_used = $3 }
        /^Block count:/ { end = $3 }
        /^Block size:/ { block = $3; ratio = 1 }
        /^Cluster size:/ { ratio = $3 / block }
        /^  Free blocks: [0-9]/ {
            sub(/^  Free blocks: /, "")
            n = split($0, ranges, ", ")
            for (i = 1; i <= n; i++) {
                m = split(ranges[i], range, "-")
                if (range[1] > next_used)
                    print next_used, range[1] - 1
                next_used = range[m] + ratio
            }
        }
        END { if (end > next_used) print next_used, end - 1 }'
}

# be_busy WHAT: old files that are all on the disk, and then changes that are only in the journal.
be_busy ()
{
    local i
    [ "$1" != idle ] || return 0
    mkdir mnt/old mnt/many
    for ((i = 0; i < 20; i++)); do
        dd if=noise of="mnt/old/$i" bs=1k skip=$((i * 50)) count=$((i * 29 % 200 + 1)) status=none
    done
    for ((i = 0; i < 300; i++)); do
        mkdir "mnt/many/$i"
    done
    sync
    [ "$1" != quiet ] || return 0
    rm -r mnt/many # revokes
    # What looks like a block of the journal is escaped there, with data=journal.
    for ((i = 0; i < 20; i++)); do
        printf '\xc0\x3b\x39\x98' | dd bs=1 seek=$((i * 1024)) conv=notrunc status=none of=mnt/magic
    done
    rm mnt/old/1?
    if [ "$1" = orphan ] || [ "$1" = frozen ]; then
        exec 9> mnt/orphan
        for ((i = 0; i < 1000; i++)); do
            dd if=noise bs=1k count=1 oflag=seek_bytes seek=$((i * 16384)) conv=notrunc \
                of=mnt/orphan status=none
        done
        sync
        rm mnt/orphan
    fi
    for ((i = 0; i < 20; i++)); do
        dd if=noise of="mnt/new-$i" bs=1k skip=$((i * 60)) count=$((i * 37 % 300 + 1)) \
            conv=fsync status=none
    done
}

# cut NAME MKE2FS-OPTIONS MOUNT-OPTIONS WHAT MIB: a disk "before", as at a power cut.
cut_power ()
{
    local options=loop${3:+,$3} i
    rm -f disk before
    truncate -s "$5M" disk
    # shellcheck disable=SC2086 # options
    mke2fs -q -F $2 disk
    # A journal that wraps more than once, and starts anew.
    mount -o "$options" disk mnt
    mkdir mnt/gone
    for ((i = 0; i < 120; i++)); do
        dd if=noise of="mnt/gone/$i" bs=1k count=40 conv=fsync status=none
    done
    rm -r mnt/gone
    umount mnt

    mount -o "$options" disk mnt
    be_busy "$4"
    [ "$4" != frozen ] || fsfreeze -f mnt # as a snapshot of LVM does: orphans, but no log
    cp --sparse=always disk before
    [ "$4" != frozen ] || fsfreeze -u mnt
    exec 9>&-
    umount mnt
}

# Both replays write the same; but debugfs says in the superblock that it did.
check_bytes ()
{
    local size=$1
    seq -f 'bmap <8> %.0f' 0 "$(($(stat -c %s before) / size / 4))" |
        debugfs -f - before 2> /dev/null | grep -E '^[0-9]+$' | grep -vx 0 |
        "$EXT_TOOL" compare before after "$size" > compared
    [ "$(sed -e 1d -e "/^$((1024 / size))$/d" compared | wc -l)" -eq 0 ] ||
        fail "other blocks than those of debugfs: $(tr '\n' ' ' < compared)"
    head -n 1 compared
}

check ()
{
    local how stale size
    how=$("$PROGRAM" inspect --json before | jq -r '.disks[-1].map.volumes[0].how')
    case $1 in
    *-frozen)
        [ "$how" = "ext4, clean" ] || fail "$1: $how"
        dumpe2fs -h before 2> /dev/null | grep "^First orphan inode:" > /dev/null ||
            fail "$1: no orphan"
        ;;
    *)
        [[ $how == "ext"[34]", journal replayed" ]] || fail "$1: $how"
        ;;
    esac
    cp --sparse=always before after
    debugfs -w -R jr after > debugfs.log 2>&1 || fail "$1: $(cat debugfs.log)"
    in_use before > used-before
    in_use after > used-after
    [ -s used-before ] || fail "$1: dumpe2fs says nothing"
    "$MAP_TOOL" list before > map

    size=$(dumpe2fs -h after 2> /dev/null | awk '/^Block size:/ { print $3 }')
    check_bytes "$size"

    stale=$(awk -v size="$size" -v name="$1" '
        FILENAME == "map" {
            for (i = int($1 / size); i < ($1 + $2) / size; i++)
                map[i] = 1
            next
        }
        {
            for (i = $1; i <= $2; i++)
                FILENAME == "used-before" ? before[i] = 1 : after[i] = 1
        }
        END {
            for (i in before)
                if (!(i in map)) lost_before++
            for (i in after) {
                if (!(i in map)) lost_after++
                if (!(i in before)) stale++
            }
            for (i in map)
                if (!(i in before) && !(i in after)) extra++
            print stale + 0
            printf "%s: %d blocks in use, %d of them not by the disk; in vain %d; lost %d, %d\n",
                name, length(after), stale, extra, lost_before, lost_after > "/dev/stderr"
            # the boot block, the end, and what the replay writes though it is free by then
            exit lost_before + lost_after > 0 || extra > 64 + length(map) / 50
        }' map used-before used-after) || fail "$1: the map is wrong"
    [[ $1 == *-quiet || $1 == *-idle || $1 == *-frozen ]] || [ "$stale" -gt 100 ] || fail "$1: nothing was in the journal"
}

# The kernel has not written checksums of version 2 for long.  A transaction, one that revokes a
# block of it, and one without an end.
write_by_debugfs ()
{
    rm -f before
    truncate -s 32M before
    mke2fs -q -F -t ext4 -b 1024 -J size=1 -O "$2" before
    {
        head -c 1024 noise
        printf '\xc0\x3b\x39\x98'
        head -c 2044 noise
    } > three
    printf '%s\n' "jo $1" 'jw -b 20000,20001,20002 three' 'jw -r 20001' \
        'jw -b 20005 -c three' jc | debugfs -w -f - before > debugfs.log 2>&1
    cp before after
    debugfs -w -R jr after > debugfs.log 2>&1 || fail "$1: $(cat debugfs.log)"
    check_bytes 1024
    [ "$(head -n 1 compared)" = "2 blocks" ] || fail "jo $1, mke2fs $2: $(head -n 1 compared)"
}

# A filesystem that was enlarged while mounted, and whose new size is only in the journal.
cut_grown ()
{
    local block
    rm -f before after blocks
    mke2fs -q -F -t ext4 -b 1024 -J size=4 before 16M
    cp before after
    truncate -s 64M before after
    resize2fs -f after > resize2fs.log 2>&1
    { cmp -l before after || true; } | awk '{ b = int(($1 - 1) / 1024); if (b != last) print b; last = b }' |
        awk '$1 < 16384' > changed
    while read -r block; do
        dd if=after bs=1k skip="$block" count=1 status=none
    done < changed > blocks
    printf '%s\n' jo "jw -b $(paste -s -d , changed) blocks" jc |
        debugfs -w -f - before > debugfs.log 2>&1
    dd if=after of=before bs=1M skip=16 seek=16 conv=notrunc,sparse status=none
    [ "$(dumpe2fs -h before 2> /dev/null | awk '/^Block count:/ { print $3 }')" = 16384 ] ||
        fail "the superblock has the new size"
}

for bits in 64bit ^64bit; do
    write_by_debugfs '' "^metadata_csum,$bits"
    write_by_debugfs '-c -v 2' "metadata_csum,$bits"
    write_by_debugfs '-c -v 3' "metadata_csum,$bits"
done

cut_grown
check grown-quiet

mapfile -t cases < <(grep . <<< "$cases")
drawn=$(draw)
for ((i = 0; i < ${#cases[@]}; i++)); do
    IFS=';' read -r name mke2fs_options mount_options what mib <<< "${cases[i]}"
    case $name in
    ext3-1k | ext4-4k) ;;
    *) [ -n "${WHERRY_TEST_ALL-}" ] || [ $(((drawn + i) % (${#cases[@]} / 2))) -eq 0 ] || continue ;;
    esac
    cut_power "$name" "$mke2fs_options" "${mount_options# }" "$what" "$mib"
    check "$name"
done

# how_beside_hibernated FILE: the map of it, beside a swap that holds a hibernated Linux.
how_beside_hibernated ()
{
    "$PROGRAM" inspect --json "$1" swap | jq -r '.disks[-2].map.volumes[0].how'
}

truncate -s 8M swap
printf S1SUSPEND | dd of=swap bs=1 seek=4086 conv=notrunc status=none
truncate -s 200M btrfs
mkfs.btrfs -q btrfs > mkfs.log 2>&1
for file in before btrfs; do
    [ "$(how_beside_hibernated $file)" = "carried whole: a hibernated Linux may have it mounted" ] ||
        fail "$file: $(how_beside_hibernated $file)"
done
[ "$(how_beside_hibernated probe)" = "ext4, clean" ] || fail "clean: $(how_beside_hibernated probe)"
