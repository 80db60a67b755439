#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Random disks into images and back.  The oracle is QEMU: its check finds nothing, its view of the
# disk is the source, also after a guest has written, and what it makes is read here.
# WHERRY_TEST_ALL=1: images of several GiB as well.  SEED=N: that disk again.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"

requires qemu-img --version
requires qemu-io --version
requires openssl version

# noise BYTES KEY: bytes that look random, the same for the same key.
noise ()
{
    head -c "$1" /dev/zero | openssl enc -aes-128-ctr -nosalt -pbkdf2 -iter 1 -pass "pass:$2"
}

# make_disk SEED PIECES MAX [KINDS]: disk.raw, of pieces of up to MAX bytes, each one of zeros,
# noise, a hole or what compresses; an odd number of sectors.
make_disk ()
{
    local i n size kinds=${4:-01234}
    RANDOM=$1
    : > disk.raw
    for ((i = 0; i < $2; i++)); do
        n=$(((RANDOM * 32768 + RANDOM) % $3 + 1))
        case ${kinds:RANDOM % ${#kinds}:1} in
        0) head -c "$n" /dev/zero >> disk.raw ;;
        1) noise "$n" "$1 $i" >> disk.raw ;;
        2) truncate -s "+$n" disk.raw ;;
        3) noise $((n / 2 + 1)) "$1 $i" | base64 -w 76 >> disk.raw ;;
        4) # clusters that compress to all sizes, between some that do not
            noise $((n / 3 + 1)) "$1 $i" | od -An -v -tx1 -w$((RANDOM % 60 + 1)) | cut -c 1-70 >> disk.raw ;;
        esac
    done
    size=$(stat -c %s disk.raw)
    truncate -s $(((size / 512 | 1) * 512)) disk.raw
}

# same_disk IMAGE: IMAGE holds disk.raw, says QEMU, and so do we.
same_disk ()
{
    qemu-img check "$1" > check.out || fail "qemu-img check: $(cat check.out)"
    qemu-img convert -f qcow2 -O raw "$1" back.raw
    cmp disk.raw back.raw
    "$IMAGE_TOOL" check "$1"
    "$IMAGE_TOOL" read "$1" back.raw
    cmp disk.raw back.raw
    rm back.raw
}

# sums_match IMAGE LEAVES: LEAVES are the digests of IMAGE by 4 MiB.
sums_match ()
{
    # shellcheck disable=SC2016 # split sets nothing, its shell reads the leaf
    split -b 4M --filter='sha256sum' "$1" | cut -c1-64 | diff -u - "$2"
}

# guest_writes IMAGE: the same random writes into IMAGE and disk.raw.
guest_writes ()
{
    local size i at n
    size=$(stat -c %s disk.raw)
    for ((i = 0; i < 40; i++)); do
        n=$((RANDOM % 300000 / 512 * 512 + 512))
        at=$(((RANDOM * 32768 + RANDOM) * 512 % size))
        [ $((at + n)) -le "$size" ] || continue
        echo "write -P $((i + 1)) $at $n"
    done > commands
    qemu-io -f qcow2 "$1" < commands > /dev/null
    qemu-io -f raw disk.raw < commands > /dev/null
}

# round_trip KIND: all of it with disk.raw.
round_trip ()
{
    "$IMAGE_TOOL" write disk.raw disk.qcow2 "$1" > leaves
    sums_match disk.qcow2 leaves
    same_disk disk.qcow2
    cp --sparse=always disk.raw original.raw
    guest_writes disk.qcow2
    same_disk disk.qcow2
    mv original.raw disk.raw
}

# A short disk of each shape, and larger ones.
for sectors in 1 127 128 129 1048577; do
    truncate -s 0 disk.raw
    truncate -s $((sectors * 512)) disk.raw
    noise 512 "$sectors" | dd of=disk.raw bs=512 seek=$((sectors - 1)) conv=notrunc status=none
    for kind in zstd none; do
        "$IMAGE_TOOL" write disk.raw disk.qcow2 "$kind" > leaves
        sums_match disk.qcow2 leaves
        same_disk disk.qcow2
    done
done
truncate -s 0 disk.raw
truncate -s 1G disk.raw # nothing on it
"$IMAGE_TOOL" write disk.raw disk.qcow2 zstd > leaves
same_disk disk.qcow2

base=${SEED:-$(date +%s)}
for ((round = 0; round < 3; round++)); do
    seed=$(((base + round) % 32768))
    echo "SEED=$seed"
    case $round in
    0) make_disk "$seed" 400 100000 ;;
    1) make_disk "$seed" 60 3000000 ;;
    2) make_disk "$seed" 1500 140000 ;;
    esac
    round_trip zstd
    round_trip none

    # What QEMU compressed, and what it wrote to later.
    qemu-img convert -c -f raw -O qcow2 -o compression_type=zstd disk.raw foreign.qcow2
    same_disk foreign.qcow2
    guest_writes foreign.qcow2
    same_disk foreign.qcow2
done
qemu-img create -q -f qcow2 -o compression_type=zstd foreign.qcow2 1G
"$IMAGE_TOOL" check foreign.qcow2
qemu-img create -q -f qcow2 -o compression_type=zstd,preallocation=metadata foreign.qcow2 64M
qemu-io -f qcow2 -c 'write -z 0 1M' -c 'write -P 7 1M 64k' foreign.qcow2 > /dev/null
"$IMAGE_TOOL" check foreign.qcow2

# A large disk with little on it.  Neither disk is read as a whole: both are full of holes.
rm -f disk.raw foreign.qcow2
truncate -s 15T disk.raw
for at in 0 536870911 1099511627776 8796093022208 $(((15 << 40) - 67546)); do
    noise 50000 "$at" | base64 -w 76 | # 67546 bytes
        dd of=disk.raw bs=4M oflag=seek_bytes seek="$at" conv=notrunc status=none
done
truncate -s 15T disk.raw
"$IMAGE_TOOL" write disk.raw disk.qcow2 zstd > leaves
sums_match disk.qcow2 leaves
qemu-img check disk.qcow2 > check.out || fail "qemu-img check: $(cat check.out)"
"$IMAGE_TOOL" check disk.qcow2
"$IMAGE_TOOL" read disk.qcow2 back.raw
for other in disk.raw back.raw; do
    qemu-img compare -f qcow2 -F raw disk.qcow2 "$other" > compare.out || fail "$(cat compare.out)"
done
rm disk.raw back.raw disk.qcow2

# The seeds of the fuzzer: were they refused, it would only ever test refusals.
for seed in "$SOURCE_ROOT"/tests/fuzz/corpus/image-reader/valid-*; do
    "$IMAGE_TOOL" check "$seed"
    "$IMAGE_TOOL" read "$seed" back.raw
done

# Files of more than one refcount block: 3 GiB and more.
[ "${WHERRY_TEST_ALL:-0}" = 1 ] || exit 0
echo "large, SEED=11"
make_disk 11 2400 3600000 111234
for kind in none zstd; do
    "$IMAGE_TOOL" write disk.raw disk.qcow2 "$kind" > leaves
    [ "$(stat -c %s disk.qcow2)" -gt $((2 << 30)) ] || fail "too small for the test"
    sums_match disk.qcow2 leaves
    same_disk disk.qcow2
done
guest_writes disk.qcow2
same_disk disk.qcow2
