#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# wherry job: what it shows of jobs, how it ends one of another process, what it refuses.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"

requires jq --version
requires sqlite3 --version

job ()
{
    "$PROGRAM" job "$@" --state state/db
}

# refused STATUS TEXT ARG...: `wherry job ARG...` must end so, with TEXT in its one line.
refused ()
{
    local want=$1 text=$2 status=0
    shift 2
    fails_with "$text" job "$@"
    job "$@" > refused.out 2> refused.err || status=$?
    [ $status -eq "$want" ] || fail "job $*: status $status"
    [ ! -s refused.out ] || fail "job $*: $(cat refused.out)"
}

# An empty store: made on the way, for its owner only.
[ -z "$(job list)" ] || fail "jobs in a new store"
[ "$(stat -c %a state state/db | paste -sd ' ')" = "700 600" ] || fail "$(ls -la state)"
[ "$(job list --json | jq '.jobs | length')" = 0 ] || fail "no empty list"

refused 2 "expected list|show|cancel|recover [ID], got 0 arguments"
refused 2 "no action 'remove'; there are list, show, cancel and recover" remove
refused 2 "needs an ID" show
refused 2 "needs an ID" cancel
refused 2 "takes no ID, got '1'" list 1
refused 2 "a number from 1 on, not '0'" show 0
refused 2 "a number from 1 on, not '1x'" cancel 1x
refused 2 "a number from 1 on, not '99999999999999999999'" recover 99999999999999999999
for action in show cancel recover; do
    refused 1 "there is no job 1 in the store" $action 1
done

# A job that ran, and one that was rolled back with a debt.
openssl rand -out need 200000
mkdir one two three
"$JOB_TOOL" run state/db one need
r=0
JOB_TOOL_FAIL='run:seal' "$JOB_TOOL" run state/db two need 2> run.err || r=$?
[ $r -eq 4 ] || fail "status $r: $(cat run.err)"
job list > jobs.txt
[ "$(wc -l < jobs.txt)" -eq 2 ] || fail "$(cat jobs.txt)"
grep -Eq '^ +1  2[0-9-]{9} [0-9:]{8}  thing +  a thing in one: done$' jobs.txt || fail "$(cat jobs.txt)"
grep -q 'a thing in two: rolled back$' jobs.txt || fail "$(cat jobs.txt)"
job show 2 > shown
for words in 'job       2: a thing in two (thing)' 'state     rolled back' \
    "failure   task 'seal' failed 3 times, at last: told to fail" 'attempts  3 for each task' \
    'task      seal: undone' 'run: attempts 3, failed 3, from 2' 'run, last error: told to fail' \
    'undo: attempts 1, failed 0, from 2' 'noted: made = two/thing'; do
    grep -qF -- "$words" shown || fail "no '$words' in: $(cat shown)"
done
job show --json 1 > show.json
[ "$(jq -r '[.id, .kind, .state, .owner, .cancel, .result, (.tasks | length)] | @text' show.json)" = \
    '[1,"thing","done",null,false,"one/thing",5]' ] || fail "$(cat show.json)"
[ "$(jq -r '.tasks[1].notes[0] | [.key, .value] | @text' show.json)" = '["made","one/thing"]' ] ||
    fail "$(cat show.json)"
refused 1 "job 1 cannot be cancelled: it is done" cancel 1
refused 1 "job 2 cannot be cancelled: it is rolled back" cancel 2

# In the middle of another process: seen, not recovered, ended by a cancel, which waits for it.
JOB_TOOL_SLOW=500 "$JOB_TOOL" run state/db three need 2> run.err &
pid=$!
until [ -n "$(find three -name '.*-0')" ]; do
    kill -0 $pid || fail "it ended before it began: $(cat run.err)"
    sleep 0.05
done
[ "$(job show --json 3 | jq -r '[.state, .owner] | @text')" = "[\"running\",$pid]" ] ||
    fail "$(job show --json 3)"
refused 1 "process $pid works on job 3 (a thing in three); 'wherry job cancel 3' ends it" recover 3
[ "$(job recover --json 2> busy.err | jq '.jobs | length')" = 0 ] || fail "it recovered a job that runs"
grep -qx "process $pid works on job 3 (a thing in three)" busy.err || fail "$(cat busy.err)"
job cancel 3 > cancel.out 2> cancel.err || fail "$(cat cancel.err)"
grep -qx "waiting until process $pid has rolled job 3 back" cancel.err || fail "$(cat cancel.err)"
grep -q 'state     rolled back' cancel.out || fail "$(cat cancel.out)"
r=0
wait $pid || r=$?
[ $r -eq 4 ] || fail "status $r: $(cat run.err)"
grep -q "rolled back: cancelled in task 'copy 0'" run.err || fail "$(cat run.err)"
[ -z "$(ls -A three)" ] || fail "left: $(find three)"

# Of a kind that this program does not know: said, left as it is, and in nobody's way.
{ JOB_TOOL_KILL=run:seal:in "$JOB_TOOL" run state/db three need 2> run.err; } 2> shell.err || true
job list > jobs.txt 2> jobs.err
grep -q "job 4 (a thing in three) is of kind 'thing', which this wherry does not know" jobs.err ||
    fail "$(cat jobs.err)"
grep -q 'running (its process is gone)$' jobs.txt || fail "$(cat jobs.txt)"
r=0
job recover --json > recover.json 2> recover.err || r=$?
[ $r -eq 1 ] || fail "status $r"
[ "$(jq -r '.jobs[0].state' recover.json)" = running ] || fail "$(cat recover.json)"
"$JOB_TOOL" recover state/db 2> recover.err
job show 4 2> show.err | grep -q 'state     done' || fail "job 4 is not done"

# docs/jobs.md names every column of every table.
for table in room job job_task job_note; do
    # shellcheck disable=SC2016 # backquotes of Markdown
    sed -n "s/^| \`$table\` | //p" "$SOURCE_ROOT/docs/jobs.md" | grep -o '`[a-z_]*`' | tr -d '\`' |
        sort > docs
    sqlite3 state/db "SELECT name FROM pragma_table_info('$table')" | sort > columns
    diff -u docs columns || fail "docs/jobs.md and table $table differ"
done

# Stores that are not for us: both numbers, and not a byte changed.
sqlite3 state/db "UPDATE room SET version = 7 WHERE name = 'job'"
refused 1 "has version 7 of the tables of job, this wherry knows versions up to 1" list
sqlite3 state/db "UPDATE room SET version = 1 WHERE name = 'job'; PRAGMA user_version = 9"
refused 1 "has version 9, this wherry knows versions up to 1" list
sqlite3 other "CREATE TABLE t (x)"
sha256sum other > sums
fails_with "a database of another program" "$PROGRAM" job list --state other
sha256sum --quiet -c sums
echo "some text that is no database" > text
fails_with "file is not a database" "$PROGRAM" job list --state text
fails_with "cannot make the directory" "$PROGRAM" job list --state text/db

# Where it is by default, for who is not root.
if [ "$(id -u)" -eq 0 ]; then
    requires setpriv --reuid 65534 --clear-groups true
    mkdir home
    chmod 755 .
    chown 65534 home
    as_nobody=(setpriv --reuid 65534 --clear-groups env)
else
    mkdir home
    as_nobody=(env)
fi
"${as_nobody[@]}" XDG_STATE_HOME="$workdir/home/state" "$PROGRAM" job list
[ -f home/state/wherry/wherry.db ] || fail "$(find home)"
"${as_nobody[@]}" -u XDG_STATE_HOME HOME="$workdir/home" "$PROGRAM" job list
[ -f home/.local/state/wherry/wherry.db ] || fail "$(find home)"
