#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The map of a huge filesystem fits into the memory that a capture may take, and is still a map: where
# memory runs out, all of the disk would count as used.  That of a large one with many files takes
# less than 64 MiB.

# shellcheck source=tests/scripts/volumes.sh
. "$(dirname "$0")/volumes.sh"

requires mke2fs -V
requires jq --version
requires /usr/bin/time --version
requires test "$(id -u)" -eq 0 # mounts

# 15 TiB: the largest that a sparse file on ext4 can be.  Its bitmaps alone are 480 MiB.
truncate -s 15T disk || { echo "SKIP: no room for a sparse file of 15 TiB"; exit 77; }
mke2fs -q -F -t ext4 -T largefile4 -E lazy_itable_init=1,lazy_journal_init=1,nodiscard disk
(
    ulimit -v 262144 # KiB
    "$PROGRAM" inspect --json disk > facts.json
)
jq -e '.disks[-1].map.volumes[0] | .how == "ext4, clean" and .used < 10000000000' facts.json > /dev/null ||
    fail "the map is $(jq -c '.disks[-1].map' facts.json)"

# 1 TiB: a file of 10 GiB, and what is left of 100,000 files; clean, and after a power cut.
rm disk
truncate -s 1T disk
mke2fs -q -F -t ext4 -E lazy_itable_init=1,lazy_journal_init=1,nodiscard disk
mount_volume disk 0 0 mnt -t ext4
fallocate -l 10G mnt/big
mkdir mnt/small
(cd mnt/small && head -c 100000K /dev/zero | split -a 5 -b 1024 - && find . -name '*[acegikmoqsuwy]' -delete)
unmount mnt
cp --sparse=always disk disk2
mount_volume disk2 0 0 mnt -t ext4
(cd mnt && seq 200000 | split -a 5 -b 1024 - && sync xaaaaa .)
cp --sparse=always disk2 disk3
unmount mnt
for how in 'disk clean' 'disk3 journal replayed'; do
    /usr/bin/time -o kib -f %M "$PROGRAM" inspect --json "${how%% *}" > facts.json
    jq -e --arg how "ext4, ${how#* }" '.disks[-1].map.volumes[0] | .how == $how and .used > 10737418240' \
        facts.json > /dev/null || fail "the map is $(jq -c '.disks[-1].map' facts.json)"
    [ "$(cat kib)" -lt 65536 ] || fail "the map took $(cat kib) KiB"
done
