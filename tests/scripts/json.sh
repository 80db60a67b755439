#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# docs/json.md describes every member that --json prints of each verb, and none that it does not.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
PATH=$PATH:/usr/sbin:/sbin

requires jq --version
requires sfdisk --version

# described VERB: the members of its table, one a line, sorted.
described ()
{
    # shellcheck disable=SC2016 # backquotes of Markdown
    awk -v headline="## \`wherry $1 --json\`" '/^##/ { inside = $0 == headline } inside' \
        "$SOURCE_ROOT/docs/json.md" | sed -n 's/^| `\([^`]*\)` .*/\1/p' | sort
}

# printed FILE: the same of what was printed.  The items of an array are no member.
printed ()
{
    jq -r 'paths | map(if type == "number" then "[]" else "." + . end) | join("") |
        ltrimstr(".") | select(endswith("[]") | not)' "$1" | sort -u
}

# A machine with boot entries, NICs and a disk with a volume: no array is empty.
truncate -s 8M disk
echo start=1MiB | sfdisk -q --label gpt disk
mkdir to
WHERRY_ROOT=$SOURCE_ROOT/tests/facts/uefi/root "$PROGRAM" inspect --json disk > inspect.json
"$PROGRAM" capture --json --quiet --to to --name described disk > capture.json
"$PROGRAM" verify --json --quiet to/wherry/described > verify.json

for verb in $("$PROGRAM" --help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
    described "$verb" > docs
    printed "$verb.json" > program
    [ -s docs ] || fail "docs/json.md says nothing of $verb"
    diff -u --label docs/json.md --label "wherry $verb --json" docs program ||
        fail "docs/json.md and $verb --json differ"
done
