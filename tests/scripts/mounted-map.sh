#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the kernel of a mounted ext4, XFS or btrfs says is in use is enough to have the filesystem again,
# and not more than other programs call in use: dumpe2fs, xfs_db, and for btrfs its own tool.
#
# Each is asked in both ways that the contract names.  Frozen: what is picked from the disk then is a
# filesystem with all files, its checker content.  Live: a writer goes on all the time; what the answer
# names, and what was written since before the question (the pages that differ from an older copy), is
# such a filesystem, too, with the files of before and those that were written meanwhile.

# shellcheck source=tests/scripts/trees.sh
. "$(dirname "$0")/trees.sh"

requires mke2fs -V
requires mkfs.xfs -V
requires mkfs.btrfs --version
requires fsfreeze --version
requires lvm version
requires test "$(id -u)" -eq 0 # mounts

# leave: nothing can be unmounted that is frozen, or in which a file is open.
leave ()
{
    trap - ERR
    set +e
    touch stop
    fsfreeze -u mnt 2> /dev/null # first: the file cannot be let go of before
    exec 8>&-
    wait
    let_go
}
trap leave EXIT

states=(deleted full punched fresh)

# Name | MiB | layout | devices | what makes it; always with + before it, in a state that is drawn.
kinds='
+ext4-4k   |200|gpt |1|mke2fs -q -F -t ext4 -b 4096 -E nodiscard
ext4-1k    |150|lvm |1|mke2fs -q -F -t ext4 -b 1024 -E nodiscard
ext3       |150|bare|1|mke2fs -q -F -t ext3 -b 4096 -E nodiscard
+xfs       |320|lvm |1|mkfs.xfs -q -f -K
xfs-rmap   |500|gpt |1|mkfs.xfs -q -f -K -m rmapbt=1 -d agcount=5
xfs-1k     |320|bare|1|mkfs.xfs -q -f -K -b size=1024 -m reflink=0
+btrfs     |300|gpt |1|mkfs.btrfs -q -f -K
btrfs-dup  |300|lvm |1|mkfs.btrfs -q -f -K -d dup -m dup
btrfs-mixed|200|bare|1|mkfs.btrfs -q -f -K -M
btrfs-raid1|300|gpt |2|mkfs.btrfs -q -f -K -d raid1 -m raid1
btrfs-raid0|300|bare|2|mkfs.btrfs -q -f -K -d raid0 -m raid1
'

# make_disks LAYOUT: $n_devices of them; sets their loop devices and where the volumes lie.
make_disks ()
{
    local i
    devices=() offsets=()
    for ((i = 0; i < n_devices; i++)); do
        lay_out "$1" "$size" "disk$i"
        attach "disk$i" "$offset" "$size"
        devices+=("$loop")
        offsets+=("$offset")
    done
}

# drop_devices
drop_devices ()
{
    local device
    for device in "${devices[@]}"; do
        detach "$device"
    done
}

# ask FILE: what the kernel says is in use.
ask ()
{
    local i args=()
    for ((i = 0; i < n_devices; i++)); do
        args+=("${devices[i]}" "disk$i" "${offsets[i]}" "$size")
    done
    "$MAP_TOOL" mounted mnt "${args[@]}" > "$1"
    sed -i 1d "$1"
}

# take FROM RANGES: new disks, with what FROM (a prefix of the names) has in those ranges.
take ()
{
    local i
    rm -f image?
    for ((i = 0; i < n_devices; i++)); do
        truncate -s "$(stat -c %s "disk$i")" "image$i"
        awk -v i=$i '$1 == i { print $2, $3 }' "$2" | "$VOLUME_TOOL" pick "$1$i" "image$i"
    done
}

# check_images SUMS: a filesystem that its checker finds no fault in, with those files.
check_images ()
{
    local i images=()
    for ((i = 0; i < n_devices; i++)); do
        attach "image$i" "${offsets[i]}" "$size"
        images+=("$loop")
    done
    case $name in
    ext*) e2fsck -fp "${images[0]}" > fsck.log 2>&1 || [ $? -eq 1 ] ;; # orphans of the open file
    xfs*) mount -o nouuid "${images[0]}" got && umount got && xfs_repair -n "${images[0]}" > fsck.log 2>&1 ;;
    btrfs*) btrfs check --readonly "${images[0]}" > fsck.log 2>&1 ;;
    esac || fail "$name: the checker says: $(cat fsck.log)"
    # The kernel takes a second btrfs of one UUID for the first, so that one has gone.
    [[ $name != btrfs* ]] || btrfs device scan "${images[@]}" > /dev/null
    mount -o "$([[ $name = xfs* ]] && echo nouuid || echo ro)" "${images[0]}" got
    sum_tree got | grep -v '/busy' > sums.got || true
    umount got
    [[ $name != btrfs* ]] || btrfs device scan --forget "${images[@]}"
    for ((i = 0; i < n_devices; i++)); do
        detach "${images[i]}"
    done
    diff "$1" sums.got > differ || fail "$name: the files differ: $(head -5 differ)"
}

# punch: so many extents that the kernel names them in several answers.
punch ()
{
    if [[ $name = btrfs* ]]; then
        mkdir mnt/many
        head -c 12000000 "$noise" | split -a 5 -b 4096 - mnt/many/
        return
    fi
    cat "$noise" "$noise" "$noise" > mnt/holes
    sync mnt/holes
    seq 0 8192 $((46 * mib)) | sed 's/$/ 4096/' | "$VOLUME_TOOL" punch mnt/holes
}

# check_width: not more is in use than others say, by the answer in the file frozen.
check_width ()
{
    local used want
    used=$(awk '{ n += $3 } END { print n }' frozen)
    case $name in
    ext*)
        want=$(dumpe2fs -h "${devices[0]}" 2> /dev/null | awk -F ': *' '/^Block count/ { n = $2 }
            /^Free blocks/ { free = $2 } /^Block size/ { bs = $2 } END { print (n - free) * bs }')
        ;;
    xfs*)
        want=$(for ((i = 0; i < $(xfs_db -r -c 'sb 0' -c 'p agcount' "${devices[0]}" | cut -d= -f2); i++)); do
            xfs_db -r -c "agf $i" -c 'p freeblks' "${devices[0]}" | cut -d= -f2
        done | awk -v bs="$(xfs_db -r -c 'sb 0' -c 'p blocksize' "${devices[0]}" | cut -d= -f2)" \
            -v size="$size" '{ n += $1 } END { print size - n * bs }')
        ;;
    btrfs*)
        want=$(btrfs filesystem usage -b mnt | awk '/Used:/ { print $2; exit }')
        want=$((want + n_devices * (mib + 8192))) # what is before the first chunk, and superblocks
        ;;
    esac
    echo "    frozen: $used bytes, by others $want"
    case $name in
    ext* | xfs*) [ "$used" = "$want" ] ;;
    btrfs*) [ "$used" -le "$want" ] && [ "$used" -ge $((want - n_devices * 65536)) ] ;;
    esac || fail "$name: $used bytes are in use by the kernel, and $want by others"
}

# writer: files come and go until there is a file stop; each time one more stays.  No two have a page in
# common: one written where it was before, in space that was free meanwhile, would not seem to be changed.
writer ()
{
    local n=0
    while [ ! -e stop ]; do
        noise_into "mnt/busy-$((n % 7))" 0 $((RANDOM * 16)) 2> /dev/null || true
        noise_into "mnt/stays-$n" 0 $((RANDOM * 4)) 2> /dev/null && sync mnt/stays-$n
        rm -f "mnt/busy-$(((n + 3) % 7))"
        n=$((n + 1))
    done
}

# check_live
check_live ()
{
    local i writer
    rm -f stop
    writer &
    writer=$!
    sleep 0.3
    for ((i = 0; i < n_devices; i++)); do
        cp --sparse=always "disk$i" "before$i"
    done
    sync -f mnt
    ask live
    sleep 0.3
    touch stop
    wait $writer
    fsfreeze -f mnt
    sum_tree mnt | grep -v '/busy' > sums
    for ((i = 0; i < n_devices; i++)); do
        "$VOLUME_TOOL" changed "before$i" "disk$i" | sed "s/^/$i /" >> live
    done
    take disk live
    fsfreeze -u mnt
}

# one NAME MIB LAYOUT DEVICES STATE MKFS...
one ()
{
    local state=$5 layout=$3
    name=$1 size=$(($2 * mib)) n_devices=$4
    shift 5
    echo "$name, $layout, $state"
    rm -f disk? before?
    mkdir -p got
    make_disks "$layout"
    "$@" "${devices[@]}" > /dev/null
    mkdir -p mnt
    mount "${devices[0]}" mnt
    loop_of[mnt]=${devices[0]}
    exec 8> mnt/open
    head -c 100000 "$noise" >&8
    rm mnt/open
    if [ "$state" = punched ]; then
        spoil fresh mnt
        punch
    else
        spoil "$state" mnt
    fi
    if [ "$state" != full ]; then check_live; fi
    exec 8>&-
    umount mnt # what ext4 keeps for files to grow into is in use, and nobody else knows
    mount "${devices[0]}" mnt
    fsfreeze -f mnt
    sum_tree mnt | grep -v '/busy' > sums.frozen
    ask frozen
    check_width
    [ "$state" != punched ] || [[ $name = btrfs* ]] || [ "$(wc -l < frozen)" -gt 4096 ] ||
        fail "$name: too few extents for answers in several parts"
    if [ "$state" != full ]; then
        mv image0 live0
        if [ "$n_devices" = 2 ]; then mv image1 live1; fi
    fi
    take disk frozen
    fsfreeze -u mnt
    umount mnt
    unset "loop_of[mnt]"
    [[ $name != btrfs* ]] || btrfs device scan --forget "${devices[@]}"
    drop_devices
    check_images sums.frozen
    if [ "$state" != full ]; then
        for ((i = 0; i < n_devices; i++)); do
            mv "live$i" "image$i"
        done
        check_images sums
    fi
}

seed=${SEED:-$(draw)}
RANDOM=$((seed % 32768))
i=$((seed % 9973))
while IFS='|' read -r name mb layout n_devices make; do
    i=$((i + 1))
    case $name in
    '') continue ;;
    +*) name=${name#+} ;;
    *) [ "${WHERRY_TEST_ALL:-0}" = 1 ] || [ $((i % 8)) -eq 0 ] || continue ;;
    esac
    for ((j = 0; j < 4; j++)); do
        [ "${WHERRY_TEST_ALL:-0}" = 1 ] || [ $((i / 8 % 4)) -eq $j ] || continue
        # shellcheck disable=SC2086 # words
        one "${name// /}" "${mb// /}" "${layout// /}" "${n_devices// /}" "${states[j]}" $make
    done
done <<< "$kinds"
