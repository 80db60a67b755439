#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Which host a VM would move to, among three real libvirtd: each reason against a host is made true
# on one of them, seen, and taken away again.  Where a cause can only be faked it is called a fake.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
# shellcheck source=tests/scripts/lab-functions.sh
. "$SOURCE_ROOT/tests/scripts/lab-functions.sh"
# shellcheck source=tests/scripts/fleet-functions.sh
. "$SOURCE_ROOT/tests/scripts/fleet-functions.sh"

requires sqlite3 --version

uuid=5a1d1c3e-0000-4000-8000-0000000000aa
job=5a1d1c3e-0000-4000-8000-00000000000f

refresh ()
{
    wherry host refresh "$@" > /dev/null
}

# all_fit: nothing of the last test is left.
all_fit ()
{
    choose
    case $(ranks) in
    "b c" | "c b") ;;
    *) fail "not both fit: $(cat chosen.json)" ;;
    esac
    out a "the VM is on it"
}

# fleet_tool ACTION ARG...
fleet_tool ()
{
    "$hosts" net "$labdir" "$FLEET_TOOL" "$1" "$state" "${@:2}" < /dev/null
}

test_abnormal ()
{
    local pid
    wherry host maintenance b on
    choose
    out b "maintenance"
    [ "$(ranks)" = c ] || fail "ranks: $(ranks)"
    wherry host maintenance b off
    all_fit

    sleep 2
    choose --max-age 1
    out b "s old, 1 s are allowed"
    out c "s old, 1 s are allowed"
    grep -F "no host can take the VM 'web' of 'a'" chosen.err > /dev/null || fail "$(cat chosen.err)"

    # Between its last refresh and now it has come to hang, then the refresh has found it so.
    pid=$("$libvirtd" pid "$labdir/3")
    kill -STOP "$pid"
    choose --timeout 3
    out c "does not answer"
    [ "$(ranks)" = b ] || fail "ranks: $(ranks)"
    fails_with "1 of 1 hosts could not be read" wherry host refresh c --timeout 3
    choose --timeout 3
    out c "does not answer"
    kill -CONT "$pid"
    refresh c
    all_fit

    # The VM's own host cannot be done without.
    pid=$("$libvirtd" pid "$labdir/1")
    kill -STOP "$pid"
    fails_with "host 'a' of the VM 'web'" wherry host choose web --timeout 3
    kill -CONT "$pid"
}

test_limits ()
{
    local free
    free=$(wherry host show b --json | jq .memory_free)
    choose --min-free-memory $((free / 1048576 + 100))
    out b "memory:"
    choose --min-free-cpus 1000
    out b "CPUs:"
    echo '[fleet]
min-free-cpus=1000' > limits.conf
    choose --config limits.conf
    out b "CPUs:"
    choose --config limits.conf --min-free-cpus 0
    [ -n "$(ranks)" ] || fail "the command line does not win: $(cat chosen.json)"
    choose --min-free-space 100T
    out b "space:"
    choose --label rack=2
    out b "no label rack=2"
    [ "$(ranks)" = c ] || fail "ranks: $(ranks)"

    # A busy machine: all CPUs of this one are, from one reading to the next.
    refresh
    for _ in $(seq "$(nproc)"); do
        timeout 20 sh -c 'while :; do :; done' &
    done
    sleep 2
    refresh
    choose --max-load 0.5
    out b "load:"
    # shellcheck disable=SC2046 # words
    kill $(jobs -p)
    wait
    refresh
    all_fit
}

test_full_pool ()
{
    "$libvirtd" in "$labdir/2" mount -t tmpfs -o size=4M tmpfs /var/lib/libvirt/images
    refresh b
    choose
    out b "'/var/lib/libvirt/images' has 4.0 MiB"
    [ "$(ranks)" = c ] || fail "ranks: $(ranks)"
    "$libvirtd" in "$labdir/2" umount /var/lib/libvirt/images
    refresh b
    all_fit
}

test_network ()
{
    on 2 net-destroy lan
    "$libvirtd" net "$labdir/3" ip link del br7
    choose
    out b "no active network 'lan'"
    out c "no bridge 'br7'"
    on 2 net-start lan
    "$libvirtd" net "$labdir/3" ip link add br7 type bridge
    "$libvirtd" net "$labdir/3" ip link set br7 up
    all_fit
}

test_names ()
{
    sed "s/$uuid/5a1d1c3e-0000-4000-8000-0000000000bb/" web.xml > other.xml
    on 2 define other.xml
    sed "s,<name>web,<name>else," web.xml > same.xml
    on 3 define same.xml
    choose
    out b "another VM of the name 'web'"
    out c "a VM 'else' with the same UUID"
    on 2 undefine web
    on 3 undefine else
    all_fit
}

test_qemu ()
{
    fake 2 's/<version>7002022</<version>6002000</'
    fake 3 "/<machine type='tcg' name='pc-i440fx-7.2'/d"
    refresh
    choose
    out b "its QEMU 6.2.0 is older"
    out c "no machine type pc-i440fx-7.2"
    fake 2 "s/<version>6002000</<version>7002022</; s,<flag name='virtio-rng'/>,,"
    restart 3 real
    fake 3 "/hostCPU type='tcg'/,/hostCPU>/s/name='cx8' type='boolean' value='true'/name='cx8' \
type='boolean' value='false'/"
    refresh
    choose
    out b "a random number generator virtio"
    out c "features: cx8"
    restart 2 real
    restart 3 real
    refresh
    all_fit
}

test_ties ()
{
    on 1 snapshot-create web > /dev/null
    choose
    out b "the VM has snapshots (1)"
    out c "the VM has snapshots (1)"
    on 1 snapshot-delete web --current > /dev/null
    all_fit
    on 1 destroy web
    choose
    out b "the VM is off"
    on 1 start web --paused
    all_fit
}

# Two hosts of one UUID are one to libvirt.
test_same_uuid ()
{
    local own
    own=$(grep host_uuid "$labdir/2/host/etc/libvirtd.conf")
    sed -i "s/^host_uuid.*/$(grep host_uuid "$labdir/1/host/etc/libvirtd.conf")/" \
        "$labdir/2/host/etc/libvirtd.conf"
    restart 2
    refresh b
    choose
    out b "the same host UUID"
    sed -i "s/^host_uuid.*/$own/" "$labdir/2/host/etc/libvirtd.conf"
    restart 2
    refresh b
    all_fit
}

# check_json HOST: docs/json.md describes what is printed, and nothing else.
check_json ()
{
    local what
    wherry host show "$1" --json > host-show.json
    wherry host list --json > host-list.json
    wherry host refresh --json > host-refresh.json
    wherry host choose web --json > host-choose.json
    wherry vm list --json > vm-list.json
    wherry vm show web --json > vm-show.json
    for what in 'host show' 'host list' 'host refresh' 'host choose' 'vm list' 'vm show'; do
        described "$what" > docs
        printed "${what// /-}.json" > program
        diff -u --label docs/json.md --label "wherry $what --json" docs program ||
            fail "docs/json.md and $what --json differ"
    done
}

# A job has a VM on its way there; then one that somebody else moves there.
test_receiving ()
{
    local other=5a1d1c3e-0000-4000-8000-0000000000cc target
    small_vm 1 db $other
    refresh a
    target=$(fleet_tool reserve db $job | cut -f 1)
    choose
    out "$target" "is receiving 1 of at most 1 VMs"
    choose --max-inbound 2
    [ "$(ranks | wc -w)" -eq 2 ] || fail "the limit is not settable: $(cat chosen.json)"
    wherry vm show db --json | jq -e '.state == "migrating"' > /dev/null || fail "not migrating"
    wherry host show "$target" --json | jq -e --arg vm $other '.reservations |
        length == 1 and .[0].uuid == $vm and .[0].memory == 16777216' > /dev/null ||
        fail "$(wherry host show "$target")"
    check_json "$target"
    fails_with "job" wherry host remove "$target"
    # The same job again has what it has; another is refused.
    [ "$(fleet_tool reserve db $job | cut -f 1)" = "$target" ] || fail "not the same again"
    fails_with "is being migrated to '$target'" fleet_tool reserve db "${job%f}e"
    fleet_tool release $job
    wherry vm show db --json | jq -e '.state == "paused"' > /dev/null || fail "still migrating"
    all_fit
    # A job that is no more has left its reservation: the next recovery gives it up.
    fleet_tool reserve db $job > /dev/null
    wherry job list > /dev/null
    all_fit

    qemu-img create -q -f qcow2 "$(images 2)/db.qcow2" 100M
    openssl rand -out random 62914560
    on 1 destroy db
    qemu-img convert -n -O qcow2 random "$(images 1)/db.qcow2"
    on 1 start db --paused
    on 1 migrate db qemu+tcp://10.77.0.2/system tcp://10.77.0.2 --p2p --live --copy-storage-all \
        --bandwidth 1 &
    wait_for 20 sh -c "$hosts net $labdir virsh -c qemu+tcp://10.77.0.2/system domstate db"
    choose
    out b "1 of them moved by others"
    on 1 domjobabort db
    wait $! && fail "the migration went through"
    on 1 destroy db
    on 1 undefine db
    refresh
    all_fit
}

# What is scarcest decides: the one with less room in its pool is second.
test_rank ()
{
    "$libvirtd" in "$labdir/2" mount -t tmpfs -o size=1G tmpfs /var/lib/libvirt/images
    "$libvirtd" in "$labdir/2" fallocate -l 1000M /var/lib/libvirt/images/ballast
    refresh
    # Or CPU time would be what is scarcest on a machine that other tests use, too.
    sqlite3 "$state" 'UPDATE fleet_host SET busy = 0.2'
    choose
    [ "$(ranks)" = "c b" ] || fail "ranks: $(ranks): $(cat chosen.json)"
    jq -e '.target == "c" and (.hosts | map(.host)) == ["c", "b", "a"] and
        .hosts[0].headroom > .hosts[1].headroom' chosen.json > /dev/null || fail "$(cat chosen.json)"
    "$libvirtd" in "$labdir/2" umount /var/lib/libvirt/images
    refresh b
    wherry host choose web > words
    grep -E '^  1  [bc]  .* after the move' words > /dev/null || fail "$(cat words)"
    grep -E '^out  a  .* the VM is on it' words > /dev/null || fail "$(cat words)"
}

start_hosts 3
for host in 1 2 3; do
    "$libvirtd" network "$labdir/$host" lan virbr0
    "$libvirtd" net "$labdir/$host" ip link add br7 type bridge
    "$libvirtd" net "$labdir/$host" ip link set br7 up
    on "$host" pool-create-as some dir --target /var/lib/libvirt/images > /dev/null
done
add_hosts 2 --label rack=1
wherry host add c qemu+tcp://10.77.0.3/system --insecure --label rack=2 > /dev/null 2>&1
small_vm 1 web $uuid '<rng model="virtio"><backend model="random">/dev/urandom</backend></rng>
    <interface type="network"><source network="lan"/><model type="virtio"/></interface>
    <interface type="bridge"><source bridge="br7"/><model type="virtio"/></interface>'
refresh
all_fit
test_abnormal
test_limits
test_full_pool
test_network
test_names
test_qemu
test_ties
test_same_uuid
test_receiving
test_rank
