#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Volume groups as LVM's own tools make and change them, on disks full of random bytes, so that no
# volume holds anything that is known: each extent that pvs calls allocated is carried, no free one
# is, and all before the first extent and behind the last.  No volume is active: what cannot be
# made without the kernel's device mapper is not here.

# shellcheck source=tests/scripts/volumes.sh
. "$(dirname "$0")/volumes.sh"

requires lvm version
requires openssl version
requires jq --version
requires test "$(id -u)" -eq 0 # attaches loop devices

n_disks=3
devices=()
disk_size=$((64 * mib))
head -c $disk_size /dev/zero | openssl enc -aes-128-ctr -pbkdf2 -pass pass:noise -nosalt > noise

# Each: name | how many of the disks are given to the program | what the manifest says | commands,
# in which a to c are the disks.  Each makes the group vg or groups whose names start so.
cases='
linear       |2|LVM, volume group vg|vgcreate vg a b; new -l 5 -n one vg a; new -l 3 -n two vg b; new -l 2 -n three vg a
grown        |2|LVM, volume group vg|vgcreate vg a b; new -l 3 -n one vg a; new -l 2 -n two vg a; lvextend -l +7 vg/one b
shrunk       |1|LVM, volume group vg|vgcreate vg a; new -l 9 -n one vg; lvreduce -f -l -5 vg/one; new -l 2 -n two vg
removed      |1|LVM, volume group vg|vgcreate vg a; new -l 3 -n one vg; new -l 3 -n two vg; new -l 3 -n three vg; lvremove -f vg/two
striped      |3|LVM, volume group vg|vgcreate vg a b c; new -l 9 -i 3 -I 4k -n one vg; new -l 4 -i 2 -I 512k -n two vg
empty        |2|LVM, volume group vg|vgcreate vg a b
small        |2|LVM, volume group vg|vgcreate -s 128k vg a b; new -L 640k -n one vg; new -L 1m -i 2 -I 64k -n two vg
odd-extents  |2|LVM, volume group vg|vgcreate -s 1280k vg a b; new -l 7 -n one vg a; new -l 6 -i 2 -n two vg
copies       |2|LVM, volume group vg|vgcreate --metadatacopies 1 vg a b; new -l 4 -n one vg
two-areas    |2|LVM, volume group vg|pvcreate --metadatacopies 2 -ff -y a b; vgcreate vg a b; new -l 4 -n one vg b
no-area      |2|LVM, volume group vg|pvcreate --metadatacopies 0 -ff -y b; vgcreate vg a b; new -l 4 -n one vg b
aligned      |1|LVM, volume group vg|pvcreate --dataalignment 7m --bootloaderareasize 3m -ff -y a; vgcreate vg a; new -l 4 -n one vg
moved        |2|LVM, volume group vg|vgcreate vg a b; new -l 2 -n one vg a; new -l 2 -n two vg b; lvremove -f vg/two; vgreduce vg b; vgcreate vgb b; new -l 3 -n three vgb
merged       |2|LVM, volume group vg|vgcreate vg a; new -l 2 -n one vg; vgcreate vgb b; new -l 3 -n two vgb; vgmerge vg vgb
split        |2|LVM, volume group vg|vgcreate vg a b; new -l 2 -n one vg a; new -l 3 -n two vg b; vgsplit vg vgb b
renamed      |2|LVM, volume group vg|vgcreate vg a b; new -l 2 -n one vg a; vgrename vg vgz; vgchange --uuid vgz; lvrename vgz one eins
tagged       |1|LVM, volume group vg|vgcreate --addtag x vg a; new -l 2 --addtag a-b.c -n one vg; vgexport vg
replaced     |2|LVM, volume group vg|vgcreate vg a b; new -l 2 -n one vg a; vgreduce vg b; pvremove -ff -y b; pvcreate b; vgextend vg b; lvextend -l +16 vg/one
many         |1|LVM, volume group vg|vgcreate -s 64k vg a; many 60
without-one  |1|carried whole: volume group vg: its physical volume|vgcreate vg a b; new -l 2 -n one vg a
left-alone   |2|carried whole: LVM physical volume in no known group|pvcreate -ff -y a b
'

# many_volumes N: of 1 to 5 extents; each third is removed again.
many_volumes ()
{
    local i
    for ((i = 0; i < $1; i++)); do
        new_lv -l $((i % 5 + 1)) -n "lv$i" vg
    done
    for ((i = 0; i < $1; i += 3)); do
        lvm lvremove -q --driverloaded n -f "vg/lv$i" > /dev/null
    done
}

# run_in_lvm COMMAND...: where a to c are devices.
run_in_lvm ()
{
    local words=() word i
    for word in "${@:2}"; do
        case $word in
        [abc]) i=$(printf '%d' "'$word"); words+=("${devices[i - 97]}") ;;
        *) words+=("$word") ;;
        esac
    done
    case $1 in
    new) new_lv "${words[@]}" ;;
    many) many_volumes "$2" ;;
    *) lvm "$1" -q --driverloaded n "${words[@]}" > /dev/null ;;
    esac
}

# free_extents DEVICE: START LENGTH, in bytes on the device.
free_extents ()
{
    lvm pvs --noheadings --nosuffix --units b --separator ' ' --segments \
        -o pv_name,pe_start,vg_extent_size,pvseg_start,pvseg_size,segtype |
        awk -v pv="$1" '$1 == pv && $3 > 0 && $6 == "free" { print $2 + $4 * $3, $5 * $3 }'
}

# make_group COMMANDS N: on new disks; the files free0 to free(N - 1).
make_group ()
{
    local i command
    devices=()
    for ((i = 0; i < n_disks; i++)); do
        rm -f "disk$i"
        cp noise "disk$i"
        dd if=/dev/zero of="disk$i" bs=4K count=1 conv=notrunc status=none
        attach "disk$i"
        devices+=("$loop")
    done
    lvm_devices "${devices[@]}"
    while read -r -d ';' command || [ -n "$command" ]; do
        # shellcheck disable=SC2086 # words
        run_in_lvm $command
    done <<< "$1"
    for ((i = 0; i < $2; i++)); do
        free_extents "${devices[i]}" > "free$i"
    done
    for loop in "${devices[@]}"; do
        detach "$loop"
    done
}

# one NAME N HOW COMMANDS
one ()
{
    local name=$1 n=$2 want=$3 i disks=() pairs=() start length freed=0
    make_group "$4" "$n"
    for ((i = 0; i < n; i++)); do
        disks+=("disk$i")
        pairs+=("disk$i" "mask$i")
    done
    "$PROGRAM" inspect --json "${disks[@]}" > inspected
    "$MAP_TOOL" mask "${pairs[@]}"
    for ((i = 0; i < n; i++)); do
        jq -e --arg i "$i" --arg want "$want" '.disks[$i | tonumber].map.volumes[0].how |
            startswith($want)' inspected > answer || fail "$name: $(jq -c .disks[].map.volumes inspected)"
        while read -r start length && [[ $want != carried* ]]; do
            fallocate -z -o "$start" -l "$length" "disk$i"
            freed=$((freed + length))
        done < "free$i"
        cmp "disk$i" "mask$i" || fail "$name: another map of disk $i than LVM's: $(cat "free$i")"
    done
    [[ $want = carried* ]] || [ $freed -gt $mib ] || fail "$name: nothing is free"
    echo "$name: $((freed / mib)) MiB free; $(jq -r '[.volumes[]? | "\(.name): \(.how)"] | join(", ")' inspected |
        cut -c 1-160)"
}

while IFS='|' read -r name n how commands; do
    [ -z "$name" ] || one "${name// /}" "$n" "$how" "$commands"
done <<< "$cases"
