#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A disk's node has a page cache of its own, which knows nothing of what was written through that of
# a partition while somebody held it open: the capture reads what is on the disk.  A second loop
# device over the same file stands in for the partition, which not every kernel has of one.

own_mounts=1
# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
PATH=$PATH:/usr/sbin:/sbin

requires qemu-img --version
requires sfdisk --version
requires mke2fs -V
requires openssl version
requires test "$(id -u)" -eq 0 # for loop devices and mounts

loop=""
part=""
clean_up ()
{
    umount -q "$workdir/mnt" || true
    exec 9<&-
    [ -z "$part" ] || losetup --detach "$part"
    [ -z "$loop" ] || losetup --detach "$loop"
    rm -rf "$workdir"
}
trap clean_up EXIT
exec 9< /dev/null

mkdir mnt to
truncate -s 200M backing
echo start=1MiB | sfdisk -q --label gpt backing
truncate -s 198M part
mke2fs -q -F -t ext4 part
dd if=part of=backing bs=1M seek=1 conv=notrunc,sparse status=none
loop=$(losetup --find --show --read-only backing)

# All of it is in the cache of the disk's node, and stays there while that is open.
exec 9< "$loop"
cat <&9 > /dev/null
part=$(losetup --find --show --offset $((1 << 20)) --sizelimit $((198 << 20)) backing)
mount "$part" mnt
head -c 30M /dev/zero | openssl enc -aes-128-ctr -nosalt -pbkdf2 -iter 1 -pass pass:stale > mnt/file
umount mnt
losetup --detach "$part"
part=""
! cmp -s "$loop" backing || fail "the cache is not stale: no test"

"$PROGRAM" capture --quiet --to to --name stale "$loop" > out 2>&1 || fail "$(cat out)"
"$MAP_TOOL" mask backing masked
qemu-img compare -q -f raw -F qcow2 masked to/wherry/stale/disk-0.qcow2 ||
    fail "what was read is not what is on the disk"
