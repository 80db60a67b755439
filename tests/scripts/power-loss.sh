#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The power fails while a bundle is written: what was flushed is there, and nothing else.  The
# medium is an ext4 that by itself writes nothing for ten minutes; its backing file, copied at some
# instant, is what a power cut leaves.  The capture goes on from the copy, and ends as if nothing had
# been; and a capture that has just ended is whole.
#
# That this test would notice is shown, too: with any one of its flushes left out, of the image, the
# sums, those of its leaves, the journal or the directory, the program loses data.  The seed is
# printed; WHERRY_CHAOS_SEED takes it.

in_memory=1
# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
# shellcheck source=tests/scripts/chaos-functions.sh
. "$(dirname "$0")/chaos-functions.sh"

requires mke2fs -V

export WHERRY_CHECKPOINT_BYTES=3000000
pid=""

clean_up ()
{
    [ -z "$pid" ] || kill -KILL "$pid" 2> /dev/null || true
    umount -q medium || true
    rm -rf "$workdir"
}
trap clean_up EXIT

# fresh_medium: nothing but what is flushed gets to its backing file soon.
fresh_medium ()
{
    rm -f medium.img
    truncate -s 100M medium.img
    mke2fs -q -F -t ext4 medium.img
    mount -o loop,commit=600,data=writeback,noauto_da_alloc medium.img medium
}

# start FORGOTTEN: a capture, as process $pid, all of whose flushes but some are real.
start ()
{
    if [ -n "$1" ]; then
        NO_FSYNC=$1 LD_PRELOAD=$NO_FSYNC_LIBRARY "$PROGRAM" capture --quiet --to medium --name cut disk > out 2>&1 &
    else
        "$PROGRAM" capture --quiet --to medium --name cut disk > out 2>&1 &
    fi
    pid=$!
}

# cut_power: what the medium holds is all that is left.
cut_power ()
{
    kill -STOP $pid 2> /dev/null || true # a copy takes its time, a power cut does not
    sleep 0.05
    rm -f cut.img # a loop device that somebody keeps alive has the old one in its cache
    cp --sparse=always medium.img cut.img
    kill -KILL $pid 2> /dev/null || true
    wait $pid 2> /dev/null || true
    pid=""
    umount medium
    mount -o loop cut.img medium
}

# is_whole: the bundle verifies, and is equal to the disk.
is_whole ()
{
    "$PROGRAM" verify --quiet medium/wherry/cut > /dev/null 2>> out &&
        qemu-img check -q medium/wherry/cut/disk-0.qcow2 >> out 2>&1 &&
        qemu-img compare -q -f raw -F qcow2 disk medium/wherry/cut/disk-0.qcow2 >> out 2>&1
}

# cut_on_the_way FORGOTTEN (which may be empty): cut at some instant behind the first checkpoint, and go on; false: that
# is not possible, or ends in another disk.
cut_on_the_way ()
{
    local r=0 begun=disk-0.journal
    [ "$1" != disk-0.leaves ] || begun=$1 # the first checkpoints have nothing in it
    fresh_medium
    start "$1"
    while [ ! -s "medium/wherry/cut/$begun" ]; do
        kill -0 $pid 2> /dev/null || fail "no checkpoint: $(cat out)"
        sleep 0.005
    done
    sleep "0.$(printf '%03d' $((RANDOM % 150)))"
    cut_power
    # A checkpoint that can be seen may still be about to be flushed: then nothing was begun.
    if [ ! -e medium/wherry/cut/machine.json ] && [ ! -e medium/wherry/cut/capture.journal ]; then
        umount medium
        return 0
    fi
    { "$PROGRAM" capture --quiet --to medium --name cut --resume disk > out 2>&1 && is_whole; } || r=$?
    umount medium
    return $r
}

# cut_at_the_end FORGOTTEN: cut when the program has said that it is done.
cut_at_the_end ()
{
    local r=0
    fresh_medium
    start "$1"
    wait $pid || fail "$(cat out)"
    cut_power
    is_whole || r=$?
    umount medium
    return $r
}

mkdir medium
truncate -s 64M disk
noise 20480 "$seed" | dd of=disk bs=1M seek=3 conv=notrunc status=none
noise 6144 "$seed-text" | base64 -w 76 | dd of=disk bs=1M seek=40 conv=notrunc status=none

for ((round = 1; round <= rounds; round++)); do
    cut_on_the_way "" || fail "round $round: $(cat out)"
done
for _ in 1 2 3; do
    cut_at_the_end "" || fail "what was complete is not: $(cat out)"
done

# noticed WHAT CUT FORGOTTEN: within some attempts.
noticed ()
{
    local try
    for ((try = 1; try <= 10; try++)); do
        if ! "$2" "$3"; then
            echo "without a flush of $1, in attempt $try: $(tail -n 1 out | cut -c 1-150)"
            return
        fi
    done
    fail "nobody would notice that $1 is not flushed"
}
cut_at_the_end nothing || fail "what is preloaded does harm: $(cat out)"
noticed "the image" cut_on_the_way disk-0.qcow2
noticed "the sums" cut_on_the_way disk-0.sums
noticed "the leaves' sums" cut_on_the_way disk-0.leaves
noticed "the journal" cut_on_the_way disk-0.journal.partial
noticed "machine.json" cut_at_the_end machine.json.partial
noticed "the directory" cut_at_the_end /
