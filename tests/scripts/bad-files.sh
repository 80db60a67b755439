#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Files of an ext filesystem that lie in bad sectors are named: on a bare disk, in a partition, on a
# logical volume; also those with many extents, with names that no terminal should see, and those
# that lie in their directory.  debugfs says where they lie.

# shellcheck source=tests/scripts/volumes.sh
. "$(dirname "$0")/volumes.sh"

requires nbdkit --filter=ddrescue null --version
requires nbdfuse --version
requires qemu-img --version
requires openssl version
requires jq --version
requires lvm version
requires debugfs -V
requires test -w /dev/fuse

size=$((64 * mib))
fuse=""

unserve ()
{
    [ -n "$fuse" ] || return 0
    fusermount3 -u served 2> /dev/null || fusermount3 -u -z served 2> /dev/null || true
    wait "$fuse" 2> /dev/null || true
    fuse=""
}
trap 'unserve; let_go' EXIT

# serve MAP: "disk" as "served", with the bad sectors of MAP.
serve ()
{
    : > served
    nbdfuse served [ nbdkit --filter=ddrescue file disk ddrescue-mapfile="$1" ] 2> nbdkit.log &
    fuse=$!
    for _ in $(seq 600); do
        [ ! -s served ] || return 0
        sleep 0.05
    done
    fail "nbdkit does not come up: $(cat nbdkit.log)"
}

# block PATH N: the Nth block of a file, from 0.
block ()
{
    debugfs -R "bmap \"$1\" $2" "disk?offset=$offset" 2> /dev/null | awk '{ print $1 }'
}

# bad_sectors: their mapfile, from the file "bad" of byte offsets in the volume.
bad_sectors ()
{
    local at=0 where
    echo "# Mapfile.  Created by hand"
    echo "0x0 + 1"
    while read -r where; do
        where=$((where + start))
        printf '0x%x 0x%x +\n0x%x 0x200 -\n' $at $((where - at)) $where
        at=$((where + 512))
    done < <(sort -n bad)
    printf '0x%x 0x%x +\n' $at $(($(stat -c %s disk) - at))
}

# names: those that the manifest has.
names ()
{
    jq -r '.disks[0].unreadable[].files[]' to/wherry/files/machine.json
}

mkdir -p tree/deep/er
for i in 1 2 3; do
    head -c 300000 /dev/zero | openssl enc -aes-128-ctr -pbkdf2 -pass "pass:$i" -nosalt > "tree/file-$i"
done
cp tree/file-1 tree/deep/er/below
cp tree/file-2 tree/$'bell\a and \e[31mred\n'
cp tree/file-3 tree/$'latin-\351'
ln tree/file-1 tree/zz-link

for layout in bare gpt lvm; do
    echo "$layout"
    lay_out $layout $size disk
    mke2fs -q -F -t ext4 -b 4096 -E offset="$offset",nodiscard -d tree disk $((size / 1024))k
    start=$offset
    {
        echo $(($(block /file-2 3) * 4096 + 512))
        echo $(($(block /deep/er/below 70) * 4096))
        echo $(($(block $'/latin-\351' 1) * 4096 + 1024))
        # The one whose name debugfs cannot be told, by its inode.
        inode=$(debugfs -R 'ls -p /' "disk?offset=$offset" 2> /dev/null | awk -F/ '/bell/ { print $2 }')
        echo $(($(block "<$inode>" 5) * 4096 + 2048))
    } > bad
    bad_sectors > map
    rm -rf to
    mkdir to
    serve map
    "$PROGRAM" capture --quiet --json --allow-bad-sectors --to to --name files served > out.json 2> err ||
        fail "$(cat err)"
    unserve
    where=$(case $layout in bare) echo "the disk" ;; gpt) echo "partition 1" ;; lvm) echo "vg/data" ;; esac)
    names | sort > got
    sed "s|^|$where: |" << 'END' | sort | diff -u - got || fail "other names on $layout"
/bell\007 and \033[31mred\n
/deep/er/below
/file-2
/latin-\351
END
    [ "$(jq '[.disks[0].unreadable[].files[]] | length' out.json)" -eq 4 ] || fail "not in --json"
    grep -q "lies $where: /deep/er/below" to/wherry/files/capture.log || fail "not in capture.log"
    grep -q "4 files are concerned, see capture.log" err || fail "$(cat err)"
    "$PROGRAM" verify --quiet to/wherry/files > /dev/null || fail "the bundle is damaged"
done

# What is in no file has no name, and a filesystem that cannot be read names nothing.
lay_out bare $size disk
mke2fs -q -F -t ext4 -b 4096 -d tree disk
start=0
echo 1024 > bad # its superblock
bad_sectors > map
rm -rf to
mkdir to
serve map
"$PROGRAM" capture --quiet --allow-bad-sectors --to to --name files served > out 2> err || fail "$(cat err)"
unserve
[ -z "$(names)" ] || fail "a name: $(names)"
grep -q "served is carried whole: served: cannot read at 0" err || fail "$(cat err)"
jq -e ".disks[0].unreadable == [{offset: 1024, length: 512, files: []}]" to/wherry/files/machine.json > /dev/null ||
    fail "$(jq -c ".disks[0].unreadable" to/wherry/files/machine.json)"
