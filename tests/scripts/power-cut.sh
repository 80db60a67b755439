#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The power fails under a mounted ext filesystem: 20 files were written and synced long ago, 20 more
# were each fsynced just now, a file of 20,000 extents was unlinked while open.  The disk of that
# moment is captured and restored; then the kernel mounts it without a complaint, all 40 files are
# there, and e2fsck is content.  That the bitmap on the disk alone would lose files is shown, too.
#
# The layouts of ext3 and ext4 and a drawn part of the other cases; WHERRY_TEST_ALL=1: all of them.

# shellcheck source=tests/scripts/volumes.sh
. "$(dirname "$0")/volumes.sh"

requires mke2fs -V
requires qemu-img --version
requires openssl version
requires jq --version
requires lvm version
requires test "$(id -u)" -eq 0 # mounts

size=$((256 * mib))
n_scattered=20000

# Each: name | layouts, * for all | arguments of mke2fs | options of mount | what the map says.
# An orphan of many extents is in those that have "+" before the name.
fixed='
ext3             |*|-t ext3 -b 4096 -J size=4                                    |  |ext3, journal replayed
+ext3            |*|-t ext3 -b 4096 -J size=4                                    |  |ext3, journal replayed
ext4             |*|-t ext4 -b 4096 -J size=4                                    |  |ext4, journal replayed
+ext4            |*|-t ext4 -b 4096 -J size=4                                    |  |ext4, journal replayed
ext4-external    |bare|-t ext4 -b 4096 -J device=EXTERNAL                        |  |carried whole: .*journal
ext4-no-journal  |gpt |-t ext4 -b 4096 -O ^has_journal                   |  |carried whole: .*not cleanly unmounted
ext4-errors      |gpt |-t ext4 -b 4096 -J size=4                                 |  |carried whole: .*errors
'
drawn='
ext3-plain       |*|-t ext3 -b 4096                                           |  |ext3, journal replayed
+ext3-1k         |*|-t ext3 -b 1024 -J size=1                            |  |ext3, journal replayed
ext3-data        |*|-t ext3 -b 4096 -J size=4                     |data=journal     |ext3, journal replayed
ext4-plain       |*|-t ext4 -b 4096                                           |  |ext4, journal replayed
+ext4-1k         |*|-t ext4 -b 1024 -J size=1                            |  |ext4, journal replayed
ext4-2k          |*|-t ext4 -b 2048 -J size=8                            |  |ext4, journal replayed
+ext4-data       |*|-t ext4 -b 4096 -J size=32                    |data=journal     |ext4, journal replayed
ext4-writeback   |*|-t ext4 -b 4096 -J size=4                     |data=writeback   |ext4, journal replayed
+ext4-bigalloc   |*|-t ext4 -b 4096 -J size=4 -O bigalloc -C 16384               |  |ext4, journal replayed
+ext4-64bit      |*|-t ext4 -b 4096 -J size=4 -O 64bit                           |  |ext4, journal replayed
+ext4-32bit      |*|-t ext4 -b 4096 -J size=4 -O ^64bit                          |  |ext4, journal replayed
+ext4-no-csum    |*|-t ext4 -b 4096 -J size=4 -O ^metadata_csum,uninit_bg        |  |ext4, journal replayed
ext4-no-csum2    |*|-t ext4 -b 4096 -J size=4 -O ^metadata_csum,^uninit_bg,^64bit|  |ext4, journal replayed
+ext4-csum-seed  |*|-t ext4 -b 4096 -J size=4 -O metadata_csum,metadata_csum_seed|  |ext4, journal replayed
+ext4-orphans    |*|-t ext4 -b 4096 -J size=4 -O orphan_file                     |  |ext4, journal replayed
ext4-async       |*|-t ext4 -b 4096 -J size=4 |journal_async_commit,data=writeback  |ext4, journal replayed
ext4-async-v1    |*|-t ext4 -b 4096 -J size=4 -O ^metadata_csum |journal_async_commit,data=writeback |ext4, journal replayed
ext4-journal-sum |*|-t ext4 -b 4096 -J size=4 -O ^metadata_csum |journal_checksum   |ext4, journal replayed
ext4-meta_bg     |*|-t ext4 -b 4096 -J size=4 -O meta_bg,^resize_inode           |  |ext4, journal replayed
ext4-sparse2     |*|-t ext4 -b 4096 -J size=4 -O sparse_super2                   |  |ext4, journal replayed
ext4-inline      |*|-t ext4 -b 4096 -J size=4 -O inline_data -I 512              |  |ext4, journal replayed
ext4-fast-commit |*|-t ext4 -b 4096 -J size=8 -O fast_commit                     |  |carried whole: .*fast commit
'

noise=$workdir/noise
head -c $((4 * mib)) /dev/zero | openssl enc -aes-128-ctr -pbkdf2 -pass pass:noise -nosalt > "$noise"

# write_files FIRST LAST [CONV]: in two folders, of 1 to 600 KiB.
write_files ()
{
    local i
    mkdir -p mnt/even mnt/odd
    for ((i = $1; i <= $2; i++)); do
        dd if="$noise" of="mnt/$([ $((i % 2)) = 0 ] && echo even || echo odd)/file-$i" bs=1K \
            skip=$((i * 31)) count=$((i * 7919 % 600 + 1)) conv="${3:-notrunc}" status=none
    done
}

# lost_by_disk_bitmap DISK: what the case is worth.  No tool may open the mounted device before the cut:
# that alone writes its bitmaps.  How many files have a block that the bitmap on the disk calls free.
lost_by_disk_bitmap ()
{
    sed 's/.*/testb &/' blocks | debugfs -f - "$1?offset=$offset" 2>/dev/null |
        grep -c 'not in use' || true
}

# wrap_journal: log more blocks than the journal has.
wrap_journal ()
{
    local log logged=0 blocks=$1 round
    log=/proc/fs/jbd2/$(basename "$loop")-8/info
    for ((round = 0; round < 200 && logged <= blocks; round++)); do
        mkdir -p "mnt/churn-$round/"{1..60}
        sync -f mnt
        if [ $((round % 3)) -eq 0 ]; then rm -r "mnt/churn-$round"; fi
        [ -r "$log" ] || continue # there is none, or it is external
        logged=$(awk '/transactions/ { n = $1 } / logged blocks per/ { b = $1 } / blocks per tr/ { if (!b) b = $1 }
            END { print n * b }' "$log")
    done
    [ "$logged" -gt "$blocks" ] || fail "only $logged blocks of $blocks went through the journal"
}

# make_cut LAYOUT MKE2FS_ARGS OPTIONS SCATTER: writes the file cut.img, the sums of its files and the
# blocks of the last 20; sets $in_use, the bytes that the kernel calls in use.
make_cut ()
{
    local layout=$1 args=$2 options=$3 scatter=$4 block_size journal
    # No commit of the kernel's own may fall into the copy, which takes its time.
    local mount=(-t ext4 -o "commit=600,${options:-defaults}")
    [[ $args != *^has_journal* ]] || mount=(-t ext4)
    rm -f disk disk2 cut.img
    lay_out "$layout" $size disk
    if [[ $args = *EXTERNAL* ]]; then
        truncate -s 16M external
        mke2fs -q -F -O journal_dev -b 4096 external
        attach external
        external=$loop
        attach disk "$offset" $size
        # shellcheck disable=SC2086 # words
        mke2fs -q -F -b 4096 ${args/EXTERNAL/$external} "$loop"
        detach "$loop"
        mount=(-t ext4 -o "commit=600,journal_path=$external")
    else
        # shellcheck disable=SC2086 # words
        mke2fs -q -F $args -E offset="$offset",nodiscard disk $((size / 1024))k
    fi
    mount_volume disk "$offset" $size mnt "${mount[@]}"
    write_files 1 20
    sync -f mnt
    unmount mnt
    cp --sparse=always disk disk2
    mount_volume disk2 "$offset" $size mnt "${mount[@]}"
    block_size=$(stat -f -c %S mnt)
    if [ "$scatter" = + ]; then
        "$VOLUME_TOOL" scatter mnt/orphan $n_scattered "$block_size"
        [ "$(filefrag -v mnt/orphan | grep -c '^ *[0-9]*:')" -ge $n_scattered ] ||
            [[ $args = *ext3* ]] || fail "the orphan has not $n_scattered extents"
        exec 9< mnt/orphan
        rm mnt/orphan
        journal=$(dumpe2fs -h "disk?offset=$offset" 2>/dev/null |
            sed -n 's/^Total journal blocks: *//p; s/^Journal length: *//p' | tail -1)
        wrap_journal "$journal"
    fi
    write_files 21 40 fsync
    sync mnt mnt/even mnt/odd
    (cd mnt && sha256sum -- */file-*) > sums
    [ "$(wc -l < sums)" -eq 40 ]
    # The first block of each of the last 20 files, but of those that lie in their inode.
    filefrag -v mnt/*/file-{2[1-9],3?,40} 2>/dev/null | awk '$1 == "0:" && !/inline/ { print $4 + 0 }' > blocks
    in_use=$((size - $(stat -f -c %f mnt) * block_size))
    cp --sparse=always disk2 cut.img
    exec 9<&-
    unmount mnt
}

# check_mount DISK WHAT [OPTION...]: the kernel mounts the volume in DISK, which is changed.
check_mount ()
{
    local disk=$1 what=$2 dev complaints
    shift 2
    mark_kernel_log
    mount_volume "$disk" "$offset" $size restored -t ext4 "$@" || fail "$what: does not mount"
    dev=$(basename "${loop_of[restored]}")
    (cd restored && sha256sum -c --quiet "$workdir/sums") || fail "$what: not all 40 files"
    if [ -r "/sys/fs/ext4/$dev/errors_count" ]; then
        [ "$(cat "/sys/fs/ext4/$dev/errors_count")" = 0 ] || fail "$what: the kernel counts errors"
    fi
    unmount restored
    complaints=$(kernel_complaints "$dev")
    [ -z "$complaints" ] || fail "$what: the kernel says: $complaints"
    [ -n "$external" ] || e2fsck -fn "$disk?offset=$offset" > fsck.log 2>&1 ||
        fail "$what: $(cat fsck.log)"
}

# check_tight SCATTER: what was carried is not much more than what is in use.
check_tight ()
{
    local used clusters
    used=$(jq '.disks[0].used' "$bundle/machine.json")
    clusters=$(qemu-img check --output=json "$bundle/disk-0.qcow2" | jq '."allocated-clusters"')
    echo "    in use $in_use, map $used, image $((clusters * 65536))"
    [ $((used * 2)) -lt $((in_use * 3)) ] || fail "$used bytes in the map, $in_use in use"
    # Between the extents of the orphan lie as many free blocks, and a cluster has 16.
    [ -n "$1" ] || [ $((clusters * 65536 * 2)) -lt $((in_use * 3)) ] ||
        fail "$clusters clusters in the image, $in_use bytes in use"
}

# one NAME LAYOUT MKE2FS_ARGS OPTIONS HOW
one ()
{
    local name=$1 layout=$2 args=$3 options=$4 want=$5 scatter='' how before lost try
    case $name in +*) scatter=+ name=${name#+} ;; esac
    echo "$name${scatter:+ with an orphan}, $layout"
    external=
    # Where the journal was just full, the bitmaps were written in between: cut once more.
    for try in 1 2 3 4 5; do
        make_cut "$layout" "$args" "$options" "$scatter"
        lost=$(lost_by_disk_bitmap cut.img)
        [ "$lost" -lt 10 ] || break
        echo "    $lost files lost by the bitmap on the disk: attempt $try"
    done
    if [ "$name" = ext4-errors ]; then
        debugfs -w -R 'ssv state 2' "cut.img?offset=$offset" > /dev/null 2>&1
    fi
    before=$(sha256sum < cut.img)

    rm -rf to raw
    mkdir to
    bundle=to/wherry/$name
    "$PROGRAM" capture --quiet --to to --name "$name" cut.img > out
    [ "$(sha256sum < cut.img)" = "$before" ] || fail "$name: the source was changed"
    how=$(jq -r '[.. | objects | .how? // empty] | join("; ")' "$bundle/machine.json")
    echo "    $lost files lost by the bitmap on the disk; $how"
    grep -qE "(^|; )$want" <<< "$how" || fail "$name: how is '$how'"
    qemu-img convert -O raw "$bundle/disk-0.qcow2" raw
    case $want in
    carried*) cmp cut.img raw || fail "$name: not whole" ;;
    *)
        [ "$lost" -ge 10 ] || fail "$name: the bitmap on the disk knows the files: no test"
        check_tight "$scatter"
        ;;
    esac
    case $name in
    ext4-errors) return ;; # the kernel would say so
    ext4-external) set -- -o "journal_path=$external" ;; # the journal as it is now: clean
    ext4-no-journal) set -- ;;
    *)
        set -- ${options:+-o "$options"}
        check_mount cut.img "the source" "$@" # or the test would prove nothing
        ;;
    esac
    [ "$name" = ext4-no-journal ] || [ -n "$external" ] || check_mount raw "$name" "$@"
    if [ -n "$external" ]; then detach "$external"; fi
}

# run_cases CASES LAYOUTS...: a case with * in each of the layouts.
run_cases ()
{
    local name where args options how layout
    while IFS='|' read -r name where args options how; do
        [ -n "$name" ] || continue
        for layout in $(case ${where// /} in '*') echo "${@:2}" ;; *) echo "$where" ;; esac); do
            one "${name// /}" "$layout" "$args" "${options// /}" "$how"
        done
    done <<< "$1"
}

run_cases "$fixed" bare gpt lvm
if [ "${WHERRY_TEST_ALL:-0}" = 1 ]; then
    run_cases "$drawn" bare gpt lvm
else
    n=$(draw)
    mapfile -t lines < <(grep '|' <<< "$drawn")
    layouts=(bare gpt lvm)
    for ((i = 0; i < 4; i++)); do
        run_cases "${lines[(n + i * 6) % ${#lines[@]}]}" "${layouts[(n + i) % 3]}"
    done
fi
