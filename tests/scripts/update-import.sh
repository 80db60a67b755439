#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Bundles with an update that was cut off become VMs, from a medium that cannot be written: of one
# that was committed the new state, of one that was only begun the old one.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
# shellcheck source=tests/scripts/import-functions.sh
. "$(dirname "$0")/import-functions.sh"

requires sqlite3 --version

start_host

# update BUNDLE DISK [NAME=VALUE...]: with the library that makes faults.
update ()
{
    env LD_PRELOAD="$FILE_FAULTS_LIBRARY" WHERRY_ROOT="$SOURCE_ROOT/tests/facts/bios/root" "${@:3}" \
        "$PROGRAM" capture --quiet --update "$1" "$2" > /dev/null 2>&1
}

# cut_off BUNDLE DISK N: an update of it dies N calls that change a file after the one that commits
# it, which a copy tells.
cut_off ()
{
    local commit
    cp -r "$1" counted
    update counted "$2" FAULT_LOG="$PWD/calls" || fail "no update of a copy"
    commit=$(grep -n renameat calls | sed -n 2p | cut -d: -f1)
    rm -r counted calls
    ! update "$1" "$2" FAULT_AT=$((commit + $3)) || fail "it was not cut off"
    [ -e "$1/update.journal" ] || fail "no journal is left"
}

# holds NAME DISK: the disk of that VM.
holds ()
{
    local path
    path=$(libvirt domblklist "$1" | awk '{ print $2; exit }')
    path=${path/#\/var\/lib\/libvirt/$labdir/host/lib}
    qemu-img check -q "$path" || fail "qemu-img finds fault with the disk of '$1'"
    qemu-img compare -q -f raw -F qcow2 "$2" "$path" || fail "'$1' has another disk"
}

make_bundle web bios 9
cp -r medium/wherry/web medium/wherry/begun
cp web-0.raw old.raw
dd if=/dev/urandom of=web-0.raw bs=1M seek=3 count=2 conv=notrunc status=none
update medium/wherry/web web-0.raw || fail "no update"
dd if=/dev/urandom of=web-0.raw bs=1M seek=6 count=2 conv=notrunc status=none
cut_off medium/wherry/web web-0.raw 3
cut_off medium/wherry/begun web-0.raw -3
mount --bind medium medium
mounts+=("$PWD/medium")
mount -o remount,bind,ro medium

import --name new medium/wherry/web > out 2>&1 || fail "$(cat out)"
holds new web-0.raw
remove new
import --name old medium/wherry/begun > out 2>&1 || fail "$(cat out)"
holds old old.raw
