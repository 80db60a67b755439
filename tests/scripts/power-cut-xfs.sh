#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The power fails under a mounted XFS, see power-cuts.sh, and there is no device-mapper to replay its
# log: all of it is carried, and it is said why.  Where there is one: vm-xfs.sh.

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

end_case ()
{
    grep -q 'holds xfs whose log is to be replayed.*no device-mapper' "$bundle/capture.log" ||
        fail "it is not said why: $(cat "$bundle/capture.log")"
}

run_table "$fixed" "$drawn" 1
