#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# How a capture tells how far it is: a line that is redrawn on a terminal, plain lines elsewhere,
# nothing with --quiet; what goes to stdout is the same each time.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"

requires script --version
requires jq --version

head -c 3000000 /dev/urandom > disk
mkdir to

"$PROGRAM" capture --to to --name plain disk > out 2> err
[ "$(cat err)" = "copying disk: 2.9 MiB of 2.9 MiB; all: 2.9 MiB of 2.9 MiB, 100 %" ] || fail "$(cat err)"
grep -q "^to/wherry/plain: complete in " out || fail "$(cat out)"

"$PROGRAM" capture --quiet --to to --name quiet disk > out 2> err
[ ! -s err ] || fail "not quiet: $(cat err)"
[ "$(wc -l < out)" -eq 2 ] || fail "$(cat out)"

"$PROGRAM" capture --verbose --to to --name verbose disk > out 2> err
grep -q "^disk: volume 0, 3000000 bytes at 0, 3000000 in use: carried whole: no known" err ||
    fail "$(cat err)"
"$PROGRAM" verify --verbose to/wherry/verbose > out 2> err
grep -q "^disk-0.qcow2: intact$" err || fail "$(cat err)"

"$PROGRAM" capture --json --to to --name json disk 2> err > out.json
[ "$(jq -r '[.bundle, .disks[0].path, .disks[0].used, .disks[0].bus] | join(" ")' out.json)" = \
    "to/wherry/json disk 3000000 sata" ] || fail "$(cat out.json)"
"$PROGRAM" verify --json to/wherry/json 2> err > out.json
[ "$(jq -c '[.intact, .files, .disks]' out.json)" = '[true,5,1]' ] || fail "$(cat out.json)"

# On a terminal: redrawn by a carriage return, with a newline at the end.
script -qec "$PROGRAM capture --to to --name terminal disk" /dev/null > typescript < /dev/null
grep -q $'\r\033\\[Kcopying disk: 2.9 MiB of 2.9 MiB; all: 2.9 MiB of 2.9 MiB, 100 %' typescript ||
    fail "$(cat -v typescript)"
[ "$(grep -c 'copying' typescript)" -eq 1 ] || fail "more than one line: $(cat -v typescript)"

# Of each disk and of all: bytes in use, done and in total; rate and time left once a second is over.
# At this level it lasts some seconds.
head -c 15000000 /dev/urandom | base64 > first
cp first second
script -qec "$PROGRAM capture --compress zstd:19 --to to --name two first second" /dev/null \
    > typescript < /dev/null
tr '\r' '\n' < typescript > lines
for line in 'first: [0-9.]+ [KM]iB of 19.3 MiB; all: [0-9.]+ [KM]iB of 38.6 MiB, [0-9]+ %' \
    'second: [0-9.]+ [KM]iB of 19.3 MiB; all: [0-9.]+ [KM]iB of 38.6 MiB, [0-9]+ %, [0-9.]+ MiB/s, [0-9]+ s left'; do
    grep -qE "copying $line" lines || fail "no '$line' in: $(cat -v lines)"
done
