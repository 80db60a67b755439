#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Random trees in NTFS with clusters of 256 bytes to 2 MiB, on one disk or on LVM across two: captured,
# restored by qemu-img, and compared with what other programs say.  ntfsclone follows every file of the
# volume and copies their clusters: what comes back is that to the byte, so the map is neither short nor
# wide.  ntfsfix and ntfs-3g.probe find all well, and ntfs-3g the files that were put in, with their
# other names and streams.
#
# Some kinds, drawn by the commit, as are layout and state; WHERRY_TEST_ALL=1: all of them in all
# states.  SEED=N instead of the commit.

# shellcheck source=tests/scripts/trees.sh
. "$(dirname "$0")/trees.sh"
# shellcheck source=tests/scripts/ntfs-functions.sh
. "$(dirname "$0")/ntfs-functions.sh"

requires qemu-img --version
requires jq --version
requires lvm version
requires setfattr --version
requires test "$(id -u)" -eq 0 # mounts

states=(deleted full fragmented fresh compressed records)

# Clusters, sectors, MiB; the states, if not all: what a tree has of small files is too many for clusters
# of 2 MiB.
kinds='
256     256  100
512     512  100
1024    512  100
2048    512  100
4096    512  120
8192    512  150
16384   512  150
32768   512  200
65536   512  200
131072  512  200
2097152 512  200 few
4096    4096 120
8192    1024 150
65536   4096 200
'

# fill_compressed DIR: what a compressed folder gets is compressed, as far as it can be.
fill_compressed ()
{
    mkdir "$1/compressed"
    setfattr -n system.ntfs_attrib_be -v 0x00000800 "$1/compressed"
    make_tree "$1"
    cp -r "$SOURCE_ROOT/src" "$SOURCE_ROOT/docs" "$1/compressed"
    yes 'can be compressed' 2> /dev/null | head -c 3000000 > "$1/compressed/large" || true
    head -c 1000000 "$noise" > "$1/compressed/noise"
    head -c 2000000 /dev/zero > "$1/compressed/zeros"
}

# fill_few DIR: 20 files between those that are gone.
fill_few ()
{
    local i
    mkdir "$1/a" "$1/gone"
    for ((i = 0; i < 20; i++)); do
        random 3000000
        noise_into "$1/a/file-$i" 0 $((r + 1))
        garbage_bytes 2000000 > "$1/gone/file-$i"
    done
    rm -r "$1/gone"
}

# fill_records DIR: files that lie in their records, until there is no room for a further one.
fill_records ()
{
    local rest
    make_tree "$1"
    rest=$(df --output=avail -B 1M "$1" | tail -1)
    if [ "$rest" -gt 12 ]; then # else this takes minutes
        dd if=/dev/zero of="$1/large" bs=1M count=$((rest - 12)) status=none
    fi
    mkdir "$1/records"
    head -c 8000000 "$noise" | split -a 5 -b 150 - "$1/records/" 2> /dev/null || true
    find "$1/records" -type f -name '*[aeiou]' -delete
    garbage_bytes 3000000 > "$1/last" 2> /dev/null || true
    garbage_bytes 100000 > "$1/very-last" 2> /dev/null || true
}

# fill STATE MKNTFS_ARG...: the filesystem in the file volume.
fill ()
{
    local state=$1
    shift
    mkntfs -Q -F "$@" volume > mkntfs.log 2>&1 || fail "mkntfs: $(cat mkntfs.log)"
    mount_ntfs volume mnt compression
    case $state in
    compressed) fill_compressed mnt ;;
    records) fill_records mnt ;;
    few) fill_few mnt ;;
    *) spoil "$state" mnt ;;
    esac
    setfattr -n user.stream -v "a stream of it" mnt/a 2> /dev/null || [ "$state" != fresh ]
    sum_files mnt > sums
    unmount_ntfs mnt
}

# sum_files DIR: contents, streams, names of one file.
sum_files ()
{
    sum_tree "$1"
    (cd "$1" && find . -links +1 -type f -printf '%p %n\n' | sort &&
        find . -type f -print0 | sort -z | xargs -0 getfattr -d -m '^user')
}

# check_restored SECTOR
check_restored ()
{
    # It does not find the alternate boot sector that mkntfs writes in sectors of 256 bytes.
    ntfsfix -n restored > fix.log 2>&1 || [ "$1" = 256 ] || fail "ntfsfix: $(cat fix.log)"
    ntfs-3g.probe --readwrite restored || fail "ntfs-3g.probe: status $?"
    mount_ntfs restored got ro
    sum_files got > sums.got
    unmount_ntfs got
    diff sums sums.got > differ || fail "the files differ: $(head -5 differ)"
}

# check_width: the bytes in use by the manifest and by ntfsclone.
check_width ()
{
    local used want
    used=$(jq '[.. | objects | select(.how? == "NTFS, clean") | .used] | .[0]' "$bundle/machine.json")
    want=$((in_use * cluster + size + tail - n_clusters * cluster))
    echo "    in use $((in_use * cluster)), map $used"
    [ "$used" = "$want" ] || fail "$used bytes in use by the map, $want by ntfsclone"
}

# capture_disks: into $bundle; what it says of NTFS must be that it is clean.
capture_disks ()
{
    local before how
    before=$(sha256 "${disks[@]}")
    mkdir to
    "$PROGRAM" capture --quiet --to to --name ntfs "${disks[@]}" > out
    [ "$(sha256 "${disks[@]}")" = "$before" ] || fail "the source was changed"
    how=$(jq -r '[.. | objects | .how? // empty] | join("; ")' "$bundle/machine.json")
    grep -qE '(^|; )NTFS, clean' <<< "$how" || fail "how is '$how'"
}

# one CLUSTER SECTOR MIB LAYOUT STATE
one ()
{
    local i
    echo "clusters of $1, sectors of $2, $4, $5"
    rm -rf disk? raw-disk? to volume restored cloned
    size=$(($3 * mib))
    truncate -s "$size" volume
    fill "$5" -c "$1" -s "$2"
    ntfs_numbers
    put "$4"
    capture_disks
    check_width
    for i in "${!disks[@]}"; do
        qemu-img convert -O raw "$bundle/disk-$i.qcow2" "raw-disk$i"
        if has_garbage "raw-disk$i" && [[ $5 != fragmented && $5 != records ]]; then
            fail "what was deleted is in the image"
        fi
    done
    truncate -s $((size + tail)) restored
    follow gather restored raw-
    truncate -s "$size" restored
    ntfsclone -q --restore-image -O cloned clone > clone.log 2>&1 || fail "ntfsclone: $(cat clone.log)"
    cmp -n $((n_clusters * cluster)) restored cloned || fail "the map is not that of ntfsclone"
    cmp -i $((n_clusters * cluster)) restored volume || fail "what is behind the clusters is not carried"
    check_restored "$2"
}

bundle=to/wherry/ntfs
seed=${SEED:-$(draw)}
RANDOM=$((seed % 32768))
i=$((seed % 9973))
while read -r cluster_size sector_size mb only; do
    i=$((i + 1))
    [ -n "$mb" ] || continue
    read -r -a wanted <<< "${only:-${states[*]}}"
    for ((j = 0; j < ${#wanted[@]}; j++)); do
        [ "${WHERRY_TEST_ALL:-0}" = 1 ] || [ $(((i * 6 + j) % 29)) -eq 0 ] || continue
        one "$cluster_size" "$sector_size" "$mb" "${layouts[(i + j) % 5]}" "${wanted[j]}"
    done
done <<< "$kinds"
