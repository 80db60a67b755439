#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Captures are interrupted at random instants and go on with --resume until they are done: by
# SIGKILL, by a power cut (the target's backing file is copied as it is), by a full medium, by
# SIGINT.  Each bundle verifies, and holds what the map of the disk names.  The seed is printed;
# WHERRY_CHAOS_SEED takes it.
#
# WHERRY_CHECKPOINT_BYTES makes checkpoints come often enough for a small disk.

in_memory=1
# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
# shellcheck source=tests/scripts/chaos-functions.sh
. "$(dirname "$0")/chaos-functions.sh"

export WHERRY_CHECKPOINT_BYTES=8388608

# Noise, text and holes, in some order: 100 MiB of a disk without a table.
make_disk ()
{
    truncate -s 250M disk
    for i in $(seq 0 19); do
        case $((i == 0 ? 0 : RANDOM % 3)) in # the first is sampled below, if it is not zero
        0) noise 5120 "$seed-$i" ;;
        1) noise 1024 "$seed-$i" | base64 -w 76 | sed 'p;p;p' ;;
        2) head -c 5M /dev/zero ;;
        esac | dd of=disk bs=1M seek=$((i * 12)) conv=notrunc status=none
    done
}

capture ()
{
    "$PROGRAM" capture --quiet --to "$1" --name chaos "${@:2}" disk
}

# start DIR [OPTION...]: in the background, as process $pid.
start ()
{
    "$PROGRAM" capture --quiet --to "$1" --name chaos "${@:2}" disk > out 2>&1 &
    pid=$!
}

# check DIR: the bundle is whole, and equal to the disk.
check ()
{
    local bundle=$1/wherry/chaos
    "$PROGRAM" verify --quiet "$bundle" > /dev/null || fail "the bundle of round $round is damaged"
    qemu-img check -q "$bundle/disk-0.qcow2" || fail "qemu-img finds fault in round $round"
    qemu-img compare -q -f raw -F qcow2 disk "$bundle/disk-0.qcow2" ||
        fail "round $round holds another disk"
    [ "$(find "$bundle" -name '*.journal' -o -name '*.leaves' | wc -l)" -eq 0 ] ||
        fail "a journal or sums of leaves are left"
}

# finish DIR: until it is done; begun anew where nothing was begun.
finish ()
{
    if [ -e "$1/wherry/chaos/capture.journal" ]; then
        capture "$1" --resume > out 2>&1 || fail "no resume in round $round: $(cat out)"
    elif [ ! -e "$1/wherry/chaos/machine.json" ]; then
        rm -rf "$1/wherry/chaos"
        capture "$1" > out 2>&1 || fail "round $round: $(cat out)"
    fi
    check "$1"
}

# measure: a whole capture, in $duration_ms if it was the fastest so far.
measure ()
{
    local begin=$EPOCHREALTIME ms
    mkdir whole
    capture whole > /dev/null
    ms=$(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%d", (b - a) * 1000 + 1 }')
    [ "${duration_ms-$ms}" -lt "$ms" ] || duration_ms=$ms
    check whole
    rm -r whole
}

# begun DIR: wait until the capture of process $pid has a checkpoint.
begun ()
{
    while [ ! -e "$1/wherry/chaos/disk-0.journal" ]; do
        kill -0 $pid 2> /dev/null || fail "no checkpoint in round $round: $(cat out)"
        sleep 0.01
    done
}

make_disk
round=0
measure
measure
echo "a whole capture takes $duration_ms ms"

# By SIGKILL, twice: the second time while it goes on.
inside=0 kills=0
for ((round = 1; round <= rounds; round++)); do
    rm -rf killed
    mkdir killed
    options=()
    left=$duration_ms
    for _ in 1 2; do
        start killed "${options[@]}"
        random "$left"
        left=$((left - r))
        nap "$r"
        kills=$((kills + 1))
        if kill -KILL $pid 2> /dev/null; then
            inside=$((inside + 1))
        else # what else ran here has ended: a capture takes less than was measured
            duration_ms=$((duration_ms * 3 / 4))
        fi
        ! wait $pid 2> /dev/null || break
        options=()
        if [ -e killed/wherry/chaos/capture.journal ]; then
            options=(--resume)
        else
            rm -rf killed/wherry/chaos
        fi
    done
    finish killed
done
rm -r killed
echo "$inside of $kills kills were inside"
[ $((inside * 10)) -ge $((kills * 8)) ] || fail "only $inside of $kills kills were inside"

# A power cut: what is in the backing file at some instant is all that is left.
mkdir medium
for ((round = 1; round <= rounds; round++)); do
    rm -f medium.img cut.img
    truncate -s 300M medium.img
    mke2fs -q -F -t ext4 medium.img
    mount -o loop medium.img medium
    mounted=("$PWD/medium")
    start medium
    [ $((round % 4)) -eq 0 ] || begun medium
    random $((duration_ms / 2))
    nap "$r"
    kill -STOP $pid 2> /dev/null || true # a copy takes its time, a power cut does not
    cp --sparse=always medium.img cut.img
    kill -KILL $pid 2> /dev/null || true
    wait $pid 2> /dev/null || true
    umount medium
    mount -o loop cut.img medium
    finish medium
    umount medium
    mounted=()
done
rm medium.img cut.img

# A medium that is full, some bytes further on, until there is room again.
mkdir full
mount -t tmpfs -o size=250M tmpfs full
mounted=("$PWD/full")
full=0
for ((round = 1; round <= rounds; round++)); do
    start full
    begun full
    kill -STOP $pid
    room=$(df --output=avail -B1 full | tail -n 1)
    random 25000000
    fallocate -l $((room - r)) full/filler
    kill -CONT $pid
    if ! wait $pid; then
        grep -q 'No space left' out || fail "not for lack of space: $(cat out)"
        grep -q 'the rest needs about [0-9]* bytes more' out || fail "not what is missing: $(cat out)"
        grep -q 'go on with --resume' out || fail "not how to go on: $(cat out)"
        full=$((full + 1))
    fi
    rm full/filler
    finish full
    rm -rf full/*
done
umount full
mounted=()
echo "the medium was full in $full of $rounds rounds"
[ "$full" -gt $((rounds / 2)) ] || fail "the medium was full in $full of $rounds rounds only"

# SIGINT and SIGTERM end it within 2 s, with status 130, and it says how to go on.
for signal in INT TERM; do
    round=$signal
    mkdir "$signal"
    start "$signal"
    begun "$signal"
    kill -$signal $pid
    begin=$EPOCHREALTIME
    status=0
    wait $pid || status=$?
    ms=$(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%d", (b - a) * 1000 }')
    [ $status -eq 130 ] || fail "status $status: $(cat out)"
    [ "$ms" -lt 2000 ] || fail "it took $ms ms to end after SIG$signal"
    grep -q 'go on with --resume: interrupted after' out || fail "not how to go on: $(cat out)"
    finish "$signal"
done

# Refused: another disk, a disk that has changed, two at once, and what has damage.
round=refused
mkdir refused
start refused
begun refused
kill -KILL $pid
wait $pid 2> /dev/null || true
for name in disk-0 capture; do
    cp refused/wherry/chaos/$name.journal kept
    truncate -s -1 refused/wherry/chaos/$name.journal
    fails_with ', remove it and capture anew: ' capture refused --resume
    cp kept refused/wherry/chaos/$name.journal
done
cp --sparse=always disk disk.kept
printf x | dd of=disk bs=1 seek=100 conv=notrunc status=none
fails_with 'was in use since its capture was interrupted' capture refused --resume
cp --sparse=always disk.kept disk
head -c 3M /dev/zero | tr '\0' x | dd of=disk bs=1M seek=1 iflag=fullblock conv=notrunc status=none
fails_with 'has changed at byte' capture refused --resume
truncate -s 251M disk
fails_with 'its size' capture refused --resume
mv disk.kept disk
flock refused/wherry/chaos sleep 2 &
nap 300
fails_with 'another wherry works on' capture refused --resume
wait
fails_with 'leave out --compress' capture refused --resume --compress none
finish refused
