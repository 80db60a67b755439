#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Captures are interrupted at random instants and go on with --resume until they are done: by
# SIGKILL, by a power cut (the target's backing file is copied as it is), by a full medium, by
# SIGINT.  Each bundle verifies, and holds what the map of the disk names.  The seed is printed.
#
# WHERRY_CHECKPOINT_BYTES makes checkpoints come often enough for a small disk.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
PATH=$PATH:/usr/sbin:/sbin

requires qemu-img --version
requires openssl version
requires test "$(id -u)" -eq 0 # for mounts

rounds=12
[ "${WHERRY_TEST_ALL-}" != 1 ] || rounds=200
seed=${WHERRY_CHAOS_SEED-$(draw)}
echo "seed $seed"
RANDOM=$seed
export WHERRY_CHECKPOINT_BYTES=4194304
mounted=()

clean_up ()
{
    for dir in "${mounted[@]}"; do
        umount -q "$dir" || true
    done
    rm -rf "$workdir"
}
trap clean_up EXIT

# noise MIB PASSWORD: random bytes.
noise ()
{
    head -c "$1M" /dev/zero | openssl enc -aes-128-ctr -pbkdf2 -pass "pass:$2" -nosalt
}

# Noise, text and holes, in some order: 160 MiB of a disk without a table.
make_disk ()
{
    truncate -s 400M disk
    for i in $(seq 0 19); do
        case $((RANDOM % 3)) in
        0) noise 8 "$seed-$i" ;;
        1) noise 2 "$seed-$i" | base64 -w 76 | sed p ;;
        2) head -c 8M /dev/zero ;;
        esac | dd of=disk bs=1M seek=$((i * 20)) conv=notrunc status=none
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
    [ "$(find "$bundle" -name '*.journal' | wc -l)" -eq 0 ] || fail "a journal is left"
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

# nap MS
nap ()
{
    sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"
}

# An instant of the capture's measured duration, in ms; what is resumed takes less.
instant ()
{
    echo $((RANDOM * RANDOM % (duration_ms * 4 / 5)))
}

make_disk
mkdir whole
round=0
begin=$EPOCHREALTIME
capture whole > /dev/null
end=$EPOCHREALTIME
duration_ms=$(awk -v a="$begin" -v b="$end" 'BEGIN { printf "%d", (b - a) * 1000 + 1 }')
check whole
echo "a whole capture takes $duration_ms ms"

# By SIGKILL, until it gets through.
inside=0 kills=0
for ((round = 1; round <= rounds; round++)); do
    rm -rf killed
    mkdir killed
    options=()
    for ((i = 0; i < 4; i++)); do
        start killed "${options[@]}"
        nap "$(instant)"
        kills=$((kills + 1))
        ! kill -KILL $pid 2> /dev/null || inside=$((inside + 1))
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
echo "$inside of $kills kills were inside"

# A power cut: what is in the backing file at some instant is all that is left.
for ((round = 1; round <= rounds; round++)); do
    mkdir -p medium
    rm -f medium.img cut.img
    truncate -s 600M medium.img
    mke2fs -q -F -t ext4 medium.img
    mount -o loop medium.img medium
    mounted=("$PWD/medium")
    start medium
    nap "$(instant)"
    kill -STOP $pid 2> /dev/null || true # a copy takes its time, a power cut does not
    cp --sparse=always medium.img cut.img
    kill -CONT $pid 2> /dev/null || true
    wait $pid || fail "round $round: $(cat out)"
    umount medium
    mount -o loop cut.img medium
    finish medium
    umount medium
    mounted=()
done

# A medium that is full, until there is room again.
mkdir full
mount -t tmpfs -o size=400M tmpfs full
mounted=("$PWD/full")
for ((round = 1; round <= rounds / 4 + 1; round++)); do
    rm -rf full/*
    start full
    nap $((duration_ms / 8))
    fallocate -l "$(df --output=avail -B1 full | tail -n 1)" full/filler || true
    if wait $pid; then
        echo "round $round came through before the medium was full"
    else
        grep -q 'No space left\|bytes free' out || fail "not for lack of space: $(cat out)"
    fi
    rm full/filler
    finish full
done
umount full
mounted=()

# SIGINT ends it soon, with status 130.
round=SIGINT
mkdir interrupted
capture interrupted > out 2>&1 &
pid=$!
nap $((duration_ms / 3))
kill -INT $pid
status=0
wait $pid || status=$?
[ $status -eq 130 ] || [ $status -eq 0 ] || fail "status $status: $(cat out)"
finish interrupted

# Refused: another disk, a disk that has changed, and two at once.
round=refused
mkdir refused
capture refused > out 2>&1 &
pid=$!
nap $((duration_ms / 2))
kill -KILL $pid
wait $pid 2> /dev/null || true
if [ -e refused/wherry/chaos/disk-0.journal ]; then
    cp --sparse=always disk disk.kept
    printf x | dd of=disk bs=1 seek=$((5 << 20)) conv=notrunc status=none
    printf x | dd of=disk bs=1 seek=100 conv=notrunc status=none
    fails_with 'is not as it was when its capture was interrupted' capture refused --resume
    truncate -s 401M disk
    fails_with 'its size' capture refused --resume
    mv disk.kept disk
    flock refused/wherry/chaos sleep 5 &
    nap 300
    fails_with 'another wherry works on' capture refused --resume
    wait
fi
finish refused
