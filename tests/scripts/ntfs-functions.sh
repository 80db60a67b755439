# shellcheck shell=bash disable=SC2034 # variables are for who sources this
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Sourced behind volumes.sh by scripts that make NTFS.  What mounts it is a process, ntfs-3g; a volume
# is all written once that has ended.

requires mkntfs --version
requires command -v ntfs-3g
requires test -c /dev/fuse

declare -A ntfs_process=() # by where it is mounted

let_ntfs_go ()
{
    local dir
    trap - ERR
    set +e
    for dir in "${!ntfs_process[@]}"; do
        umount "$dir" 2> /dev/null
        wait "${ntfs_process[$dir]}"
    done
    let_go
}
trap let_ntfs_go EXIT

# mount_ntfs FILE DIR [OPTION,...]
mount_ntfs ()
{
    local try
    mkdir -p "$2"
    ntfs-3g -o "no_detach${3:+,$3}" "$1" "$2" > ntfs-3g.log 2>&1 &
    ntfs_process[$2]=$!
    for ((try = 0; try < 500; try++)); do
        if mountpoint -q "$2"; then return; fi
        sleep 0.02
    done
    fail "cannot mount '$1': $(cat ntfs-3g.log)"
}

# unmount_ntfs DIR
unmount_ntfs ()
{
    umount "$1"
    wait "${ntfs_process[$1]}"
    unset "ntfs_process[$1]"
}

# ntfs_numbers: of the file volume, by ntfsclone, which follows every file, into the file clone; sets
# $cluster, $n_clusters and $in_use, how many of them are.
ntfs_numbers ()
{
    rm -f clone
    ntfsclone -q --save-image -O clone volume > clone.log 2>&1 || fail "ntfsclone: $(cat clone.log)"
    cluster=$(od -A n -t u4 -j 18 -N 4 clone | tr -d ' ')
    read -r n_clusters in_use < <(od -A n -t u8 -j 30 -N 16 clone)
}
