# shellcheck shell=bash disable=SC2154,SC2034 # variables are shared with who sources this
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Sourced, instead of power-cuts.sh, by scripts in which the power fails under an XFS.

# shellcheck source=tests/scripts/power-cuts.sh
. "$(dirname "$0")/power-cuts.sh"

requires mkfs.xfs -V
requires xfs_repair -V

size=$((320 * mib))

make_fs ()
{
    attach disk "$offset" $size
    # shellcheck disable=SC2086 # words
    mkfs.xfs -q -f -K $1 "$loop" > mkfs.log 2>&1 || fail "mkfs.xfs $1: $(cat mkfs.log)"
    detach "$loop"
}

set_mount ()
{
    mount=(-t xfs -o "${2:-defaults}")
}

# log_cycle: how often the log of mnt has come round.
log_cycle ()
{
    cut -d : -f 1 "/sys/fs/xfs/$(basename "${loop_of[mnt]}")/log/log_head_lsn"
}

wrap_log ()
{
    local round start
    start=$(log_cycle)
    for ((round = 0; round < 1000; round++)); do
        mkdir -p "mnt/churn-$round/"{1..100}
        sync -f mnt
        if [ $((round % 3)) -ne 0 ]; then rm -r "mnt/churn-$round"; fi
        [ "$(log_cycle)" -eq "$start" ] || return 0
    done
    fail "the log does not come round"
}

# What the kernel calls free, and some blocks that it keeps for itself, are not.
count_in_use ()
{
    echo $((size - $(stat -f -c %f mnt) * $(stat -f -c %S mnt)))
}

count_lost ()
{
    local lost
    cp --sparse=always "$1" unlogged.img
    mount_volume unlogged.img "$offset" $size unlogged -t xfs -o ro,norecovery
    lost=$(cd unlogged && b2sum -c "$workdir/sums" 2> /dev/null | grep -vc ': OK$') || true
    unmount unlogged
    rm unlogged.img
    echo "$lost"
}

check_fs ()
{
    attach "$1" "$offset" $size
    xfs_repair -n "$loop" > repair.log 2>&1 || fail "$2: xfs_repair: $(cat repair.log)"
    detach "$loop"
}
