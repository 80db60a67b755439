# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Sourced after lab-functions.sh by the scripts about moving VMs: a VM that writes numbered records to
# its disks (tests/vm/recorder.c).
# shellcheck disable=SC2154 # what lab-functions.sh sets

requires mmdebstrap --version
requires busybox true
requires cpio --version
requires [ -e /usr/share/OVMF/OVMF_CODE_4M.fd ]

cache=$SOURCE_ROOT/build/demo

# cloud I VERB [ARG...]: src/cloud on host I.
cloud ()
{
    local host=$1
    shift
    "$hosts" net "$labdir" "$CLOUD_TOOL" "qemu+tcp://10.77.0.$host/system" "$@"
}

find_archive ()
{
    find "$cache" -maxdepth 1 -name 'debian-*.tar' 2>/dev/null | sort | tail -n 1
}

# make_guest: system/vmlinuz and system/initrd; made once for all scripts, and again when anything
# that they are made of has changed.
make_guest ()
{
    local archive made
    if [ -z "$(find_archive)" ]; then
        "$SOURCE_ROOT/tests/vm/make-debian" --cache "$cache" --size 2048 --deleted 0 debian
        rm debian*
    fi
    archive=$(find_archive)
    made=$cache/guest-$({
        echo "$archive"
        cat "$SOURCE_ROOT"/tests/vm/{make-initramfs,recorder-init} "$RECORDER"
    } | sha256sum | cut -c 1-16)
    if [ ! -d "$made" ]; then
        "$SOURCE_ROOT/tests/vm/make-initramfs" --archive "$archive" \
            --init "$SOURCE_ROOT/tests/vm/recorder-init" --program "$RECORDER" \
            --module virtio_pci --module virtio_blk "$made.$$"
        mv -T "$made.$$" "$made" 2> /dev/null || rm -r "$made.$$" # another was faster
    fi
    ln -s "$made" system
}

# domain NAME UUID FIRMWARE KERNEL-ARGS [DISK-FORMAT...]: its XML.
domain ()
{
    local name=$1 uuid=$2 firmware=$3 arguments=$4 letters=abcdef i=0 format
    shift 4
    cat <<-XML
	<domain type="qemu"><name>$name</name><uuid>$uuid</uuid>
	<memory unit="MiB">192</memory><vcpu>1</vcpu>
	<os$([ "$firmware" = bios ] || echo " firmware='efi'")><type machine="pc-q35-7.2">hvm</type>
	$([ "$firmware" = bios ] ||
        echo '<firmware><feature enabled="no" name="secure-boot"/></firmware>')
	<kernel>$workdir/system/vmlinuz</kernel><initrd>$workdir/system/initrd</initrd>
	<cmdline>console=ttyS0 loglevel=1 nowatchdog rcupdate.rcu_cpu_stall_suppress=1 panic=-1 $arguments</cmdline></os>
	<features><acpi/></features><cpu mode="custom" match="exact"><model>qemu64</model></cpu>
	<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
	<serial type="file"><source path="/var/log/libvirt/$name.console" append="on"/></serial>
	<memballoon model="none"/>
	XML
    for format in "$@"; do
        echo "<disk type='file' device='disk'><driver name='qemu' type='$format' discard='unmap'/>
        <source file='/var/lib/libvirt/images/$name-vd${letters:$i:1}.$format'/>
        <target dev='vd${letters:$i:1}' bus='virtio'/></disk>"
        i=$((i + 1))
    done
    echo "</devices></domain>"
}

uuid=5a1d1c3e-0000-4000-8000-0000000000aa

# start_vm I FIRMWARE KERNEL-ARGS [DISK-SIZE]: "vm" with a qcow2 and a raw disk on host I, until it
# has written something.
start_vm ()
{
    local at=$1 dir
    dir=$(images "$at")
    mkdir -p "$dir"
    rm -f "$labdir"/*/host/log/vm.console transcript
    taken=()
    qemu-img create -q -f qcow2 "$dir/vm-vda.qcow2" "${4:-256M}"
    qemu-img create -q -f raw "$dir/vm-vdb.raw" "${4:-256M}"
    domain vm $uuid "$2" "$3" qcow2 raw > vm.xml
    on "$at" define vm.xml > /dev/null
    on "$at" start vm > /dev/null
    wait_for 90 grep -q '^N 20' "$labdir/$at/host/log/vm.console" ||
        fail "the VM does not write: $(tail -n 5 "$labdir/$at/host/log/vm.console")"
}

numbers_in ()
{
    tr -d '\r' < "$1" | sed -n 's/^N \([0-9]*\)$/\1/p'
}

# said I: the numbers that the VM has said on host I.
said ()
{
    numbers_in "$labdir/$1/host/log/vm.console"
}

# take_console I: what the VM has said on host I since the last time goes to the transcript.  Once for
# each host that it leaves: then the transcript is what it said, in order.
taken=()
take_console ()
{
    local console=$labdir/$1/host/log/vm.console size
    size=$(stat -c %s "$console")
    tail -c "+$((${taken[$1]-0} + 1))" "$console" | head -c $((size - ${taken[$1]-0})) >> transcript
    taken[$1]=$size
}

# said_in_order I: it is on host I, and has said every number once, one after the other; so has what
# counts in its memory.  A number may have been begun on one host and ended on the next.
said_in_order ()
{
    take_console "$1"
    tr -d '\r' < transcript | sed '$d' | awk '/^N 1$/ { begun = 1 }
        !begun { next }
        $0 != "N " last + 1 { print "after " last + 0 " came \"" $0 "\""; bad = 1; exit }
        { last++ }
        END { exit bad || last < 20 }' > order || fail "not in order: $(cat order)"
}

# other I: the other of two hosts.
other ()
{
    echo $((3 - $1))
}

# start_fleet N: N hosts, all known to wherry as h1, h2 ..., and the guest's system.
start_fleet ()
{
    local i
    start_hosts "$1"
    for ((i = 1; i <= $1; i++)); do
        mkdir -p "$(images $i)"
        wherry host add h$i "qemu+tcp://10.77.0.$i/system" --insecure \
            --pool default=/var/lib/libvirt/images --json > added.json 2> added.err ||
            fail "host add: $(cat added.err)"
    done
    make_guest
}

# migrate ARG...: "vm", with what every migration here needs.
migrate ()
{
    wherry migrate vm --quiet "$@"
}

# runs_only_on I: the VM runs there, is defined there, and is not known to the other host.
runs_only_on ()
{
    local there
    there=$(other "$1")
    [ "$(on "$1" domstate vm)" = running ] || fail "the VM is $(on "$1" domstate vm) on host $1"
    [ "$(on "$1" list --all --persistent --name | xargs)" = vm ] || fail "it is not defined on $1"
    [ -z "$(on "$there" list --all --name | xargs)" ] || fail "it is known on host $there, too"
}

# writes_on I: it goes on counting there, within two minutes: a machine may have much else to do.
writes_on ()
{
    local before now
    before=$(said "$1" | tail -n 1)
    for _ in {1..1200}; do
        now=$(said "$1" | tail -n 1)
        [ "${now:-0}" = "${before:-0}" ] || return 0
        sleep 0.1
    done
    fail "the VM does not go on on host $1: ${before:-nothing} was its last number"
}

# disk_of I TARGET: its file on host I, as seen here.
disk_of ()
{
    local path
    path=$(on "$1" domblklist vm | awk -v target="$2" '$1 == target { print $2 }')
    echo "${path/#\/var\/lib\/libvirt/$labdir/$1/host/lib}"
}

# has_all_records I: every record that it has said is on both disks, none torn.  The VM is stopped
# for the look.
has_all_records ()
{
    local target disk last
    on "$1" suspend vm
    take_console "$1" # the consoles one by one have lines that are made of two
    last=$(numbers_in transcript | tail -n 1)
    for target in vda vdb; do
        disk=$(disk_of "$1" $target)
        qemu-img convert -U -O raw "$disk" look.raw
        "$RECORDER" --check look.raw "$last" || fail "records are missing on $target of host $1"
    done
    on "$1" resume vm
}

# bytes_of FILE: that it takes on the disk.
bytes_of ()
{
    echo $(($(stat -c %b "$1") * 512))
}

# no_files_on I: nothing lies among its images.
no_files_on ()
{
    local left
    left=$(find "$(images "$1")" -type f)
    [ -z "$left" ] || fail "left on host $1: $left"
}

# last_job FILTER: jq's, of the last job.
last_job ()
{
    wherry job list --json > jobs.json
    wherry job show "$(jq '[.jobs[].id] | max' jobs.json)" --json > job.json
    jq -r "$1" job.json
}
