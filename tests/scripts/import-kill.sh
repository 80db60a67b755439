#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# An import that dies by SIGKILL at any instant, and is recovered: it ends in the VM, or in nothing
# of ours.  The instants are those of tests/images/kill-at.c: before and after each flush of the
# journal and each call that changes something on the host, so before, in and after each task.
#
# For each: the process dies; `wherry job recover` ends what it left, after the bundle was taken away
# or not.  Then a second death, in the recovery itself.  `make test` takes some of them.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
# shellcheck source=tests/scripts/import-functions.sh
. "$(dirname "$0")/import-functions.sh"

requires sqlite3 --version

start_host
make_bundle small bios 5
make_bundle secure uefi 1 5
# What others have, and must keep: a VM with its disk, in a pool of its own.
mkdir pools/others pools/mixed
echo precious > pools/mixed/notes
libvirt pool-create-as others dir --target "$workdir/pools/others" > /dev/null
libvirt vol-create-as others theirs.qcow2 1M --format qcow2 > /dev/null
cat > theirs.xml <<END
<domain type='qemu'><name>theirs</name><memory>65536</memory><os><type>hvm</type></os>
<devices><disk type='file'><driver name='qemu' type='qcow2'/>
<source file='$workdir/pools/others/theirs.qcow2'/><target dev='vda'/></disk></devices></domain>
END
libvirt define theirs.xml > /dev/null

# dies N CMD...: the command dies at its instant N; or ends before it, then the answer is 1.
dies ()
{
    local n=$1 r=0
    shift
    # The shell would tell of each death.
    {
        KILL_AT=$n LD_PRELOAD=$KILL_AT_LIBRARY "$@" > died.out 2> died.err < /dev/null || r=$?
    } 2> /dev/null
    [ $r -eq 137 ]
}

recover ()
{
    local r=0
    "$PROGRAM" job recover --quiet --state "$state" > recover.out 2> recover.err || r=$?
    # 4: rolled back, which is an end as good as the other.
    [ $r -eq 0 ] || [ $r -eq 4 ] || fail "$case: recover: exit status $r: $(cat recover.err)"
}

# ended: whether every job has.
ended ()
{
    [ ! -e "$state" ] || ! "$PROGRAM" job list --json --state "$state" 2>/dev/null |
        jq -r '.jobs[].state' | grep -vE '^(done|rolled back)$'
}

# check_end NAME MAY-BE: after all is over, the VM is complete, or all is as it was.  MAY-BE: "any",
# or "vm": if a job was begun, it must be the VM.
check_end ()
{
    local name=$1
    if libvirt domstate "$name" > /dev/null 2>&1; then
        is_complete "$name" "medium/wherry/$name"
        finished=$((finished + 1))
        remove "$name"
        [ "$pool_before" = yes ] || drop_pool
    elif [ "$2" = vm ] && [ -e "$state" ] && [ -n "$("$PROGRAM" job list --state "$state")" ]; then
        fail "$case: all that it needs is there, but it was rolled back: $(cat recover.err)"
    else
        undone=$((undone + 1))
    fi
    ended || fail "$case: a job has no end: $("$PROGRAM" job list --state "$state")"
    unchanged "before-$scenario"
    rm -rf "$workdir/state"
}

# What an import that succeeded has made beside the VM, and leaves to its user.
drop_pool ()
{
    local pool
    for pool in $(libvirt pool-list --all --name); do
        [ "$pool" = others ] && continue
        libvirt pool-destroy "$pool" > /dev/null 2>&1 || true
        libvirt pool-undefine "$pool" > /dev/null
    done
    rm -rf "$workdir/pools/new"
    # In there it is /var/lib/libvirt/images.
    rmdir "$labdir/host/lib/images" 2>/dev/null || true
}

# run_case NAME INSTANT STAYS SECOND ARG...: kill, take the bundle away unless STAYS is "stays", kill
# the recovery at its instant SECOND (0: not), recover, check.
run_case ()
{
    local name=$1 at=$2 stays=$3 second=$4
    shift 4
    case="$scenario, instant $at, the bundle $stays, second death at $second"
    if ! dies "$at" "${import[@]}" "medium/wherry/$name" "$@"; then
        return 1
    fi
    [ "$stays" = stays ] || mv medium away
    if [ "$second" -gt 0 ] && [ -e "$state" ]; then
        dies "$second" "$PROGRAM" job recover --quiet --state "$state" || true
    fi
    recover
    [ "$stays" = stays ] || mv away medium
    check_end "$name" "$([ "$stays" = stays ] && echo vm || echo any)"
}

# scenario TITLE NAME new-pool|old-pool ARG...: one table: every instant, or, in `make test`, some.
scenario ()
{
    local name=$2 total i chosen
    scenario=$1
    shift 2
    pool_before=yes
    if [ "$1" != old-pool ]; then
        pool_before=no
    fi
    shift
    snapshot "before-$scenario"
    rm -f log
    KILL_LOG=$workdir/log LD_PRELOAD=$KILL_AT_LIBRARY "${import[@]}" "medium/wherry/$name" "$@" \
        > /dev/null 2> import.err || fail "$scenario: $(cat import.err)"
    case=$scenario
    check_end "$name" vm
    total=$(wc -l < log)
    if [ -n "${WHERRY_TEST_ALL-}" ] && [ "$WHERRY_TEST_ALL" != 0 ]; then
        chosen=$(seq 1 "$total")
    else
        # The calls of libvirt, which are few, and a slice of the flushes.
        chosen=$( (grep -n vir log | cut -d : -f 1 | awk -v n="$slice" 'NR % 9 == n % 9'
            seq $((slice % 29 + 1)) 29 "$total") | sort -nu)
    fi
    for i in $chosen; do
        run_case "$name" "$i" stays 0 "$@" || fail "$case: it did not die: $(cat died.err)"
        run_case "$name" "$i" goes 0 "$@" || fail "$case: it did not die: $(cat died.err)"
    done
    echo "$scenario: $total instants, $(wc -w <<< "$chosen") of them tried, twice each"
}

import=("$PROGRAM" import --quiet --cloud "$uri" --state "$state" --vcpus 1 --memory 256M)
finished=0 undone=0
slice=$(draw)

scenario bios-new-pool small new-pool
scenario uefi-start-path secure new-pool --start --pool "$workdir/pools/new/deep"
scenario bios-existing-pool small old-pool --pool others --start

# Deaths at random instants, of the import and of the recovery that follows.
RANDOM=$((slice % 32768))
rounds=6
[ -z "${WHERRY_TEST_ALL-}" ] || [ "$WHERRY_TEST_ALL" = 0 ] || rounds=200
scenario=bios-new-pool pool_before=no
for _ in $(seq $rounds); do
    stays=$([ $((RANDOM % 2)) -eq 0 ] && echo stays || echo goes)
    run_case small $((RANDOM % 110 + 1)) "$stays" $((RANDOM % 60 + 1)) || check_end small any
done
echo "$rounds random pairs of deaths; $finished ended in the VM, $undone in nothing"
[ $finished -gt 0 ] || fail "none ended in the VM"
[ $undone -gt 0 ] || fail "none ended in nothing"
