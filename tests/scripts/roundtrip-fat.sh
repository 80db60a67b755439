#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# FAT12, FAT16, FAT32 and exFAT with random trees in them are captured and converted to raw by
# qemu-img: the raw image holds every file, and the filesystem's own checker is content.  What the map says is in use is what fsck.fat or dump.exfat counts.
#
# mtools fills FAT, for which no kernel is needed; a FUSE filesystem fills exFAT, and is pulled out
# from below for the dirty one.  Each is tried with a history that the commit draws; with
# WHERRY_TEST_ALL=1 with all of them.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
PATH=$PATH:/usr/sbin:/sbin
export MTOOLS_SKIP_CHECK=1

requires mkfs.fat --help
requires mtools --version
requires command -v mkfs.exfat
requires command -v mount.exfat-fuse
requires qemu-img --version
requires openssl version
requires test -c /dev/fuse
requires test "$(id -u)" -eq 0 # for loop devices

histories='fresh tree small fragmented full dirty'
mib=1048576
garbage='deleted long ago, and not to be carried'
loop=

# An open filesystem goes before the directory does.
leave ()
{
    if mountpoint -q "$workdir/mnt"; then umount "$workdir/mnt"; fi
    [ -z "$loop" ] || losetup -d "$loop" 2>/dev/null || true
    rm -rf "$workdir"
}
trap leave EXIT

head -c $((8 * mib)) /dev/zero | openssl enc -aes-128-ctr -pbkdf2 -pass pass:pool -nosalt > pool

# make_file PATH SIZE: its bytes come from a random place of the pool.
make_file ()
{
    local from=$(((RANDOM * 32768 + RANDOM) % (8 * mib - $2)))
    dd if=pool of="$1" bs=64k iflag=skip_bytes,count_bytes skip="$from" count="$2" status=none
}

# random_size: sets $size; most are small, some large, and now and then there is nothing.
random_size ()
{
    case $((RANDOM % 10)) in
    0) size=0 ;;
    1 | 2) size=$((RANDOM % 600)) ;;
    3 | 4 | 5 | 6) size=$((RANDOM % 20000)) ;;
    7 | 8) size=$((RANDOM * 8)) ;;
    9) size=$((RANDOM * 30)) ;;
    esac
}

# --- one set of verbs for both kinds; the tree keeps what the volume should hold ---

format ()
{
    local kind=$1 sector=$2
    case $kind in
    FAT12) truncate -s 28M volume; mkfs.fat -F 12 -s $((8192 / sector)) -S "$sector" volume ;;
    FAT16) truncate -s $((sector * 50000)) volume; mkfs.fat -F 16 -s 1 -S "$sector" volume ;;
    FAT32) truncate -s $((sector * 70000)) volume; mkfs.fat -F 32 -s 1 -S "$sector" volume ;;
    exFAT)
        truncate -s 50M volume
        loop=$(losetup -f --show -b "$sector" volume)
        mkfs.exfat -c "$cluster" "$loop"
        ;;
    esac > /dev/null
}

start ()
{
    [ "$1" != exFAT ] || mount.exfat-fuse "$loop" mnt > /dev/null
}

finish ()
{
    [ "$1" = exFAT ] || return 0
    umount mnt
    losetup -d "$loop"
    loop=
}

# put KIND NAME...: of the tree's top, with all that is in them.
put ()
{
    local kind=$1
    shift
    case $kind in
    exFAT) (cd tree && cp -r "$@" ../mnt/) ;;
    *) (cd tree && mcopy -s -o -i ../volume "$@" ::) ;;
    esac
}

# forget KIND NAME: from the tree and from the volume.
forget ()
{
    rm -r "tree/${2:?}"
    case $1 in
    exFAT) rm -r "mnt/${2:?}" ;;
    *) mdeltree -i volume "::$2" ;;
    esac
}

# --- histories ---

history_fresh () { :; }

history_tree ()
{
    local i dir
    for i in $(seq 120); do
        dir=tree/d$((i % 8))/e$((RANDOM % 3))
        mkdir -p "$dir"
        random_size
        make_file "$dir/a file with a long name, number $i" "$size"
    done
    make_file tree/top 1500000
    put "$1" d0 d1 d2 d3 d4 d5 d6 d7 top
    for i in 1 3 4; do forget "$1" d$i; done
    make_file tree/later 700000
    put "$1" later
}

history_small ()
{
    local i
    mkdir tree/many tree/more
    for i in $(seq 400); do make_file "tree/many/$i" $((RANDOM % 500)); done
    for i in $(seq 200); do make_file "tree/more/$i" $((RANDOM % 5000)); done
    put "$1" many more
    forget "$1" more
}

history_fragmented ()
{
    local i
    for i in $(seq 80); do make_file "tree/$i" $((60000 + RANDOM % 9000)); done
    put "$1" $(seq 80)
    for i in $(seq 1 2 80); do forget "$1" "$i"; done
    for i in large larger; do
        make_file tree/$i 1700000
        put "$1" $i
    done
    forget "$1" 40
}

# Until nothing fits, in ever smaller pieces.
history_full ()
{
    local i=0 piece
    for piece in 5000000 700000 60000 4000 1; do
        for (( ; i < 200; i++)); do
            make_file tree/$i $piece
            put "$1" $i 2> /dev/null && continue
            forget "$1" $i 2> /dev/null || true
            break
        done
    done
    [ "$i" -lt 200 ] || fail "$1 does not get full"
}

history_dirty () { history_tree "$1"; }

# --- what is shown ---

# count_used KIND: how many bytes must be carried, by the tool of the filesystem: its clusters in use,
# all before the first one and all behind the last one.
count_used ()
{
    local size start clusters cluster used total sector
    size=$(stat -c %s volume)
    case $1 in
    exFAT)
        dump.exfat volume > report
        field () { sed -n "s/^$1:[[:space:]]*\([0-9]*\).*/\1/p" report; }
        sector=$((1 << $(field 'Sector Size Bits')))
        start=$(($(field 'Cluster Heap Offset (sector offset)') * sector))
        cluster=$(field 'Cluster size')
        total=$(field 'Total Clusters')
        used=$((total - $(field 'Free Clusters')))
        ;;
    *)
        fsck.fat -n -v volume > report
        start=$(sed -n 's/.*Data area starts at byte \([0-9]*\).*/\1/p' report)
        cluster=$(sed -n 's/^ *\([0-9]*\) bytes per cluster.*/\1/p' report)
        clusters=$(sed -n 's|.* files, \([0-9]*/[0-9]*\) clusters.*|\1|p' report)
        used=${clusters%/*}
        total=${clusters#*/}
        ;;
    esac
    echo $((start + used * cluster + size - start - total * cluster))
}

# check_files KIND VOLUME
check_files ()
{
    rm -rf got
    mkdir got
    case $1 in
    exFAT)
        fsck.exfat -n "$2" > fsck.log 2>&1 || fail "fsck.exfat: $(cat fsck.log)"
        loop=$(losetup -f --show -r "$2")
        mount.exfat-fuse -o ro "$loop" mnt > /dev/null
        cp -r mnt/. got/
        finish exFAT
        ;;
    *)
        fsck.fat -n "$2" > fsck.log 2>&1 || fail "fsck.fat: $(cat fsck.log)"
        [ -z "$(ls tree)" ] || mcopy -s -i "$2" '::*' got/
        ;;
    esac
    diff -r tree got > diff.log || fail "the files of $1 differ: $(head -3 diff.log)"
}

# make_volume KIND SECTOR_SIZE HISTORY
make_volume ()
{
    local at
    rm -rf volume tree mnt
    mkdir tree mnt
    format "$1" "$2"
    start "$1"
    yes "$garbage" 2> /dev/null | head -c 900000 > tree/garbage || true
    put "$1" garbage
    forget "$1" garbage
    "history_$3" "$1"
    if [ "$3" = dirty ] && [ "$1" = exFAT ]; then
        sync -f mnt
        cp --sparse=always volume pulled # as it is, with the filesystem still there
        finish "$1"
        mv pulled volume
        return
    fi
    finish "$1"
    # Without a kernel that mounts FAT: this is what Linux and Windows set while they do.
    if [ "$3" = dirty ]; then
        at=37
        [ "$1" != FAT32 ] || at=65
        printf '\1' | dd of=volume bs=1 conv=notrunc status=none seek=$at
    fi
}

# one KIND SECTOR_SIZE HISTORY
one ()
{
    local kind=$1 before how used want
    echo "$kind, sectors of $2 bytes, $3"
    make_volume "$@"
    rm -rf to raw masked
    mkdir to
    before=$(sha256 volume)
    "$PROGRAM" capture --quiet --to to --name a volume > /dev/null
    [ "$(sha256 volume)" = "$before" ] || fail "$kind: the source was changed"
    how=$(jq -r '.disks[0].volumes[0].how' to/wherry/a/machine.json)
    used=$(jq '.disks[0].used' to/wherry/a/machine.json)
    qemu-img convert -O raw to/wherry/a/disk-0.qcow2 raw
    if [ "$3" = dirty ]; then
        [[ $how = "carried whole: $kind that was not cleanly unmounted"* ]] || fail "$kind: how is '$how'"
        cmp volume raw || fail "$kind, dirty: not all is carried"
        return
    fi
    [ "$how" = "$kind, clean" ] || fail "$kind: how is '$how'"
    want=$(count_used "$kind")
    echo "    $used bytes are carried, $want by the tool of $kind"
    [ "$used" -eq "$want" ] || fail "$kind: $used bytes in use, but $want by its own tool"
    "$MAP_TOOL" mask volume masked
    cmp raw masked || fail "$kind: the image is not what the map names"
    # Later files leave the ends of their clusters as they were.
    [ "$3" != fresh ] || ! grep -qF "$garbage" raw || fail "$kind: what was deleted is in the image"
    check_files "$kind" raw
}

RANDOM=$(draw)
read -ra all <<< "$histories"
for kind in FAT12 FAT16 FAT32 exFAT; do
    for sector in 512 4096; do
        cases=("${all[@]}")
        if [ "${WHERRY_TEST_ALL:-0}" != 1 ]; then cases=("${all[RANDOM % ${#all[@]}]}"); fi
        for history in "${cases[@]}"; do
            cluster=$((4096 << (RANDOM % 4)))
            one $kind $sector "$history"
        done
    done
done
