#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2016 # names of NTFS begin with $
#
# What NTFS can be like besides clean, as others make or see it: marked by ntfsfix, hibernated as ntfs-3g
# sees it, with a damaged bitmap or mirror.  And what is left out of
# pagefile.sys: its contents, when it is one that Windows made, and when nobody wants them.

# shellcheck source=tests/scripts/volumes.sh
. "$(dirname "$0")/volumes.sh"
# shellcheck source=tests/scripts/ntfs-functions.sh
. "$(dirname "$0")/ntfs-functions.sh"

requires qemu-img --version
requires jq --version
requires setfattr --version
requires test "$(id -u)" -eq 0 # mounts

# new_volume CLUSTER [MKNTFS_ARG...]: the file volume, with a few files in it.
new_volume ()
{
    local size=$1
    shift
    rm -f volume
    truncate -s 100M volume
    mkntfs -Q -F -c "$size" "$@" volume > mkntfs.log 2>&1
    mount_ntfs volume mnt compression
    mkdir mnt/Windows
    head -c 3000000 /dev/urandom > mnt/Windows/data
    head -c 5000000 /dev/urandom > mnt/pagefile.sys
    head -c 300000 /dev/urandom > mnt/swapfile.sys
    head -c 400000 /dev/urandom > mnt/Windows/pagefile.sys
    head -c 1000000 /dev/urandom > mnt/more
    unmount_ntfs mnt
}

# capture ARG...: the volume, into the file raw; sets $how, and $used; err: what was said.
capture ()
{
    local before
    rm -rf to raw
    mkdir to
    before=$(sha256 volume)
    "$PROGRAM" capture --to to --name a "$@" volume > out 2> err
    [ "$(sha256 volume)" = "$before" ] || fail "the source was changed"
    how=$(jq -r '.disks[0].volumes[0].how' to/wherry/a/machine.json)
    used=$(jq '.disks[0].used' to/wherry/a/machine.json)
    echo "$how"
    qemu-img convert -O raw to/wherry/a/disk-0.qcow2 raw
}

# check_whole WORDS: all is carried, and said why.
check_whole ()
{
    capture
    [[ $how = "carried whole: NTFS $1"* ]] || fail "how is '$how', not '$1'"
    cmp volume raw || fail "not all is carried"
}

# sums FILE: of what is in that volume.
sums ()
{
    mount_ntfs "$1" mnt ro
    (cd mnt && find . -type f -print0 | sort -z | xargs -0 sha256sum)
    unmount_ntfs mnt
}

# A Windows that was shut down: its page files are all zeros in the image, and all else is there.
new_volume 4096
ntfs_numbers
sums volume > want
capture
[ "$how" = 'NTFS, clean; without the contents of pagefile.sys (4.8 MiB) and swapfile.sys (296.0 KiB)' ] ||
    fail "how is '$how'"
[ "$used" = $((in_use * cluster - 5001216 - 303104 + 100 * mib - n_clusters * cluster)) ] ||
    fail "$used bytes are carried, of $((in_use * cluster)) by ntfsclone"
zeros=$(head -c 5000000 /dev/zero | sha256sum | cut -d' ' -f1)
less=$(head -c 300000 /dev/zero | sha256sum | cut -d' ' -f1)
sed -i "s|^[0-9a-f]*  ./pagefile.sys|$zeros  ./pagefile.sys|; s|^[0-9a-f]*  ./swapfile.sys|$less  ./swapfile.sys|" want
sums raw > got
diff want got || fail "the files differ"
ntfsfix -n raw > fix.log 2>&1 || fail "ntfsfix: $(cat fix.log)"

# With --keep-pagefile nothing is left out.
capture --keep-pagefile
[ "$how" = 'NTFS, clean' ] || fail "how is '$how'"
[ "$used" = $((in_use * cluster + 100 * mib - n_clusters * cluster)) ] || fail "$used bytes are carried"
sums volume > want
sums raw > got
diff want got || fail "the files differ with --keep-pagefile"

# One in many pieces, more than its record holds; one that is compressed; one with a second name.
mount_ntfs volume mnt compression
rm mnt/pagefile.sys mnt/swapfile.sys
mkdir mnt/many
head -c 50000000 /dev/urandom | split -a 5 -b 16384 - mnt/many/ 2> /dev/null || true
head -c 100000000 /dev/zero > mnt/rest 2> /dev/null || true
find mnt/many -type f -name '*[acegikmoqsuwy]' -delete
head -c 12000000 /dev/urandom > mnt/pagefile.sys
unmount_ntfs mnt
ntfsinfo -F pagefile.sys volume > info # not into a pipe, whose end it may not live to see
grep -q 'ATTRIBUTE_LIST' info || fail "pagefile.sys is not in many pieces"
capture
[ "$how" = 'NTFS, clean; without the contents of pagefile.sys (11.4 MiB)' ] || fail "how is '$how'"
sums raw > got
sums volume | grep -v ' ./pagefile.sys' | diff - <(grep -v ' ./pagefile.sys' got) || fail "the files differ"
mount_ntfs volume mnt compression
rm -r mnt/many mnt/pagefile.sys mnt/rest
setfattr -n system.ntfs_attrib_be -v 0x00000800 mnt
head -c 3000000 /dev/urandom > mnt/pagefile.sys
setfattr -n system.ntfs_attrib_be -v 0x00000000 mnt
head -c 3000000 /dev/urandom > mnt/swapfile.sys
ln mnt/swapfile.sys mnt/other-name
unmount_ntfs mnt
capture
[ "$how" = 'NTFS, clean' ] || fail "odd page files: how is '$how'"
sums volume > want
sums raw > got
diff want got || fail "the files differ with odd page files"

# Marked as ntfsfix marks it, and no longer.
new_volume 1024
ntfsfix volume > fix.log
check_whole 'that is marked as not clean, with flags 0x0001 in $Volume'
ntfsfix -d volume > fix.log
capture
[[ $how = 'NTFS, clean;'* ]] || fail "how is '$how'"

# Hibernated, as ntfs-3g sees it too, and no more after a resume.
mount_ntfs volume mnt
{ printf 'hibr' && head -c 100000 /dev/urandom; } > mnt/hiberfil.sys
unmount_ntfs mnt
status=0
ntfs-3g.probe --readwrite volume 2> /dev/null || status=$?
[ $status -eq 14 ] || fail "ntfs-3g does not call it hibernated: status $status"
check_whole 'that holds a hibernated Windows'
grep -q 'volume holds a Windows that was hibernated, or shut down by Fast Startup, which the VM will resume' err ||
    fail "no warning: $(cat err)"
jq -e '.warnings | any(test("will resume"))' to/wherry/a/machine.json > /dev/null || fail "no warning in the manifest"
mount_ntfs volume mnt remove_hiberfile
{ printf 'wake' && head -c 100000 /dev/zero; } > mnt/hiberfil.sys
unmount_ntfs mnt
capture
[[ $how = 'NTFS, clean;'* ]] || fail "how is '$how' after a resume"

# A bitmap that gives $MFT away; a mirror that is none; a volume that was cut off.
bitmap=$(ntfsinfo -v -i 6 volume | sed -n '/Runlist:/ { n; s/.*0x\([0-9a-f]*\)[[:space:]]*0x[0-9a-f]*$/\1/p }')
cp volume saved
dd if=/dev/zero of=volume bs=1024 seek=$((16#$bitmap)) count=1 conv=notrunc status=none
check_whole 'whose $Bitmap calls cluster'
cp saved volume
mirror=$(ntfsinfo -m volume | sed -n 's/.*File_MFTMirr: *//p')
"$VOLUME_TOOL" flip volume $((mirror * 1024 + 40)) 1
check_whole 'that cannot be opened: $MFTMirr does not match $MFT (record 0)'
cp saved volume
truncate -s 99M volume
check_whole 'of 204799 sectors of 512 bytes on a volume of 103809024 bytes'
