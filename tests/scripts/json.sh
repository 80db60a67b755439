#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# docs/json.md describes every member that --json prints of each verb, and none that it does not;
# of import, import.sh asks that.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
PATH=$PATH:/usr/sbin:/sbin

requires jq --version
requires sfdisk --version

# A machine with boot entries, NICs and a disk with a volume: no array is empty.
truncate -s 8M disk
echo start=1MiB | sfdisk -q --label gpt disk
mkdir to
WHERRY_ROOT=$SOURCE_ROOT/tests/facts/uefi/root "$PROGRAM" inspect --json disk > inspect.json
"$PROGRAM" capture --json --quiet --to to --name described disk > capture.json
"$PROGRAM" verify --json --quiet to/wherry/described > verify.json

# A job that nobody works on, of a kind that this program does not know.
mkdir place
{ JOB_TOOL_KILL=run:seal:in "$JOB_TOOL" run state/db place disk; } 2> killed.err || true
for action in list 'show 1' recover; do
    # shellcheck disable=SC2086
    "$PROGRAM" job $action --json --quiet --state state/db > "job-${action% 1}.json" 2> job.err ||
        [ $? -eq 1 ] || fail "$(cat job.err)"
done

# Each verb, and each action of one that has actions.
while read -r what; do
    described "$what" > docs
    printed "${what// /-}.json" > program
    [ -s docs ] || fail "docs/json.md says nothing of $what"
    diff -u --label docs/json.md --label "wherry $what --json" docs program ||
        fail "docs/json.md and $what --json differ"
done < <("$PROGRAM" --help | sed -n 's/^  \([a-z]*\) .*/\1/p' |
    sed '/^import$/d; s/^job$/job list\njob show\njob recover/')
