#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Twenty processes run jobs in one store at the same time, some are killed, others recover and list
# all the while: no job is lost, worked on by two, or left half done.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"

requires sqlite3 --version

count=20
openssl rand -out need 200000
pids=()
for i in $(seq $count); do
    mkdir -p "place/$i"
    JOB_TOOL_SLOW=20 "$JOB_TOOL" run state/db "place/$i" need 2> "run.$i" &
    pids+=($!)
done
recoverers=()
for i in 1 2 3; do
    (while [ ! -e stop ]; do
        "$JOB_TOOL" recover state/db 2>> "recover.$i" || exit 1
        "$PROGRAM" job list --state state/db > "list.$i" 2>> "list-errors.$i" || exit 1
    done) &
    recoverers+=($!)
done
sleep 0.3
for i in 3 7 11 15 19; do
    kill -9 "${pids[i]}" 2> kill.err || true
done

done_or_killed=0
for i in "${!pids[@]}"; do
    status=0
    wait "${pids[i]}" 2> wait.err || status=$?
    case $status in
    0 | 137) done_or_killed=$((done_or_killed + 1)) ;;
    *) fail "job $i: status $status: $(cat "run.$((i + 1))")" ;;
    esac
done
[ $done_or_killed -eq $count ] || fail "$done_or_killed of $count"
touch stop
for pid in "${recoverers[@]}"; do
    wait "$pid" || fail "a recovery or a list failed: $(cat recover.* list-errors.*)"
done
"$JOB_TOOL" recover state/db 2> recover.last || fail "$(cat recover.last)"

[ "$(sqlite3 state/db 'PRAGMA integrity_check')" = ok ] || fail "the store is damaged"
[ -z "$(sqlite3 state/db 'PRAGMA foreign_key_check')" ] || fail "rows that belong to nothing"
jobs=$(sqlite3 state/db "SELECT count(*) FROM job WHERE state = 'done'")
[ "$jobs" = "$(sqlite3 state/db 'SELECT count(*) FROM job')" ] || fail "jobs that are not done"
things=0
for i in $(seq $count); do
    [ -e "place/$i/thing" ] || continue
    things=$((things + 1))
    cmp need "place/$i/thing/0"
    cmp need "place/$i/thing/1"
    [ "$(find "place/$i" -type f | wc -l)" -eq 3 ] || fail "place $i: $(find "place/$i")"
done
# Who was killed before its job was in the store made nothing.
[ "$things" -eq "$jobs" ] || fail "$things things of $jobs jobs"
[ "$jobs" -ge 15 ] || fail "only $jobs jobs"
# A job has one process at a time: one attempt of each task, and one more where it was killed.
[ -z "$(sqlite3 state/db 'SELECT * FROM job_task WHERE attempts > 2 OR failures > 0')" ] ||
    fail "worked on by several: $(sqlite3 state/db 'SELECT * FROM job_task WHERE attempts > 1')"
echo "$jobs jobs, $(cat recover.* | grep -c 'recovering it' || true) recovered"
