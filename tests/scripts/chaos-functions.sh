# shellcheck shell=bash disable=SC2034,SC2154 # variables of and for others
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Sourced after functions.sh by the scripts about captures that are cut off at random: how many
# rounds, and chances by a seed, which is printed; WHERRY_CHAOS_SEED takes it.

PATH=$PATH:/usr/sbin:/sbin

requires qemu-img --version
requires openssl version
requires test "$(id -u)" -eq 0 # for mounts

rounds=20
[ "${WHERRY_TEST_ALL-}" != 1 ] || rounds=200
seed=${WHERRY_CHAOS_SEED-$(draw)}
echo "seed $seed"
RANDOM=$seed
mounted=()

clean_up ()
{
    local dir
    for dir in "${mounted[@]}"; do
        umount -q "$dir" || true # it may have been unmounted since
    done
    rm -rf "$workdir"
}
trap clean_up EXIT

# noise KIB PASSWORD: random bytes.
noise ()
{
    head -c "$1k" /dev/zero | openssl enc -aes-128-ctr -pbkdf2 -iter 1 -pass "pass:$2" -nosalt
}

# nap MS
nap ()
{
    sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"
}
