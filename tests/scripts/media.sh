#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Media with XFS, btrfs, and ext4 on a device of 4096-byte sectors: an image is written past their
# page caches.  A bundle, its next generation, and one that met a full medium hold the disk, as a
# mount that begins anew shows them.

own_mounts=1
# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
PATH=$PATH:/usr/sbin:/sbin

requires mkfs.xfs -V
requires mkfs.btrfs --version
requires mke2fs -V
requires qemu-img --version
requires openssl version
requires strace -V
requires test "$(id -u)" -eq 0 # for loop devices and mounts

export WHERRY_CHECKPOINT_BYTES=4194304
bundle=medium/wherry/media
loop=""

# plug [OPTION...]: the file "backing" as a device, mounted at ./medium.
plug ()
{
    loop=$(losetup --find --show "$@" backing)
    mount "$loop" medium
}

unplug ()
{
    ! mountpoint -q medium || umount medium
    [ -z "$loop" ] || losetup --detach "$loop"
    loop=""
}
trap 'unplug; rm -rf "$workdir"' EXIT

# noise MIB KEY: random bytes.
noise ()
{
    head -c "$1M" /dev/zero | openssl enc -aes-128-ctr -pbkdf2 -pass "pass:$2" -nosalt
}

# holds_disk [OPTION...]: plugged in again by these.
holds_disk ()
{
    unplug
    plug "$@"
    "$PROGRAM" verify --quiet $bundle > out 2>&1 || fail "$kind: $(cat out)"
    qemu-img check -q $bundle/disk-0.qcow2 || fail "$kind: qemu-img finds fault"
    qemu-img compare -q -f raw -F qcow2 disk $bundle/disk-0.qcow2 || fail "$kind: another disk"
}

# fill_up: the medium takes some MiB more, which the capture does not know when it begins.
fill_up ()
{
    while [ ! -e $bundle/disk-0.journal ]; do
        kill -0 "$pid" 2> /dev/null || fail "$kind: no checkpoint: $(cat out)"
        sleep 0.005
    done
    kill -STOP "$pid"
    fallocate -l $(($(df --output=avail -B1 medium | tail -n 1) - 6000000)) medium/filler
    kill -CONT "$pid"
}

# capture [BEFORE...]: by a program that runs it.
capture ()
{
    "$@" "$PROGRAM" capture --quiet --to medium --name media disk > out 2>&1 ||
        fail "$kind: $(cat out)"
}

meets_full_medium ()
{
    rm -r medium/wherry
    "$PROGRAM" capture --quiet --to medium --name media disk > out 2>&1 &
    pid=$!
    fill_up
    ! wait "$pid" || fail "$kind: it did not meet the end of the medium"
    grep -q 'go on with --resume.*No space left' out || fail "$kind: $(cat out)"
    rm medium/filler
    "$PROGRAM" capture --quiet --to medium --name media --resume disk > out 2>&1 ||
        fail "$kind: $(cat out)"
}

# run MKFS... -- [OPTION...]: all of that on a medium so made and plugged in.
run ()
{
    local mkfs=()
    while [ "$1" != -- ]; do
        mkfs+=("$1")
        shift
    done
    shift
    rm -f backing
    truncate -s 400M backing
    "${mkfs[@]}" backing > mkfs 2>&1 || fail "$(cat mkfs)"
    plug "$@"
    cp --sparse=always first disk
    capture strace -f -o calls -e trace=openat,pwrite64
    grep -q '/proc/self/fd/.*O_WRONLY.*O_DIRECT.* = [0-9]' calls ||
        fail "$kind: the page cache took it"
    ! grep 'pwrite64.*EINVAL' calls || fail "$kind: it refused to write past its page cache"
    holds_disk "$@"
    noise 3 "next of $kind" | dd of=disk bs=1M seek=9 conv=notrunc status=none
    fallocate --punch-hole -o 20M -l 2M disk
    "$PROGRAM" capture --quiet --update $bundle disk > out 2>&1 || fail "$kind: $(cat out)"
    holds_disk "$@"
}

mkdir medium
truncate -s 60M first
noise 24 first | dd of=first bs=1M seek=3 conv=notrunc status=none
noise 6 text | base64 -w 76 | dd of=first bs=1M seek=40 conv=notrunc status=none

kind=XFS
run mkfs.xfs -q --
meets_full_medium
holds_disk
unplug
kind=btrfs
run mkfs.btrfs -q --
unplug
kind="ext4, sectors of 4096 bytes"
run mke2fs -q -F -t ext4 -b 4096 -- --sector-size 4096
