#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Migrations that fail: what cannot be made at the target for a while or for good, with wherry killed
# in between; no time left in each phase; a copy that does not get further; cancels.  Each ends with
# the VM on the one host or on the other, with what was there before, and the next try works.
#
# A slice of the creation failures is drawn; WHERRY_TEST_ALL=1 runs them all.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
# shellcheck source=tests/scripts/lab-functions.sh
. "$SOURCE_ROOT/tests/scripts/lab-functions.sh"
# shellcheck source=tests/scripts/migrate-functions.sh
. "$SOURCE_ROOT/tests/scripts/migrate-functions.sh"

requires sqlite3 --version
requires iptables --version

# A pool two levels below what is there: directory, pool and disks have to be made.
place=/var/lib/libvirt/images/move/deep
at=1 # where the VM is

start_hosts 2
make_guest
for i in 1 2; do
    mkdir -p "$(images $i)"
    wherry host add h$i "qemu+tcp://10.77.0.$i/system" --insecure --pool move=$place \
        > /dev/null 2> added.err || fail "host add: $(cat added.err)"
    # A copy over a network that is gone is given up soon.
    "$libvirtd" in "$labdir/$i" bash -c 'echo 5 > /proc/sys/net/ipv4/tcp_retries2'
done
start_vm 1 bios '' 32M

# inside I CMD...: in all namespaces of host I.
inside ()
{
    local host=$1
    shift
    "$libvirtd" in "$labdir/$host" "$@"
}

# ask SQL: of the store.
ask ()
{
    sqlite3 -cmd '.timeout 10000' "$state" "$1"
}

# failures TASK: how often it failed in the job that began last.
failures ()
{
    ask "SELECT coalesce(max(failures), 0) FROM job_task WHERE name = '$1' AND job > $job_before"
}

# wait_for_failures TASK TIMES: without a pause, for the next attempt is soon.
wait_for_failures ()
{
    local end=$((SECONDS + 90))
    until [ "$(failures "$1")" -ge "$2" ]; do
        [ $SECONDS -lt $end ] || fail "$1 has not failed $2 times: $(cat err)"
    done
}

# clean_host I: as if the VM had never been there.
clean_host ()
{
    on "$1" pool-destroy move > /dev/null 2>&1 || true
    on "$1" pool-undefine move > /dev/null 2>&1 || true
    find "$(images "$1")" -mindepth 1 -delete
}

# snapshot I: everything of host I that a migration could make.
snapshot ()
{
    on "$1" list --all --name | sort
    on "$1" pool-list --all --name | sort
    find "$(images "$1")" | sort
}

# begin ARG...: a migration in the background; sets pid, and job_before to the last job before it.
begin ()
{
    job_before=$(ask 'SELECT coalesce(max(id), 0) FROM job' 2> /dev/null || echo 0)
    "$hosts" net "$labdir" "$PROGRAM" migrate vm --json --quiet --state "$state" \
        --delete-source-after 0 "$@" > out 2> err &
    pid=$!
}

# finish STATUS: it ends with that status.
finish ()
{
    local r=0
    wait "$pid" || r=$?
    [ $r -eq "$1" ] || fail "exit status $r, not $1: $(cat err)"
}

# stayed: all is as before.
stayed ()
{
    runs_only_on "$at"
    writes_on "$at"
    [ "$(wherry vm show vm --json | jq -r '.host, .state' | xargs)" = "h$at running" ] ||
        fail "the store says: $(wherry vm show vm --json)"
    snapshot "$(other "$at")" > after
    diff before after > difference || fail "left, or gone: $(cat difference)"
}

# moved: it is on the other host, which is `at` from now on.
moved ()
{
    take_console "$at"
    at=$(other "$at")
    runs_only_on "$at"
    writes_on "$at"
    clean_host "$(other "$at")"
}

# --- what cannot be made; each has a cause at host I, and its end

break_directory () { inside "$1" mount -t tmpfs -o ro tmpfs /var/lib/libvirt/images; }
mend_directory () { inside "$1" umount /var/lib/libvirt/images; }

# Another pool has the name.
break_pool ()
{
    mkdir -p "$labdir/$1/host/lib/elsewhere"
    on "$1" pool-define-as move dir --target /var/lib/libvirt/elsewhere > /dev/null
}
mend_pool () { on "$1" pool-undefine move > /dev/null; }

# A file of somebody is in the way.  It goes before the next attempt, so its path is looked up before.
break_disk ()
{
    theirs=$(disk_of "$at" vda | sed "s,.*/,$(images "$1")/move/deep/,")
    mkdir -p "${theirs%/*}"
    echo theirs > "$theirs"
}
mend_disk ()
{
    [ "$(cat "$theirs")" = theirs ] || fail "a file of others was touched"
    rm "$theirs"
}

# The pool's filesystem is full, in a way that nobody sees who asks for its free bytes.
break_space ()
{
    mkdir -p "$(images "$1")/move/deep"
    inside "$1" mount -t tmpfs -o size=200M,nr_inodes=1 tmpfs $place
}
mend_space () { inside "$1" umount $place; }

task_of ()
{
    case $1 in
    disk) echo "disk vda" ;;
    space) echo "disk vda" ;;
    *) echo "$1" ;;
    esac
}

# fails_for_a_while WHAT TIMES [kill]: success after that; with "kill" by another process.
fails_for_a_while ()
{
    local task there
    task=$(task_of "$1") there=$(other "$at")
    "break_$1" "$there"
    begin --attempts 3
    wait_for_failures "$task" "$2"
    if [ "${3-}" = kill ]; then
        kill -KILL $pid
        wait $pid 2> /dev/null || true
    fi
    "mend_$1" "$there"
    if [ "${3-}" = kill ]; then
        wherry job recover > recovered 2>&1 || fail "recovery: $(cat recovered)"
    else
        finish 0
    fi
    [ "$(failures "$task")" -eq "$2" ] || fail "$task: $(failures "$task") failures, not $2"
    moved
    echo "ok: $1 fails $2 times ${3-}"
}

# fails_for_ever WHAT [kill]: rolled back after the third; with "kill" the third is another's.
fails_for_ever ()
{
    local task there r=0
    task=$(task_of "$1") there=$(other "$at")
    "break_$1" "$there"
    snapshot "$there" > before
    begin --attempts 3
    if [ "${2-}" = kill ]; then
        wait_for_failures "$task" 2
        kill -KILL $pid
        wait $pid 2> /dev/null || true
        wherry job recover > recovered 2>&1 || r=$?
        [ $r -eq 4 ] || fail "recovery: status $r, $(cat recovered)"
    else
        finish 4
        grep -q "task '$task' failed 3 times" err || fail "it says: $(cat err)"
    fi
    [ "$(failures "$task")" -eq 3 ] || fail "$task: $(failures "$task") failures, not 3"
    stayed
    "mend_$1" "$there"
    clean_host "$there"
    echo "ok: $1 fails for ever ${2-}"
}

test_creation ()
{
    local i=0 from all=${WHERRY_TEST_ALL-} cases=(
        'for_a_while directory 1' 'for_a_while directory 2' 'for_ever directory'
        'for_a_while pool 1' 'for_a_while pool 2' 'for_ever pool'
        'for_a_while disk 1' 'for_a_while disk 2' 'for_ever disk'
        'for_a_while space 1' 'for_a_while space 2' 'for_ever space'
        'for_a_while directory 2 kill' 'for_a_while pool 2 kill' 'for_a_while disk 2 kill'
        'for_ever directory kill' 'for_ever pool kill' 'for_ever disk kill'
    )
    from=$(($(draw) % 6))
    for case in "${cases[@]}"; do
        # Of every six one, each time another: of each kind some, over the days all.
        # shellcheck disable=SC2086
        if [ -n "$all" ] || [ $((i % 6)) -eq "$from" ]; then
            fails_$case
        fi
        i=$((i + 1))
    done
}

# --- no time, no way on, no wish

phase ()
{
    sed -n 's/.*"phase":"\([^"]*\)".*/\1/p' out | tail -n 1
}

in_phase ()
{
    [ "$(phase)" = "$1" ]
}

# rolled_back STATUS TEXT: the migration in the background.
rolled_back ()
{
    finish "$1"
    grep -qF -- "$2" err || fail "no '$2' in: $(cat err)"
    stayed
    echo "ok: $2"
}

ready ()
{
    clean_host "$(other "$at")"
    snapshot "$(other "$at")" > before
}

test_timeouts ()
{
    begin --bandwidth 4M --timeout 4 --force
    rolled_back 4 'its time was over'
    in_phase 'copying the disks' || fail "it was $(phase)"

    local more
    for more in 4 8 12; do # the disks may take longer than the last time
        begin --bandwidth 8M --timeout $((to_memory + more)) --force
        rolled_back 4 'its time was over'
        ! in_phase 'copying the memory' || return 0
    done
    fail "it was $(phase)"
}

# The bytes do not come through, and the daemons still do.
test_stall ()
{
    local there
    there=$(other "$at")
    begin --bandwidth 4M --stall-timeout 6
    wait_for 60 in_phase 'copying the disks' || fail "no disks are copied: $(cat out err)"
    inside "$there" iptables -A INPUT -p tcp --dport 49152:49215 -j DROP
    rolled_back 4 'has not got further'
    inside "$there" iptables -F INPUT
}

test_cancel ()
{
    ready
    begin --bandwidth 4M
    wait_for 60 in_phase 'copying the disks' || fail "no disks are copied: $(cat out err)"
    kill -INT $pid
    rolled_back 130 'interrupted'

    begin --bandwidth 8M
    wait_for 60 in_phase 'copying the memory' || fail "no memory is copied: $(cat out err)"
    # Longer where much else goes on.
    to_memory=$(sqlite3 "$state" "SELECT unixepoch('now') - max(started) / 1000000 FROM job_task
        WHERE name = 'migrate'")
    wherry job cancel "$(sqlite3 "$state" 'SELECT max(id) FROM job')" > /dev/null 2> cancel.err ||
        fail "cancel: $(cat cancel.err)"
    rolled_back 4 'cancelled'
}

# The target is away when it is time to roll back: a debt, which a recovery pays.
test_debt ()
{
    local there r=0
    there=$(other "$at")
    begin --bandwidth 4M --stall-timeout 5
    wait_for 60 in_phase 'copying the disks' || fail "no disks are copied: $(cat out err)"
    "$hosts" cable "$labdir" "$there" down
    finish 5
    runs_on_source
    "$hosts" cable "$labdir" "$there" up
    wait_for 60 on "$there" list || fail "host $there does not come back"
    wherry job recover > recovered 2>&1 || r=$?
    [ $r -eq 4 ] || fail "recovery: status $r, $(cat recovered)"
    stayed
    echo "ok: a debt"
}

# test_forced HOW TEXT ARG...: when its time is over it is moved all the same; no number is lost, and
# none is said twice.
test_forced ()
{
    local how=$1 text=$2
    shift 2
    begin --bandwidth 8M --timeout 12 --force --on-timeout "$how" "$@"
    finish 0
    grep -qF "$text" err || fail "no '$text': $(cat err)"
    moved
    has_all_records "$at"
    said_in_order "$at"
    echo "ok: $how"
}

runs_on_source ()
{
    [ "$(on "$at" domstate vm)" = running ] || fail "the VM is $(on "$at" domstate vm)"
    writes_on "$at"
}

wherry host refresh > refresh.out
test_creation
test_cancel
test_timeouts
test_stall
[ -z "${WHERRY_TEST_ALL-}" ] || test_debt
test_forced pause 'the guest is paused until it has moved'
test_forced postcopy 'the guest runs at the target from now on' --accept-postcopy-risk --commit fast
