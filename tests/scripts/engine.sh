#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# How a disk is read: by io_uring, or by threads where the kernel refuses that, with the same
# result; and what is not in use is not read, whatever the size of the disk.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
PATH=$PATH:/usr/sbin:/sbin

requires mke2fs -V
requires qemu-img --version
requires openssl version
requires strace -V
requires sfdisk --version

case $(ldd "$PROGRAM") in *libasan*) echo "SKIP: strace and the sanitizer's leak check exclude each other"; exit 77 ;; esac

mkdir files to
head -c 60M /dev/zero | openssl enc -aes-128-ctr -pbkdf2 -pass pass:x -nosalt > files/noise
seq 6000000 > files/text
truncate -s 1G volume
mke2fs -q -F -t ext4 -d files volume

# make_disk NAME SIZE: the same volume on a disk of that size.
make_disk ()
{
    truncate -s "$2" "$1"
    echo 'label: gpt
        start=1MiB, size=1GiB' | sfdisk -q "$1"
    dd if=volume of="$1" bs=1M seek=1 conv=notrunc,sparse status=none
}

make_disk small 2G
make_disk large 15T || { echo "SKIP: no room for a sparse file of 15 TiB"; exit 77; }

# capture NAME DISK [BEFORE...]: by a program that runs it.
capture ()
{
    local name=$1 disk=$2
    shift 2
    rm -rf "to/wherry/$name"
    "$@" "$PROGRAM" capture --quiet --to to --name "$name" "$disk" > out 2> err || fail "$name: $(cat err)"
}

# calls FILE CALL: how many are in what strace counted.
calls ()
{
    awk -v call="$2" '$NF == call { n = $4 } END { print n + 0 }' "$1"
}

# The same disk either way.
G_MESSAGES_DEBUG=wherry-capture capture ring small
if grep -F 'read by threads' err; then fail "io_uring is refused here, so nothing is shown"; fi
G_MESSAGES_DEBUG=wherry-capture capture refused small "$REFUSE"
grep -qF 'read by threads: Operation not permitted' err || fail "not by threads: $(cat err)"
qemu-img compare -q to/wherry/ring/disk-0.qcow2 to/wherry/refused/disk-0.qcow2 || fail "another disk"
"$PROGRAM" verify --quiet to/wherry/refused > out || fail "$(cat out)"

# The number of reads, where strace can count them: 256 KiB each of what is in use and no hole.
for disk in small large; do
    capture "counted-$disk" "$disk" strace -f -c -o "calls-$disk" -e trace=pread64 "$REFUSE"
    used=$(jq '.disks[0].used' "to/wherry/counted-$disk/machine.json")
    reads=$(calls "calls-$disk" pread64)
    echo "$disk: $used bytes in use, $reads reads"
    [ "$reads" -lt $((used * 6 / 5 / 262144 + 200)) ] || fail "$disk: $reads reads"
    echo "$reads" > "reads-$disk"
done
[ "$(cat reads-large)" -le $(($(cat reads-small) * 6 / 5)) ] || fail "more reads on a large disk"

# A hole that is in use is not read, and all zero.
truncate -s 4G hollow
printf x | dd of=hollow bs=1 seek=3000000000 conv=notrunc status=none
capture hollow hollow strace -f -c -o calls-hollow -e trace=pread64 "$REFUSE"
[ "$(calls calls-hollow pread64)" -lt 500 ] || fail "$(calls calls-hollow pread64) reads of a hole"
qemu-img compare -q -f raw -F qcow2 hollow to/wherry/hollow/disk-0.qcow2 || fail "the hole is another"
"$PROGRAM" verify --quiet to/wherry/hollow > out || fail "$(cat out)"
