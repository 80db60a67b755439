#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# SIGINT and SIGTERM end a capture within 2 s with status 130, in each of its phases, on a source
# that is slow, on one that gives no answer, and on a medium that is slow; what was begun goes on
# with --resume.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
# shellcheck source=tests/scripts/nbd.sh
. "$(dirname "$0")/nbd.sh"
PATH=$PATH:/usr/sbin:/sbin

requires nbdkit --filter=delay --filter=rate null --version
requires qemu-img --version
requires openssl version
requires mke2fs -V
requires test "$(id -u)" -eq 0 # for loop devices and mounts

export WHERRY_CHECKPOINT_BYTES=4194304
loop=""

# unserve: what serve began.
unserve ()
{
    umount -q medium || true
    [ -z "$loop" ] || losetup --detach "$loop" || true
    loop=""
    unserve_file served
}
trap 'unserve; rm -rf "$workdir"' EXIT

# serve FILE FILTER ARG [on]: FILE, through a filter of nbdkit, as the block device $loop; a block device
# waits as a disk does.
serve ()
{
    serve_file served --filter="$2" file "$1" "$3"
    loop=$(losetup --find --show --direct-io="${4-off}" served)
}

# start CMD...: in the background, as process $pid.
start ()
{
    "$@" > out 2>&1 &
    pid=$!
}

# begun DIR: wait until there is a checkpoint.
begun ()
{
    while [ ! -e "$1/wherry/cancel/disk-0.journal" ]; do
        kill -0 $pid 2> /dev/null || fail "no checkpoint: $(cat out)"
        sleep 0.01
    done
}

# cancel SIGNAL WHAT: process $pid ends by it.
cancel ()
{
    local begin=$EPOCHREALTIME status=0 ms
    kill -0 $pid 2> /dev/null || fail "$2: it had ended: $(cat out)"
    kill "-$1" $pid
    wait $pid || status=$?
    ms=$(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%d", (b - a) * 1000 }')
    echo "$2: $ms ms after SIG$1"
    [ "$status" -eq 130 ] || fail "$2: status $status: $(cat out)"
    [ "$ms" -lt 2000 ] || fail "$2: $ms ms after SIG$1"
    grep -q interrupted out || fail "$2: $(cat out)"
}

# check DIR: the bundle is whole, and equal to the disk.
check ()
{
    "$PROGRAM" verify --quiet "$1/wherry/cancel" > /dev/null || fail "the bundle is damaged"
    qemu-img compare -q -f raw -F qcow2 disk "$1/wherry/cancel/disk-0.qcow2" || fail "another disk"
}

capture=("$PROGRAM" capture --quiet --name cancel)
head -c 96M /dev/zero | openssl enc -aes-128-ctr -pbkdf2 -pass pass:cancel -nosalt > disk
mkdir to medium

# The source is slow: in the map, each of whose reads takes 200 ms, and in the copy.
serve disk delay rdelay=200ms
start "${capture[@]}" --to to "$loop"
sleep 0.5
cancel INT "the map of a slow source"
[ ! -e to/wherry ] || fail "something was begun"
unserve
serve disk rate rate=160M
start "${capture[@]}" --to to "$loop"
begun to
cancel TERM "the copy of a slow source"

# It does not answer any more.
start "${capture[@]}" --to to --resume "$loop"
sleep 0.5
kill -STOP "$fuse"
sleep 1
cancel INT "the copy of a source that gives no answer"
kill -CONT "$fuse"
"${capture[@]}" --to to --resume "$loop" > out 2>&1 || fail "$(cat out)"
unserve
check to

# The medium is slow: 10 MB/s.  In the copy, at any time, so in its flushes, too.
truncate -s 200M backing
mke2fs -q -F -t ext4 -E lazy_itable_init=0,lazy_journal_init=0 backing
serve backing rate rate=80M
mount "$loop" medium
start "${capture[@]}" --to medium disk
begun medium
for i in 1 2 3 4 5; do
    sleep "0.$((RANDOM % 9))"
    cancel INT "a slow medium, attempt $i"
    grep -q 'go on with --resume' out || fail "not how to go on: $(cat out)"
    start "${capture[@]}" --to medium --resume disk
    sleep 0.5
done
wait $pid || fail "$(cat out)"
check medium

# Much slower: a flush of what is on its way takes its time, and it does not wait for that.
unserve
serve backing rate rate=8M on # no cache but that of the medium's filesystem
mount "$loop" medium
rm -r medium/wherry
sync -f medium
start "${capture[@]}" --to medium disk
for i in 1 2 3; do
    sleep "$((2 + i)).$((RANDOM % 9))"
    cancel INT "a very slow medium, attempt $i"
    again=(--resume)
    if [ ! -e medium/wherry/cancel/capture.journal ]; then
        rm -rf medium/wherry/cancel
        again=()
    fi
    start "${capture[@]}" --to medium "${again[@]}" disk
done
kill -KILL $pid
wait $pid || true
unserve
serve backing rate rate=80M
mount "$loop" medium
again=(--resume)
[ -e medium/wherry/cancel/capture.journal ] || { rm -rf medium/wherry/cancel; again=(); }
"${capture[@]}" --to medium "${again[@]}" disk > out 2>&1 || fail "$(cat out)"
check medium

# A flush that does not come back, at all.
rm -r to/wherry
LD_PRELOAD=$FILE_FAULTS_LIBRARY FAULT_LOG=$PWD/calls "${capture[@]}" --to to disk > /dev/null
mapfile -t flushes < <(grep -n fsync calls | cut -d: -f1)
for at in "${flushes[4]}" "${flushes[7]}" "${flushes[-1]}"; do
    rm -r to/wherry
    LD_PRELOAD=$FILE_FAULTS_LIBRARY FAULT_AT=$at FAULT=HANG start "${capture[@]}" --to to disk
    sleep 2
    cancel TERM "a flush that hangs, call $at of $(wc -l < calls)"
done
"${capture[@]}" --to to --resume disk > out 2>&1 || fail "$(cat out)"
check to

# While it is read back; served anew, since the page cache knows all that was written.
unserve
serve backing rate rate=80M
mount "$loop" medium
start "$PROGRAM" verify --quiet medium/wherry/cancel
sleep 1
cancel INT "verify of a slow medium"
start "${capture[@]}" --to medium --resume --verify disk
sleep 1
cancel TERM "--verify of a slow medium"
