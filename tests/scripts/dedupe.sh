#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Equal compressed clusters are stored once: QEMU finds the image right, before and after a guest
# has written, also where more share than a refcount can count, and after kills.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"

requires qemu-img --version
requires qemu-io --version
requires openssl version
requires jq --version

mib=1048576
limit=65535 # references that a host cluster can have

# words KEY BYTES: what compresses to two thirds or so, the same for the same key.
words ()
{
    head -c $(($2 * 3 / 4)) /dev/zero | openssl enc -aes-128-ctr -pbkdf2 -iter 1 -pass "pass:$1" -nosalt |
        base64 -w 0
}

# capture NAME DISK [OPTION...]: $image is what came out, and is whole.
capture ()
{
    local name=$1 disk=$2
    shift 2
    "$PROGRAM" capture --quiet --to . --name "$name" "$@" "$disk" > out 2> err || fail "$name: $(cat err)"
    image=wherry/$name/disk-0.qcow2
    "$PROGRAM" verify --quiet "wherry/$name" > out || fail "$name: verify: $(cat out)"
    same_disk "$disk"
}

# about BYTES SAID: what equal clusters are said to share, but for what a file is rounded up by.
about ()
{
    [ $(($1 > $2 ? $1 - $2 : $2 - $1)) -le $mib ] || fail "$1 bytes are shared, and $2 are said to be"
}

# same_disk DISK: $image holds it, says QEMU.
same_disk ()
{
    qemu-img check "$image" > check.out 2>&1 || fail "$image: $(cat check.out)"
    qemu-img compare -q -f raw -F qcow2 "$1" "$image" || fail "$image is another disk than $1"
}

# guest_writes DISK: the same random writes into it and into $image, a copy each.
guest_writes ()
{
    local size i at n
    size=$(stat -c %s "$1")
    for ((i = 0; i < 200; i++)); do
        n=$((RANDOM % 200000 / 512 * 512 + 512))
        at=$(((RANDOM * 32768 + RANDOM) * 512 % (size - n)))
        echo "write -P $((i + 1)) $((at / 512 * 512)) $n"
    done > commands
    cp --sparse=always "$1" written.raw
    cp "$image" written.qcow2
    image=written.qcow2
    qemu-io -f qcow2 "$image" < commands > /dev/null
    qemu-io -f raw written.raw < commands > /dev/null
    same_disk written.raw
}

# The same 3 MiB eight times, with noise between that shares nothing, and once more not aligned.
RANDOM=$(draw)
words one $((3 * mib)) > piece
{
    for _ in 1 2 3 4; do
        cat piece piece
        head -c $mib /dev/urandom
    done
    head -c 4096 /dev/urandom
    cat piece
} > disk
capture shared disk
shared=$(stat -c %s "$image")
guest_writes disk
capture apart disk --no-dedupe
apart=$(stat -c %s "$image")
echo "shared: $shared bytes; apart: $apart"
[ $((apart - shared)) -gt $((12 * mib)) ] || fail "$shared bytes with, $apart without"
capture again disk --dedupe
[ "$(stat -c %s "$image")" -eq "$shared" ] || fail "--dedupe is not the default"
capture plain disk --compress none

# It says how much that is; a capture that was told not to, and goes on, still does not, and one that
# goes on counts what it had shared before.
"$PROGRAM" capture --quiet --json --to . --name said disk > said.json
said=$(jq '.disks[0].shared' said.json)
about $((apart - shared)) "$said"
export LD_PRELOAD=$FILE_FAULTS_LIBRARY WHERRY_CHECKPOINT_BYTES=$((4 * mib))
FAULT_LOG=$PWD/calls "$PROGRAM" capture --quiet --to . --name counted disk > /dev/null
for how in --dedupe --no-dedupe; do
    rm -rf wherry/cut
    ! FAULT_AT=$(($(wc -l < calls) / 2)) "$PROGRAM" capture --quiet --to . --name cut $how disk \
        > /dev/null 2>&1 || fail "it was not cut off"
    [ -e wherry/cut/disk-0.journal ] || fail "no checkpoint"
    fails_with 'leave out --compress, --dedupe and --no-dedupe' \
        "$PROGRAM" capture --quiet --to . --name cut --resume $how disk
    "$PROGRAM" capture --quiet --json --to . --name cut --resume disk > cut.json
    image=wherry/cut/disk-0.qcow2
    same_disk disk
    size=$(stat -c %s $image) counted=$(jq '.disks[0].shared' cut.json)
    about $((apart - size)) "$counted"
    case $how in
    --dedupe) [ "$counted" -gt $((4 * mib)) ] || fail "only $counted bytes are shared" ;;
    *) [ "$counted" -eq 0 ] || fail "--no-dedupe was forgotten: $counted bytes are shared" ;;
    esac
done
unset LD_PRELOAD

# Killed, it goes on, and what it had remembered it has forgotten: that is all.
export WHERRY_CHECKPOINT_BYTES=$((4 * mib))
for delay in 0 0.03 0.1 0.2; do
    rm -rf wherry/killed
    "$PROGRAM" capture --quiet --to . --name killed disk > out 2>&1 &
    pid=$!
    until [ -e wherry/killed/disk-0.journal ] || [ -e wherry/killed/machine.json ]; do
        kill -0 $pid 2> /dev/null || break # it was that fast
        sleep 0.01
    done
    sleep "$delay"
    kill -KILL $pid 2> /dev/null || true
    wait $pid 2> /dev/null || true
    capture killed disk --resume
done

# Twice as many guest clusters in one as a refcount can count: copies begin anew, and a guest that
# writes to some of them changes no other.
n=$((2 * limit + 100))
"$IMAGE_TOOL" repeat $n many.qcow2
image=many.qcow2
qemu-img check "$image" > check.out 2>&1 || fail "$image: $(cat check.out)"
"$IMAGE_TOOL" check "$image"
[ "$(stat -c %s "$image")" -lt $((3 * mib)) ] || fail "$image has $(stat -c %s "$image") bytes"
for ((i = 0; i < 300; i++)); do
    random $((n - 1))
    echo $r
done > drawn
awk '{ if (!seen[$1 - 1] && !seen[$1] && !seen[$1 + 1]) print $1; seen[$1] = 1 }' drawn > numbers
# Each is written to from its start; its rest and the one behind it stay.
awk '{ printf "write -P %d %.0f %d\n", 1 + NR % 80, $1 * 65536, 512 * (1 + NR % 100) }' numbers > writes
awk '{ at = $1 * 65536; n = 512 * (1 + NR % 100)
    printf "read -P %d %.0f %d\nread -P 90 %.0f %d\n", 1 + NR % 80, at, n, at + n, 131072 - n }' numbers > reads
qemu-io -f qcow2 "$image" < writes > /dev/null
qemu-img check "$image" > check.out 2>&1 || fail "$image, written to: $(cat check.out)"
"$IMAGE_TOOL" check "$image"
qemu-io -f qcow2 "$image" < reads > out 2>&1
[ "$(grep -c 'ops;' out)" -ge "$(wc -l < reads)" ] || fail "not all was read: $(tail -n 3 out)"
if grep -F 'Pattern verification failed' out; then fail "a write to one changed another"; fi
