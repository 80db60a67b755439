#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The man pages hold what the program says of itself, both ways: each verb has a page and each
# page a verb; each option of --help stands in OPTIONS with its value, and nothing else does.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"

requires sh -c 'command -v mandoc'

man=$SOURCE_ROOT/man
verbs=$("$PROGRAM" --help | sed -n 's/^  \([a-z]*\) .*/\1/p')
[ -n "$verbs" ] || fail "no verbs in --help"

mandoc -T lint -W warning "$man"/*.1 || fail "mandoc finds faults"

for verb in $verbs; do
    [ -f "$man/wherry-$verb.1" ] || fail "verb '$verb' has no man/wherry-$verb.1"
    grep -q "wherry-$verb" "$man/wherry.1" || fail "wherry.1 does not name wherry-$verb"
done
for page in "$man"/wherry-*.1; do
    verb=$(basename "$page" .1)
    verb=${verb#wherry-}
    grep -qx "$verb" <<< "$verbs" || fail "man/wherry-$verb.1 is about no verb"
done
for page in "$man"/*.1; do
    grep -q "'$(basename "$page")'" "$man/meson.build" || fail "meson.build does not install $page"
done

# options_of_page PAGE: "-q --quiet", "--to=DIR", one option a line, sorted.  The tags of the list
# in OPTIONS are the lines that begin there with a dash, at the section's own indent.
options_of_page ()
{
    mandoc -T utf8 -O width=200 "$1" | sed 's,.\x08,,g' | awk '
        /^[^ ]/ { inside = /^OPTIONS/; next }
        inside && /^     ( ? ?)-/ { print }' |
        sed -E 's/^ *//; s/^(-., )?(--[^ ]+).*/\1\2/; s/, / /' | sort
}

# options_of_help VERB: the same of --help.
options_of_help ()
{
    "$PROGRAM" "$1" --help | grep -E '^ +(-., )?--[a-z]' |
        sed 's/^ *//; s/   *.*//; s/, / /' | sort
}

for verb in $verbs; do
    options_of_help "$verb" > help
    options_of_page "$man/wherry-$verb.1" > page
    diff -u --label "wherry $verb --help" --label "man/wherry-$verb.1" help page ||
        fail "wherry-$verb.1 and --help differ"
done
