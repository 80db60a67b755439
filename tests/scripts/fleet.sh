#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Hosts are added, read and shown: three real libvirtd (tests/lab/hosts); virsh, qemu-img and the
# kernel say what is right.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
# shellcheck source=tests/scripts/lab-functions.sh
. "$SOURCE_ROOT/tests/scripts/lab-functions.sh"
# shellcheck source=tests/scripts/fleet-functions.sh
. "$SOURCE_ROOT/tests/scripts/fleet-functions.sh"

uuid=5a1d1c3e-0000-4000-8000-0000000000aa

# shows WANTED JQ: of show.json.
shows ()
{
    local got
    got=$(jq -r "$2" show.json)
    [ "$got" = "$1" ] || fail "$2 is '$got', not '$1'"
}

refresh_and_show ()
{
    wherry host refresh a > /dev/null
    wherry host show a --json > show.json
}

test_add ()
{
    fails_with "has no encryption" wherry host add a qemu+tcp://10.77.0.1/system
    fails_with "below none of" wherry host add a qemu+tcp://10.77.0.1/system --insecure \
        --pool vms=/etc/vms
    echo '[fleet]
pool-roots=/opt' > roots.conf
    fails_with "/opt" wherry host add a qemu+tcp://10.77.0.1/system --insecure \
        --pool vms=/srv/vms --config roots.conf
    wherry host add z qemu+tcp://10.77.0.9/system --insecure --pool vms=/opt/vms \
        --config roots.conf > /dev/null 2>&1
    wherry host remove z
    echo '[fleet]
max-laod=1' > wrong.conf
    fails_with "max-laod" wherry host list --config wrong.conf
    fails_with "cannot read" wherry host list --config nowhere.conf

    add_hosts 3 --label rack=1
    [ "$(grep -c 'without encryption' warnings)" -eq 3 ] || fail "no warning: $(cat warnings)"
    wherry host list > hosts.txt
    [ "$(grep -c 'ABNORMAL: it was never read' hosts.txt)" -eq 3 ] || fail "$(cat hosts.txt)"
    fails_with "no host 'x'; there are: a, b, c" wherry host show x
}

# What the host itself says, by other ways.
test_facts ()
{
    "$libvirtd" network "$labdir/1" lan virbr0
    "$libvirtd" net "$labdir/1" ip link add br7 type bridge
    "$libvirtd" net "$labdir/1" ip link set br7 up
    mkdir "$(images 1)/p"
    on 1 pool-create-as p dir --target /var/lib/libvirt/images/p > /dev/null
    small_vm 1 web $uuid
    # Three vCPUs' worth of nothing, a second disk that is raw, and an empty drive.
    refresh_and_show

    shows "$(nproc)" .cpus
    shows "$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) * 1024))" .memory
    jq -e '.memory_free > 0 and .memory_free < .memory and .busy_cpus >= 0 and
        .busy_cpus <= .cpus and .abnormal == null' show.json > /dev/null || fail "$(cat show.json)"
    shows "$(libvirtd --version | sed 's/.* //')" .libvirt
    shows "$(qemu-system-x86_64 --version | sed -n 's/.*version \([0-9.]*\).*/\1/p')" .qemu
    shows "$(on 1 capabilities | sed -n 's,.*<model>\(.*\)</model>.*,\1,p' | head -1)" .cpu_model
    shows host-1 .hostname
    shows "$(sed -n 's/^host_uuid = "\(.*\)"/\1/p' "$labdir/1/host/etc/libvirtd.conf")" .uuid
    shows true '.machines | index("pc-i440fx-7.2") != null and index("q35") != null'
    shows 'lan virbr0 true' '.networks[] | "\(.name) \(.bridge) \(.active)"'
    shows true '.bridges | index("br7") != null and index("lo") == null'
    shows '/var/lib/libvirt/images/p true' '.found_pools[] | select(.name == "p") |
        "\(.path) \(.active)"'
    shows "default /var/lib/libvirt/images null" '.pools[] | "\(.name) \(.path) \(.problem)"'
    shows "$(($(stat -f -c '%S * %b' "$(images 1)")))" '.pools[0].capacity'

    wherry vm show web --json > show.json
    shows "a 10.77.0.1 paused 16777216 1" '"\(.host) \(.address) \(.state) \(.memory) \(.vcpus)"'
    shows "vda disk file /var/lib/libvirt/images/web.qcow2 qcow2 104857600" '.disks[] |
        "\(.target) \(.device) \(.type) \(.source) \(.format) \(.capacity)"'
    shows "$(($(stat -c '%b * %B' "$(images 1)/web.qcow2")))" '.disks[0].allocation'
}

# A pool whose libvirt has not looked at it since: what is free is that of now.
test_space ()
{
    local before after
    "$libvirtd" in "$labdir/1" mount -t tmpfs -o size=64M tmpfs /var/lib/libvirt/images/p
    wherry host add d qemu+tcp://10.77.0.1/system?x=1 --insecure --address 10.77.0.101 \
        --pool p=/var/lib/libvirt/images/p --pool deeper=/var/lib/libvirt/images/p/x/y \
        > /dev/null 2>&1
    wherry host refresh d > /dev/null
    before=$(wherry host show d --json | jq -c '[.pools[].available]')
    [ "$before" = '[67108864,67108864]' ] || fail "$before are free of a new tmpfs"
    "$libvirtd" in "$labdir/1" dd if=/dev/zero of=/var/lib/libvirt/images/p/full bs=1M count=60 \
        2> /dev/null
    wherry host refresh d > /dev/null
    after=$(wherry host show d --json | jq -c '[.pools[].available]')
    [ "$after" = '[4194304,4194304]' ] || fail "$after are free"
    [ ! -e "$(images 1)/p/x" ] || fail "a directory was made"
    on 1 pool-list --all --name | grep wherry && fail "a pool of ours is left"
    wherry host remove d
}

# The next refresh sees what has changed, and nothing else.
test_changes ()
{
    on 1 resume web
    on 1 attach-disk web /var/lib/libvirt/images/more vdb --subdriver raw > /dev/null 2>&1 &&
        fail "the disk is not there"
    truncate -s 5M "$(images 1)/more"
    on 1 attach-disk web /var/lib/libvirt/images/more vdb --subdriver raw > /dev/null
    on 1 blockresize web vda 120M > /dev/null
    small_vm 2 web 5a1d1c3e-0000-4000-8000-0000000000bb
    wherry host refresh > /dev/null
    fails_with "2 VMs are called 'web'" wherry vm show web
    wherry vm show web --host 10.77.0.1 --json > show.json
    shows running .state
    shows "vda 125829120 vdb 5242880" '[.disks[] | "\(.target) \(.capacity)"] | join(" ")'
    wherry vm list --json > show.json
    shows "web web" '[.vms[].name] | join(" ")'
    on 2 destroy web
    wherry host refresh b > /dev/null
    wherry vm show web --host b --json > show.json
    shows off .state
    on 2 undefine web
    on 1 destroy web
    wherry host refresh > /dev/null
    wherry vm show web --json > show.json
    shows off .state
}

# One that hangs takes its own time; the others are read, and its old facts are kept.
test_hung ()
{
    local pid start
    pid=$("$libvirtd" pid "$labdir/2")
    kill -STOP "$pid"
    wherry host list --json | jq -r '.hosts[] | select(.name == "c") | .read' > before
    sleep 1
    start=$SECONDS
    fails_with "1 of 3 hosts could not be read: b:" wherry host refresh --timeout 5
    [ $((SECONDS - start)) -le 20 ] || fail "it took $((SECONDS - start)) s"
    kill -CONT "$pid"
    wherry host list --json > show.json
    shows "null true null" '[.hosts[].abnormal | if . then contains("does not answer") else . end] |
        map(tostring) | join(" ")'
    shows true '.hosts[1].memory > 0 and .hosts[1].tried > .hosts[1].read'
    [ "$(jq -r '.hosts[2].read' show.json)" != "$(cat before)" ] || fail "host c was not read"
    wherry host refresh b > /dev/null
    wherry host list --json > show.json
    shows null '.hosts[1].abnormal'
}

start_hosts 3
test_add
test_facts
test_space
test_changes
test_hung
