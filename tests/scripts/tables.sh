#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Partition tables made by the usual tools, on disks that are full of random bytes: what is carried is
# compared, byte by byte, with what the rule of the gaps names; and tables of others are carried whole.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
PATH=$PATH:/usr/sbin:/sbin

requires sgdisk --version
requires sfdisk --version
requires parted --version
requires mke2fs -V
requires cryptsetup --version
requires jq --version
requires test "$(id -u)" -eq 0 # for loop devices, which have sectors of 4096 bytes

mib=1048576
size=96 # MiB, of every disk; larger gaps are then seen, too
random=random
head -c $((size * mib)) /dev/urandom > "$random"

# new_disk: `disk`, full of random bytes but for both ends, where tables lie.
new_disk ()
{
    rm -f disk
    cp "$random" disk
    dd if=/dev/zero of=disk bs=64k count=1 conv=notrunc status=none
    dd if=/dev/zero of=disk bs=64k seek=$((size * 16 - 1)) count=1 conv=notrunc status=none
}

# with_loop SECTOR_SIZE CMD...: {} among the arguments is the loop device of `disk`.
with_loop ()
{
    local sector=$1 loop r=0
    shift
    loop=$(losetup -f --show -b "$sector" disk)
    "${@//\{\}/$loop}" || r=$?
    losetup -d "$loop"
    return $r
}

# put_swap OFFSET_KIB SIZE_KIB: a partition of which we know that its first 4 KiB are carried.
put_swap ()
{
    truncate -s "$2K" swap
    mkswap -q swap 2>/dev/null
    dd if=swap of=disk bs=4k count=1 seek=$(($1 / 4)) conv=notrunc status=none
    rm swap
}

# look NAME SECTOR_SIZE: make `masked` and `facts` of the disk.
look ()
{
    echo "$1"
    if [ "$2" = file ]; then
        "$MAP_TOOL" mask disk masked
        "$PROGRAM" inspect --json disk > facts
    else
        with_loop "$2" "$MAP_TOOL" mask {} masked
        with_loop "$2" "$PROGRAM" inspect --json {} > facts
    fi
    jq '.disks[-1].map' facts > map
}

# carries RANGE...: these, FROM-TO in bytes, are carried, and nothing else.  Where the disk has random
# bytes, any other byte would show.
carries ()
{
    local range
    rm -f wanted
    truncate -s "$(stat -c %s disk)" wanted
    for range; do
        dd if=disk of=wanted bs=64k iflag=skip_bytes,count_bytes oflag=seek_bytes \
            skip="${range%-*}" seek="${range%-*}" count=$((${range#*-} - ${range%-*})) \
            conv=notrunc status=none
    done
    cmp wanted masked || fail "carried is not $*; $(jq -c . map)"
}

# whole TEXT: all is carried, and TEXT says why.
whole ()
{
    cmp disk masked || fail "not all is carried; $(jq -c . map)"
    jq -e --arg text "$1" '.volumes | length == 1 and (.[0].how | contains($text))' map > /dev/null ||
        fail "no '$1' in $(jq -c . map)"
}

# says FILTER: jq's, of the map.
says ()
{
    jq -e "$1" map > /dev/null || fail "not '$1': $(jq -c . map)"
}

# warns TEXT
warns ()
{
    jq -e --arg text "$1" '.warnings | any(contains($text))' map > /dev/null ||
        fail "no warning '$1' in $(jq -c . map)"
}

# poke OFFSET BYTES: as printf has them.
poke ()
{
    # shellcheck disable=SC2059 # they are the format
    printf "$2" | dd of=disk bs=1 seek="$1" conv=notrunc status=none
}

end=$((size * mib))
# A swap from 2 to 12 MiB, a gap of 8 MiB, a swap from 20 to 30 MiB, and a gap to the end.
front=(0-$((2 * mib + 4096)) $((12 * mib))-$((20 * mib + 4096)) $((30 * mib))-$((31 * mib)))
back=$((end - mib))-$end

# gpt SECTOR_SIZE: with these two partitions.
gpt ()
{
    local per=$((mib / $1))
    new_disk
    with_loop "$1" sgdisk -n 1:$((2 * per)):$((12 * per - 1)) -n 2:$((20 * per)):$((30 * per - 1)) \
        {} > /dev/null
    put_swap 2048 10240
    put_swap 20480 10240
}

# grown_gpt SECTOR_SIZE: by 30 MiB; the backup, from its entries to its header, lies in the gap.
grown_gpt ()
{
    local last
    gpt "$1"
    last=$(with_loop "$1" sgdisk -p {} | sed -n 's/.*last usable sector is \([0-9]*\).*/\1/p')
    [ -n "$last" ] || fail "sgdisk names no last usable sector"
    backup=$(((last + 1) * $1))-$end
    head -c $((30 * mib)) "$random" >> disk
}

try_gpt ()
{
    local sector=$1 where
    gpt "$sector"
    for where in "$sector" file; do
        look "GPT in sectors of $sector bytes, $where" "$where"
        carries "${front[@]}" "$back"
        says ".table == \"gpt\" and .sector_size == $sector and (.warnings | length) == 0"
    done
    poke $((end - sector)) 'no backup'
    look "GPT without a backup" "$sector"
    carries "${front[@]}" "$back"

    gpt "$sector"
    poke "$sector" 'no table'
    for where in "$sector" file; do
        look "GPT whose first header is gone, $where" "$where"
        carries "${front[@]}" "$back"
        warns "the backup at the end of the disk is used"
    done

    gpt "$sector"
    poke $((2 * sector + 60)) x
    look "GPT whose first entries are damaged" "$sector"
    carries "${front[@]}" "$back"
    warns "entries with a wrong checksum"
    poke $((end - sector + 40)) x
    look "GPT of which both copies are damaged" "$sector"
    whole "wrong checksum"

    gpt "$sector"
    with_loop "$sector" sgdisk -j 200 {} > /dev/null
    look "GPT with its entries at sector 200" "$sector"
    carries "${front[@]}" "$back"
    says '.table == "gpt"'

    grown_gpt "$sector"
    look "GPT of a disk that has grown" "$sector"
    carries "${front[@]}" "$backup" $((end + 29 * mib))-$((end + 30 * mib))
    poke "$sector" 'no table'
    look "the same, with its first header gone" "$sector"
    whole "a protective MBR without a GPT"

    gpt "$sector"
    truncate -s 80M disk
    look "GPT of a disk that has shrunk" "$sector"
    whole "beyond the end of the disk"

    new_disk
    with_loop "$sector" sgdisk -o {} > /dev/null
    look "GPT without partitions" "$sector"
    whole "with no partitions"
}

try_gpt_kin ()
{
    local kind
    gpt 512
    sgdisk -h 1:EE disk > /dev/null
    look "hybrid MBR of a GPT's partition" 512
    carries "${front[@]}" "$back"
    says '.table == "gpt" and (.warnings | length) == 0'
    # a third entry: 6 MiB at 50 MiB
    poke $((446 + 3 * 16)) '\x00\x00\x00\x00\x83\x00\x00\x00\x00\x90\x01\x00\x00\x30\x00\x00'
    look "hybrid MBR with a partition of its own" 512
    carries "${front[@]}" $((50 * mib))-$((56 * mib)) "$back"
    warns "is carried whole"

    gpt 512
    dd if=/dev/zero of=disk bs=512 count=1 conv=notrunc status=none
    look "GPT without its MBR" 512
    whole "a GPT without a protective MBR"

    gpt 512
    dd if=/dev/urandom of=disk bs=512 seek=1 count=1 conv=notrunc status=none
    dd if=/dev/urandom of=disk bs=512 seek=$((end / 512 - 1)) count=1 conv=notrunc status=none
    look "protective MBR alone" 512
    whole "a protective MBR without a GPT"

    for kind in 4200 4201; do
        gpt 512
        sgdisk -t 2:$kind disk > /dev/null 2>&1
        look "GPT of a dynamic disk, $kind" 512
        whole "a Windows dynamic disk"
    done

    # The first disk's table is kept out of the way of the second one's.
    gpt 512
    sgdisk -j 600 disk > /dev/null
    dd if=disk of=header bs=512 skip=1 count=1 status=none
    dd if=disk of=entries bs=512 skip=600 count=32 status=none
    with_loop 4096 sgdisk -o -n 1:512:+4M {} > /dev/null 2>&1
    dd if=header of=disk bs=512 seek=1 conv=notrunc status=none
    dd if=entries of=disk bs=512 seek=600 conv=notrunc status=none
    look "two GPTs" file
    whole "two GPTs"

    poke $((512 + 60)) '\xff'
    look "a damaged GPT and another, in larger sectors" file
    whole "wrong checksum"
}

# mbr SECTOR_SIZE: a swap from 2 to 12 MiB and logical ones: 20 of a MiB each from 21 MiB on, and
# one from 85 to 87 MiB.
mbr ()
{
    local per=$((mib / $1)) i
    new_disk
    {
        printf 'label: dos\nunit: sectors\n1 : start=%d, size=%d, type=82\n' $((2 * per)) $((10 * per))
        printf '2 : start=%d, size=%d, type=5\n' $((20 * per)) $((70 * per))
        for i in $(seq 0 19); do
            printf '%d : start=%d, size=%d, type=82\n' $((5 + i)) $(((21 + 2 * i) * per)) "$per"
        done
        printf '25 : start=%d, size=%d, type=82\n' $((85 * per)) $((2 * per))
    } > table
    with_loop "$1" sfdisk -q --no-reread {} < table 2> /dev/null
    put_swap 2048 10240
    for i in $(seq 0 19); do
        put_swap $(((21 + 2 * i) * 1024)) 1024
    done
    put_swap $((85 * 1024)) 2048
}

try_mbr ()
{
    local sector=$1 i link ranges=(0-$((2 * mib + 4096)) $((12 * mib))-$((13 * mib)))
    for i in $(seq 0 19); do
        ranges+=($(((20 + 2 * i) * mib))-$(((21 + 2 * i) * mib + 4096)))
    done
    # from 60 MiB a gap of 25 MiB, and behind the last one of 9 MiB
    ranges+=($((60 * mib))-$((61 * mib)) $((84 * mib))-$((85 * mib + 4096)) $((87 * mib))-$((88 * mib)))
    mbr "$sector"
    look "MBR with 21 logical partitions in sectors of $sector bytes" "$sector"
    carries "${ranges[@]}" "$back"
    says '.table == "mbr" and (.volumes | length) == 22'
    look "the same, as a file" file
    if [ "$sector" = 512 ]; then
        carries "${ranges[@]}" "$back"
    else
        whole "no table of logical partitions" # counted in 512 bytes, as it could be
    fi

    link=$((20 * mib)) # its first link; its second entry then leads to itself
    poke $((link + 446 + 16 + 8)) '\x00\x00\x00\x00'
    look "MBR whose logical partitions loop" "$sector"
    whole "back to"
    poke $((link + 510)) '\x00'
    look "MBR whose chain ends in nothing" "$sector"
    whole "no table of logical partitions"
}

try_mbr_kin ()
{
    new_disk
    printf 'label: dos\n1 : start=4096, size=20480, type=42\n' | sfdisk -q disk
    look "MBR of a dynamic disk" 512
    whole "a Windows dynamic disk"

    new_disk
    printf 'label: dos\n' | sfdisk -q disk
    look "MBR without partitions" 512
    whole "no known content"

    new_disk
    printf 'label: dos\n1 : start=4096, size=20480, type=5\n' | sfdisk -q disk
    look "MBR with no logical partitions" 512
    whole "with no partitions"

    new_disk
    printf 'label: dos\n1 : start=4096, size=20480, type=83\n' | sfdisk -q disk
    look "MBR of a file, with nothing known in it" 512
    carries 0-$((13 * mib)) "$back"
    says '.volumes[0].how == "carried whole: no known content"'

    truncate -s 40M disk
    poke $((446 + 12)) '\x00\x00\x00\x01' # more sectors than there are
    look "MBR with a partition beyond the end" 512
    whole "lies beyond"
}

# Others' tables: nothing is known of what lies where.
try_others ()
{
    local label
    for label in amiga bsd dvh mac pc98 sun atari; do
        new_disk
        parted -s disk mklabel $label > /dev/null 2>&1 ||
            fail "parted makes no table: $label"
        look "$label" 512
        whole "carried whole: "
    done

    # A Sun table lies in the boot block of the ext2 that its first partition holds.
    new_disk
    mke2fs -q -F -t ext2 disk 8M
    printf 'label: sun\n1 : start=0, size=16384\n2 : start=65536, size=65536\n' |
        sfdisk -q --wipe never disk > /dev/null 2>&1 || fail "sfdisk makes no Sun table"
    look "sun, with ext2 at its start" 512
    "$MAP_TOOL" mask disk masked
    cmp -i $((8 * mib)) disk masked || fail "not all behind the ext2 is carried"
}

# empty_gpt: without the second swap.
empty_gpt ()
{
    gpt 512
    dd if=/dev/zero of=disk bs=4k count=1 seek=$((20 * mib / 4096)) conv=notrunc status=none
}

# Members of what we do not read, in a partition.
try_members ()
{
    local type
    empty_gpt
    poke $((20 * mib)) 'bluestore block device\n'
    look "Ceph" 512
    says '.volumes[1].how == "carried whole: Ceph BlueStore" and .volumes[1].used == 10485760'

    for type in luks1 luks2; do
        empty_gpt
        truncate -s 20M luks
        cryptsetup luksFormat -q --type $type --pbkdf pbkdf2 --pbkdf-force-iterations 1000 luks \
            <(echo a key that is tried nowhere) || fail "cryptsetup makes no $type"
        dd if=luks of=disk bs=1M count=2 seek=20 conv=notrunc status=none
        rm luks
        look $type 512
        says '.volumes[1].how == "carried whole: LUKS" and .volumes[1].used == 10485760'
    done
}

try_gpt 512
try_gpt 4096
try_gpt_kin
try_mbr 512
try_mbr 4096
try_mbr_kin
try_others
try_members
