#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Software RAID and LUKS as the kernel and its tools make them.  A VM with Debian's kernel makes
# arrays of all kinds on disks full of random bytes, some stopped in order, some in use, resyncing
# or without a member when it is cut off (tests/vm/cases-mdmake).  The disks are captured and
# restored here, and another VM looks at each member by itself and at the arrays
# (tests/vm/cases-mdcheck): all files are there.  What is not in use is not carried.
#
# WHERRY_KEEP_DISKS=DIR: the disks before and after are copied there.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
PATH=$PATH:/usr/sbin:/sbin

requires qemu-system-x86_64 --version
requires busybox true
requires cpio --version
requires mdadm --version
requires lvm version
requires cryptsetup --version
requires openssl version
requires jq --version
requires mmdebstrap --version

tests=$SOURCE_ROOT/tests
cache=$SOURCE_ROOT/build/demo

# --- what the machine is; the guest reads it, too

cat > machine << 'END'
SETS='v090 v10 v11 v12 inuse inusebitmap inuse090 stale resync rebuild raidfive raidzero raidten
    table stack stackinuse missing luks luksvolume'
PART_MIB=40
A_MIB=764 B_MIB=765 C_MIB=84 D_MIB=43 WORK_MIB=30
END
# shellcheck source=/dev/null
. ./machine

qemu=
clean_up ()
{
    [ -z "$qemu" ] || kill -KILL "$qemu" 2>/dev/null || true
    rm -rf "$workdir"
}
trap clean_up EXIT

# new_disk NAME MIB PARTITIONS: of $PART_MIB each from 1 MiB on, full of random bytes.
new_disk ()
{
    local i
    head -c $((($3 * PART_MIB + 1) << 20)) /dev/zero |
        openssl enc -aes-128-ctr -pbkdf2 -pass "pass:$1" -nosalt > "$1"
    truncate -s 0 "$1.table"
    for ((i = 0; i < $3; i++)); do
        echo "start=$((1 + i * PART_MIB))MiB, size=${PART_MIB}MiB" >> "$1.table"
    done
    truncate -s "$2M" "$1"
    (echo 'label: gpt'; cat "$1.table") | sfdisk -q --wipe never "$1"
}

n_sets=$(wc -w <<< "$SETS")
new_disk a "$A_MIB" "$n_sets"
new_disk b "$B_MIB" "$n_sets"
new_disk c "$C_MIB" 2
new_disk d "$D_MIB" 1
truncate -s "${WORK_MIB}M" work
mke2fs -q -F -t ext2 work

# --- the system

programs=()
for tool in mdadm lvm cryptsetup mke2fs e2fsck sfdisk blockdev losetup sort; do
    programs+=(--program "$(command -v $tool)")
done
modules=()
for module in crc32c_generic virtio_pci virtio_blk ext4 loop dm_mod dm_crypt md_mod raid0 raid1 raid10 \
    raid456 ecb xts algif_skcipher; do
    modules+=(--module "$module")
done
find_archive ()
{
    find "$cache" -maxdepth 1 -name 'debian-*.tar' 2>/dev/null | sort | tail -n 1
}
if [ -z "$(find_archive)" ]; then
    "$tests/vm/make-debian" --cache "$cache" --size 2048 --deleted 0 debian
    rm debian*
fi
"$tests/vm/make-initramfs" --archive "$(find_archive)" --init "$tests/vm/guest-init" \
    --file machine=/machine --file "$tests/vm/md-functions=/md-functions" \
    --file "$tests/vm/cases-mdmake=/cases/mdmake" \
    --file "$tests/vm/cases-mdcheck=/cases/mdcheck" "${programs[@]}" "${modules[@]}" system

accel=tcg,thread=multi
if grep -qwE 'vmx|svm' /proc/cpuinfo && [ -w /dev/kvm ]; then
    accel=kvm
fi

# machine CASES END SECONDS DISK...: run them until the line END is on the console, cut the machine
# off, and print what the cases said.
machine ()
{
    local cases=$1 end=$2 deadline=$((SECONDS + $3)) disk args=() words
    shift 3
    for disk; do
        args+=(-drive "if=virtio,file=$disk,format=raw,cache=unsafe")
    done
    qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none -accel "$accel" \
        -machine q35 -smp 2 -m 768 -serial "file:$cases.console" -device virtio-rng-pci \
        -kernel system/vmlinuz -initrd system/initrd \
        -append "console=ttyS0 loglevel=4 panic=-1 raid=noautodetect cases=$cases" "${args[@]}" &
    qemu=$!
    until grep -q "^$end" "$cases.console" 2>/dev/null; do
        [ $SECONDS -lt $deadline ] || { tail -n 20 "$cases.console" >&2; fail "$cases hangs"; }
        kill -0 $qemu 2>/dev/null || { tail -n 20 "$cases.console" >&2; fail "$cases ended early"; }
        sleep 0.1
    done
    kill -KILL $qemu
    { wait $qemu; } 2> /dev/null || true
    qemu=
    tr -d '\r' < "$cases.console" | sed -n '/^\(CASE\|guest-init\|    \)/p' > "$cases.cases"
    cat "$cases.cases"
    while read -r words; do
        grep -q "^CASE $words OK" "$cases.cases" || fail "$cases: $words"
    done < <(sed -n 's/^run_case \([^ ]*\) .*/\1/p' "$tests/vm/cases-$cases")
}

machine mdmake 'HOST cut' 400 a b c d work

# --- there and back

sha256 a b c > before
"$PROGRAM" capture --quiet --to . --name carried a b c
sha256 a b c | diff before - || fail "a source disk was changed"
bundle=wherry/carried
mkdir restored
i=0
for disk in a b c; do
    qemu-img convert -O raw "$bundle/disk-$i.qcow2" "restored/$disk"
    i=$((i + 1))
done
if [ -n "${WHERRY_KEEP_DISKS-}" ]; then
    mkdir -p "$WHERRY_KEEP_DISKS"
    cp --sparse=always -r a b c d work restored "$bundle/machine.json" "$WHERRY_KEEP_DISKS"
fi

# partition DISK NUMBER FILE
partition ()
{
    dd if="$1" of="$3" bs=1M skip=$((1 + ($2 - 1) * PART_MIB)) count="$PART_MIB" conv=sparse \
        status=none
}

jq -r '.disks[].volumes[], .volumes[]? | "\(.name // .number) \(.how): \(.used) of \(.size)"' \
    "$bundle/machine.json"

# number_of SET
number_of ()
{
    tr -s ' \n' '\n' <<< "$SETS" | grep -nx "$1" | cut -d : -f 1
}

# how SET TEXT DISK...: what the manifest says of its partition on these disks.
how ()
{
    local set=$1 text=$2 disk
    shift 2
    for disk; do
        jq -e --argjson disk "$disk" --argjson n "$(number_of "$set")" --arg text "$text" \
            '.disks[$disk].volumes[] | select(.number == $n) | .how | startswith($text)' \
            "$bundle/machine.json" > answer ||
            fail "$set on disk $disk: $(jq --argjson disk "$disk" --argjson n \
                "$(number_of "$set")" '.disks[$disk].volumes[] | select(.number == $n)' \
                "$bundle/machine.json")"
    done
}

for set in v090 v10 v11 v12 table stack; do
    how $set "md RAID1, clean" 0 1
done
for set in inuse inusebitmap inuse090 resync stackinuse; do
    how $set "md RAID1, not clean: it" 0 1
done
how stale "md RAID1, not clean: its event counts differ" 0 1
how rebuild "md RAID1, not clean: a member is being rebuilt" 0 1
how missing "md RAID1, not clean: a member is missing" 0
how raidfive "carried whole: RAID5" 0 1
how raidzero "carried whole: RAID0" 0 1
how raidten "carried whole: RAID10" 0 1
how luks "carried whole: LUKS" 1

# layer NAME TEXT: what it says of what lies on an array or in a volume group.
layer ()
{
    jq -e --arg name "$1" --arg text "$2" \
        '.volumes[] | select(.name == $name) | .how | startswith($text)' "$bundle/machine.json" \
        > answer || fail "$1: $(jq -c '.volumes[] | [.name, .how]' "$bundle/machine.json")"
}

layer "md carried:v12" "ext4, clean"
layer "md carried:stale, as on partition $(number_of stale) of a" "ext4, clean"
layer "md carried:stale, as on partition $(number_of stale) of b" "ext4, clean"
layer "md carried:rebuild" "ext4, clean"
layer "md carried:table" "partition table: gpt"
layer "partition 1 of md carried:table" "ext4, clean"
layer hold/cargo "ext4, clean"
for disk in a b; do
    for set in inuse inusebitmap resync; do
        layer "md carried:$set, as on partition $(number_of $set) of $disk" "ext4, journal replayed"
    done
done
layer "deck/cargo, as on copy 1" "ext4, journal replayed"
layer "deck/cargo, as on copy 2" "ext4, journal replayed"
layer locker/safe "carried whole: LUKS"

# The members say of themselves what they said before.
for set in $SETS; do
    for disk in a b; do
        n=$(number_of "$set")
        partition $disk "$n" member
        mdadm --examine member > was 2> /dev/null || true
        partition restored/$disk "$n" member
        mdadm --examine member > is 2> /dev/null || true
        diff was is || fail "$set: $disk: other metadata"
        [ -s was ] || [[ $set = luks* || $set = missing ]] || fail "$set: $disk: no metadata"
        rm member
    done
done

# Of what could be followed, little more than the files came along: they and the metadata are less
# than half of a partition.
for set in v090 v10 v11 v12 inuse inusebitmap inuse090 stale resync table stack stackinuse missing; do
    for disk in a b; do
        [ $set$disk != missingb ] || continue
        partition restored/$disk "$(number_of $set)" member
        kib=$(du -k member | cut -f 1)
        echo "$set: $kib KiB on $disk"
        [ "$kib" -lt $((PART_MIB * 1024 / 2)) ] || fail "$set: $kib KiB of $disk were carried"
        rm member
    done
done

machine mdcheck 'CASES END' 500 restored/a restored/b restored/c work
