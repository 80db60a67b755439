#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A stage includes itself, base/ and the stages that it is made of: never sideways or upward.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"

# may_include STAGE: the stages that it is made of.  Widening this is a commit of its own.
may_include ()
{
    case $1 in
    base | source | map | image | bundle | cloud | job) ;;
    medium) echo source ;;
    capture) echo source map image bundle ;;
    import) echo bundle image fleet cloud job ;;
    fleet) echo cloud job ;;
    migrate) echo fleet cloud job ;;
    cli) echo source map image bundle capture medium cloud import fleet migrate job ;;
    *) fail "stage '$1' is not in the table" ;;
    esac
}

cd "$SOURCE_ROOT/src"
for dir in */; do
    stage=${dir%/}
    allowed=" $stage base $(may_include "$stage") "
    { grep -rnoE '^ *# *include *"[^"]*' "$stage" || true; } | while IFS=: read -r file line include; do
        name=${include#*\"}
        case $name in
        */*) ;;
        *) fail "src/$file:$line: '$name' does not name its stage" ;;
        esac
        case $allowed in
        *" ${name%%/*} "*) ;;
        *) fail "src/$file:$line: $stage/ must not include '$name'" ;;
        esac
    done
done
