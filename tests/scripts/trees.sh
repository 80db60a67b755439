# shellcheck shell=bash disable=SC2034,SC2154 # variables of and for who sources this
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Sourced, instead of volumes.sh, by round trips: random trees, the history of the filesystem that they
# are in, and the disks that it comes to lie on.

# shellcheck source=tests/scripts/volumes.sh
. "$(dirname "$0")/volumes.sh"

requires openssl version

layouts=(bare gpt lvm linear striped)
states=(deleted full fragmented fresh)
garbage='deleted long ago, and not to be carried'
noise=$workdir/noise
head -c $((16 * mib)) /dev/zero | openssl enc -aes-128-ctr -pbkdf2 -pass pass:tree -nosalt > "$noise"

# noise_into FILE OFFSET BYTES: from somewhere in the noise.
noise_into ()
{
    random $((12 * mib))
    dd if="$noise" of="$1" iflag=skip_bytes,count_bytes oflag=seek_bytes skip=$r seek="$2" \
        count="$3" bs=256K conv=notrunc status=none
}

# garbage_bytes COUNT.  The end of `yes` by its signal is no failure.
garbage_bytes ()
{
    { yes "$garbage" 2>/dev/null || true; } | head -c "$1"
}

# make_tree DIR: 60 files of 0 bytes to 4 MiB, some with holes, some names of links, folders in
# folders, and hundreds of small files.
make_tree ()
{
    local i size dir=$1
    mkdir -p "$dir/a/b/c/d/e/f" "$dir/small" "$dir/odd name "$'\t'x
    for ((i = 0; i < 60; i++)); do
        random 23
        random $((1 << r))
        size=$r
        case $((i % 4)) in
        0) dir=$1/a/b/c ;;
        1) dir=$1/a/b/c/d/e/f ;;
        2) dir=$1 ;;
        3) dir="$1/odd name "$'\t'x ;;
        esac
        noise_into "$dir/file-$i" 0 $size
        if [ $((i % 6)) -eq 0 ]; then
            random $((4 * mib))
            noise_into "$dir/file-$i" $((size + r)) 5000
            random $((6 * mib))
            truncate -s "+$r" "$dir/file-$i"
        fi
    done
    random 3000
    head -c 400000 "$noise" | split -a 4 -b $((r + 400)) - "$1/small/"
    ln -s short "$1/link"
    ln -s "$(head -c 300 "$noise" | od -An -v -tx1 | tr -d ' \n')" "$1/long-link"
    ln "$1/file-2" "$1/a/other-name"
}

# sum_tree DIR
sum_tree ()
{
    (cd "$1" && find . -name lost+found -prune -o -type f -print0 | xargs -0 cksum &&
        find . -type l -printf '%p %l\n') | sort
}

# spoil STATE DIR: garbage is written and deleted again, around what stays.
spoil ()
{
    local i
    case $1 in
    deleted)
        garbage_bytes $((20 * mib)) > "$2/garbage"
        make_tree "$2"
        rm "$2/garbage"
        ;;
    full)
        make_tree "$2"
        cat "$noise" "$noise" "$noise" "$noise" "$noise" > "$2/last" 2>/dev/null || true
        { yes 2>/dev/null || true; } | head -c $((400 * mib)) > "$2/rest" 2>/dev/null || true
        sync -f "$2"
        ;;
    fragmented)
        mkdir "$2/many"
        garbage_bytes $((30 * mib)) | split -a 5 -b 8192 - "$2/many/" 2>/dev/null || true
        sync -f "$2"
        find "$2/many" -type f -name '*[acegikmoqsuwy]' -delete
        make_tree "$2"
        sync -f "$2"
        find "$2/many" -type f -name '*[bfjnrvz]' -delete
        ;;
    fresh) make_tree "$2" ;;
    esac
}

# has_garbage FILE.  Zeros end a line, or they would all be one.
has_garbage ()
{
    grep -qazF "$garbage" "$1"
}

# garbage_at DISK OFFSET
garbage_at ()
{
    garbage_bytes $((8 * mib)) | dd of="$1" bs=1M seek=$(($2 / mib)) conv=notrunc status=none
}

# put LAYOUT: the volume onto its disk or disks, with garbage where LVM has nothing; sets $tail, how
# much longer than the filesystem its volume is.
put ()
{
    local end
    disks=(disk0)
    case $1 in
    linear | striped)
        disks=(disk0 disk1)
        lvm_pair "$size" "$([ "$1" = striped ] && echo yes || echo no)"
        end=$(stat -c %s disk0)
        garbage_at disk0 $((end - 36 * mib))
        garbage_at disk1 $((end - 36 * mib))
        ;;
    lvm)
        lay_out lvm "$size" disk0
        end=$((size + 4 * mib - 1))
        echo "0 $((end - end % (4 * mib))) 0 disk0:$offset" > segments
        garbage_at disk0 $(($(stat -c %s disk0) - 36 * mib))
        ;;
    *)
        lay_out "$1" "$size" disk0
        echo "0 $size 0 disk0:$offset" > segments
        ;;
    esac
    tail=$(awk -v size="$size" '{ n += $2 } END { print n - size }' segments)
    truncate -s "+$tail" volume
    follow deal volume ''
    truncate -s "$size" volume
}

# image_is_masked NAME STATE: the bundle's images are what the maps name of the disks, and of what was
# deleted nothing.
image_is_masked ()
{
    local i masks=()
    for i in "${!disks[@]}"; do
        masks+=("disk$i" "masked$i")
    done
    "$MAP_TOOL" mask "${masks[@]}"
    for i in "${!disks[@]}"; do
        qemu-img convert -O raw "$bundle/disk-$i.qcow2" "raw-disk$i"
        cmp "raw-disk$i" "masked$i" || fail "$1: the image is not what the map names"
        if has_garbage "raw-disk$i" && [ "$2" != fragmented ]; then
            fail "$1: what was deleted is in the image"
        fi
    done
}

# each_kind KINDS CMD: CMD NAME MIB ARGS LAYOUT STATE, for lines "name | MiB | args", those with a +
# and one of nine others, drawn; WHERRY_TEST_ALL=1: for all of them in all states.
each_kind ()
{
    local name mb args i j n_states=1 seed=${SEED:-$(draw)}
    if [ "${WHERRY_TEST_ALL:-0}" = 1 ]; then n_states=${#states[@]}; fi
    RANDOM=$((seed % 32768))
    i=$((seed % 9973))
    while IFS='|' read -r name mb args; do
        i=$((i + 1))
        case $name in
        '') continue ;;
        +*) name=${name#+} ;;
        *) [ "$n_states" -gt 1 ] || [ $((i % 9)) -eq 0 ] || continue ;;
        esac
        for ((j = 0; j < n_states; j++)); do
            "$2" "${name// /}" "${mb// /}" "$args" "${layouts[(i + j) % 5]}" \
                "${states[(i / 5 + j) % 4]}"
        done
    done <<< "$1"
}
