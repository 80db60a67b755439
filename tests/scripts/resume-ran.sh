#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Between an interruption and --resume the source was in use: one of its filesystems was mounted for
# writing and unmounted, with or without a change, or was repaired, or had a file overwritten at its
# place.  All of that is refused, wherever the filesystem lies; a source that was only read is not.
# Below a snapshot: tests/vm/cases-xfs.

own_mounts=1 in_memory=1
# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
PATH=$PATH:/usr/sbin:/sbin

requires qemu-img --version
requires sfdisk --version
requires mke2fs -V
requires mkfs.xfs -V
requires mkfs.btrfs --version
requires mkfs.vfat --help
requires mcopy --version
requires openssl version
requires test "$(id -u)" -eq 0 # for mounts

trap 'umount -q "$workdir/mnt" || true; rm -rf "$workdir"' EXIT
export WHERRY_CHECKPOINT_BYTES=4194304
mkdir mnt to

# noise MIB KEY
noise ()
{
    head -c "$1M" /dev/zero | openssl enc -aes-128-ctr -nosalt -pbkdf2 -iter 1 -pass "pass:$2"
}

# Where each lies on the disk, and its size, in MiB.
declare -A at=([fat]=1 [ext4]=70 [xfs]=200 [btrfs]=600) mib=([fat]=64 [ext4]=128 [xfs]=384 [btrfs]=300)

# take FS, put FS: out of the disk as ./part, a new file each time, and back.
take ()
{
    rm -f part
    dd if=disk of=part bs=1M skip="${at[$1]}" count="${mib[$1]}" conv=sparse status=none
    truncate -s "${mib[$1]}M" part
}

put ()
{
    dd if=part of=disk bs=1M seek="${at[$1]}" conv=notrunc status=none
}

# mounted FS CMD...: in its root.
mounted ()
{
    take "$1"
    mount -o loop part mnt
    (cd mnt && "${@:2}")
    umount mnt
    put "$1"
}

truncate -s 1000M disk
for fs in fat ext4 xfs btrfs; do
    echo "start=${at[$fs]}MiB,size=${mib[$fs]}MiB"
done | sfdisk -q --label gpt disk
noise 12 first > file
for fs in ext4 xfs btrfs; do
    take $fs
    mkfs.$fs -q "$([ $fs = ext4 ] && echo -F || echo -f)" part
    put $fs
    mounted $fs cp ../file file
done
take fat
mkfs.vfat -F 32 -s 1 part > /dev/null
mcopy -i part file ::file
put fat

# It is cut off when much of it is there.
capture=("$PROGRAM" capture --quiet --to to --name ran)
LD_PRELOAD=$FILE_FAULTS_LIBRARY FAULT_LOG=$PWD/calls "${capture[@]}" disk > /dev/null
rm -r to/wherry
calls=$(wc -l < calls)
! LD_PRELOAD=$FILE_FAULTS_LIBRARY FAULT_AT=$((calls - 20)) "${capture[@]}" disk > /dev/null 2>&1 ||
    fail "it was not cut off"
[ -e to/wherry/ran/disk-0.journal ] || fail "no checkpoint is left"
cp --sparse=always disk kept

# refused WHAT [TEXT]: the source is not the same any more; then it is again.
refused ()
{
    local r=0
    ! cmp -s disk kept || fail "$1: nothing has changed, no test"
    "${capture[@]}" --resume disk > out 2>&1 || r=$?
    [ $r -eq 3 ] || fail "$1: status $r: $(cat out)"
    grep -q 'capture it anew' out || fail "$1: $(cat out)"
    grep -qF -- "${2-}" out || fail "$1: no '$2' in: $(cat out)"
    echo "$1: $(sed 's/.*--resume: //' out)"
    [ -e to/wherry/ran/disk-0.journal ] || fail "$1: the journal is gone"
    cp --sparse=always kept disk
}

overwrite ()
{
    echo other words | dd of=file bs=1 seek=5000000 conv=notrunc status=none
}

for fs in ext4 xfs btrfs; do
    if [ $fs != btrfs ]; then # which a mount by itself does not change
        mounted $fs true
        refused "$fs, mounted and unmounted" 'was in use since'
    fi
    mounted $fs overwrite
    refused "$fs, a file overwritten"
    mounted $fs cp file another
    refused "$fs, a new file"
done
take ext4
e2fsck -fp part > /dev/null
put ext4
refused "ext4, checked"
take fat
mcopy -i part calls ::new
put fat
refused "FAT, a new file"
noise 12 second > file
take fat
mcopy -o -i part file ::file
put fat
refused "FAT, a file written anew"

# What was only read is the same.
take ext4
mount -o loop,ro part mnt
cat mnt/file > /dev/null
umount mnt
put ext4
"${capture[@]}" --resume disk > out 2>&1 || fail "it does not go on: $(cat out)"
"$PROGRAM" verify --quiet to/wherry/ran > /dev/null || fail "it does not verify"
"$MAP_TOOL" mask disk masked
qemu-img compare -q -f raw -F qcow2 masked to/wherry/ran/disk-0.qcow2 || fail "another disk"

# It is complete now: that is said, and nothing is done; with another disk of that size it is refused.
sums=$(cat to/wherry/ran/* | sha256sum)
"${capture[@]}" --resume disk > out 2> err || fail "complete: $(cat err)"
grep -q 'was complete already, since .*: nothing was read' err || fail "not a word: $(cat err)"
sfdisk -q --disk-id disk 0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0
fails_with 'take another --name' "${capture[@]}" --resume disk
fails_with 'take another --name' "${capture[@]}" --resume disk part
truncate -s 1001M disk
fails_with 'its size is' "${capture[@]}" --resume disk
[ "$(cat to/wherry/ran/* | sha256sum)" = "$sums" ] || fail "a bundle that is complete was changed"
