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

# says TEXT: the bundle updated, of how its filesystem was mapped.
says ()
{
    local how
    how=$(jq -r '[.. | objects | .how? // empty] | join("; ")' to/wherry/updated/machine.json)
    [[ $how = *"$1"* ]] || fail "how is '$how', not '$1'"
}

# From the unmounted filesystem of some time before to what was cut.
check_update ()
{
    cp --sparse=always disk source.img
    "$PROGRAM" capture --quiet --to to --name updated source.img > out
    says 'XFS, clean'
    cp --sparse=always saved.img source.img
    "$PROGRAM" capture --quiet --update to/wherry/updated source.img > out
    says 'carried whole: XFS with a dirty log'
    qemu-img convert -O raw to/wherry/updated/disk-0.qcow2 raw
    cmp saved.img raw || fail "updated, not whole"
}

end_case ()
{
    grep -q 'holds xfs whose log is to be replayed.*no device-mapper' "$bundle/capture.log" ||
        fail "it is not said why: $(cat "$bundle/capture.log")"
    [ "$name$scatter" != xfs ] || check_update
}

run_table "$fixed" "$drawn" 1
