#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A job killed with SIGKILL before, in and after each task and each undo, before and after each
# commit of the journal, and at random instants, and its recovery killed as well: it ends in the
# finished thing while all that it needs is there, else in nothing of ours; others' files stay.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"

requires sqlite3 --version

tasks=('check' 'directory' 'copy 0' 'copy 1' 'seal')
openssl rand -out need.bytes 200000
n=0

# place KIND: an empty place, or one in which others keep something, with a fresh store.
place ()
{
    rm -rf state place before need
    mkdir place
    cp need.bytes need
    echo "not ours" > place/precious
    if [ "$1" = shared ]; then
        mkdir place/thing
        echo "not ours" > place/thing/precious
    fi
    cp -a place before
}

# run_tool: the job; its exit status in $status.  (What the shell says of a killed one is no news.)
run_tool ()
{
    status=0
    { "$JOB_TOOL" run state/db place need 2> run.err; } 2> shell.err || status=$?
}

# recover_tool: what it left; its exit status in $status.
recover_tool ()
{
    status=0
    { "$JOB_TOOL" recover state/db 2> recover.err; } 2> shell.err || status=$?
}

# whole: the finished thing is there, and all that was there before.
whole ()
{
    cmp -s need.bytes place/thing/0 && cmp -s need.bytes place/thing/1 || return 1
    [ "$(cat place/thing/seal)" = "$(sqlite3 state/db 'SELECT uuid FROM job')" ] || return 1
    [ -z "$(find place -name '.*-*')" ] || return 1
    (cd before && find . -type f) | while read -r file; do
        cmp -s "before/$file" "place/$file" || return 1
    done
}

# untouched: everything is as it was.
untouched ()
{
    diff -r --no-dereference before place > difference
}

# state_is STATE: that of the job, or that there is none.
state_is ()
{
    [ "$(sqlite3 state/db 'SELECT state FROM job')" = "$1" ]
}

# ends_well CASE WANT: after a recovery that nobody disturbs, WANT is whole or untouched.
ends_well ()
{
    unset JOB_TOOL_KILL
    recover_tool
    n=$((n + 1))
    case $2 in
    whole)
        [ $status -eq 0 ] && whole && state_is 'done'
        ;;
    untouched)
        { [ $status -eq 4 ] || [ $status -eq 0 ]; } && untouched &&
            { state_is 'rolled back' || state_is ''; }
        ;;
    either)
        { [ $status -eq 0 ] && whole && state_is 'done'; } ||
            { [ $status -eq 4 ] && untouched && state_is 'rolled back'; }
        ;;
    esac || fail "$1: not $2 after recovery, status $status: $(cat run.err recover.err difference \
        2>/dev/null) $(sqlite3 state/db 'SELECT * FROM job_task')"
    recover_tool
    if [ $status -ne 0 ] || [ -s recover.err ]; then
        fail "$1: a second recovery found something: $(cat recover.err)"
    fi
}

# killed_at POINT: the job must have died there.
killed_at ()
{
    export JOB_TOOL_KILL=$1
    run_tool
    [ $status -eq 137 ] || fail "$1: not killed there, status $status: $(cat run.err)"
}

for kind in empty shared; do
    # Before, in and after each task: the thing, or, once what it needs is gone, nothing.
    for task in "${tasks[@]}"; do
        for point in before in after; do
            [ "$task:$point" != check:in ] || continue
            [ "$kind:$task:$point" != shared:directory:in ] || continue # it makes none
            place $kind
            killed_at "run:$task:$point"
            ends_well "$kind, run:$task:$point" whole
            place $kind
            killed_at "run:$task:$point"
            rm need
            ends_well "$kind, run:$task:$point, then its need is gone" untouched
        done
    done

    # Before, in and after each undo.
    export JOB_TOOL_FAIL=run:seal
    for task in "${tasks[@]:1}"; do
        for point in before in after; do
            [[ $task == copy* || $point != in ]] || continue
            place $kind
            killed_at "undo:$task:$point"
            ends_well "$kind, undo:$task:$point" untouched
        done
    done
    unset JOB_TOOL_FAIL

    # At each commit of the journal: forward, and on the way back; and the recovery, too.
    for fail in '' run:seal; do
        for point in before after; do
            commits=0
            while :; do
                commits=$((commits + 1))
                place $kind
                export JOB_TOOL_KILL=commit:$commits:$point
                [ -z "$fail" ] || export JOB_TOOL_FAIL=$fail
                run_tool
                [ $status -eq 137 ] || break
                export JOB_TOOL_KILL=commit:$((commits % 5 + 1)):$point
                recover_tool
                want=whole
                [ -z "$fail" ] || want=untouched
                # With no job in the journal there is nothing to go on with.
                [ "$(sqlite3 state/db "SELECT count(*) FROM sqlite_schema WHERE name = 'job'")" = 1 ] ||
                    want=untouched
                [ $want = untouched ] || ! state_is '' || want=untouched
                ends_well "$kind, commit $commits $point, '$fail'" $want
                unset JOB_TOOL_FAIL
            done
            unset JOB_TOOL_KILL JOB_TOOL_FAIL
            [ $commits -gt 12 ] || fail "only $commits commits"
        done
    done
done
echo "killed at $n set points"

# What cannot be undone is a debt, which recovery pays once it can.
place shared
JOB_TOOL_FAIL=run:seal run_tool
if [ $status -ne 4 ] || ! untouched; then
    fail "rolled back without a kill: status $status"
fi
place empty
export JOB_TOOL_FAIL='undo:copy 1' JOB_TOOL_KILL=run:seal:before
run_tool
rm need
unset JOB_TOOL_KILL
recover_tool
if [ $status -ne 5 ] || ! state_is 'not rolled back completely'; then
    fail "no debt: status $status"
fi
grep -q "left: .*what task 'copy 1' made (told to fail)" recover.err || fail "$(cat recover.err)"
unset JOB_TOOL_FAIL
ends_well debt untouched

# At random instants.  The seed is said, and WHERRY_SEED repeats it.
kills=20
[ "${WHERRY_TEST_ALL-0}" != 1 ] || kills=200
RANDOM=${WHERRY_SEED-$$}
echo "seed ${WHERRY_SEED-$$}"
hits=0
for i in $(seq $kills); do
    kinds=(empty shared)
    place "${kinds[i % 2]}"
    JOB_TOOL_SLOW=5 "$JOB_TOOL" run state/db place need 2> run.err &
    pid=$!
    sleep "0.$(printf %03d $((RANDOM % 250)))"
    kill -9 $pid 2> kill.err || true
    status=0
    wait $pid 2> wait.err || status=$?
    [ $status -ne 137 ] || hits=$((hits + 1))
    # A second process, killed while it recovers.
    JOB_TOOL_SLOW=5 "$JOB_TOOL" recover state/db 2> recover.err &
    pid=$!
    sleep "0.$(printf %03d $((RANDOM % 100)))"
    kill -9 $pid 2> kill.err || true
    wait $pid 2> wait.err || true
    want=whole
    if [ $((i % 3)) -eq 0 ] && ! whole 2> /dev/null; then
        rm need
        want=untouched
    fi
    if [ "$(sqlite3 state/db "SELECT count(*) FROM job" 2> sqlite.err)" != 1 ]; then
        want=untouched # it died before there was a job
    fi
    if [ $want = untouched ] && [ "$(sqlite3 state/db 'SELECT state FROM job' 2> /dev/null)" = 'done' ]; then
        want=whole
    fi
    ends_well "random kill $i" $want
done
[ $hits -gt $((kills / 4)) ] || fail "only $hits of $kills kills hit"
echo "$hits of $kills random kills hit a running job"
