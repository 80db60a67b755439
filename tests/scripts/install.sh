#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What `make install` does below a DESTDIR: the program, its man pages and its completion are where
# they are looked for, nothing of the tests is, and the program runs from there.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"

requires meson --version

DESTDIR=$workdir/dest meson install -C "$(dirname "$PROGRAM")" --no-rebuild > log || fail "$(cat log)"

prefix=dest$(sed -n 's,^Installing .* to .*/dest\(.*\)/bin$,\1,p' log)
{
    echo bin/wherry
    echo share/bash-completion/completions/wherry
    echo share/doc/wherry/COPYING
    for page in "$SOURCE_ROOT"/man/*.1; do
        echo "share/man/man1/$(basename "$page")"
    done
} | sort > want
(cd "$prefix" && find . -type f -printf '%P\n') | sort > got
diff -u want got || fail "other files are installed"

[ "$("$prefix/bin/wherry" --version)" = "$("$PROGRAM" --version)" ]
# shellcheck disable=SC1090 # what was installed
. "$prefix/share/bash-completion/completions/wherry"
[ "$(complete -p wherry)" = "complete -F _wherry wherry" ]
