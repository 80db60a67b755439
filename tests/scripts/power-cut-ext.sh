#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The power fails under a mounted ext filesystem, see power-cuts.sh.  That the bitmap on the disk alone
# would lose files is shown, too.
#
# Ext3 and ext4 in all layouts, an orphan in one, and a drawn part of the other cases;
# WHERRY_TEST_ALL=1: all of them.

# shellcheck source=tests/scripts/power-cuts.sh
. "$(dirname "$0")/power-cuts.sh"

requires mke2fs -V

size=$((256 * mib))
external= # a device with the journal

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

make_fs ()
{
    if [[ $1 = *EXTERNAL* ]]; then
        truncate -s 16M external
        mke2fs -q -F -O journal_dev -b 4096 external
        attach external
        external=$loop
        attach disk "$offset" $size
        # shellcheck disable=SC2086 # words
        mke2fs -q -F -b 4096 ${1/EXTERNAL/$external} "$loop"
        detach "$loop"
    else
        # shellcheck disable=SC2086 # words
        mke2fs -q -F $1 -E offset="$offset",nodiscard disk $((size / 1024))k
    fi
}

set_mount ()
{
    mount=(-t ext4 -o "commit=600,${2:-defaults}")
    case $1 in
    *^has_journal*) mount=(-t ext4) ;;
    *EXTERNAL*) mount=(-t ext4 -o "commit=600,journal_path=$external") ;;
    esac
}

# wrap_log: log more blocks than the journal has.
wrap_log ()
{
    local log logged=0 blocks round
    blocks=$(dumpe2fs -h "disk?offset=$offset" 2>/dev/null |
        sed -n 's/^Total journal blocks: *//p; s/^Journal length: *//p' | tail -1)
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

# The first block of each of the last 20 files, but of those that lie in their inode.
note_files ()
{
    filefrag -v mnt/*/file-{2[1-9],3?,40} 2>/dev/null | awk '$1 == "0:" && !/inline/ { print $4 + 0 }' > blocks
}

count_in_use ()
{
    echo $((size - $(stat -f -c %f mnt) * $(stat -f -c %S mnt)))
}

# No tool may open the mounted device before the cut: that alone writes its bitmaps.  How many files
# have a block that the bitmap on the disk calls free.
count_lost ()
{
    sed 's/.*/testb &/' blocks | debugfs -f - "$1?offset=$offset" 2>/dev/null |
        grep -c 'not in use' || true
}

spoil_cut ()
{
    [ "$1" != ext4-errors ] ||
        debugfs -w -R 'ssv state 2' "cut.img?offset=$offset" > /dev/null 2>&1
}

# The kernel would say that there are errors; the external journal is clean by now.
can_mount ()
{
    case $1 in ext4-errors | ext4-external | ext4-no-journal) return 1 ;; esac
}

check_mounted ()
{
    local count
    count=/sys/fs/ext4/$(basename "${loop_of[restored]}")/errors_count
    [ ! -r "$count" ] || [ "$(cat "$count")" = 0 ] || fail "$1: the kernel counts errors"
}

check_fs ()
{
    e2fsck -fn "$1?offset=$offset" > fsck.log 2>&1 || fail "$2: $(cat fsck.log)"
}

end_case ()
{
    [ -z "$external" ] || detach "$external"
    external=
}

run_table "$fixed" "$drawn" 2
