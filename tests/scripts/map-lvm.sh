#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# LVM2 makes volume groups on loop devices; what it calls free is not carried, and all else is.  Of a
# group with filesystems the captured disks are restored: LVM finds nothing wrong, and neither do the
# filesystems, read from where LVM says that they lie.
#
# Without device-mapper LVM makes linear and striped volumes; groups of the other kinds are those of
# tests/lvm, put on disks by vgcfgrestore.  LVM sees nothing but the devices that were made here.

# Among mounts of its own, or a namespace made meanwhile by another process would keep ours alive.
if [ -z "${OWN_MOUNTS-}" ] && [ "$(id -u)" -eq 0 ]; then
    OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
PATH=$PATH:/usr/sbin:/sbin

requires lvm version
requires mke2fs -V
requires sfdisk --version
requires qemu-img --version
requires jq --version
requires openssl version
requires perl -v
requires test "$(id -u)" -eq 0 # for loop devices

mib=1048576
masked_mib=150 # noise lies no farther out
garbage='deleted long ago, and not to be carried'

declare -A loops  # by name, as LVM knows them below dev/
declare -A behind # by name, where it is no whole file: the file, and the offset there
clean_up ()
{
    local name
    for name in "${!loops[@]}"; do
        losetup -d "${loops[$name]}" || true
    done
    cd /
    ! mountpoint -q "$workdir/ram" || umount "$workdir/ram"
    rm -rf "$workdir"
}
trap clean_up EXIT

# LVM waits for the disk after every step; in memory, where that may be had, there is nothing to wait
# for.  All files are sparse.
mkdir ram
mount -t tmpfs -o size=1g map-lvm ram 2>/dev/null || true
cd ram
ram=$PWD

# --- LVM, with devices and files of its own

export LVM_SYSTEM_DIR=$ram/lvm LVM_SUPPRESS_FD_WARNINGS=1
mkdir -p lvm dev locks
cat > lvm/lvm.conf << END
devices {
    dir = "$ram/dev" scan = ["$ram/dev"] use_devicesfile = 0 hints = "none"
    external_device_info_source = "none" obtain_device_list_from_udev = 0
    md_component_detection = 0
}
global { locking_dir = "$ram/locks" event_activation = 0 use_lvmpolld = 0 use_lvmlockd = 0 }
activation { udev_sync = 0 udev_rules = 0 monitoring = 0 verify_udev_operations = 0 }
backup { backup = 0 archive = 0 }
END

# try_lv COMMAND [ARG...]: a verb of LVM's, which wants full paths.  What it says stands in lvm.out.
try_lv ()
{
    lvm "${@/#dev\//$ram/dev/}" --driverloaded n > lvm.out 2> lvm.err
}

# lv COMMAND [ARG...]: one that must succeed.
lv ()
{
    try_lv "$@" || fail "lvm $*: $(cat lvm.err)"
}

# report COMMAND FIELDS [ARG...]: a table of LVM's, in bytes.
report ()
{
    local verb=$1 fields=$2
    shift 2
    lv "$verb" --noheadings --nosuffix --units b -o "$fields" "$@"
    cat lvm.out
}

# make LV COMMAND: one that LVM does not try to open.
make_lv ()
{
    lv lvcreate -y -an -Zn -Wn "$@"
}

# attach NAME FILE [LOSETUP OPTION...]: LVM may use it, as dev/NAME.
attach ()
{
    local name=$1 file=$2
    shift 2
    loops[$name]=$(losetup -f --show "$@" "$file")
    cp -a "${loops[$name]}" "dev/$name"
}

# detach FILE...
detach ()
{
    local file
    for file; do
        rm -f "dev/$file"
        blockdev --flushbufs "${loops[$file]}"
        losetup -d "${loops[$file]}"
        unset "loops[$file]"
    done
}

# flush NAME...: what was written through the device is in the file, and the other way round.
flush ()
{
    local name
    for name; do
        blockdev --flushbufs "${loops[$name]}"
    done
}

# noise SEED FILE LENGTH: random bytes that are the same again for the same seed, each with its
# highest bit set: no filesystem's magic is made of such.
noise ()
{
    head -c "$3" /dev/zero | openssl enc -aes-128-ctr -pbkdf2 -pass "pass:$1" -nosalt |
        LC_ALL=C tr '\000-\177' '\200-\377' > "$2"
}

# garbage_bytes COUNT
garbage_bytes ()
{
    { yes "$garbage" 2>/dev/null || true; } | head -c "$1"
}

# fill FILE MIB: 4 KiB of noise in each 64 KiB, which is less than the smallest extent here, behind
# the first MiB.
fill ()
{
    noise "disk $1" noise $(($2 * mib / 16))
    perl -e 'open $in, "noise"; open $out, "+<", $ARGV[0]; binmode $_ for $in, $out;
        for ($at = 0; read $in, $b, 4096; $at += 65536) {
            next if $at < 1048576;
            seek $out, $at, 0;
            print $out $b;
        }
        close $out or die' "$1"
}

# new_disk FILE MIB [LOSETUP OPTION...]: full of noise, but without a label or anything else.
new_disk ()
{
    local file=$1 size=$2
    shift 2
    rm -f "$file"
    truncate -s "${size}M" "$file"
    fill "$file" $((size < masked_mib ? size : masked_mib))
    attach "$file" "$file" "$@"
}

# --- what LVM says is free, against the map

# expect_mask FILE: FILE.expected is the disk without the extents that are free, as far as there is
# noise; sets $expected_used to how many bytes that are, to its end.
expect_mask ()
{
    local file=$1 start length type pe_start extent
    cp --sparse=always "$file" "$file.expected"
    truncate -s ${masked_mib}M "$file.expected"
    expected_used=$(stat -c %s "$file")
    read -r pe_start extent < <(report pvs pe_start,vg_extent_size "dev/$file")
    report pvs pvseg_start,pvseg_size,segtype --segments "dev/$file" > table
    while read -r start length type; do
        [ "$type" = free ] || continue
        expected_used=$((expected_used - length * extent))
        fallocate -n -p -o $((pe_start + start * extent)) -l $((length * extent)) "$file.expected"
    done < table
}

# check_masks FILE...: all physical volumes of their groups, whose volumes hold nothing known.
check_masks ()
{
    local file args=() i=0 expected_used
    flush "$@"
    for file; do
        args+=("$file" "$file.masked") # it has holes, the device does not tell of them
    done
    "$MAP_TOOL" mask "${args[@]}"
    inspect "$@"
    for file; do
        expect_mask "$file"
        truncate -s ${masked_mib}M "$file.masked"
        cmp "$file.masked" "$file.expected" || fail "$file: the map is not what LVM calls in use"
        [ "${used[i]}" -eq "$expected_used" ] ||
            fail "$file: ${used[i]} bytes in use, not $expected_used"
        i=$((i + 1))
    done
    rm -f ./*.masked ./*.expected
}

# inspect FILE...: as JSON, in inspect.json; sets $used, of the disks, and $hows, of logical volumes.
declare -A hows
inspect ()
{
    local file name how args=()
    flush "$@"
    for file; do
        args+=("${loops[$file]}")
    done
    "$PROGRAM" inspect --json "${args[@]}" > inspect.json
    mapfile -t used < <(jq '.disks[].map.used' inspect.json)
    hows=()
    while IFS=$'\t' read -r name how; do
        hows[$name]=$how
    done < <(jq -r '.volumes[] | [.name, .how] | @tsv' inspect.json)
}

# check_how NAME WORDS: what is said of a logical volume.
check_how ()
{
    [ "${hows[$1]-}" = "$2" ] || fail "$1 is '${hows[$1]-}', not '$2'"
}

# check_whole WORDS WARNINGS FILE...: all of the disks is carried, for that reason.
check_whole ()
{
    local words=$1 warnings=$2
    shift 2
    inspect "$@"
    jq -e --arg words "$words" --argjson warnings "$warnings" '(.disks | all(
        (.map.used == .map.size) and (.map.volumes[0].how |
            startswith("carried whole: ") and contains($words))))
        and (.warnings | length) == $warnings' inspect.json > /dev/null ||
        fail "not whole for '$words': $(jq -c '.disks[].map, .warnings' inspect.json)"
}

# check_hows GROUP: a volume is carried whole for its own sake if LVM hides it, or makes it of more
# than extents; else because nothing is known of what is in it.
check_hows ()
{
    local name type role how
    report lvs lv_name,segtype,lv_role -a --separator ' ' "$1" | sort -u > volumes
    while read -r name type role; do
        how=${hows["$1/${name//[][]/}"]-}
        case "$name $type $role" in
        "["* | *snapshot* | *origin*) type=hidden ;;
        esac
        if grep -qxF "$name" locked; then type=locked; fi
        case "$type $how" in
        "linear carried whole: no known content" | "striped carried whole: no known content") ;;
        linear* | striped*) fail "$name: a $type volume is '$how'" ;;
        *"carried whole: no known content") fail "$name: $type, and looked into" ;;
        *"carried whole: "*) ;;
        *) fail "$name: '$how'" ;;
        esac
    done < volumes
}

# --- filesystems, where LVM says that they lie

# copy_bytes FROM OFFSET TO OFFSET LENGTH
copy_bytes ()
{
    dd if="$1" iflag=skip_bytes,count_bytes skip="$2" count="$5" of="$3" oflag=seek_bytes seek="$4" \
        bs=$mib conv=notrunc status=none
}

# copy_lv put|get GROUP/NAME FILE: write FILE to where the volume lies, or read it from there.
copy_lv ()
{
    local way=$1 lv=$2 volume=$3 start size n stripe devices at area i row from files offsets
    local -A pe_starts=()
    local extent name
    extent=$(report vgs vg_extent_size "${lv%/*}" | tr -d ' ')
    report pvs pv_name,pe_start > table
    while read -r name from; do
        pe_starts[${name##*/}]=$from
    done < table
    report lvs seg_start,seg_size,stripes,stripe_size,devices --segments "$lv" > table
    while read -r start size n stripe devices; do
        files=() offsets=()
        for area in ${devices//,/ }; do
            name=${area%%\(*} name=${name##*/} area=${area##*\(} area=${area%%\)*}
            read -r i from <<< "${behind[$name]-$name 0}"
            files+=("$i")
            offsets+=($((from + pe_starts[$name] + area * extent)))
        done
        [ "$n" -gt 1 ] || stripe=$size
        for ((at = 0; at < size; at += stripe)); do
            i=$((at / stripe % n)) row=$((at / stripe / n))
            from=$((offsets[i] + row * stripe))
            if [ "$way" = put ]; then
                copy_bytes "$volume" $((start + at)) "${files[i]}" $from "$stripe"
            else
                copy_bytes "${files[i]}" $from "$volume" $((start + at)) "$stripe"
            fi
        done
    done < table
}

# make_ext FILE SIZE: with the tree, and a large file that was deleted again.
make_ext ()
{
    mkdir -p with-garbage
    cp -r tree/. with-garbage/
    garbage_bytes 3000000 > with-garbage/garbage.bin
    rm -f "$1"
    truncate -s "$2" "$1"
    mke2fs -q -F -t ext4 -d with-garbage "$1"
    rm -r with-garbage
    debugfs -w -R 'rm garbage.bin' "$1" > /dev/null 2>&1
}

# check_ext FILE: as the tree was.
check_ext ()
{
    e2fsck -fn "$1" > fsck.log 2>&1 || fail "e2fsck of $1: $(cat fsck.log)"
    rm -rf got
    mkdir got
    debugfs -R 'rdump / got' "$1" 2>/dev/null
    rm -rf got/lost+found
    (cd got && find . -type f -exec sha256sum {} + | sort -k 2) | diff tree.sums - ||
        fail "the files of $1 differ"
}

make_tree ()
{
    local i
    mkdir -p tree/deep/er
    for i in $(seq 30); do
        noise "small-$i" "tree/small-$i" $((i * 977))
    done
    noise large tree/deep/large 5000000
    seq 200000 > tree/deep/er/numbers
    (cd tree && find . -type f -exec sha256sum {} + | sort -k 2) > tree.sums
}

# describe: what LVM knows, but for the names of devices.
describe ()
{
    report vgs vg_uuid,vg_name,vg_seqno,vg_attr,vg_extent_size,vg_free,vg_mda_count
    report pvs pv_uuid,pe_start,pv_pe_count,pv_pe_alloc_count,pv_mda_count,pv_mda_used_count,vg_name
    report lvs lv_uuid,lv_name,lv_size,segtype,stripes,stripe_size,seg_start,seg_size --segments -a
}

# --- the cases

# attach_partition SECTOR: the first disk is `disk`, and `part` in it; the second one is `b`.
attach_partition ()
{
    attach part disk -b "$1" -o $((2 * mib)) --sizelimit $((140 * mib))
    behind[part]="disk $((2 * mib))"
}

# Two disks, GPT on one of them; volumes that were extended in turns; free extents with garbage.
case_contents ()
{
    local sector=$1 name used before
    new_disk disk 150 -b "$sector"
    new_disk b 120 -b "$sector"
    printf 'label: gpt\nstart=%d, size=%d, type=E6D6D379-F507-44C2-A23C-238F2A3DF928\n' \
        $((2 * mib / sector)) $((140 * mib / sector)) |
        sfdisk -q --no-reread "${loops[disk]}" 2>/dev/null
    flush disk
    rm dev/disk
    attach_partition "$sector"
    lv pvcreate dev/part dev/b
    lv vgcreate -s 1m vg0 dev/part dev/b
    make_lv -l 20 -n root vg0 dev/part
    make_lv -l 24 -i 2 -I 256k -n data vg0
    make_lv -l 30 -n deleted vg0
    lv lvextend -l +8 vg0/root dev/b
    lv lvextend -l +12 vg0/root dev/part
    lv lvextend -l +16 vg0/data
    make_lv -l 8 -n swap vg0
    flush part b

    make_ext root.img 40M
    make_ext data.img 40M
    garbage_bytes $((8 * mib)) > swap.img
    mkswap -q swap.img 2>/dev/null
    garbage_bytes $((30 * mib)) > deleted.img
    for name in root data swap deleted; do
        copy_lv put "vg0/$name" "$name.img"
    done
    lv lvremove -y vg0/deleted
    flush part b disk
    before=$(sha256 disk b)

    rm -rf to
    mkdir to
    "$PROGRAM" capture --quiet --to to --name carried "${loops[disk]}" "${loops[b]}" > out 2>&1
    [ "$(sha256 disk b)" = "$before" ] || fail "the source was changed"
    jq -e '[.disks[].volumes[].how] == ["LVM, volume group vg0", "LVM, volume group vg0"] and
        ([.volumes[] | {name, how}] == [{name: "vg0/root", how: "ext4, clean"},
            {name: "vg0/data", how: "ext4, clean"}, {name: "vg0/swap", how: "swap, header only"}])
        and (.volumes[2].used == 4096)' to/wherry/carried/machine.json > /dev/null ||
        fail "the manifest: $(jq -c '.disks[].volumes, .volumes' to/wherry/carried/machine.json)"
    used=$(jq '[.disks[].used] | add' to/wherry/carried/machine.json)
    [ "$used" -lt $((60 * mib)) ] || fail "$used bytes in use"
    "$PROGRAM" verify --quiet to/wherry/carried > out

    describe > before.lvm
    detach part b disk
    qemu-img convert -O raw to/wherry/carried/disk-0.qcow2 disk
    qemu-img convert -O raw to/wherry/carried/disk-1.qcow2 b
    if grep -qazF "$garbage" disk b; then fail "what was deleted is in the image"; fi
    attach_partition "$sector"
    attach b b -b "$sector"
    lv vgck vg0
    lv pvck dev/part
    lv pvck dev/b
    describe | diff before.lvm - || fail "LVM sees another group on the restored disks"
    for name in root data; do
        rm -f "$name.img"
        copy_lv get "vg0/$name" "$name.img"
        check_ext "$name.img"
    done
    detach part b
}

# Sizes of extents, places of metadata, areas that are ignored, an area for a boot loader.
case_options ()
{
    local extent
    for extent in 128k 384k 1m 4m 32m; do
        new_disk a 150
        new_disk b 100
        lv pvcreate --metadatacopies 2 --bootloaderareasize 1m dev/a
        lv pvcreate --metadatacopies 0 --dataalignment 192k dev/b
        lv vgcreate -s "$extent" vg0 dev/a dev/b
        make_lv -l 2 -i 2 -n striped vg0
        make_lv -l 20%FREE -n linear vg0
        lv lvextend -l +10%FREE vg0/linear dev/b
        lv lvremove -y vg0/striped
        check_masks a b
        check_hows vg0
        detach a b
    done

    for extent in a b c; do
        new_disk $extent 40
    done
    lv vgcreate --vgmetadatacopies 1 vg0 dev/a dev/b
    lv vgcreate vg1 dev/c
    make_lv -l 12 -n linear vg0
    make_lv -l 5 -n other vg1
    [ "$(report vgs vg_mda_used_count vg0 | tr -d ' ')" -eq 1 ] || fail "no area is ignored"
    check_masks a b c
    check_how vg0/linear "carried whole: no known content"
    check_how vg1/other "carried whole: no known content"
    lv vgexport vg1
    check_masks a b c
    detach a b c
}

# The metadata goes round in its area, and is seen in two pieces at least once.
case_ring ()
{
    local i wrapped=0 offset size
    new_disk a 40
    lv pvcreate --metadatasize 64k dev/a
    lv vgcreate -s 128k vg0 dev/a
    for i in $(seq 30); do
        make_lv -l 3 -n "lv$i" vg0
    done
    size=$(report pvs pv_mda_size dev/a | tr -d ' ')
    for i in $(seq 60); do
        lv lvremove -y "vg0/lv$((i % 30 + 1))"
        make_lv -l $((i % 4 + 1)) -n "lv$((i % 30 + 1))" vg0
        flush a
        # Behind the header's fixed part: the offset and the size of the text.
        offset=$(perl -e 'open F, $ARGV[0]; seek F, 4096 + 40, 0; read F, $b, 16;
            ($o, $s) = unpack "QQ", $b; print $o + $s' a)
        [ "$offset" -gt "$size" ] || continue
        wrapped=1
        check_masks a
        check_hows vg0
        break
    done
    [ $wrapped = 1 ] || fail "the metadata never went round"
    detach a
}

# restore_group FILE.vg: what LVM wrote elsewhere, on the disks a to e.
restore_group ()
{
    local uuid i=0 disks=(a b c d e)
    sed -n '/physical_volumes/,/logical_volumes/s/.*id = "\(.*\)"/\1/p' "$1" > uuids
    while read -r uuid; do
        dd if=/dev/zero of="dev/${disks[i]}" bs=$mib count=1 conv=notrunc status=none
        lv pvcreate -q --uuid "$uuid" --restorefile "$1" "dev/${disks[i]}"
        i=$((i + 1))
    done < uuids
    lv vgcfgrestore --force --yes -f "$1" vg0
}

# Of all kinds: what is carried is exactly what LVM calls in use.
case_kinds ()
{
    local file kind name how
    for file in a b c d e; do
        new_disk $file 512
    done
    for file in "$SOURCE_ROOT"/tests/lvm/*.vg; do
        kind=$(basename "$file" .vg)
        echo "$kind"
        restore_group "$file"
        check_masks a b c d e
        lv vgcfgbackup -f locked.vg vg0
        awk '/^\t\t[a-z]/ { name = $1 } /"LOCKED"/ { print name }' locked.vg > locked
        check_hows vg0
        while read -r name how; do
            [ -z "$name" ] || check_how "vg0/$name" "carried whole: $how"
        done <<< "${kinds[$kind]}"
        [ "$kind" = pvmove ] || check_how vg0/plain "carried whole: no known content"
    done
    detach a b c d e
}
declare -A kinds=(
    [cache]='data cached volume
data2 cached volume
data3 writecache
fast_cpool cache pool
data_corig part of data (cached volume)'
    [merging]='data origin of a snapshot
snap snapshot'
    [mirror]='data mirror
data_mlog part of data (mirror)'
    [pvmove]='data made of other volumes
pvmove0 mirror'
    [raid0]='data RAID0'
    [raid1]='data RAID1
data_rimage_0 volume with integrity
data2_rmeta_1 part of data2 (RAID1)'
    [raid10]='data RAID10'
    [raid5]='data RAID5'
    [raid6]='data RAID6
data_rimage_4 part of data (RAID6)'
    [reshape]='data RAID5
data_rimage_0 part of data (RAID5)'
    [snapshot]='data origin of a snapshot
snap snapshot
snap2 snapshot'
    [thin]='pool thin pool
pool_tdata part of pool (thin pool)
lvol0_pmspare hidden volume of LVM
thin thin volume in pool
thinsnap thin volume in pool
overlay thin volume in pool
image part of overlay (thin volume in pool)'
)

# Disks that are missing, copied, stale, damaged.
case_damage ()
{
    local uuid
    new_disk a 40
    new_disk b 40
    lv vgcreate vg0 dev/a dev/b
    make_lv -l 12 -n linear vg0
    check_masks a b
    uuid=$(report pvs pv_uuid dev/b | tr -d ' ')
    check_whole "volume group vg0: its physical volume $uuid ($ram/dev/b) is not among the" 1 a
    check_whole "is not among the disks" 1 b
    flush b
    cp b copy
    attach copy copy
    check_whole "volume group vg0: physical volume $uuid ($ram/dev/b) is there twice" 1 a b copy
    detach copy

    # One disk has missed a change.
    lv lvextend -l +2 vg0/linear
    flush a b
    cp a new-a
    cp b new-b
    dd if=copy of="${loops[b]}" bs=$mib count=1 conv=notrunc status=none
    check_whole "the copies of its metadata differ, with changes" 0 a b
    dd if=new-b of="${loops[b]}" bs=$mib count=1 conv=notrunc status=none
    check_masks a b

    # Damage in the header of the metadata, and in the text.
    printf 'x' | dd of="${loops[b]}" bs=1 seek=$((4096 + 100)) conv=notrunc status=none
    check_whole "an LVM metadata area at 4096 with a wrong checksum" 0 a b
    dd if=new-b of="${loops[b]}" bs=$mib count=1 conv=notrunc status=none
    perl -pe 's/pe_count = 9/pe_count = 8/' new-a > changed
    dd if=changed of="${loops[a]}" bs=$mib count=1 conv=notrunc status=none
    check_whole "with a wrong checksum" 0 a b
    dd if=new-a of="${loops[a]}" bs=$mib count=1 conv=notrunc status=none
    check_masks a b

    # A disk that LVM was told to do without.
    rm dev/b
    lv vgreduce --removemissing --force vg0
    make_lv -l 3 -n again vg0
    check_masks a
    check_whole "the copies of its metadata differ" 0 a b
    detach a b
}

# A physical volume in a logical one, of two pieces.
case_nested ()
{
    new_disk a 100
    new_disk b 60
    lv vgcreate vg0 dev/a dev/b
    make_lv -l 5 -n gap vg0 dev/a
    make_lv -l 10 -n outer vg0 dev/a
    flush a
    attach inner a -o $((mib + 5 * 4 * mib)) --sizelimit $((10 * 4 * mib))
    dd if=/dev/zero of=dev/inner bs=$mib count=1 conv=notrunc status=none
    lv vgcreate -s 1m vg1 dev/inner
    make_lv -l 7 -n deep vg1
    flush inner
    detach inner
    lv lvextend -l +3 vg0/outer dev/b
    flush a b
    inspect a b
    check_how vg0/outer "LVM, volume group vg1"
    check_how vg1/deep "carried whole: no known content"
    # Of the inner one: a MiB of metadata, 7 of data, 12 of the pieces that came later.
    jq -e '.volumes[] | select(.name == "vg0/outer") | .used == 20 * 1048576' inspect.json \
        > /dev/null || fail "$(jq -c .volumes inspect.json)"
    detach a b
}

# Volumes that are made, removed, made larger and smaller by chance.
case_random ()
{
    local seed=$1 file sector i lvs=()
    RANDOM=$seed
    sector=$((RANDOM % 2 ? 512 : 4096))
    for file in a b c; do
        new_disk $file $((60 + RANDOM % 60)) -b $sector
    done
    lv vgcreate -s $((1 << RANDOM % 4))m vg0 dev/a dev/b dev/c
    for i in $(seq 25); do
        case $((RANDOM % 6)) in
        0 | 1)
            try_lv lvcreate -y -an -Zn -Wn -l $((1 + RANDOM % 5)) -n "lv$i" --alloc anywhere vg0 ||
                continue # the group is full
            lvs+=("lv$i")
            ;;
        2)
            try_lv lvcreate -y -an -Zn -Wn -i $((2 + RANDOM % 2)) -I $((4 << RANDOM % 5))k \
                -l $((6 * (1 + RANDOM % 2))) -n "lv$i" vg0 || continue # no room on so many disks
            lvs+=("lv$i")
            ;;
        3)
            [ ${#lvs[@]} -gt 1 ] || continue
            lv lvremove -y "vg0/${lvs[0]}"
            lvs=("${lvs[@]:1}")
            ;;
        4)
            [ ${#lvs[@]} -gt 0 ] || continue
            try_lv lvextend -l +$((1 + RANDOM % 6)) "vg0/${lvs[RANDOM % ${#lvs[@]}]}" || continue
            ;;
        5)
            [ ${#lvs[@]} -gt 0 ] || continue
            try_lv lvreduce -f -l -1 "vg0/${lvs[RANDOM % ${#lvs[@]}]}" || continue
            ;;
        esac
        [ $((i % 8)) -ne 0 ] || check_masks a b c
    done
    check_masks a b c
    check_hows vg0
    detach a b c
}

: > locked
make_tree
echo "contents, sectors of 512"
case_contents 512
echo "contents, sectors of 4096"
case_contents 4096
echo options
case_options
echo ring
case_ring
case_kinds
echo damage
case_damage
echo nested
case_nested
seed=$(draw)
rounds=2
[ "${WHERRY_TEST_ALL:-0}" != 1 ] || rounds=20
for ((i = 0; i < rounds; i++)); do
    echo "random $((seed + i))"
    case_random $((seed + i))
done
