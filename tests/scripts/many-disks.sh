#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Disks on different devices are read side by side, those on the same one after the other; killed
# in the midst of that, the capture goes on with each.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"

requires qemu-img --version
requires openssl version
requires test "$(id -u)" -eq 0 # for a mount

export WHERRY_CHECKPOINT_BYTES=4194304
trap 'umount -q "$workdir/other" || true; rm -rf "$workdir"' EXIT

mkdir other to
mount -t tmpfs -o size=200M tmpfs other
noise ()
{
    head -c "$1" /dev/zero | openssl enc -aes-128-ctr -pbkdf2 -pass "pass:$2" -nosalt
}
noise 100M first > a
noise 100M second > other/b
noise 3M third > c
noise 5M fourth > other/d
noise 6M fifth > d.small
disks=(a other/b c other/d)

# is_finished N: what the journal says of disk N.
is_finished ()
{
    [ "$(od -An -tu8 -j 24 -N 8 "to/wherry/many/disk-$1.journal" | tr -d ' ')" -ne 0 ]
}

"$PROGRAM" capture --quiet --to to --name many "${disks[@]}" > out 2>&1 &
pid=$!
while [ ! -e to/wherry/many/disk-0.journal ] || [ ! -e to/wherry/many/disk-1.journal ]; do
    kill -0 $pid 2> /dev/null || fail "no two checkpoints: $(cat out)"
    sleep 0.01
done
kill -KILL $pid
wait $pid 2> /dev/null || true
if is_finished 0 || is_finished 1; then
    fail "one after the other"
fi
for i in 2 3; do
    [ ! -e "to/wherry/many/disk-$i.journal" ] || fail "disk $i was begun before the first was done"
done

"$PROGRAM" capture --to to --name many --resume "${disks[@]}" > out 2> err || fail "$(cat err)"
grep -q 'all: 208.0 MiB of 208.0 MiB, 100 %' err || fail "$(cat err)"
"$PROGRAM" verify --quiet to/wherry/many > /dev/null || fail "the bundle is damaged"
for i in 0 1 2 3; do
    qemu-img compare -q -f raw -F qcow2 "${disks[i]}" "to/wherry/many/disk-$i.qcow2" ||
        fail "disk $i is another"
done

# Interrupted when the first of two is finished: that one must not have changed since, either.
rm -r to/wherry
"$PROGRAM" capture --quiet --to to --name many d.small a > out 2>&1 &
pid=$!
until [ -e to/wherry/many/disk-1.journal ]; do
    kill -0 $pid 2> /dev/null || fail "no checkpoint: $(cat out)"
    sleep 0.01
done
kill -KILL $pid
wait $pid 2> /dev/null || true
is_finished 0 || fail "the first is not finished"
cp d.small kept
printf x | dd of=d.small bs=1 seek=3000000 conv=notrunc status=none
fails_with "'d.small' has changed at byte 2883584" \
    "$PROGRAM" capture --quiet --to to --name many --resume d.small a
cp kept d.small
"$PROGRAM" capture --quiet --to to --name many --resume d.small a > out 2>&1 || fail "$(cat out)"
"$PROGRAM" verify --quiet to/wherry/many > /dev/null || fail "the bundle is damaged"
