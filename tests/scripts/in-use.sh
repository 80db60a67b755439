#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A filesystem of the source is mounted for writing while it is captured or updated: at the end that
# is seen, also when it was unmounted again, and no bundle is called whole.  One that was only read,
# or was written to before, is none of that.

own_mounts=1
# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
PATH=$PATH:/usr/sbin:/sbin

requires qemu-img --version
requires sfdisk --version
requires mke2fs -V
requires mkfs.btrfs --version
requires mkfs.xfs -V
requires jq --version
requires openssl version
requires test "$(id -u)" -eq 0 # for mounts

export WHERRY_CHECKPOINT_BYTES=2097152
pid=""
trap '[ -z "$pid" ] || kill -KILL $pid; umount -q "$workdir/mnt" || true; rm -rf "$workdir"' EXIT
mkdir mnt to

# start CALL CMD...: in the background as process $pid, which stops itself at that call.
start ()
{
    LD_PRELOAD=$FILE_FAULTS_LIBRARY FAULT_AT=$1 FAULT=STOP "${@:2}" > out 2>&1 &
    pid=$!
    until grep -q '^State:.T' /proc/$pid/status 2> /dev/null; do
        kill -0 $pid 2> /dev/null || fail "it did not stop: $(cat out)"
        sleep 0.02
    done
}

# ends STATUS WHAT: process $pid goes on, and ends so.
ends ()
{
    local r=0
    kill -CONT $pid
    wait $pid || r=$?
    pid=
    [ $r -eq "$1" ] || fail "$2: status $r, not $1: $(cat out)"
    [ $r -eq 0 ] || echo "$2: $(cat out)"
}

# on_volume OPTIONS: the partition's filesystem at ./mnt.
on_volume ()
{
    mount -o "loop,offset=$((8 << 20)),sizelimit=$((380 << 20)),$1" disk mnt
}

# make_disk FS
make_disk ()
{
    rm -f disk part
    truncate -s 400M disk
    echo start=8MiB,size=380MiB | sfdisk -q --label dos disk
    truncate -s 380M part
    mkfs."$1" -q "$([ "$1" = ext4 ] && echo -F || echo -f)" part > made 2>&1 || fail "$(cat made)"
    dd if=part of=disk bs=1M seek=8 conv=notrunc,sparse status=none
    on_volume rw
    head -c 24M /dev/zero | openssl enc -aes-128-ctr -nosalt -pbkdf2 -iter 1 -pass pass:in-use > mnt/file
    umount mnt
}

capture=("$PROGRAM" capture --quiet --to to --name busy)
update=("$PROGRAM" capture --quiet --update to/wherry/busy)

# check WHAT: complete and equal.
check ()
{
    "$PROGRAM" verify --quiet to/wherry/busy > /dev/null || fail "$1: it does not verify"
    "$MAP_TOOL" mask disk masked
    qemu-img compare -q -f raw -F qcow2 masked to/wherry/busy/disk-0.qcow2 || fail "$1: another disk"
}

filesystems=(ext4)
[ "${WHERRY_TEST_ALL-}" != 1 ] || filesystems+=(xfs btrfs)
for fs in "${filesystems[@]}"; do
    make_disk "$fs"
    rm -rf to/wherry calls calls-update
    LD_PRELOAD=$FILE_FAULTS_LIBRARY FAULT_LOG=$PWD/calls "${capture[@]}" disk > /dev/null
    rm -r to/wherry
    half=$(($(wc -l < calls) / 2))

    # Only read.
    start $half "${capture[@]}" disk
    on_volume ro
    ends 0 "$fs, read"
    umount mnt
    check "$fs, read"
    rm -r to/wherry

    # Mounted for writing, and still is.
    start $half "${capture[@]}" disk
    on_volume rw
    echo word > mnt/new
    ends 1 "$fs, mounted"
    grep -q "mounted for writing at '$PWD/mnt'" out || fail "$fs, mounted: $(cat out)"
    [ ! -e to/wherry/busy/machine.json ] || fail "$fs, mounted: it is called whole"
    fails_with 'mounted for writing' "${capture[@]}" --resume disk
    umount mnt
    fails_with 'capture it anew' "${capture[@]}" --resume disk
    rm -r to/wherry

    # Mounted for writing, and not any more.
    start $half "${capture[@]}" disk
    on_volume rw
    rm mnt/new
    umount mnt
    ends 3 "$fs, unmounted"
    grep -q 'was in use while it was captured' out || fail "$fs, unmounted: $(cat out)"
    ! grep -q 'go on with' out || fail "$fs, unmounted: it cannot go on: $(cat out)"
    [ ! -e to/wherry/busy/machine.json ] || fail "$fs, unmounted: it is called whole"
    rm -r to/wherry

    # The same for an update: the old generation stays, and another update makes the next one.
    "${capture[@]}" disk > /dev/null
    on_volume rw
    echo word > mnt/another
    umount mnt
    cp --sparse=always disk kept
    LD_PRELOAD=$FILE_FAULTS_LIBRARY FAULT_LOG=$PWD/calls-update "${update[@]}" > /dev/null
    commit=$(grep -n renameat calls-update | sed -n 2p | cut -d: -f1)
    check "$fs, an update"
    on_volume rw
    echo word > mnt/a-third
    umount mnt
    start $((commit / 2)) "${update[@]}"
    on_volume rw
    ends 1 "$fs, an update, mounted"
    grep -q 'is left as generation 2: ' out || fail "$fs, an update, mounted: $(cat out)"
    umount mnt
    start $((commit / 2)) "${update[@]}"
    on_volume rw
    rm mnt/a-third
    umount mnt
    ends 3 "$fs, an update, unmounted"
    grep -q 'is left as generation 2: ' out || fail "$fs, an update, unmounted: $(cat out)"
    [ "$(jq .generation to/wherry/busy/machine.json)" -eq 2 ] || fail "$fs: another generation"
    mv disk now
    mv kept disk
    check "$fs, the generation that is left"
    mv now disk
    "${update[@]}" > /dev/null
    check "$fs, an update after that"
done
