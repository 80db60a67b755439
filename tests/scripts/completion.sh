#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The completion of bash offers what the program has: verbs, options, and files or directories.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"

set +E # what completes to nothing is no failure
# shellcheck source=packaging/completion/wherry
. "$SOURCE_ROOT/packaging/completion/wherry"

mkdir -p bin target/below bundle
touch disk.img
# shellcheck disable=SC2153
ln -s "$PROGRAM" bin/wherry
PATH=$workdir/bin:$PATH

# offers WORD...: what completing the last WORD gives, sorted, on one line.
offers ()
{
    # What bash sets for a completion function.
    # shellcheck disable=SC2034
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    _wherry
    printf '%s\n' "${COMPREPLY[@]}" | sort | tr '\n' ' '
}

# expect WANTED WORD...
expect ()
{
    local wanted=$1 got
    shift
    got=$(offers "$@")
    [ "$got" = "$wanted " ] || fail "'$*' offers '$got', not '$wanted'"
}

verbs=$(wherry --help | sed -n 's/^  \([a-z]*\) .*/\1/p' | sort | paste -sd ' ')
[ -n "$verbs" ] || fail "no verbs in --help"
expect "--help --version $verbs" wherry ''
expect "capture" wherry ca
expect "verify" wherry ve

for verb in $verbs; do
    expect "$(wherry "$verb" --help | grep -oE '^ +(-.|  )?,? *--[a-z-]+=?' | grep -oE -- '--.*' |
        sort | paste -sd ' ')" wherry "$verb" --
    expect "--json" wherry "$verb" --js
done

expect "--to=" wherry capture --to
expect "target" wherry capture --to ta
expect "target" wherry capture --to = ta
expect "target/below" wherry capture --to = target/
expect "bin bundle target" wherry capture --to =
expect "" wherry capture --name ''
expect "disk.img" wherry capture --to target dis
expect "disk.img" wherry inspect d
expect "bin bundle" wherry verify b
expect "" wherry verify dis
expect "cancel list recover show" wherry job ''
expect "recover" wherry job r
expect "add choose list maintenance refresh remove show" wherry host ''
expect "list show" wherry vm ''
expect "disk.img" wherry job --state dis
