#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# One byte changed anywhere, in any file of a bundle, is found by verify, which names the file.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
PATH=$PATH:/usr/sbin:/sbin

requires mke2fs -V

flips=500
RANDOM=${WHERRY_SEED:-$(draw)}
export RANDOM
echo "seed $RANDOM"

mkdir tree to
for i in $(seq 20); do
    seq "$i" $((i * 1000)) > "tree/file-$i"
done
head -c 300000 /dev/urandom > tree/random # plain clusters, too
truncate -s 24M disk
mke2fs -q -t ext4 -d tree disk
"$PROGRAM" capture --quiet --to to --name flips disk > /dev/null
bundle=to/wherry/flips
"$PROGRAM" verify --quiet "$bundle"

files=("$bundle"/*)
[ ${#files[@]} -eq 5 ] || fail "not five files: ${files[*]}"

# Half of the places are spread over the files evenly, half over their bytes.
choose_place ()
{
    local total=0 at
    if [ $((RANDOM % 2)) -eq 0 ]; then
        file=${files[RANDOM % ${#files[@]}]}
        offset=$(((RANDOM * 32768 + RANDOM) % $(stat -c %s "$file")))
        return
    fi
    for file in "${files[@]}"; do
        total=$((total + $(stat -c %s "$file")))
    done
    at=$(((RANDOM * 32768 + RANDOM) % total))
    for file in "${files[@]}"; do
        offset=$at
        at=$((at - $(stat -c %s "$file")))
        if [ $at -lt 0 ]; then return; fi
    done
}

put_byte ()
{
    # shellcheck disable=SC2059 # the format is the byte
    printf "\\x$(printf %02x "$1")" | dd of="$file" bs=1 seek="$offset" conv=notrunc status=none
}

for i in $(seq $flips); do
    choose_place
    old=$(od -An -tu1 -j "$offset" -N 1 "$file" | tr -d ' ')
    put_byte $((old ^ (1 + RANDOM % 255)))
    r=0
    "$PROGRAM" verify --quiet "$bundle" > /dev/null 2> stderr || r=$?
    [ $r -eq 3 ] || fail "flip $i, byte $offset of $file: exit status $r: $(cat stderr)"
    [ "$(wc -l < stderr)" -eq 1 ] || fail "not one line: $(cat stderr)"
    grep -qF "$(basename "$file")" stderr || fail "byte $offset of $file, but: $(cat stderr)"
    put_byte "$old"
done
"$PROGRAM" verify --quiet "$bundle"
