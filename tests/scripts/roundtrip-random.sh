#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Random disks through capture, and back by QEMU: random runs of zeros, holes, noise, text and
# duplicates, of odd sizes, with sectors of 512 and of 4096 bytes, compressed and not, equal clusters
# stored once and not; what is not compressed is read by 7zz, too.  The seed is printed; WHERRY_CHAOS_SEED takes it.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
PATH=$PATH:/usr/sbin:/sbin

requires qemu-img --version
requires openssl version
requires 7zz i
requires test "$(id -u)" -eq 0 # for loop devices, which have sectors of 4096 bytes

rounds=6
[ "${WHERRY_TEST_ALL-}" != 1 ] || rounds=100
seed=${WHERRY_CHAOS_SEED-$(draw)}
echo "seed $seed"
RANDOM=$seed
loop=""
trap '[ -z "$loop" ] || losetup --detach "$loop"; rm -rf "$workdir"' EXIT

# noise BYTES KEY
noise ()
{
    head -c "$1" /dev/zero | openssl enc -aes-128-ctr -nosalt -pbkdf2 -iter 1 -pass "pass:$2"
}

# make_disk SECTOR: the file "disk", an odd number of sectors, and now and then a part of one.
# shellcheck disable=SC2094 # it grows, and is not read
make_disk ()
{
    local i n size
    : > disk
    noise 300000 "again $seed" > again
    for ((i = 0; i < 60; i++)); do
        n=$(((RANDOM * 32768 + RANDOM) % 900000 + 1))
        case $((RANDOM % 6)) in
        0) head -c "$n" /dev/zero ;;
        1) noise "$n" "$seed $round $i" ;;
        2) truncate -s "+$n" disk ;;
        3) noise $((n / 2 + 1)) "$seed $round $i" | base64 -w 76 ;;
        4) head -c $((RANDOM % 300000 + 1)) again ;;
        5) # whole clusters that are the same, at their places
            truncate -s $((($(stat -c %s disk) + 65535) / 65536 * 65536)) disk
            head -c 131072 again ;;
        esac >> disk
    done
    size=$(stat -c %s disk)
    size=$(((size / $1 | 1) * $1))
    [ "$1" != 512 ] || [ $((RANDOM % 2)) -eq 0 ] || size=$((size + RANDOM % 511 + 1))
    truncate -s $size disk
}

# one SECTOR COMPRESS OPTION
one ()
{
    local source=disk bundle=to/wherry/random image=to/wherry/random/disk-0.qcow2
    echo "round $round: sectors of $1, $2 $3"
    rm -rf to raw
    mkdir to
    if [ "$1" = 4096 ]; then
        loop=$(losetup --find --show --read-only --sector-size 4096 disk)
        source=$loop
    fi
    "$PROGRAM" capture --quiet --compress "$2" "$3" --to to --name random "$source" > out || fail "$(cat out)"
    if [ -n "$loop" ]; then
        losetup --detach "$loop"
        loop=""
    fi
    "$PROGRAM" verify --quiet "$bundle" > /dev/null
    qemu-img check -q "$image"
    qemu-img convert -f qcow2 -O raw "$image" raw
    truncate -s $((($(stat -c %s disk) + 511) / 512 * 512)) disk
    cmp disk raw || fail "round $round: another disk"
    if [ "$2" = none ]; then
        7zz x -so "$image" > raw 2> 7zz.log || fail "7zz: $(cat 7zz.log)"
        cmp disk raw || fail "round $round: another disk, says 7zz"
    fi
}

dedupe=(--dedupe --no-dedupe)
for ((round = 1; round <= rounds; round++)); do
    sector=$((round % 2 ? 512 : 4096))
    make_disk $sector
    cp --sparse=always disk kept
    for compress in zstd none zstd:19; do
        [ $compress != zstd:19 ] || [ $((round % 6)) -eq 0 ] || continue
        cp --sparse=always kept disk
        one $sector $compress "${dedupe[round / 2 % 2]}"
    done
done
