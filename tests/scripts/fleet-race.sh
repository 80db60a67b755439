#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Twenty controllers at once, each a process, on one store and three real hosts: ten VMs, two
# processes for each.  Two hosts can take one each; nobody takes what another has.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
# shellcheck source=tests/scripts/lab-functions.sh
. "$SOURCE_ROOT/tests/scripts/lab-functions.sh"
# shellcheck source=tests/scripts/fleet-functions.sh
. "$SOURCE_ROOT/tests/scripts/fleet-functions.sh"

requires sqlite3 --version

rounds=3
[ -z "${WHERRY_TEST_ALL-}" ] || rounds=20

start_hosts 3
add_hosts 3
for i in {0..9}; do
    small_vm 1 "vm$i" "5a1d1c3e-0000-4000-8000-00000000000$i"
done
wherry host refresh > /dev/null
mkfifo gate

# race: all begin when the gate is closed again; their words are in out.N and err.N.
race ()
{
    local i r pids=()
    rm -f out.* err.* status.*
    for i in {0..19}; do
        (
            exec 9>&-
            "$hosts" net "$labdir" "$FLEET_TOOL" reserve "$state" "vm$((i / 2))" \
                "$(cat /proc/sys/kernel/random/uuid)" < gate > "out.$i" 2> "err.$i" && r=0 || r=$?
            echo $r > "status.$i"
        ) &
        pids+=($!)
    done
    exec 9> gate # opens when the first has come; the others read it until it is closed
    sleep 1
    exec 9>&-
    wait "${pids[@]}"
}

for ((round = 0; round < rounds; round++)); do
    race
    for i in {0..19}; do
        case $(cat "status.$i") in
        0 | 3 | 4) ;;
        *) fail "process $i: $(cat "err.$i")" ;;
        esac
    done
    sort out.* | cut -f 1 > targets
    [ "$(cat targets)" = $'b\nc' ] || fail "round $round: targets: $(cat targets)"
    wherry host list --json > hosts.json
    for host in b c; do
        wherry host show $host --json | jq -e '.reservations | length == 1' > /dev/null ||
            fail "$(wherry host show $host)"
    done
    [ "$(wherry vm list --json | jq '[.vms[] | select(.state == "migrating")] | length')" -eq 2 ] ||
        fail "$(wherry vm list)"
    sqlite3 "$state" 'DELETE FROM fleet_reservation'
done
