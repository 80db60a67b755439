#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Captures whose disk or medium fails at random, and that go on with --resume until they are done: at
# a random call that changes a file it fails with EIO or ENOSPC, or the process is killed; and reads of
# the disk fail at random.  Each bundle verifies, and is equal to the disk.  A medium that lies about
# its size is found by --verify.  The seed is printed; WHERRY_CHAOS_SEED takes it.

in_memory=1
# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
# shellcheck source=tests/scripts/nbd.sh
. "$(dirname "$0")/nbd.sh"
# shellcheck source=tests/scripts/chaos-functions.sh
. "$(dirname "$0")/chaos-functions.sh"

requires nbdkit --filter=error null --version
requires mke2fs -V

export WHERRY_CHECKPOINT_BYTES=1500000
loop=""

unserve ()
{
    umount -q medium || true
    [ -z "$loop" ] || losetup --detach "$loop" || true
    loop=""
    unserve_file "served.$n"
}
trap 'unserve; rm -rf "$workdir"' EXIT

# serve NBDKIT-ARG...: what nbdkit gives, as the file served.$n.
n=0
serve ()
{
    n=$((n + 1))
    serve_file "served.$n" "$@"
}

# capture DISK [OPTION...]
capture ()
{
    "$PROGRAM" capture --quiet --to to --name chaos "${@:2}" "$1" > out 2>&1
}

# check: the bundle is whole, and equal to the disk.
check ()
{
    "$PROGRAM" verify --quiet to/wherry/chaos > /dev/null || fail "$1: the bundle is damaged"
    qemu-img check -q to/wherry/chaos/disk-0.qcow2 || fail "$1: qemu-img finds fault"
    qemu-img compare -q -f raw -F qcow2 disk to/wherry/chaos/disk-0.qcow2 || fail "$1: another disk"
}

no_journals ()
{
    [ -z "$(find to/wherry/chaos -name '*.journal')" ] || fail "$1: a journal is left"
}

# finish DISK WHAT: until it is done; begun anew where nothing was begun.
finish ()
{
    local try
    for try in $(seq 20); do
        if [ -e to/wherry/chaos/capture.journal ]; then
            ! capture "$1" --resume || break
        elif [ ! -e to/wherry/chaos/machine.json ]; then
            rm -rf to/wherry/chaos
            ! capture "$1" || break
        else
            break
        fi
        [[ $2 = read* ]] || fail "$2: no resume: $(cat out)"
        [ "$try" -lt 20 ] || fail "$2: no end: $(cat out)"
    done
    check "$2"
    no_journals "$2"
}

truncate -s 40M disk
noise 8192 "$seed" | dd of=disk bs=1M seek=1 conv=notrunc status=none
noise 3072 "$seed-text" | base64 -w 76 | dd of=disk bs=1M seek=20 conv=notrunc status=none
mkdir to medium

# Each call that changes a file may fail, or be the last.
LD_PRELOAD=$FILE_FAULTS_LIBRARY FAULT_LOG=$PWD/calls capture disk || fail "$(cat out)"
calls=$(wc -l < calls)
echo "a capture changes files by $calls calls"
check "without a fault"
no_journals "without a fault"
for how in kill EIO ENOSPC; do
    failed=0
    for ((round = 1; round <= rounds; round++)); do
        rm -rf to/wherry
        random "$calls"
        at=$((r + 1))
        r=0
        if [ $how = kill ]; then
            LD_PRELOAD=$FILE_FAULTS_LIBRARY FAULT_AT=$at capture disk 2> /dev/null || r=$?
            [ $r -eq 137 ] || fail "status $r, not killed at call $at: $(cat out)"
        else
            LD_PRELOAD=$FILE_FAULTS_LIBRARY FAULT_AT=$at FAULT=$how capture disk || r=$?
        fi
        if [ $r -ne 0 ]; then
            failed=$((failed + 1))
            if [ $how != kill ] && [ -e to/wherry/chaos/capture.journal ]; then
                grep -q 'go on with --resume\|remove it and capture anew' out ||
                    fail "call $at, $how: not how to go on: $(cat out)"
            fi
            finish disk "$how at call $at"
        else # a complete bundle's journal that cannot be removed, for one: it is left, and harmless
            check "$how at call $at, which made no failure"
        fi
    done
    echo "$how: $failed of $rounds captures failed"
    [ $((failed * 2)) -gt "$rounds" ] || fail "only $failed of $rounds captures failed by $how"
done

# Reads that fail at random, and not again.
failed=0
serve --filter=error file disk error-pread-rate=15%
for ((round = 1; round <= rounds; round++)); do
    rm -rf to/wherry
    capture "served.$n" || failed=$((failed + 1))
    finish "served.$n" "reads that fail"
done
unserve
echo "reads that fail: $failed of $rounds captures were interrupted"

# A medium that lies about its size: a fake, that keeps nothing of what is written behind 32 MiB.  The
# page cache hides that, so a capture succeeds, but not with --verify.
truncate -s 64M backing
# shellcheck disable=SC2016 # nbdkit's variables
serve eval get_size='echo 67108864' can_write='exit 0' can_flush='exit 0' flush='exit 0' \
    pread='dd if='"$PWD"'/backing iflag=skip_bytes,count_bytes skip=$4 count=$3 bs=256k status=none' \
    pwrite='if [ $4 -lt 33554432 ]; then
                dd of='"$PWD"'/backing oflag=seek_bytes seek=$4 bs=256k conv=notrunc status=none
            else
                cat > /dev/null
            fi'
loop=$(losetup --find --show --direct-io=on "served.$n") # else its own cache lies, too
mke2fs -q -F -t ext4 -b 4096 -O ^has_journal "$loop"
mount "$loop" medium
fallocate -l 34M medium/filler
"$PROGRAM" capture --quiet --to medium --name fake disk > out 2>&1 || fail "$(cat out)"
r=0
"$PROGRAM" capture --quiet --to medium --name fake --resume --verify disk > out 2>&1 || r=$?
[ $r -eq 3 ] || fail "status $r, so the fake was not found out: $(cat out)"
grep -q 'is not whole on the medium' out || fail "$(cat out)"
echo "the fake medium: $(cut -c 1-200 out)"
