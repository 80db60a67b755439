#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Disks that give no answer, or are gone: one that hangs until it is opened anew, one that is pulled
# and comes back, one that comes back as another, one that stays away.  What nbdkit serves is the
# disk, through FUSE.  Single sectors that hang: tests/unit/test-salvage.c.
#
# WHERRY_STALL_MS makes it impatient sooner than docs/bad-disks.md says.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
# shellcheck source=tests/scripts/nbd.sh
. "$(dirname "$0")/nbd.sh"

requires nbdkit --filter=delay null --version
requires qemu-img --version
requires openssl version
requires jq --version

export WHERRY_CHECKPOINT_BYTES=2097152
frozen=""
n=0

# thaw: what froze goes on, since the kernel lets no process end before its reads have.
thaw ()
{
    [ -z "$frozen" ] || kill -CONT "$frozen" 2> /dev/null || true
    frozen=
}

# unserve: what serve began.
unserve ()
{
    [ -n "$fuse" ] || return 0
    rm -f served
    unserve_file "served.$n"
}
trap 'thaw; unserve; rm -rf "$workdir"' EXIT

# serve: "disk" as what the link "served" leads to, slow enough to be met half way.
serve ()
{
    n=$((n + 1))
    serve_file "served.$n" --filter=delay file disk rdelay=50ms
    cmp -s -n 65536 disk "served.$n" || fail "nbdkit gives another disk: $(cat nbdkit.log)"
    ln -sfn "served.$n" served
}

# start STALL_MS [OPTION...]: a capture in the background, as process $pid, with a new checkpoint.
start ()
{
    touch before
    WHERRY_STALL_MS=$1 "$PROGRAM" capture --quiet --to to --name stall "${@:2}" served > out 2>&1 &
    pid=$!
    while [ ! to/wherry/stall/disk-0.journal -nt before ]; do
        kill -0 $pid 2> /dev/null || fail "no checkpoint: $(cat out)"
        sleep 0.01
    done
}

# check: the bundle is whole, and equal to the disk.
check ()
{
    "$PROGRAM" verify --quiet to/wherry/stall > /dev/null || fail "the bundle is damaged"
    [ "$(jq '.disks[0].unreadable | length' to/wherry/stall/machine.json)" -eq 0 ] || fail "a gap"
    qemu-img compare -q -f raw -F qcow2 disk to/wherry/stall/disk-0.qcow2 || fail "another disk"
    rm -r to/wherry
}

head -c 80M /dev/zero | openssl enc -aes-128-ctr -pbkdf2 -pass pass:stall -nosalt > disk
mkdir to

# It hangs, and what is there by its name does not: opened anew, it can be read.
serve
start 1500
frozen=$fuse fuse=
kill -STOP "$frozen"
fusermount3 -u -z "served.$n"
serve
for _ in $(seq 1200); do # by then it may have to wait for what it left behind
    [ ! -e to/wherry/stall/machine.json ] || break
    kill -0 $pid 2> /dev/null || break
    sleep 0.05
done
[ -e to/wherry/stall/machine.json ] || fail "it was not opened anew: $(cat out)"
kill -0 $pid 2> /dev/null || echo "nothing was under way when it froze"
thaw
wait $pid || fail "$(cat out)"
unserve
check

# Pulled, and back in time.
serve
start 20000
kill -STOP $pid
unserve
kill -CONT $pid
sleep 0.5
serve
wait $pid || fail "$(cat out)"
check

# Another disk of that size is there instead.
start 20000
kill -STOP $pid
unserve
mv disk disk.kept
head -c 80M /dev/zero | openssl enc -aes-128-ctr -pbkdf2 -pass pass:other -nosalt > disk
serve
kill -CONT $pid
! wait $pid || fail "another disk was taken"
grep -q "'served' is another disk now" out || fail "$(cat out)"
unserve
mv disk.kept disk

# Away for too long: it ends, and goes on once the disk is there.
serve
start 1500 --resume
kill -STOP $pid
unserve
kill -CONT $pid
! wait $pid || fail "a disk that is gone was captured"
grep -q "the disk is gone for 1.5 s" out || fail "$(cat out)"
grep -q "go on with --resume" out || fail "$(cat out)"
serve
start 1500 --resume
wait $pid || fail "$(cat out)"
unserve
check
