#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Started without stdin, stdout and stderr, no file of the bundle takes their place: else progress
# would be written into it.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"

requires openssl version

head -c 20M /dev/zero | openssl enc -aes-128-ctr -pbkdf2 -pass pass:disk -nosalt > disk
mkdir to
"$PROGRAM" capture --compress zstd:19 --name n --to to disk <&- >&- 2>&- &
pid=$!
until [ -e to/wherry/n/disk-0.sums ]; do
    kill -0 $pid || fail "it ended before it began to copy"
    sleep 0.05
done
for fd in 0 1 2; do
    file=$(readlink "/proc/$pid/fd/$fd") || fail "it was too fast to be looked at"
    [ "$file" = /dev/null ] || fail "file descriptor $fd is $file"
done

# The result could not be printed, which is a failure; but what was captured is whole.
r=0
wait $pid || r=$?
[ $r -eq 1 ] || fail "exit status $r"
"$PROGRAM" verify --quiet to/wherry/n > /dev/null
