#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What inspect says of the machine that the test runs on is what other programs say: ip, lsblk, the
# kernel's own files.  Recorded machines, with all that this one has not, are in tests/facts.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
PATH=$PATH:/usr/sbin:/sbin

requires ip -V
requires lsblk --version
requires jq --version

"$PROGRAM" inspect --json > got.json
facts ()
{
    jq -r ".facts | $1" got.json
}

same ()
{
    diff -u "$1" "$2" || fail "$3"
}

[ "$(jq .schema got.json)" = 1 ]
[ "$(facts .schema)" = 1 ]
[ "$(facts .hostname)" = "$(cat /proc/sys/kernel/hostname)" ] || fail "the host name"

# --- NICs: `ip` prints the permanent address only where it differs from the one in use.
facts '.nics[] | [.name, .mac, .mtu] | @tsv' | sort > got
ip -j link | jq -r '.[] | select(.ifname != "lo" and .link_type == "ether") |
    [.ifname, .address, .mtu] | @tsv' | sort > want
grep -Ff <(cut -f 1 want) got > got.ether || true
same want got.ether "NICs"

# shellcheck disable=SC2016 # $n is jq's
facts '.nics[] | .name as $n | .addresses[] | [$n, .address, .prefix] | @tsv' | sort > got
ip -j addr | jq -r '.[] | select(.ifname != "lo") | .ifname as $n | .addr_info[] |
    select(.scope != "link") | [$n, .local, .prefixlen] | @tsv' | sort > want
same want got "addresses"

facts '.nics[] | select(.gateway4) | [.name, .gateway4] | @tsv' | sort > got
ip -j -4 route show default | jq -r '.[] | select(.gateway) | [.dev, .gateway] | @tsv' | sort -u > want
same want got "gateways"

# --- disks
facts '.disks[] | select(.kind == "disk") |
    [.path, .size, .logical_sector, .physical_sector, .rotational] | @tsv' | sort > got
lsblk -J -b -d -o PATH,SIZE,LOG-SEC,PHY-SEC,ROTA,TYPE | jq -r '.blockdevices[] |
    select(.type == "disk" and .size > 0 and (.path | test("zram|ram|nbd") | not)) |
    [.path, .size, ."log-sec", ."phy-sec", .rota] | @tsv' | sort > want
same want got "disks"

# --- memory and processors
[ "$(facts .memory_usable)" = "$(awk '/^MemTotal:/ { printf "%.0f", $2 * 1024 }' /proc/meminfo)" ] ||
    fail "memory"
[ "$(facts '.sockets * .cores * .threads')" -ge "$(getconf _NPROCESSORS_ONLN)" ] || fail "processors"
if [ -d /sys/firmware/efi ]; then want=uefi; else want=bios; fi
case $(uname -m) in
x86_64 | i?86) [ "$(facts .firmware)" = $want ] || fail "firmware" ;;
esac

# --- for people
"$PROGRAM" inspect > text
grep -q "^name      $(cat /proc/sys/kernel/hostname)$" text
grep -q '^memory    ' text
[ "$(grep -c '^NIC ' text)" = "$(facts '.nics | length')" ]

# A disk that is named is opened; one that is not there is an error.
truncate -s 1M disk
"$PROGRAM" inspect --json disk > got.json
[ "$(jq -c '.disks[] | [.path, .map.size, .map.table, .map.volumes[0].how]' got.json)" = \
    '["disk",1048576,"none","carried whole: no known content"]' ]
fails_with "cannot open 'missing'" "$PROGRAM" inspect missing

# Words on stderr must not disturb what a machine reads on stdout.
"$PROGRAM" inspect --json --debug=all disk 2> stderr | jq .schema > /dev/null
grep -q 'wherry-map-DEBUG.*carried whole' stderr
"$PROGRAM" inspect --debug=bundle,image disk 2> stderr > /dev/null
if grep -q 'wherry-map' stderr; then fail "not a topic that was asked for"; fi
fails_with "No space left" "$PROGRAM" inspect disk > /dev/full
