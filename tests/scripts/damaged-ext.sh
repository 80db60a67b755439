#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Damaged ext filesystems, clean and cut off in the middle of their work: a bit or a byte of their
# metadata is flipped, 200 times.  The map is right or whole, and never a crash: every file that the
# kernel can read on the damaged disk, it reads alike on what a capture carries of it.
#
# The flips are decided by the commit.  SEED=N instead of it.

# shellcheck source=tests/scripts/volumes.sh
. "$(dirname "$0")/volumes.sh"

requires mke2fs -V
requires openssl version
requires test "$(id -u)" -eq 0 # mounts

flips=200
size=$((24 * mib))

# Without checksums a flip may lead the kernel to what is free: there it is zero.
kinds=(
    '-t ext3 -b 1024 -J size=1'
    '-t ext4 -b 1024 -J size=1'
    '-t ext4 -b 4096 -J size=4'
    '-t ext4 -b 1024 -J size=1 -O ^metadata_csum,^64bit,uninit_bg'
)

regions=(head bitmap journal rest)

# make_source NUMBER ARGS: source-N-clean and source-N-cut, and in where-N-* the blocks of their
# metadata, a line each.
make_source ()
{
    local n=$1 i
    rm -f work
    truncate -s $size work
    # shellcheck disable=SC2086 # words
    mke2fs -q -F -N 256 $2 work
    mount_volume work 0 0 mnt
    mkdir mnt/{a,b,c}
    for i in {1..30}; do
        head -c $((i * i * 300)) /dev/zero | openssl enc -aes-128-ctr -pbkdf2 -pass "pass:$i" -nosalt \
            > "mnt/$([ $((i % 2)) -eq 0 ] && echo a || echo b)/$i"
    done
    "$VOLUME_TOOL" scatter mnt/c/scattered 400 1024
    if [[ $2 != *ext3* && $2 != *^metadata_csum* ]]; then
        { yes deleted || true; } 2> /dev/null | head -c $((4 * mib)) > mnt/deleted
        sync -f mnt
        rm mnt/deleted
    fi
    unmount mnt
    cp --sparse=always work "source-$n-clean"
    mount_volume work 0 0 mnt
    for i in {1..12}; do
        seq $((i * 3000)) > "mnt/c/$i"
        sync "mnt/c/$i" mnt/c
    done
    rm mnt/a/4
    sync mnt/a
    cp --sparse=always work "source-$n-cut"
    unmount mnt
    for i in clean cut; do
        find_metadata "source-$n-$i" | sort -u > "where-$n-$i"
        [ "$(wc -l < "where-$n-$i")" -gt 60 ] || fail "no metadata found in source-$n-$i"
    done
}

# find_metadata IMAGE: the numbers of the blocks of structures, after what they are: heads, bitmaps,
# the journal's first 60, and the rest, of which are folders and what maps files.
find_metadata ()
{
    # A bitmap of a disk that was cut off may not match its checksum yet.
    { dumpe2fs "$1" 2> /dev/null || true; } | awk '
        function range(what, text, max,    part) {
            if (split(text, part, "-") == 1) part[2] = part[1]
            for (i = part[1]; i <= part[2] && i < part[1] + max; i++) print what, i
        }
        /superblock at/ { range("head", $4 + 0, 1); range("head", $8, 4) }
        /Block bitmap at/ { range("bitmap", $4 + 0, 1) }
        /Inode bitmap at/ { range("rest", $4 + 0, 1) }
        /Inode table at/ { range("rest", $4, 8) }'
    debugfs -R 'blocks <8>' "$1" 2> /dev/null | tr ' ' '\n' | awk '/./ && n++ < 60 { print "journal", $1 }'
    printf '%s\n' 'blocks /' 'blocks /a' 'blocks /c' | debugfs -f - "$1" 2> /dev/null |
        tr ' ' '\n' | awk '/^[0-9]+$/ { print "rest", $1 }'
    debugfs -R 'stat /c/scattered' "$1" 2> /dev/null |
        sed -nE 's/.*\((ETB0|IND)\):([0-9]+).*/rest \2/p'
}

# what_kernel_reads FILE: sizes and sums of all files in it, or that it cannot be mounted.  FILE is
# changed.
# Never by the option that the disk has: it may have been flipped to panic.
what_kernel_reads ()
{
    if ! mount_volume "$1" 0 0 got -t ext4 -o ro,errors=continue 2> /dev/null; then
        echo "not mounted"
        return
    fi
    # Some have become so large that to read them would take all day.
    (cd got && find . -type f -printf '%p %s\n' 2>/dev/null | sort &&
        find . -type f -size -64M -print0 2>/dev/null | sort -z |
        xargs -0r timeout 60 cksum 2>/dev/null) || true
    unmount got
}

# flip_one N CLEAN_OR_CUT: a new file damaged; sets $what.
flip_one ()
{
    local block_size blocks at mask
    cp --sparse=always "source-$1-$2" damaged
    block_size=${kinds[$1]#*-b }
    block_size=${block_size%% *}
    mapfile -t blocks < <(sed -n "s/^${regions[RANDOM % 4]} //p" "where-$1-$2")
    random ${#blocks[@]}
    at=$((blocks[r] * block_size))
    random "$block_size"
    [ $((RANDOM % 2)) -eq 0 ] || r=$((r % 128)) # where the heads and numbers are
    at=$((at + r))
    mask=$((1 << RANDOM % 8))
    # s_errors: a kernel that is told to panic does.
    if [ $((at & ~1)) -eq $((1024 + 60)) ]; then at=$((1024 + 24)); fi
    "$VOLUME_TOOL" flip damaged $at $mask
    what="source-$1-$2, byte $at ^ $mask"
}

# one N CLEAN_OR_CUT
one ()
{
    local how
    flip_one "$1" "$2"
    G_MESSAGES_DEBUG=wherry-map "$MAP_TOOL" mask damaged carried > log 2>&1 ||
        fail "$what: map-tool ended with $?: $(tail -3 log)"
    how=$(sed -n 's/.* bytes: //p' log | tail -1)
    case $how in
    'carried whole: '*)
        n_whole=$((n_whole + 1))
        cmp damaged carried || fail "$what: $how: not whole"
        return
        ;;
    esac
    n_mapped=$((n_mapped + 1))
    if cmp -s damaged carried; then return; fi # nothing but zeros was left out
    n_shorter=$((n_shorter + 1))
    what_kernel_reads damaged > sums
    what_kernel_reads carried > sums.carried
    diff sums sums.carried > differ || fail "$what: $how: the kernel reads other files: $(head -5 differ)"
}

seed=${SEED:-$(draw)}
RANDOM=$((seed % 32768))
for i in "${!kinds[@]}"; do
    make_source "$i" "${kinds[i]}"
done
n_whole=0 n_mapped=0 n_shorter=0
for ((flip = 0; flip < flips; flip++)); do
    RANDOM=$(((seed + flip * 7) % 32768))
    one $((flip % ${#kinds[@]})) "$([ $((flip / ${#kinds[@]} % 3)) -eq 0 ] && echo clean || echo cut)"
done
echo "$n_whole carried whole, $n_mapped with a map, of which $n_shorter leave out what is not zero"
[ $n_shorter -gt 20 ] || fail "only $n_shorter maps leave something out: no test"
