# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Sourced by tests/bench/run: media to write to, and how a way is measured onto them.  $dir is
# where the bench works, $out the medium of the moment.

out=${dir:?}/out
fuse="" loop=""

# free_medium: what one of the two below began.
free_medium ()
{
    ! mountpoint -q "$out" || umount "$out"
    [ -z "$loop" ] || [ -n "$fuse" ] || hold "$loop" 0
    [ -z "$loop" ] || losetup -d "$loop"
    loop=""
    [ -z "$fuse" ] || { fusermount3 -u "$dir/medium" 2> /dev/null || fusermount -u "$dir/medium"; wait "$fuse" || true; }
    fuse=""
    ! mountpoint -q "$dir/memory" || umount "$dir/memory"
    rm -rf "$out" "$dir/medium" "$dir/memory"
}

# fast_medium: one of its own, in memory, so that it does not share the disk's rate with the source.
# Where memory is short it lies beside the source, and all ways are slower than they need be.
fast_medium ()
{
    mkdir -p "$out"
    if [ "$(awk '/^MemAvailable/ { print int($2 / 1048576) }' /proc/meminfo)" -ge 10 ]; then
        mount -t tmpfs -o size=8G bench "$out"
    else
        echo "less than 10 GiB of memory: the medium lies on the disk of the source" >&2
    fi
}

# hold LOOP MB/S: the kernel lets no more through; 0: all.  Not possible: fails, without a word.
hold ()
{
    local throttle=/sys/fs/cgroup/blkio/blkio.throttle.write_bps_device
    [ -w $throttle ] && echo "$(cat "/sys/block/${1#/dev/}/dev") $(($2 * 1000000))" > $throttle
}

# A file that takes no more than MB/S by itself, which costs a fifth of two cores.
slow_file ()
{
    : > "$dir/medium"
    nbdfuse "$dir/medium" [ nbdkit --filter=rate memory 6G rate=$(($1 * 8000000)) burstiness=0.1 ] &
    fuse=$!
    until [ -s "$dir/medium" ]; do
        kill -0 "$fuse"
        sleep 0.1
    done
    loop=$(losetup --find --show "$dir/medium")
}

# slow_medium MB/S: a filesystem that takes no more: the kernel sees to that (cgroup version 1), as a
# real medium does not take the processor's time either; where it cannot, nbdkit does.  All of it is
# there at once: what ext4 puts off it would write meanwhile.
slow_medium ()
{
    mkdir -p "$out" "$dir/memory"
    mount -t tmpfs -o size=7G bench "$dir/memory"
    truncate -s 6G "$dir/memory/medium"
    loop=$(losetup --find --show "$dir/memory/medium")
    if ! hold "$loop" 0; then
        losetup -d "$loop"
        slow_file "$1"
    fi
    mke2fs -q -F -t ext4 -E lazy_itable_init=0,lazy_journal_init=0,nodiscard "$loop"
    mount "$loop" "$out"
    [ -n "$fuse" ] || hold "$loop" "$1"
}

# cold: nothing of what is read comes from memory.
cold ()
{
    sync -f "$dir"
    echo 3 > /proc/sys/vm/drop_caches
}

# stolen: hundredths of seconds so far that a core was ready to run and the hypervisor did not let it.
stolen ()
{
    awk '/^cpu / { print $9 }' /proc/stat
}

# measure KEY CMD...: seconds until its result is on stable storage, seconds of CPU, and of those that
# the hypervisor took meanwhile.
measure ()
{
    local start end before TIMEFORMAT='%U %S' key=$1
    shift
    cold
    before=$(stolen)
    start=$EPOCHREALTIME
    { time "$@" > "$dir/words"; } 2> "$dir/cpu"
    sync -f "$out"
    end=$EPOCHREALTIME
    awk -v a="$start" -v b="$end" 'BEGIN { printf "%.2f\n", b - a }' >> "$dir/seconds.$key"
    awk 'END { printf "%.2f\n", $1 + $2 }' "$dir/cpu" >> "$dir/cpu.$key"
    awk -v n=$(($(stolen) - before)) 'BEGIN { printf "%.2f\n", n / 100 }' >> "$dir/steal.$key"
}

# sized KEY FILE...: what the measured one takes on the medium; and room for the next.
sized ()
{
    local key=$1
    shift
    stat -c %s "$@" | awk '{ n += $1 } END { print n }' > "$dir/size.$key"
    rm -rf "${out:?}"/*
}

# median FILE
median ()
{
    sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# as_json KEY TITLE: what was measured.
as_json ()
{
    jq -n --arg key "$1" --arg way "$2" --argjson median "$(median "$dir/seconds.$1")" \
        --argjson cpu "$(median "$dir/cpu.$1")" --argjson steal "$(median "$dir/steal.$1")" \
        --slurpfile seconds "$dir/seconds.$1" \
        --argjson bytes "$(cat "$dir/size.$1" 2> /dev/null || echo null)" \
        '{key: $key, way: $way, median_seconds: $median, seconds: $seconds, cpu_seconds: $cpu,
        steal_seconds: $steal, bytes: $bytes}'
}
