#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A capture takes at most 256 MiB, however large the disk is and however its bytes in use are
# scattered, and as long as those bytes ask for.

own_mounts=1
# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
PATH=$PATH:/usr/sbin:/sbin

requires mke2fs -V
requires openssl version
requires python3 --version
requires test -x /usr/bin/time
requires test "$(id -u)" -eq 0 # for mounts

limit=$((256 * 1024)) # KiB
case $(ldd "$PROGRAM") in *libasan*) echo "SKIP: the sanitizer's memory is not ours"; exit 77 ;; esac
trap 'umount -q "$workdir/mounted" || true; rm -rf "$workdir"' EXIT
mkdir mounted to

# measure NAME DISK: capture it; in $peak, KiB.
measure ()
{
    /usr/bin/time -f %M -o peak "$PROGRAM" capture --quiet --to to --name "$1" "$2" > out 2> err ||
        fail "$1: $(cat err)"
    peak=$(tail -n 1 peak)
    echo "$1: at most $peak KiB; $(tail -n 1 out)"
    [ "$peak" -lt $limit ] || fail "$1: $peak KiB"
    rm -r "to/wherry/$1"
}

# fill DISK: 5 GiB in use, of which 300 MiB are not zero.
fill ()
{
    mount -o loop "$1" mounted
    fallocate -l 4800M mounted/zero
    head -c 200M /dev/zero | openssl enc -aes-128-ctr -pbkdf2 -pass pass:x -nosalt > mounted/noise
    seq 12500000 > mounted/text
    umount mounted
}

# The largest that a sparse file on ext4 can be.
truncate -s 15T disk || { echo "SKIP: no room for a sparse file of 15 TiB"; exit 77; }
mke2fs -q -F -t ext4 -T largefile4 -E lazy_itable_init=1,lazy_journal_init=1,nodiscard disk
fill disk
measure large disk
rm disk

# Every second block of 4 KiB: the bits of all bitmaps are set in alternation, and the counts of free
# blocks in group descriptors and superblock are made to fit.
truncate -s 6G disk
mke2fs -q -F -t ext4 -b 4096 -O ^64bit,^metadata_csum,^uninit_bg,^flex_bg,^resize_inode -N 8192 \
    -E lazy_itable_init=1,lazy_journal_init=1,nodiscard disk
dumpe2fs disk 2> /dev/null | sed -n 's/.*Block bitmap at \([0-9]*\).*/\1/p' > bitmaps
python3 - << 'END'
import struct

def put(disk, offset, data):
    disk.seek(offset)
    disk.write(data)

with open("disk", "r+b") as disk:
    all_free = 0
    for group, line in enumerate(open("bitmaps")):
        disk.seek(int(line) * 4096)
        bits = bytes(b | 0x55 for b in disk.read(4096))
        put(disk, int(line) * 4096, bits)
        free = sum(8 - bin(b).count("1") for b in bits)
        put(disk, 4096 + group * 32 + 12, struct.pack("<H", free))
        all_free += free
    put(disk, 1024 + 12, struct.pack("<I", all_free))
END
"$PROGRAM" inspect --json disk > facts.json
python3 - << 'END' || fail "the map is no alternation: $(grep -m 3 -e how -e used facts.json)"
import json, sys
map = json.load(open("facts.json"))["disks"][-1]["map"]
sys.exit(not 3 << 30 <= map["used"] < 4 << 30)
END
measure alternating disk
