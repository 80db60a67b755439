#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The power fails under a mounted XFS, see power-cuts.sh, and there is no device-mapper to replay its
# log: all of it is carried, and it is said why, also when a bundle of what it was before is brought up
# to date.  Where there is one: vm-xfs.sh.

# shellcheck source=tests/scripts/xfs-cuts.sh
. "$(dirname "$0")/xfs-cuts.sh"

# Of whoever has device-mapper, this shall not find it.
requires test ! -e /sys/class/misc/device-mapper

# The log is as small as can be where it is to come round.
fixed='
xfs              |*|                              | |carried whole: XFS with a dirty log
+xfs             |*|--unsupported -l size=6m      | |carried whole: XFS with a dirty log
'
drawn='
xfs-1k           |*|-b size=1024                  | |carried whole: XFS with a dirty log
+xfs-sectors     |*|--unsupported -l size=6m -s size=4096 | |carried whole: XFS with a dirty log
xfs-rmap         |*|-m rmapbt=1                   | |carried whole: XFS with a dirty log
+xfs-log-unit    |*|--unsupported -l size=8m,su=32k | |carried whole: XFS with a dirty log
'

# For check_update: what is cut is changed by a mount.
spoil_cut ()
{
    cp --sparse=always cut.img saved.img
}

# check_update NAME: from the unmounted filesystem of some time before to what was cut.
check_update ()
{
    local how
    cp --sparse=always disk source.img
    "$PROGRAM" capture --quiet --to to --name updated source.img > out
    how=$(jq -r '.disks[0].volumes[0].how' to/wherry/updated/machine.json)
    [ "$how" = 'XFS, clean' ] || fail "$1: before the cut, how is '$how'"
    cp --sparse=always saved.img source.img
    "$PROGRAM" capture --quiet --update to/wherry/updated source.img > out
    how=$(jq -r '.disks[0].volumes[0].how' to/wherry/updated/machine.json)
    [[ $how = 'carried whole: XFS with a dirty log'* ]] || fail "$1: updated, how is '$how'"
    qemu-img convert -O raw to/wherry/updated/disk-0.qcow2 raw
    cmp saved.img raw || fail "$1: updated, not whole"
}

end_case ()
{
    grep -q 'holds xfs whose log is to be replayed.*no device-mapper' "$bundle/capture.log" ||
        fail "it is not said why: $(cat "$bundle/capture.log")"
    [ "$layout$scatter" != bare ] || check_update "$name"
}

run_table "$fixed" "$drawn" 1
