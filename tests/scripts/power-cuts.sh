# shellcheck shell=bash disable=SC2154,SC2034 # variables are shared with who sources this
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The power fails under a mounted filesystem: 20 files were written and synced long ago, 20 more were
# each fsynced just now; in some cases a file of 20,000 extents was unlinked while open.  The disk of
# that moment is captured and restored; then the kernel mounts it without a complaint, all 40 files
# are there, and the filesystem's own check is content.
#
# Sourced, instead of volumes.sh, by a script for one kind of filesystem.  That one says
#
#   size                     of a volume, in bytes
#   make_fs ARGS             make the filesystem in the volume at $offset of the file disk
#   set_mount ARGS OPTIONS   set the array mount: arguments of mount, with which the kernel makes no
#                            commit of its own while the disk is copied, which takes its time
#   wrap_log ARGS            write to mnt until the log has come round
#   count_in_use             the bytes that are in use in mnt, all copies of them
#   count_lost DISK          how many files of DISK would be lost without its log: less than ten, and
#                            the case is worth nothing
#   check_fs DISK WHAT       fail unless the filesystem in the volume at $offset is right
#
# and may say, over what is below: write_more, note_files, spoil_cut, can_mount, check_mounted, end_case.

# shellcheck source=tests/scripts/volumes.sh
. "$(dirname "$0")/volumes.sh"

requires qemu-img --version
requires openssl version
requires jq --version
requires lvm version
requires test "$(id -u)" -eq 0 # mounts

n_scattered=20000

noise=$workdir/noise
head -c $((4 * mib)) /dev/zero | openssl enc -aes-128-ctr -pbkdf2 -pass pass:noise -nosalt > "$noise"

# Into mnt, before all other files.
write_more () { :; }
# What the 40 files in mnt are made of, before the cut.
note_files () { :; }
# spoil_cut NAME: change cut.img.
spoil_cut () { :; }
# can_mount NAME: whether the kernel can mount what was cut.
can_mount () { :; }
# check_mounted WHAT: in restored.
check_mounted () { :; }
end_case () { :; }

# write_files FIRST LAST [CONV]: in two folders, of 1 to 600 KiB.
write_files ()
{
    local i
    mkdir -p mnt/even mnt/odd
    for ((i = $1; i <= $2; i++)); do
        dd if="$noise" of="mnt/$([ $((i % 2)) = 0 ] && echo even || echo odd)/file-$i" bs=1K \
            skip=$((i * 31)) count=$((i * 7919 % 600 + 1)) conv="${3:-notrunc}" status=none
    done
}

# make_orphan: a file of many extents in mnt is unlinked, and stays open as descriptor 9.
make_orphan ()
{
    "$VOLUME_TOOL" scatter mnt/orphan $n_scattered "$(stat -f -c %S mnt)"
    [ "$(filefrag -v mnt/orphan | grep -c '^ *[0-9]*:')" -ge $n_scattered ] ||
        [[ $1 = *ext3* ]] || fail "the orphan has not $n_scattered extents"
    exec 9< mnt/orphan
    rm mnt/orphan
}

# make_cut LAYOUT ARGS OPTIONS SCATTER: writes the file cut.img and the sums of its files; sets
# $in_use, the bytes that the kernel calls in use.
make_cut ()
{
    local layout=$1 args=$2 options=$3 scatter=$4 mount
    rm -f disk disk2 cut.img
    lay_out "$layout" "$size" disk
    make_fs "$args"
    set_mount "$args" "$options"
    mount_volume disk "$offset" "$size" mnt "${mount[@]}"
    write_more
    write_files 1 20
    sync -f mnt
    unmount mnt
    cp --sparse=always disk disk2
    mount_volume disk2 "$offset" "$size" mnt "${mount[@]}"
    if [ "$scatter" = + ]; then
        make_orphan "$args"
        wrap_log "$args"
    fi
    write_files 21 40 fsync
    sync mnt mnt/even mnt/odd
    (cd mnt && b2sum -- */file-*) > sums
    [ "$(wc -l < sums)" -eq 40 ]
    note_files
    in_use=$(count_in_use)
    cp --sparse=always disk2 cut.img
    exec 9<&-
    unmount mnt
}

# check_mount DISK WHAT OPTION...: the kernel mounts the volume in DISK, which is changed.
check_mount ()
{
    local disk=$1 what=$2 dev complaints
    shift 2
    mark_kernel_log
    mount_volume "$disk" "$offset" "$size" restored "$@" || fail "$what: does not mount"
    dev=$(basename "${loop_of[restored]}")
    (cd restored && b2sum -c --quiet "$workdir/sums") || fail "$what: not all 40 files"
    check_mounted "$what"
    unmount restored
    complaints=$(kernel_complaints "$dev")
    [ -z "$complaints" ] || fail "$what: the kernel says: $complaints"
    check_fs "$disk" "$what"
}

# check_tight SCATTER: what was carried is not much more than what is in use.
check_tight ()
{
    local used clusters
    used=$(jq '.disks[0].used' "$bundle/machine.json")
    clusters=$(qemu-img check --output=json "$bundle/disk-0.qcow2" | jq '."allocated-clusters"')
    echo "    in use $in_use, map $used, image $((clusters * 65536))"
    [ $((used * 2)) -lt $((in_use * 3)) ] || fail "$used bytes in the map, $in_use in use"
    # Between the extents of the orphan lie as many free blocks, and a cluster has 16.
    [ -n "$1" ] || [ $((clusters * 65536 * 2)) -lt $((in_use * 3)) ] ||
        fail "$clusters clusters in the image, $in_use bytes in use"
}

# carry_cut NAME WANT: cut.img goes through a capture to raw; how it is mapped is WANT.
carry_cut ()
{
    local name=$1 want=$2 how before
    before=$(sha256 cut.img)
    rm -rf to raw
    mkdir to
    bundle=to/wherry/$name
    "$PROGRAM" capture --quiet --to to --name "$name" cut.img > out
    [ "$(sha256 cut.img)" = "$before" ] || fail "$name: the source was changed"
    how=$(jq -r '[.. | objects | .how? // empty] | join("; ")' "$bundle/machine.json")
    echo "    $lost files lost without the log; $how"
    grep -qE "(^|; )$want" <<< "$how" || fail "$name: how is '$how'"
    qemu-img convert -O raw "$bundle/disk-0.qcow2" raw
}

# one NAME LAYOUT ARGS OPTIONS WANT
one ()
{
    local name=$1 layout=$2 args=$3 options=$4 want=$5 scatter='' lost try mount
    case $name in +*) scatter=+ name=${name#+} ;; esac
    echo "$name${scatter:+ with an orphan}, $layout"
    # Where the log was just full, all was written in between: cut once more.
    for try in 1 2 3 4 5; do
        make_cut "$layout" "$args" "$options" "$scatter"
        lost=$(count_lost cut.img)
        [ "$lost" -lt 10 ] || break
        echo "    $lost files lost without the log: attempt $try"
    done
    spoil_cut "$name"
    carry_cut "$name" "$want"
    case $want in
    carried*) cmp cut.img raw || fail "$name: not whole" ;;
    *)
        [ "$lost" -ge 10 ] || fail "$name: the files are there without the log: no test"
        check_tight "$scatter"
        ;;
    esac
    if can_mount "$name"; then
        set_mount "$args" "$options"
        check_mount cut.img "the source" "${mount[@]}" # or the test would prove nothing
        check_mount raw "$name" "${mount[@]}"
    fi
    end_case
}

# run_cases CASES LAYOUTS...: each line is NAME | LAYOUTS, * for all | ARGS | OPTIONS | WANT; with an
# orphan, + is before the name.
run_cases ()
{
    local name where args options want layout
    while IFS='|' read -r name where args options want; do
        [ -n "$name" ] || continue
        for layout in $(case ${where// /} in '*') echo "${@:2}" ;; *) echo "$where" ;; esac); do
            one "${name// /}" "$layout" "$args" "${options// /}" "$want"
        done
    done <<< "$1"
}

# deal_twins CASES LAYOUT LAYOUT...: what is there with an orphan and without gets one in the first
# layout, and the other in the others.
deal_twins ()
{
    awk -F '|' -v OFS='|' -v first="$2" -v others="${*:3}" '
        { name = $1; gsub(/ /, "", name); line[NR] = $0; names[NR] = name; is_there[name] = 1 }
        END {
            for (i = 1; i <= NR; i++) {
                $0 = line[i]
                if ("+" names[i] in is_there) $2 = others
                if (names[i] ~ /^[+]/ && substr(names[i], 2) in is_there) $2 = first
                print
            }
        }' <<< "$1"
}

# run_table FIXED DRAWN COUNT: FIXED in all layouts, an orphan in one of them, and COUNT of DRAWN, in
# one; WHERRY_TEST_ALL=1: all in all.
run_table ()
{
    local layouts=(bare gpt lvm) lines n i
    if [ "${WHERRY_TEST_ALL:-0}" = 1 ]; then
        run_cases "$1" "${layouts[@]}"
        run_cases "$2" "${layouts[@]}"
        return
    fi
    n=${SEED:-$(draw)}
    run_cases "$(deal_twins "$1" "${layouts[(n + 2) % 3]}" "${layouts[n % 3]}" \
        "${layouts[(n + 1) % 3]}")" "${layouts[@]}"
    mapfile -t lines < <(grep '|' <<< "$2")
    for ((i = 0; i < $3; i++)); do
        run_cases "${lines[(n + i * 5) % ${#lines[@]}]}" "${layouts[(n + i) % 3]}"
    done
}
