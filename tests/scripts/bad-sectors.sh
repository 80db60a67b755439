#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Disks that cannot be read everywhere: what nbdkit refuses to give is zero in the image and listed,
# to the sector, and all else is there; without --allow-bad-sectors the capture ends at the first,
# and goes on from there.  Reads that fail at random, and not again, cost nothing.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
# shellcheck source=tests/scripts/nbd.sh
. "$(dirname "$0")/nbd.sh"

requires nbdkit --filter=ddrescue null --version
requires qemu-img --version
requires openssl version
requires jq --version

seed=${WHERRY_CHAOS_SEED-$(draw)}
echo "seed $seed"
RANDOM=$seed
export WHERRY_CHECKPOINT_BYTES=4194304
loop=""

trap 'umount -q "$workdir/lying" || true; [ -z "$loop" ] || losetup --detach "$loop"; unserve_file served; rm -rf "$workdir"' EXIT

capture ()
{
    "$PROGRAM" capture --to to --name bad "$@" served
}

# gaps: what the manifest lists, "OFFSET LENGTH" a line.
gaps ()
{
    jq -r '.disks[0].unreadable[] | "\(.offset) \(.length)"' to/wherry/bad/machine.json
}

# Sectors alone, in a row, over the end of a chunk, many, and the last one; it is not whole.
head -c $((40 << 20 | 100)) /dev/zero |
    openssl enc -aes-128-ctr -pbkdf2 -pass "pass:$seed" -nosalt > disk
cat > wanted << END
20971520 512
20972544 1536
25165312 1024
31457280 300032
41943040 100
END
cp disk damaged
{
    echo "# Mapfile.  Created by hand"
    echo "0x0 + 1"
    at=0
    while read -r offset length; do
        printf '0x%x 0x%x +\n' $at $((offset - at))
        printf '0x%x 0x%x -\n' "$offset" "$length"
        at=$((offset + length))
        dd if=/dev/zero of=damaged bs=4 seek=$((offset / 4)) count=$((length / 4)) conv=notrunc status=none
    done < wanted
} > map

serve_file served --filter=ddrescue file disk ddrescue-mapfile=map
mkdir to
fails_with 'served: cannot read the sector at 20971520 (--allow-bad-sectors carries what can be read)' \
    capture --quiet
fails_with 'go on with --resume' capture --quiet --resume
[ -e to/wherry/bad/disk-0.journal ] || fail "no checkpoint before the bad sector"
capture --resume --allow-bad-sectors > out 2> err || fail "$(cat err)"
unserve_file served
gaps | diff -u wanted - || fail "other ranges are listed"
grep -q 'warning: served: 303204 bytes in 5 ranges could not be read and are zero' err || fail "$(cat err)"
grep -q 'served: 1536 bytes at 20972544 could not be read' to/wherry/bad/capture.log ||
    fail "$(cat to/wherry/bad/capture.log)"
jq -e '.warnings[] | select(contains("303204 bytes in 5 ranges"))' to/wherry/bad/machine.json > /dev/null ||
    fail "no warning in the manifest"
"$PROGRAM" verify --quiet to/wherry/bad > /dev/null || fail "the bundle is damaged"
qemu-img compare -q -f raw -F qcow2 damaged to/wherry/bad/disk-0.qcow2 || fail "other bytes are lost"
rm -r to/wherry

# In one go.
serve_file served --filter=ddrescue file disk ddrescue-mapfile=map
capture --quiet --allow-bad-sectors > out
unserve_file served
gaps | diff -u wanted - || fail "other ranges are listed"
qemu-img compare -q -f raw -F qcow2 damaged to/wherry/bad/disk-0.qcow2 || fail "other bytes are lost"
rm -r to/wherry

# The first sector, where the table would be: there is no map, so nothing is begun.
truncate -s 768K small
printf '0x0 + 1\n0x0 0x200 -\n0x200 0xbfe00 +\n' > small-map
serve_file served --filter=ddrescue file small ddrescue-mapfile=small-map
fails_with "cannot read the partition table of 'served'" capture --quiet
grep -q 'error (--allow-bad-sectors carries what can be read)' stderr || fail "$(cat stderr)"
fails_with "there is no 'to/wherry/bad' to go on with" capture --quiet --resume --allow-bad-sectors
capture --quiet --allow-bad-sectors > out 2> err || fail "$(cat err)"
unserve_file served
[ "$(gaps)" = "0 512" ] || fail "other ranges are listed: $(gaps)"
rm -r to/wherry

# A medium that lies: what was flushed is gone.  It lies below the filesystem, so only a read from
# there finds it.
if [ "$(id -u)" -eq 0 ]; then
    truncate -s 160M backing
    mke2fs -q -F -t ext4 backing
    loop=$(losetup --find --show --direct-io=on backing)
    mkdir lying
    mount "$loop" lying
    "$PROGRAM" capture --quiet --to lying --name fine --verify disk > out
    "$PROGRAM" capture --quiet --to lying --name lost disk > out
    sync -f lying
    # The middle of its longest piece, which is of guest data.
    at=$(filefrag -b4096 -v lying/wherry/lost/disk-0.qcow2 |
        awk '$1 ~ /^[0-9]+:$/ && $6 + 0 > n { n = $6 + 0; at = $4 + int(n / 2) } END { print at }')
    dd if=/dev/zero of=backing bs=4096 seek="$at" count=8 conv=notrunc oflag=direct status=none
    "$PROGRAM" verify --quiet lying/wherry/lost > /dev/null || echo "it was out of the cache already"
    ! "$PROGRAM" capture --quiet --to lying --name lost --resume --verify disk 2> err ||
        fail "a lying medium is not found out"
    grep -q "is not whole on the medium: 'disk-0.qcow2' was altered" err || fail "$(cat err)"
    umount lying
    losetup --detach "$loop"
    loop=""
fi

# At random, and not again: at so many tries one sector comes.
rounds=3
[ "${WHERRY_TEST_ALL-}" != 1 ] || rounds=50
for _ in $(seq $rounds); do
    serve_file served --filter=error file disk error-pread-rate=10%
    until capture --quiet --allow-bad-sectors > out 2> err || capture --quiet --resume --allow-bad-sectors >> out 2>> err; do
        rm -rf to/wherry
    done
    unserve_file served
    cp disk damaged
    while read -r offset length; do
        dd if=/dev/zero of=damaged bs=4 seek=$((offset / 4)) count=$((length / 4)) conv=notrunc status=none
    done < <(gaps)
    "$PROGRAM" verify --quiet to/wherry/bad > /dev/null || fail "the bundle is damaged"
    qemu-img compare -q -f raw -F qcow2 damaged to/wherry/bad/disk-0.qcow2 || fail "other bytes are lost"
    rm -r to/wherry
done

# A disk that does not answer at all: SIGINT ends the capture all the same.  A loop device waits in
# the kernel, as a disk does.
[ "$(id -u)" -eq 0 ] || exit 0
truncate -s 40M disk
serve_file served --filter=rate file disk rate=160M # bits: it takes 2 s
loop=$(losetup --find --show --read-only served)
"$PROGRAM" capture --quiet --to to --name bad "$loop" > out 2>&1 &
pid=$!
while [ ! -e to/wherry/bad/disk-0.journal ]; do
    kill -0 $pid 2> /dev/null || fail "no checkpoint: $(cat out)"
    sleep 0.01
done
kill -STOP "$fuse"
sleep 0.5
kill -INT $pid
begin=$EPOCHREALTIME
status=0
wait $pid || status=$?
ms=$(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%d", (b - a) * 1000 }')
kill -CONT "$fuse"
[ $status -eq 130 ] || fail "status $status: $(cat out)"
[ "$ms" -lt 2000 ] || fail "it took $ms ms to end"
"$PROGRAM" capture --quiet --resume --to to --name bad "$loop" > out || fail "no resume"
losetup --detach "$loop"
loop=
unserve_file served
qemu-img compare -q -f raw -F qcow2 disk to/wherry/bad/disk-0.qcow2 || fail "another disk"
