# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Sourced after lab-functions.sh by the scripts about hosts and the choice among them.
# shellcheck disable=SC2154 # what lab-functions.sh sets

# add_hosts N [OPTION...]: hosts a, b, c ..., which are 1, 2, 3 ... of the lab.
add_hosts ()
{
    local count=$1 names=abcdef i
    shift
    for ((i = 1; i <= count; i++)); do
        wherry host add "${names:i-1:1}" "qemu+tcp://10.77.0.$i/system" --insecure "$@" \
            > /dev/null 2>> warnings
    done
}

# small_vm I NAME UUID [DEVICES]: a VM on host I that runs, though it has nothing to run: 16 MiB,
# one vCPU, its CPUs stopped, a qcow2 of 100 MiB.
small_vm ()
{
    qemu-img create -q -f qcow2 "$(images "$1")/$2.qcow2" 100M
    cat > "$2.xml" <<-XML
	<domain type="qemu"><name>$2</name><uuid>$3</uuid>
	<memory unit="MiB">16</memory><vcpu>1</vcpu>
	<os><type arch="x86_64" machine="pc-i440fx-7.2">hvm</type></os>
	<features><acpi/></features><cpu mode="custom" match="exact"><model>qemu64</model></cpu>
	<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
	<disk type="file" device="disk"><driver name="qemu" type="qcow2"/>
	<source file="/var/lib/libvirt/images/$2.qcow2"/><target dev="vda" bus="virtio"/></disk>
	<memballoon model="none"/>${4-}</devices></domain>
	XML
    on "$1" define "$2.xml" > /dev/null
    on "$1" start "$2" --paused > /dev/null
}

# fake I SED-SCRIPT: host I takes QEMU for what it is not.  A fake: libvirtd keeps what it found of
# QEMU in a cache, and that is edited, since there is but one QEMU and one CPU on this machine.
fake ()
{
    on "$1" capabilities > /dev/null # fills it
    end_daemon "$1"
    sed -i "$2" "$labdir/$1"/host/cache/qemu/capabilities/*.xml
    "$libvirtd" start "$labdir/$1" > /dev/null
}

# restart I [REAL]: its libvirtd, with what host 1 found of QEMU if REAL is given.
restart ()
{
    end_daemon "$1"
    [ -z "${2-}" ] || cp "$labdir"/1/host/cache/qemu/capabilities/*.xml \
        "$labdir/$1/host/cache/qemu/capabilities"
    "$libvirtd" start "$labdir/$1" > /dev/null
}

# choose [OPTION...]: judge the VM "web"; its result is in chosen.json.
choose ()
{
    wherry host choose web --json "$@" > chosen.json 2> chosen.err || [ $? -eq 1 ] ||
        fail "$(cat chosen.err)"
}

# ranks: "b c", the hosts that are not out, in their order.
ranks ()
{
    jq -r '[.hosts[] | select(.rank)] | sort_by(.rank) | map(.host) | join(" ")' chosen.json
}

# out HOST WORDS: it is out, and one of the reasons says so.
out ()
{
    jq -e --arg host "$1" --arg words "$2" '.hosts[] | select(.host == $host) |
        .rank == null and any(.reasons[]; contains($words))' chosen.json > /dev/null ||
        fail "host $1 is not out for '$2': $(jq -c ".hosts[] | select(.host == \"$1\")" chosen.json)"
}
