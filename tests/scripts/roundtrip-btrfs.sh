#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Random trees in btrfs of many kinds, clean, on one disk or on several: captured, restored by qemu-img,
# and compared with what other programs say.  By the trees that `btrfs inspect-internal` prints, which
# bytes of each device are in use: these are as they were, and all others are zero, so the map is neither
# short nor wide.  By `btrfs check` and a scrub, that all is well, in all copies.  By the kernel, that the
# files are those that were put in.
#
# Some kinds, and others drawn by the commit, as are layout and state; WHERRY_TEST_ALL=1: all of them in
# two states.  SEED=N instead of the commit.

# shellcheck source=tests/scripts/trees.sh
. "$(dirname "$0")/trees.sh"

requires mkfs.btrfs --version
requires qemu-img --version
requires jq --version
requires lvm version
requires test "$(id -u)" -eq 0 # mounts

layouts=(bare gpt lvm)
states=(deleted fragmented full fresh)
uuid=dc36a5b5-31a7-4f0c-a2a4-4d3c1a3f7e5b

# Name | devices | MiB of each, by fours as LVM has them | arguments of mkfs.btrfs | options of mount | what happens to it; always
# with + before it.
kinds='
+dup         |1|300|                                  |            |snapshots
+mixed       |1|200|-M -n 4096                        |            |
+raid1       |2|300|-m raid1 -d raid1                 |            |balance
+raid0       |2|300|-m raid0 -d raid0                 |            |
mixed-raid1  |2|200|-M -m raid1 -d raid1              |            |
raid10       |4|252|-m raid10 -d raid10               |            |
raid1c3      |3|300|-m raid1c3 -d raid1c3             |            |
raid1c4      |4|300|-m raid1c4 -d raid1c4             |            |
raid5        |3|300|-m raid1 -d raid5                 |            |
raid6        |4|300|-m raid6 -d raid6                 |            |
single       |3|300|-m raid1 -d single                |            |
zlib         |1|300|                                  |compress-force=zlib |snapshots
lzo          |1|300|                                  |compress-force=lzo  |
zstd         |1|300|                                  |compress-force=zstd |balance
nodes-4k     |1|300|-n 4096                           |            |snapshots
nodes-32k    |1|300|-n 32768                          |            |
nodes-64k    |2|300|-n 65536 -m raid0 -d raid0        |            |
old          |1|300|-O ^no-holes,^skinny-metadata,^extref -R ^free-space-tree |space_cache=v1 |snapshots
no-cache     |1|300|-R ^free-space-tree               |nospace_cache |
group-tree   |1|300|-O block-group-tree               |            |balance
xxhash       |1|300|--csum xxhash                     |            |
sha256       |1|300|--csum sha256                     |            |
blake2       |2|300|--csum blake2 -m raid1 -d raid0   |            |
quota        |1|300|-R quota                          |            |snapshots
nocow        |1|300|                                  |nodatacow   |
converted    |2|300|-m dup -d single                  |            |convert
grown        |1|300|-b 200m                           |            |grow
shrunk       |2|300|-m raid1 -d single                |            |shrink
added        |3|300|-m raid1 -d raid1                 |            |add
metadata-uuid|1|300|                                  |            |uuid
'

# attach_all PREFIX: the volumes in the files PREFIX0 ...; sets the array $devices.
attach_all ()
{
    local i
    devices=()
    for ((i = 0; i < n_disks; i++)); do
        attach "$1$i" "$offset" "$size"
        devices+=("$loop")
    done
    for loop in "${devices[@]}"; do
        btrfs device scan "$loop" > /dev/null 2>&1 || true # the one to be added has none yet
    done
}

detach_all ()
{
    for loop in "${devices[@]}"; do
        btrfs device scan --forget "$loop" > /dev/null 2>&1 || true
        detach "$loop"
    done
}

# mount_all DIR [OPTION...]: $devices.
mount_all ()
{
    local dir=$1
    shift
    mkdir -p "$dir"
    mount -t btrfs "$@" "${devices[0]}" "$dir"
    loop_of[$dir]=${devices[0]}
}

unmount_all ()
{
    umount "$1"
    unset "loop_of[$1]"
}

# live HISTORY: what happens to the filesystem in mnt once its files are there.
live ()
{
    case $1 in
    snapshots)
        btrfs -q subvolume create mnt/sub
        cp -r mnt/small mnt/sub/
        btrfs -q subvolume snapshot mnt/sub mnt/snap-1
        btrfs -q subvolume snapshot -r mnt/sub mnt/sub/snap-2
        rm -r mnt/sub/small
        noise_into mnt/sub/new 0 300000
        cp --reflink=always mnt/sub/new mnt/snap-1/shared
        btrfs -q subvolume delete -c mnt/sub/snap-2
        btrfs -q subvolume sync mnt
        ;;
    balance) btrfs -q balance start --full-balance mnt ;;
    convert) btrfs -q balance start -f -dconvert=raid1 -mconvert=raid1 mnt ;;
    grow) btrfs -q filesystem resize max mnt ;;
    shrink) btrfs -q filesystem resize 2:-40m mnt ;; # 256 MiB is the least
    add)
        btrfs -q device add -f -K "${devices[2]}" mnt
        noise_into mnt/more 0 3000000
        btrfs -q device remove "${devices[0]}" mnt
        btrfs -q balance start -d mnt
        # What was removed has no filesystem any more.
        devices=("${devices[@]:1}")
        ;;
    esac > /dev/null
}

# fill ARGS OPTIONS STATE HISTORY: the filesystem on the disks.
fill ()
{
    local args=$1 options=$2 state=$3 history=$4
    attach_all disk
    # shellcheck disable=SC2086 # words
    case $history in
    add) mkfs.btrfs -q -f -K $args "${devices[@]:0:2}" ;;
    *) mkfs.btrfs -q -f -K $args "${devices[@]}" ;;
    esac > mkfs.log 2>&1 || fail "mkfs.btrfs $args: $(cat mkfs.log)"
    for loop in "${devices[@]}"; do
        btrfs device scan "$loop" > /dev/null 2>&1 || true
    done
    mount_all mnt ${options:+-o "$options"}
    spoil "$state" mnt
    live "$history"
    sum_tree mnt > sums
    unmount_all mnt
    [ "$history" != uuid ] || btrfstune -f -M $uuid "${devices[0]}" > /dev/null
}

# parity_is_right ARGS: the kernel leaves one that is wrong, now and then, and the check looks at it.
parity_is_right ()
{
    [[ $1 != *raid[56]* ]] || btrfs check --check-data-csum "${devices[0]}" > check.log 2>&1
}

# list_extents: for each device that has a filesystem, "DEVICE OFFSET LENGTH" of all that its trees have,
# by what `btrfs inspect-internal dump-tree` prints.  Of RAID5 and RAID6 all that a chunk takes.
list_extents ()
{
    {
        btrfs inspect-internal dump-tree -t chunk "${devices[0]}"
        btrfs inspect-internal dump-tree -t extent "${devices[0]}"
    } | awk -v node="$(super_field nodesize "${devices[0]}")" '
        function put(stripe, from, to) { print device[chunk, stripe], place[chunk, stripe] + from, to - from }
        function use(start, size,    at, unit, row, column, end, copy) {
            for (chunk in length_of)
                if (start >= chunk + 0 && start < chunk + length_of[chunk]) break
            at = start - chunk
            while (size > 0) {
                unit = int(at / 65536)
                end = 65536 - at % 65536
                if (end > size) end = size
                row = int(unit / columns[chunk])
                column = unit % columns[chunk]
                for (copy = 0; copy < copies[chunk]; copy++)
                    put(column * copies[chunk] + copy, row * 65536 + at % 65536, row * 65536 + at % 65536 + end)
                at += end
                size -= end
            }
        }
        $1 == "item" && / CHUNK_ITEM / { gsub(/[()]/, ""); chunk = $6 }
        /stripe_len/ { length_of[chunk] = $2; type = $8 }
        /num_stripes/ {
            n = $2
            copies[chunk] = 1
            if (type ~ /DUP|RAID1/) copies[chunk] = 2 # as RAID10
            if (type ~ /RAID1C/) copies[chunk] = n
            if (type ~ /RAID[56]/) copies[chunk] = 0
            columns[chunk] = copies[chunk] ? n / copies[chunk] : n - (type ~ /RAID5/ ? 1 : 2)
        }
        $1 == "stripe" && $3 == "devid" {
            device[chunk, $2] = $4
            place[chunk, $2] = $6
            if (!copies[chunk]) put($2, 0, length_of[chunk] / columns[chunk])
        }
        $1 == "item" && / EXTENT_ITEM / { gsub(/[()]/, ""); use($4, $6) }
        $1 == "item" && / METADATA_ITEM / { gsub(/[()]/, ""); use($4, node) }'
}

# super_field NAME DEVICE
super_field ()
{
    btrfs inspect-internal dump-super "$2" | awk -v name="$1" '$1 == name { print $2 }'
}

# make_expected: what each volume must come back as; sets $in_use, how many bytes are not zero for sure.
make_expected ()
{
    local i id end
    list_extents > extents
    in_use=0
    for ((i = 0; i < n_disks; i++)); do
        dd if="disk$i" of="expected$i" bs=64K iflag=skip_bytes,count_bytes skip="$offset" count="$size" \
            conv=sparse status=none
        truncate -s "$size" "expected$i"
        attach "disk$i" "$offset" "$size"
        id=$(super_field dev_item.devid "$loop" 2> /dev/null) || true
        end=$(super_field dev_item.total_bytes "$loop" 2> /dev/null) || true
        detach "$loop"
        if [ -z "$id" ]; then continue; fi # was removed, and is carried as what it is
        {
            echo "0 $mib"
            echo "$((64 * mib)) 4096"
            echo "$end $((size - end))"
            awk -v id="$id" '$1 == id { print $2, $3 }' extents
        } | sort -n | awk -v size="$size" '
            $1 > at { print at, $1 - at }
            $1 + $2 > at { at = $1 + $2 }
            END { if (at < size) print at, size - at }' > free
        "$VOLUME_TOOL" punch "expected$i" < free
        in_use=$((in_use + size - $(awk '{ n += $2 } END { print n + 0 }' free)))
    done
}

# check_used NAME: the bytes in use by the manifest and by the trees.
check_used ()
{
    local used
    used=$(jq '[.. | objects | select((.how? // "") | test("^btrfs, ")) | .used] | add' "$bundle/machine.json")
    echo "    in use $in_use, map $used"
    [ "$used" = "$in_use" ] || fail "$1: $used bytes in use by the map, $in_use by the trees"
}

# check_missing NAME: one device of several, without the others, is carried whole, and it is said.
check_missing ()
{
    "$PROGRAM" inspect --json disk0 > facts.json
    jq -e --arg words "btrfs of $n_disks devices, of which 1 is among the disks" '
        ([.. | objects | .how? // empty] | index("carried whole: \($words)")) and
        any(.. | objects | .warnings? // empty | .[]; contains($words))' facts.json > /dev/null ||
        fail "$1: a missing device: $(jq -c '[.. | objects | .how?, .warnings? | values]' facts.json)"
}

# check_files NAME HISTORY: what came back, which is changed.
check_files ()
{
    local complaints
    attach_all raw-disk
    [ "$2" != add ] || devices=("${devices[@]:1}")
    btrfs check --check-data-csum "${devices[0]}" > check.log 2>&1 || fail "$1: $(cat check.log)"
    mark_kernel_log
    mount_all got
    sum_tree got > sums.got
    btrfs scrub start -B got > scrub.log 2>&1 || fail "$1: $(cat scrub.log)"
    grep -q 'no errors found' scrub.log || fail "$1: $(cat scrub.log)"
    unmount_all got
    for loop in "${devices[@]}"; do
        complaints=$(kernel_complaints "$loop")
        [ -z "$complaints" ] || fail "$1: the kernel says: $complaints"
    done
    attached=("${loops[@]}")
    devices=("${attached[@]}")
    detach_all
    diff sums sums.got > differ || fail "$1: the files differ: $(head -5 differ)"
}

# one NAME DEVICES MIB ARGS OPTIONS HISTORY LAYOUT STATE
one ()
{
    local name=$1 n_disks=$2 args=$4 options=$5 history=$6 layout=$7 state=$8 i how before masks=() disks=()
    if [[ $args = *block-group-tree* ]] && ! mkfs.btrfs -O list-all 2>&1 | grep -q block-group-tree; then
        return # this mkfs has none; a unit test makes one
    fi
    [ -z "$history" ] || [ "$state" != full ] || state=fresh # for which there must be room
    echo "$name, $layout, $state"
    rm -rf disk? masked? raw-disk? expected? to
    size=$(($3 * mib))
    mkdir to
    for ((i = 0; i < n_disks; i++)); do
        lay_out "$layout" "$size" "disk$i"
        disks+=("disk$i")
        masks+=("disk$i" "masked$i")
    done
    fill "$args" "$options" "$state" "$history"
    for i in 1 2; do
        ! parity_is_right "$args" || break
        detach_all
        fill "$args" "$options" "$state" "$history"
    done
    make_expected
    devices=("${loops[@]}")
    detach_all
    before=$(sha256 "${disks[@]}")

    bundle=to/wherry/$name
    "$PROGRAM" capture --quiet --to to --name "$name" "${disks[@]}" > out
    [ "$(sha256 "${disks[@]}")" = "$before" ] || fail "$name: the source was changed"
    how=$(jq -r '[.. | objects | .how? // empty] | join("; ")' "$bundle/machine.json")
    grep -qE '(^|; )btrfs, .*clean' <<< "$how" || fail "$name: how is '$how'"
    check_used "$name"
    "$MAP_TOOL" mask "${masks[@]}"
    for i in "${!disks[@]}"; do
        qemu-img convert -O raw "$bundle/disk-$i.qcow2" "raw-disk$i"
        cmp "raw-disk$i" "masked$i" || fail "$name: the image is not what the map names"
        cmp -n "$size" -i "$offset:0" "raw-disk$i" "expected$i" ||
            fail "$name: the map of disk $i is not that of the trees"
    done
    [ "$n_disks" -eq 1 ] || [ "$history" = add ] || check_missing "$name"
    check_files "$name" "$history"
}

seed=${SEED:-$(draw)}
n_states=1
if [ "${WHERRY_TEST_ALL:-0}" = 1 ]; then n_states=2; fi
RANDOM=$((seed % 32768))
i=$((seed % 9973))
while IFS='|' read -r name n mb args options history; do
    i=$((i + 1))
    case $name in
    '') continue ;;
    +*) name=${name#+} ;;
    *) [ "$n_states" -gt 1 ] || [ $((i % 8)) -eq 0 ] || continue ;;
    esac
    for ((j = 0; j < n_states; j++)); do
        one "${name// /}" "$n" "$mb" "$args" "${options// /}" "${history// /}" \
            "${layouts[(i + j) % 3]}" "${states[(i / 3 + j) % 4]}"
    done
done <<< "$kinds"
