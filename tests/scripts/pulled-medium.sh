#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The medium is pulled in the midst of a capture: what serves its device dies, so that every read and
# write of its filesystem fails from then on.  The capture ends, says so and how to go on; plugged in
# again, as another device, and mounted, it goes on to a bundle that is whole.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
# shellcheck source=tests/scripts/nbd.sh
. "$(dirname "$0")/nbd.sh"
PATH=$PATH:/usr/sbin:/sbin

requires nbdkit --filter=rate null --version
requires qemu-img --version
requires openssl version
requires mke2fs -V
requires test "$(id -u)" -eq 0 # for loop devices and mounts

rounds=4
[ "${WHERRY_TEST_ALL-}" != 1 ] || rounds=20
seed=${WHERRY_CHAOS_SEED-$(draw)}
echo "seed $seed"
RANDOM=$seed
export WHERRY_CHECKPOINT_BYTES=4194304
loop=""
n=0

# plug: the file "backing" as a device of 20 MB/s, mounted at ./medium.
plug ()
{
    n=$((n + 1))
    serve_file "served.$n" --filter=rate file backing rate=160M
    loop=$(losetup --find --show --direct-io=on "served.$n")
    mount "$loop" medium
}

# pull: the device is gone at once.
pull ()
{
    [ -n "$fuse" ] || return 0
    kill -KILL "$fuse" 2> /dev/null || true
    wait "$fuse" 2> /dev/null || true
    fuse=""
}

# let_go: what is left of it.
let_go ()
{
    umount -q -l medium || true
    [ -z "$loop" ] || losetup --detach "$loop" || true
    loop=""
    fusermount3 -u -z "served.$n" 2> /dev/null || true
}
trap 'pull; let_go; rm -rf "$workdir"' EXIT

capture=("$PROGRAM" capture --quiet --to medium --name pulled)
head -c 64M /dev/zero | openssl enc -aes-128-ctr -pbkdf2 -pass pass:pulled -nosalt > disk
mkdir medium
for ((round = 1; round <= rounds; round++)); do
    rm -f backing
    truncate -s 150M backing
    mke2fs -q -F -t ext4 -E lazy_itable_init=0,lazy_journal_init=0 backing
    plug
    "${capture[@]}" disk > out 2>&1 &
    pid=$!
    until [ -e medium/wherry/pulled/disk-0.journal ]; do
        kill -0 $pid 2> /dev/null || fail "no checkpoint: $(cat out)"
        sleep 0.01
    done
    sleep "0.$((RANDOM % 10))$((RANDOM % 10))"
    kill -0 $pid || fail "round $round: it had ended: $(cat out)"
    pull
    r=0
    wait $pid || r=$?
    echo "round $round: $(cat out)"
    [ $r -eq 1 ] || fail "round $round: status $r: $(cat out)"
    [ "$(wc -l < out)" -eq 1 ] || fail "round $round: not one line: $(cat out)"
    grep -q "'medium/wherry/pulled' is incomplete, go on with --resume: .*: \(Input/output error\|Read-only file system\|Transport endpoint\)" \
        out || fail "round $round: $(cat out)"
    let_go
    plug
    [ ! -e medium/wherry/pulled/machine.json ] || fail "round $round: it is called whole"
    "${capture[@]}" --resume disk > out 2>&1 || fail "round $round: no resume: $(cat out)"
    umount medium
    mount "$loop" medium
    "$PROGRAM" verify --quiet medium/wherry/pulled > /dev/null || fail "round $round: it is damaged"
    qemu-img compare -q -f raw -F qcow2 disk medium/wherry/pulled/disk-0.qcow2 ||
        fail "round $round: another disk"
    umount medium
    pull
    let_go
done
