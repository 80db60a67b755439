#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Several generations of a bundle in a row, while files come, go and move, ranges become zero and
# partitions are resized: after each update the image, converted by qemu-img, equals the disk where
# its map says so and is zero elsewhere, its files are those of the source, and qemu-img check is
# content.  Then what is refused, what cannot be read, and a bundle whose update was committed but
# not brought in, on a medium that cannot be written.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
PATH=$PATH:/usr/sbin:/sbin

requires qemu-img --version
requires sfdisk --version
requires mke2fs -V
requires jq --version
requires nbdkit --filter=ddrescue null --version
requires nbdfuse --version
requires openssl version
requires test -w /dev/fuse
requires test "$(id -u)" -eq 0 # for mounts

seed=${WHERRY_CHAOS_SEED-$(draw)}
echo "seed $seed"
RANDOM=$seed
generations=4
[ "${WHERRY_TEST_ALL-}" != 1 ] || generations=30
fuse=
loop=

# unserve: nbdfuse does not end by itself while another mount namespace holds what it mounted.
unserve ()
{
    [ -n "$fuse" ] || return 0
    fusermount3 -u "$workdir/served" || true
    kill "$fuse" 2> /dev/null || true
    wait "$fuse" || true
    fuse=
}

clean_up ()
{
    umount -q "$workdir/mnt" || true
    umount -q "$workdir/medium" || true
    [ -z "$loop" ] || losetup --detach "$loop"
    unserve
    rm -rf "$workdir"
}
trap clean_up EXIT

# noise KIB
noise ()
{
    head -c "$1k" /dev/zero | openssl enc -aes-128-ctr -pbkdf2 -iter 1 -pass "pass:$RANDOM" -nosalt
}

# take_root DISK: its filesystem as ./root, a new file: a loop device that is still held by
# somebody's mount namespace must not serve an old one.
take_root ()
{
    rm -f root
    dd if="$1" of=root bs=1M skip=1 count="$root_mib" conv=sparse status=none
    truncate -s "${root_mib}M" root
}

put_root ()
{
    dd if=root of=disk bs=1M seek=1 conv=notrunc status=none
}

# with_root DISK CMD...: in ./mnt, where a copy of the filesystem of DISK is mounted.
with_root ()
{
    take_root "$1"
    mount -o "loop,$mode" root mnt
    (cd mnt && "${@:2}")
    umount mnt
}

list_files ()
{
    find . -type f -exec sha256sum {} + | sort -k 2
}

# Files come, go, grow, move, and become zero.
live ()
{
    local names name
    for i in $(seq 12); do
        noise $((1 + RANDOM % 1500)) > "new-$1-$i"
    done
    mapfile -t names < <(find . -name 'new-*' | sort)
    for name in "${names[@]}"; do
        case $((RANDOM % 8)) in
        0) rm "$name" ;;
        1) noise 300 >> "$name" ;;
        2) cp "$name" moved && mv moved "$name" ;;
        3) dd if=/dev/zero of="$name" bs=1k seek=4 count=300 conv=notrunc status=none ;;
        esac
    done
    sync -f .
}

make_disk ()
{
    rm -f disk root
    truncate -s 200M disk
    printf 'start=1MiB,size=%dMiB\n' "$root_mib" | sfdisk -q --label gpt disk
    truncate -s "${root_mib}M" root
    mke2fs -q -F -t ext4 root
    put_root
    mode=rw
    with_root disk live 0
    put_root
}

# resize MIB: the filesystem and its partition; behind it there is another one.
resize ()
{
    take_root disk
    [ "$1" -lt "$root_mib" ] || truncate -s "$1M" root
    e2fsck -fp root > /dev/null || [ $? -le 1 ]
    resize2fs root "$1M" > /dev/null 2>&1
    root_mib=$1
    truncate -s "${root_mib}M" root
    put_root
    { echo "label-id: $(sfdisk --disk-id disk)"; printf 'start=1MiB,size=%dMiB\n' "$root_mib"; echo size=20MiB; } |
        sfdisk -q --wipe never --wipe-partitions never --label gpt disk
}

# check_generation N: the bundle in ./bundle is the N-th, and equal.
check_generation ()
{
    "$MAP_TOOL" mask disk masked
    qemu-img check -q bundle/disk-0.qcow2 || fail "$1: qemu-img finds fault"
    qemu-img convert -O raw bundle/disk-0.qcow2 out.raw
    cmp masked out.raw || fail "$1: the image holds other bytes"
    "$PROGRAM" verify --quiet bundle > /dev/null || fail "$1: it does not verify"
    [ "$(jq .generation bundle/machine.json)" -eq "$1" ] || fail "$1: another generation"
    [ "$(jq -r .id bundle/machine.json)" = "$id" ] || fail "$1: another id"
    mode=ro,noload
    with_root disk list_files > files.disk
    with_root out.raw list_files > files.out
    cmp files.disk files.out || fail "$1: other files"
    [ "$(wc -l < files.out)" -gt 5 ] || fail "$1: too few files to say anything"
    e2fsck -fn root > fsck 2>&1 || fail "$1: e2fsck: $(cat fsck)"
    mode=rw
}

mkdir mnt
for how in zstd none; do
    root_mib=120
    make_disk
    rm -rf to
    mkdir to
    "$PROGRAM" capture --quiet --compress $how --to to --name up disk > /dev/null
    rm -f bundle
    ln -s to/wherry/up bundle
    id=$(jq -r .id bundle/machine.json)
    check_generation 1
    for ((n = 2; n <= generations; n++)); do
        [ $n -ne 3 ] || resize 100
        [ $n -ne 4 ] || resize 150
        with_root disk live $n
        put_root
        before=$(sha256 disk)
        size=$(stat -c %s bundle/disk-0.qcow2)
        "$PROGRAM" capture --json --quiet --update bundle > update.json
        [ "$(sha256 disk)" = "$before" ] || fail "$n: the source was changed"
        check_generation $n
        jq -e --argjson n $n '.generation == $n and .disks[0].changed > 0' update.json > update.ok ||
            fail "$n: $(cat update.json)"
        grown=$(($(stat -c %s bundle/disk-0.qcow2) - size))
        [ $grown -le $(($(jq '.disks[0].changed' update.json) + (1 << 20))) ] ||
            fail "$n: the image grew by $grown: $(cat update.json)"
    done
    [ "$how" = zstd ] || [ "$(qemu-img info --output json bundle/disk-0.qcow2 |
        jq -r '."format-specific".data."compression-type"')" = zlib ] || fail "$how was not kept"
    grep -q "an update to generation $generations" bundle/capture.log || fail "no word in the log"
    [ "$(grep -c complete bundle/capture.log)" -eq $generations ] || fail "not all in the log"
done

# Nothing has changed: nothing is written but the manifest's generation.
n=$generations
size=$(stat -c %s bundle/disk-0.qcow2)
touch bundle/capture.journal bundle/disk-0.journal bundle/disk-0.leaves # as a kill right after machine.json leaves them
"$PROGRAM" capture --verify --update bundle > update.out 2> update.err || fail "$(cat update.err)"
grep -q '^disk: 0 B differed; .* are not used any more' update.out || fail "$(cat update.out)"
grep -q 'updating' update.err || fail "no progress: $(cat update.err)"
grep -q 'verifying' update.err || fail "no --verify: $(cat update.err)"
[ "$(stat -c %s bundle/disk-0.qcow2)" -eq "$size" ] || fail "the image grew"
! ls bundle/*.journal bundle/*.leaves 2> /dev/null || fail "journals of a complete bundle are left"
check_generation $((n + 1))
described capture > docs
printed update.json > program
diff -u docs program || fail "docs/json.md and capture --json --update differ"

# refused TEXT CMD...: with status 2 or 3, and the bundle is as it was.
refused ()
{
    local before
    before=$(cat bundle/* | sha256sum)
    fails_with "$@"
    [ "$(cat bundle/* | sha256sum)" = "$before" ] || fail "'$1' has changed the bundle"
}

up=("$PROGRAM" capture --quiet --update bundle)
refused 'leave out --to' "${up[@]}" --to to
refused 'leave out --resume' "${up[@]}" --resume
refused 'leave out --compress' "${up[@]}" --compress none
cp --sparse=always disk larger
truncate -s 201M larger
refused 'its size is 210763776 bytes, and was 209715200' "${up[@]}" larger
refused 'holds 1 disks, but 2 are named' "${up[@]}" disk larger
refused "'disk.raw'" "$PROGRAM" capture --quiet --update bundle disk.raw
# Of an image file neither WWN nor serial number are known: the table tells, and what is in it.
mv disk disk.kept
cp --sparse=always disk.kept disk
sfdisk -q --disk-id disk 0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0
refused "partition table's identifier is 0f1e2d3c" "${up[@]}"
cp --sparse=always disk.kept disk
take_root disk
mke2fs -q -F -t ext4 root
put_root
refused 'none of its filesystems has a UUID that was there' "${up[@]}"
mv disk.kept disk
loop=$(losetup --find --show --read-only --sector-size 4096 disk)
r=0
"${up[@]}" "$loop" 2> stderr || r=$? # it also warns of such a disk
[ $r -eq 3 ] || fail "sectors of 4096 bytes: status $r: $(cat stderr)"
grep -q 'its sector size is 4096 bytes, and was 512' stderr || fail "$(cat stderr)"
losetup --detach "$loop"
loop=
exec 9< bundle/
flock 9
refused 'another wherry works on' "${up[@]}"
exec 9<&-
cp -r to/wherry/up altered
printf x | dd of=altered/disk-0.sums bs=1 seek=100 conv=notrunc status=none
fails_with 'is not what was recorded: ' "$PROGRAM" capture --quiet --update altered
printf x | dd of=altered/disk-0.sums bs=1 seek=70 conv=notrunc status=none
rm -r altered

# A bad sector: without --allow-bad-sectors the old state stays, with it the sector is zero and listed.
# It is in the last MiB of a gap, which is carried.
noise 512 | dd of=disk bs=1M seek=199 conv=notrunc status=none
printf '0x0 + 1\n0x0 0xc740000 +\n0xc740000 0x200 -\n0xc740200 0x%x +\n' \
    $((209715200 - 0xc740200)) > map
: > served
nbdfuse served [ nbdkit --filter=ddrescue file disk ddrescue-mapfile=map ] 2> nbdkit.log &
fuse=$!
for _ in $(seq 600); do
    [ ! -s served ] || break
    sleep 0.1
done
refused 'is left as generation' "${up[@]}" served
"${up[@]}" --allow-bad-sectors served > out 2> err || fail "$(cat err)"
[ "$(jq -c '.disks[0].unreadable | map([.offset, .length])' bundle/machine.json)" = \
    '[[208928768,512]]' ] || fail "$(jq -c '.disks[0].unreadable' bundle/machine.json)"
"$PROGRAM" verify --quiet bundle > /dev/null || fail "with a bad sector: it does not verify"
unserve
"${up[@]}" disk > /dev/null
n=$((n + 3))
check_generation $n

# Several disks are one update: both, or none.
cp --sparse=always disk second
truncate -s 64M third
noise 5000 | dd of=third bs=1M seek=3 conv=notrunc status=none
"$PROGRAM" capture --quiet --to to --name two second third > /dev/null
noise 3000 | dd of=third bs=1M seek=20 conv=notrunc status=none
noise 3000 | dd of=second bs=1M seek=160 conv=notrunc status=none
rm bundle
ln -s to/wherry/two bundle
"$PROGRAM" capture --quiet --update bundle > /dev/null
"$MAP_TOOL" mask second masked.second third masked.third
for i in "0 second" "1 third"; do
    qemu-img compare -q -f raw -F qcow2 "masked.${i#* }" "bundle/disk-${i% *}.qcow2" ||
        fail "${i#* } is another"
    qemu-img check -q "bundle/disk-${i% *}.qcow2" || fail "${i#* }: qemu-img finds fault"
done

# Committed, and then cut off before any of it was in its place: a medium that cannot be written
# shows the new state; once it can be, --resume as much as --update brings it in.
mkdir medium
mount -t tmpfs -o size=200M tmpfs medium
cp -r to/wherry medium/
noise 3000 | dd of=third bs=1M seek=40 conv=notrunc status=none
export LD_PRELOAD=$FILE_FAULTS_LIBRARY
FAULT_LOG=$PWD/calls "$PROGRAM" capture --quiet --update bundle > /dev/null
noise 3000 | dd of=third bs=1M seek=42 conv=notrunc status=none
"$PROGRAM" capture --quiet --update medium/wherry/two > /dev/null
noise 1000 | dd of=third bs=1M seek=44 conv=notrunc status=none
first=$(grep -n renameat calls | sed -n 2p | cut -d: -f1)
! FAULT_AT=$((first + 4)) "$PROGRAM" capture --quiet --update medium/wherry/two > /dev/null 2>&1 ||
    fail "it was not cut off"
unset LD_PRELOAD
[ -e medium/wherry/two/update.journal ] || fail "no journal is left"
mount -o remount,ro medium
"$PROGRAM" verify --quiet medium/wherry/two > /dev/null || fail "read-only, it does not verify"
fails_with 'Read-only' "$PROGRAM" capture --quiet --update medium/wherry/two
mount -o remount,rw medium
[ -e medium/wherry/two/update.journal ] || fail "verify has changed it"
"$PROGRAM" capture --quiet --resume --to medium --name two second third > out || fail "$(cat out)"
[ ! -e medium/wherry/two/update.journal ] || fail "--resume has not brought it in"
[ "$(jq .generation medium/wherry/two/machine.json)" -eq 4 ] || fail "another generation"
"$MAP_TOOL" mask third masked.third.now
qemu-img compare -q -f raw -F qcow2 masked.third.now medium/wherry/two/disk-1.qcow2 ||
    fail "what was committed is not there"
"$PROGRAM" verify --quiet medium/wherry/two > /dev/null || fail "it does not verify"
