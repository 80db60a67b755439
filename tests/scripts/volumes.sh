# shellcheck shell=bash disable=SC2034 # variables are for who sources this
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Sourced, instead of functions.sh, by scripts that mount filesystems and lay out disks around them.
# All that is attached or mounted by these functions goes away on exit.
#
# A loop device that somebody else keeps open for a moment would serve what was read from an older
# file: make a new file for each mount.

# Among the mounts of its own: a namespace that another process makes meanwhile would keep ours alive,
# and what is unmounted here would still be mounted there.
if [ -z "${OWN_MOUNTS-}" ] && [ "$(id -u)" -eq 0 ]; then
    OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"

# In memory, where there is enough: what waits for a disk here waits for each of a thousand fsyncs.
if [ "$(id -u)" -eq 0 ] &&
    [ "$(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo)" -gt $((8 << 20)) ]; then
    mount -t tmpfs -o size=4g tmpfs "$workdir"
    cd "$workdir"
fi

PATH=$PATH:/usr/sbin:/sbin
mib=1048576
declare -A loop_of=() # by where it is mounted
loops=()
offset=0 # of the volume in the disk that lay_out() made last

let_go ()
{
    local dir loop
    trap - ERR
    set +e
    exec 9<&-
    for dir in "${!loop_of[@]}"; do
        umount "$dir" 2>/dev/null || umount -l "$dir"
    done
    for loop in "${loops[@]}"; do
        losetup -d "$loop" 2>/dev/null
    done
    cd /
    umount "$workdir" 2>/dev/null
    rm -rf "$workdir"
}
trap let_go EXIT

# attach FILE [OFFSET SIZE]: sets $loop.  Another process may take the free device before us.
attach ()
{
    local try
    for try in 1 2 3 4 5; do
        if loop=$(losetup -f --show -o "${2:-0}" --sizelimit "${3:-0}" "$1"); then
            loops+=("$loop")
            return
        fi
        sleep "0.$try"
    done
    fail "cannot attach '$1'"
}

# detach LOOP
detach ()
{
    local i
    losetup -d "$1"
    for i in "${!loops[@]}"; do
        if [ "${loops[i]}" = "$1" ]; then unset "loops[i]"; fi
    done
}

# mount_volume DISK OFFSET SIZE DIR [OPTION...]: on a loop device of its own.
mount_volume ()
{
    local disk=$1 at=$2 size=$3 dir=$4
    shift 4
    attach "$disk" "$at" "$size"
    mkdir -p "$dir"
    if ! mount "$@" "$loop" "$dir"; then
        detach "$loop"
        return 1
    fi
    loop_of[$dir]=$loop
}

# unmount DIR
unmount ()
{
    umount "$1"
    detach "${loop_of[$1]}"
    unset "loop_of[$1]"
}

# mark_kernel_log; kernel_complaints DEVICE: what ext4, its journal or btrfs complained of since.
mark_kernel_log ()
{
    log_mark="wherry test $$ $EPOCHREALTIME"
    echo "$log_mark" > /dev/kmsg
}
kernel_complaints ()
{
    dmesg | awk -v mark="$log_mark" -v dev="${1##*/}" '
        index($0, mark) { seen = 1 }
        seen && match($0, "[( ]" dev "[-): ]") && !/deprecated/ &&
            /(EXT4-fs|BTRFS) (error|warning|critical)|[Ee]rror|[Cc]orrupt|JBD2: .*(ail|nvalid|ad )/'
}

# lvm ARG...: the tools, on the physical volumes of lvm_devices() alone, without the kernel's part.
lvm ()
{
    LVM_SYSTEM_DIR=$workdir/lvm LVM_SUPPRESS_FD_WARNINGS=1 command lvm "$@" 2> "$workdir/lvm.err" ||
        fail "lvm $*: $(cat "$workdir/lvm.err")"
}

# lvm_devices DEVICE...
lvm_devices ()
{
    local device accept=
    for device; do
        accept+="\"a|^$device\$|\", "
    done
    mkdir -p lvm
    cat > lvm/lvm.conf <<CONF
devices {
    use_devicesfile = 0
    filter = [ $accept"r|.*|" ]
    obtain_device_list_from_udev = 0
    external_device_info_source = "none"
}
activation { udev_sync = 0 udev_rules = 0 monitoring = 0 }
backup { backup = 0 archive = 0 }
global { event_activation = 0 locking_dir = "$workdir/lvm" use_lvmpolld = 0 }
CONF
}

# new_lv ARG...: the arguments of lvcreate but those that say to leave the kernel alone.
new_lv ()
{
    lvm lvcreate -q --driverloaded n -an -Zn -Wn "$@" > /dev/null
}

# gpt_disk DISK SIZE [TYPE]: a disk with one partition of SIZE bytes at 1 MiB, behind it a small gap
# and then a large one.
gpt_disk ()
{
    rm -f "$1"
    truncate -s $(($2 + 24 * mib)) "$1"
    sfdisk -q "$1" <<TABLE
label: gpt
start=1MiB, size=$(($2 / 512)), type=${3:-0FC63DAF-8483-4772-8E79-3D69D8477DE4}
TABLE
}

# lvm_disk DISK SIZE: a GPT disk with a physical volume, and on it a logical one of SIZE bytes or a
# little more, behind another and before free extents; sets $offset.
lvm_disk ()
{
    local disk=$1 size=$2 first start
    gpt_disk "$disk" $((size + 40 * mib)) E6D6D379-F507-44C2-A23C-238F2A3DF928
    attach "$disk" $mib $((size + 40 * mib))
    lvm_devices "$loop"
    lvm pvcreate -q "$loop" > /dev/null
    lvm vgcreate -q -s 4m vg "$loop" > /dev/null
    new_lv -L 8m -n other vg
    new_lv -L "${size}b" -n data vg
    start=$(lvm pvs --noheadings --nosuffix --units b -o pe_start)
    first=$(lvm lvs --noheadings --segments -o seg_pe_ranges vg/data)
    first=${first##*:}
    detach "$loop"
    offset=$((mib + start + ${first%-*} * 4 * mib))
}

# lvm_pair SIZE STRIPED: disk0 and disk1, each a GPT disk with a physical volume, and across them a
# logical volume of SIZE bytes or a little more in several segments, between others and free extents.
# Writes a line for each segment to the file segments: START LENGTH STRIPE DISK:OFFSET...
lvm_pair ()
{
    local size=$1 striped=$2 n part start i devices=()
    local -A where=()
    n=$((size / (4 * mib) + 1))
    part=$((n * 4 * mib + 64 * mib))
    for i in 0 1; do
        gpt_disk "disk$i" $part E6D6D379-F507-44C2-A23C-238F2A3DF928
        attach "disk$i" $mib $part
        devices+=("$loop")
    done
    lvm_devices "${devices[@]}"
    lvm pvcreate -q "${devices[@]}" > /dev/null
    lvm vgcreate -q -s 4m vg "${devices[@]}" > /dev/null
    new_lv -l 3 -n first vg "${devices[0]}"
    if [ "$striped" = yes ]; then
        new_lv -l $((n / 2 - n / 2 % 2)) -i 2 -I 64k -n data vg
        new_lv -l 1 -n second vg "${devices[1]}"
        lvm lvextend -q --driverloaded n -l $(((n + 1) / 2 * 2)) -i 2 -I 16k vg/data > /dev/null
    else
        new_lv -l $((n / 3)) -n data vg "${devices[1]}"
        new_lv -l 2 -n second vg "${devices[1]}"
        lvm lvextend -q --driverloaded n -l $((n / 2)) vg/data "${devices[0]}" > /dev/null
        lvm lvextend -q --driverloaded n -l $n vg/data "${devices[1]}" > /dev/null
    fi
    for i in 0 1; do
        start=$(lvm pvs --noheadings --nosuffix --units b -o pe_start "${devices[i]}")
        where[${devices[i]}]="disk$i $((mib + start))"
    done
    lvm lvs --noheadings --nosuffix --units b --segments --separator ' ' \
        -o seg_start,seg_size,stripe_size,seg_pe_ranges vg/data > lv-segments
    while read -r -a words; do
        echo -n "${words[*]:0:3}"
        for range in "${words[@]:3}"; do
            start=${range##*:}
            # shellcheck disable=SC2086 # words
            set -- ${where[${range%:*}]}
            echo -n " $1:$(($2 + ${start%-*} * 4 * mib))"
        done
        echo
    done < lv-segments > segments
    for loop in "${devices[@]}"; do
        detach "$loop"
    done
}

# follow deal|gather VOLUME PREFIX: along the file segments, whose disks' names get PREFIX.
follow ()
{
    local words
    while read -r -a words; do
        "$VOLUME_TOOL" "$1" "$2" "${words[@]/#disk/$3disk}"
    done < segments
}

# lay_out LAYOUT SIZE DISK: a new disk with room for a volume of SIZE bytes at $offset.
lay_out ()
{
    rm -f "$3"
    case $1 in
    bare)
        offset=0
        truncate -s "$2" "$3"
        ;;
    gpt)
        offset=$mib
        gpt_disk "$3" "$2"
        ;;
    lvm) lvm_disk "$3" "$2" ;;
    esac
}
