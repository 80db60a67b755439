#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# docs/json.md describes every member that --json prints of each verb, and none that it does not;
# of import, migrate, host and vm their own scripts ask that.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
PATH=$PATH:/usr/sbin:/sbin

requires jq --version
requires sfdisk --version

# A machine with boot entries, NICs, a disk with a partition and one with a logical volume: no array of
# objects is empty.
truncate -s 8M disk
echo start=1MiB | sfdisk -q --label gpt disk
cp "$SOURCE_ROOT/tests/fuzz/corpus/map-lvm/valid-linear" lvm
truncate -s 64M lvm
mkdir to
WHERRY_ROOT=$SOURCE_ROOT/tests/facts/uefi/root "$PROGRAM" inspect --json disk lvm > inspect.json
jq -e '.disks[1].map.volumes[0].how == "LVM, volume group vg0" and
    ([.volumes[] | {layer, name, size, content, how}] | map(.how == "carried whole: no known content"
    and .content == null and .layer == "lvm") | all) and
    ([.volumes[] | [.name, .size, .used]] == [["vg0/data", 9175040, 9175040],
        ["vg0/home", 589824, 589824]]) and .warnings == []' inspect.json > /dev/null ||
    fail "the logical volumes: $(jq -c '.volumes, .warnings' inspect.json)"
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
    sed '/^import$/d; /^migrate$/d; /^host$/d; /^vm$/d;
        s/^job$/job list\njob show\njob recover/')
