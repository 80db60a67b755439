#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Updates of a bundle are cut off at random instants: by SIGKILL, by a power cut (the target's
# backing file is copied as it is), by a full medium, by failing writes, by SIGINT; and at each
# single call that changes a file from the last bytes of the image on.  After each the bundle
# verifies and is the old or the new one, and the next update makes it the new one.  The seed is
# printed; WHERRY_CHAOS_SEED takes it.

in_memory=1
# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
# shellcheck source=tests/scripts/chaos-functions.sh
. "$(dirname "$0")/chaos-functions.sh"

# scribble N: write noise, text and zeros to N places of the disk, which has no table, and copy some
# clusters, which may share their bytes in the image.
scribble ()
{
    local kib kind
    for _ in $(seq "$1"); do
        kib=$((1 + RANDOM % 2048)) kind=$((RANDOM % 3))
        random $((disk_kib - 3072)) # its password, too
        case $kind in
        0) noise $kib $r ;;
        1) noise $((kib / 2 + 1)) $r | base64 -w 76 ;;
        2) head -c ${kib}k /dev/zero ;;
        esac | dd of=disk bs=1k seek=$r conv=notrunc status=none
    done
    dd if=disk of=disk bs=64k skip=$((RANDOM % 64)) seek=$((disk_kib / 64 - 1 - RANDOM % 32)) \
        count=$((1 + RANDOM % 20)) conv=notrunc status=none
    truncate -s ${disk_kib}k disk
}

# mutate N: the next state of the disk; the last one is ./old.
mutate ()
{
    cp --sparse=always disk old
    scribble "$1"
}

# begin DIR: a bundle of the disk.
begin ()
{
    "$PROGRAM" capture --quiet --to "$1" --name chaos disk > /dev/null
}

update ()
{
    "$PROGRAM" capture --quiet --update "$1/wherry/chaos"
}

# start DIR: an update in the background, as process $pid.
start ()
{
    "$PROGRAM" capture --quiet --update "$1/wherry/chaos" > out 2>&1 &
    pid=$!
}

# is_image FILE DIR: whether the bundle's image, as other programs see it, holds the same as FILE.
is_image ()
{
    qemu-img compare -q -f raw -F qcow2 "$1" "$2/wherry/chaos/disk-0.qcow2"
}

# check_whole DIR: the bundle verifies, without a byte of it being changed, and is the old or the
# new one.
check_whole ()
{
    "$PROGRAM" verify --quiet "$1/wherry/chaos" > verified 2>&1 ||
        fail "the bundle of round $round is damaged: $(cat verified)"
    is_image old "$1" || is_image disk "$1" || fail "round $round is neither old nor new"
}

# check_new DIR: the bundle is the new one, and nothing of an update is left.
check_new ()
{
    local bundle=$1/wherry/chaos
    is_image disk "$1" || fail "round $round is not the new one"
    "$PROGRAM" verify --quiet "$bundle" > verified 2>&1 ||
        fail "the new bundle of round $round is damaged: $(cat verified)"
    qemu-img check -q "$bundle/disk-0.qcow2" || fail "qemu-img finds fault in round $round"
    [ "$(cd "$bundle"; echo ./*)" = "./capture.log ./disk-0.qcow2 ./disk-0.sums ./domain.xml \
./machine.json" ] || fail "round $round leaves $(cd "$bundle"; echo ./*)"
}

# finish DIR: after whatever happened.
finish ()
{
    check_whole "$1"
    update "$1" > out 2>&1 || fail "no update in round $round: $(cat out)"
    check_new "$1"
}

# A bundle grows by what it does not use any more.
renew ()
{
    [ $((round % 20)) -ne 0 ] || { rm -rf "${1:?}/wherry"; begin "$1"; }
}

disk_kib=$((48 * 1024))
truncate -s ${disk_kib}k disk
scribble 30

round=0
mkdir killed
begin killed
for _ in 1 2 3; do
    mutate 8
    begin_us=$EPOCHREALTIME
    update killed > /dev/null
    ms=$(awk -v a="$begin_us" -v b="$EPOCHREALTIME" 'BEGIN { printf "%d", (b - a) * 1000 + 1 }')
    [ "${duration_ms-$ms}" -lt "$ms" ] || duration_ms=$ms
    check_new killed
done
echo "a whole update takes $duration_ms ms"

# By SIGKILL.
inside=0
for ((round = 1; round <= rounds; round++)); do
    renew killed
    mutate 8
    start killed
    random "$duration_ms"
    nap "$r"
    if kill -KILL $pid 2> /dev/null; then
        inside=$((inside + 1))
    else # what else ran here has ended: an update takes less than was measured
        duration_ms=$((duration_ms * 3 / 4 + 1))
    fi
    wait "$pid" 2> /dev/null || true
    finish killed
done
rm -r killed
echo "$inside of $rounds kills were inside"
[ $((inside * 10)) -ge $((rounds * 8)) ] || fail "only $inside of $rounds kills were inside"

# on_medium CMD...: with medium.img mounted at ./medium; nothing is written back by itself.  It is a
# new file each time: a loop device that is still held by somebody's mount namespace must not serve
# an old one.
on_medium ()
{
    cp --sparse=always medium.img fresh.img
    mv fresh.img medium.img
    mount -o loop,commit=600 medium.img medium
    mounted=("$PWD/medium")
    "$@"
    sync -f medium
    umount medium
    mounted=()
}

make_medium ()
{
    rm -f medium.img
    truncate -s "$1" medium.img
    mke2fs -q -F -t ext4 medium.img
    on_medium begin medium
}

# cut_power CMD...: CMD runs as process $pid, or has died; what is in the backing file now is all
# that is left.
cut_power ()
{
    cp --sparse=always medium.img cut.img
    kill -KILL "$pid" 2> /dev/null || true
    wait "$pid" 2> /dev/null || true
}

interrupted_medium ()
{
    start medium
    random "$duration_ms"
    nap "$r"
    kill -STOP $pid 2> /dev/null || true # a copy takes its time, a power cut does not
    cut_power
}

# By a power cut.
mkdir medium
make_medium 250M
for ((round = 1; round <= rounds; round++)); do
    [ $((round % 20)) -ne 0 ] || make_medium 250M
    mutate 8
    on_medium interrupted_medium
    mv cut.img medium.img
    on_medium finish medium
done

# At each call that changes a file from the end of the image on: by SIGKILL, and by a power cut.
disk_kib=8192
truncate -s 0 disk
truncate -s ${disk_kib}k disk
scribble 8
make_medium 300M

# faulty [NAME=VALUE...]: an update with the library that makes faults, as process $pid.
faulty ()
{
    env LD_PRELOAD="$FILE_FAULTS_LIBRARY" "$@" \
        "$PROGRAM" capture --quiet --update medium/wherry/chaos > out 2>&1 &
    pid=$!
}

count_calls ()
{
    faulty FAULT_LOG="$PWD/calls"
    wait $pid || fail "an update: $(cat out)"
}

# An update takes some calls more or less, by what has changed and how long the log is: the last
# rounds are those that come too late, and then what it has reported as done must be on the medium.
die_at_call ()
{
    faulty FAULT_AT="$call"
    over=
    ! wait $pid 2> /dev/null || over=yes
    cut_power
    finish medium
}

mutate 3
on_medium count_calls
calls=$(wc -l < calls)
committed=$(grep -n renameat calls | sed -n 2p | cut -d: -f1)
echo "an update has $calls calls that change a file, the $committed. one commits"
[ $((calls - committed)) -ge 8 ] || fail "where is the commit in: $(cat calls)"
late=0
for ((call = 1; late < 3; call++)); do
    [ $call -le $((calls + 40)) ] || fail "$late power cuts in $call calls came just after an update"
    # Around the commit each, and those that come too late.
    [ "$rounds" -eq 200 ] || [ $((call % 5)) -eq 0 ] || [ $call -gt $((calls - 2)) ] ||
        [[ $((call - committed)) = -[12] || $((call - committed)) = [0-3] ]] || continue
    round="call $call"
    [ $((call % 20)) -ne 0 ] || make_medium 300M
    mutate 3
    on_medium die_at_call
    cp --sparse=always medium.img whole.img
    mv cut.img medium.img
    if [ -n "$over" ]; then
        on_medium check_new medium
        late=$((late + 1))
    fi
    on_medium finish medium
    mv whole.img medium.img
done

# Each call fails once: the medium is broken, or full.  A busy machine writes in more pieces, so there
# may be fewer calls than were counted.
fail_at_call ()
{
    rm -f made
    faulty FAULT_AT="$call" FAULT="$how" FAULT_LOG="$PWD/made"
    if ! wait $pid; then
        grep -Eq 'is left as generation [0-9]*: |is committed, but not all of it' out ||
            fail "not what is left in round $round: $(cat out)"
        failed=$((failed + 1))
    fi
    [ "$(wc -l < made)" -lt "$call" ] || tried=$((tried + 1))
    finish medium
}

failed=0 tried=0
for how in EIO ENOSPC; do
    for ((call = 1 + RANDOM % 4; call <= calls; call += rounds < 200 ? 4 : 1)); do
        round="$how at call $call"
        [ $((call % 20)) -ne 0 ] || make_medium 300M
        mutate 3
        on_medium fail_at_call
    done
done
echo "$failed of $tried updates with a failing call failed"
[ "$tried" -ge 12 ] || fail "only $tried updates made the call that was to fail"
[ $((failed * 10)) -ge $((tried * 9)) ] || fail "only $failed of $tried noticed a failing call"
rm medium.img

# A medium that is full, some bytes further on, until there is room again.
disk_kib=$((48 * 1024))
truncate -s ${disk_kib}k disk
scribble 30
mkdir full
mount -t tmpfs -o size=200M tmpfs full
mounted=("$PWD/full")
begin full
full=0
for ((round = 1; round <= rounds; round++)); do
    renew full
    mutate 10
    room=$(df --output=avail -B1 full | tail -n 1)
    random 8000000
    fallocate -l $((room - r)) full/filler
    if ! update full > out 2>&1; then
        grep -q 'No space left' out || fail "not for lack of space: $(cat out)"
        grep -q 'is left as generation' out || fail "not what is left: $(cat out)"
        full=$((full + 1))
    fi
    check_whole full
    rm full/filler
    finish full
done
umount full
mounted=()
echo "the medium was full in $full of $rounds rounds"
[ "$full" -gt $((rounds / 2)) ] || fail "the medium was full in $full of $rounds rounds only"

# SIGINT and SIGTERM end it within 2 s, with status 130, and the old state stays.
mkdir cancelled
begin cancelled
for signal in INT TERM; do
    round=$signal
    mutate 40
    start cancelled
    while [ ! -e cancelled/wherry/chaos/disk-0.sums.next ]; do
        kill -0 $pid 2> /dev/null || fail "the update is over: $(cat out)"
    done
    kill -$signal $pid
    begin_us=$EPOCHREALTIME
    status=0
    wait $pid || status=$?
    ms=$(awk -v a="$begin_us" -v b="$EPOCHREALTIME" 'BEGIN { printf "%d", (b - a) * 1000 }')
    [ $status -eq 130 ] || fail "status $status: $(cat out)"
    [ "$ms" -lt 2000 ] || fail "it took $ms ms to end after SIG$signal"
    grep -q 'is left as generation [0-9]*: interrupted after' out || fail "not so: $(cat out)"
    [ ! -e cancelled/wherry/chaos/update.journal ] || fail "SIG$signal leaves a journal"
    is_image old cancelled || fail "SIG$signal did not leave the old state"
    finish cancelled
done
