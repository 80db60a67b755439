#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Names of disks and targets that are no text, no ASCII, or hold blanks: carried and verified, and
# --json stays one object with all of its members.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"

requires jq --version
requires qemu-img --version

disk=$'d\xffisk' # not UTF-8
printf 'some data' > "$disk"
truncate -s 1M "$disk"
for target in 'a b' ü "it's"; do
    mkdir "$target"
    LC_ALL=C "$PROGRAM" capture --quiet --json --name n --to "$target" "$disk" > result.json
    jq -e --arg bundle "$target/wherry/n" '.bundle == $bundle and (.disks | length) == 1 and
        .disks[0].path == "d\ufffdisk"' result.json > /dev/null || fail "capture says $(cat result.json)"
    "$PROGRAM" verify --quiet --json "$target/wherry/n" | jq -e .intact > /dev/null
    qemu-img compare -q -f raw -F qcow2 "$disk" "$target/wherry/n/disk-0.qcow2"
done

# What is wrong with it is said in JSON, too.
"$PROGRAM" inspect --json "$disk" nothing-$'\xfe' > result.json || [ $? -eq 1 ]
jq -e '.disks | length == 2 and .[0].map.size == 1048576 and (.[1].failure | length) > 0' \
    result.json > /dev/null || fail "inspect says $(cat result.json)"

# A bundle whose name is no text can still be asked about.
mv 'a b' $'a\xffb'
"$PROGRAM" verify --quiet --json $'a\xffb/wherry/n' | jq -e '.bundle == "a\ufffdb/wherry/n"' > /dev/null
