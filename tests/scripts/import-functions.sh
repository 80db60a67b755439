# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Sourced by the scripts about import, after functions.sh: a libvirt host of their own
# (tests/lab/libvirtd), small bundles, and what is on the host before and after.

PATH=$PATH:/usr/sbin:/sbin
workdir=$PWD # of functions.sh

requires [ "$(id -u)" -eq 0 ]
requires unshare --mount --uts --pid --net --fork true
requires libvirtd --version
requires virsh --version
requires qemu-system-x86_64 --version
requires qemu-img --version
requires mke2fs -V
requires jq --version
requires openssl version

lab=$SOURCE_ROOT/tests/lab/libvirtd
# A socket lies below it, whose path must be short.
labdir=$(mktemp -d /tmp/wherry-lab.XXXXXX)
mounts=()
clean_up ()
{
    cd /
    "$lab" stop "$labdir" || true
    for dir in "${mounts[@]}"; do umount -l "$dir" 2>/dev/null || true; done
    rm -rf "$workdir" "$labdir"
}
trap clean_up EXIT

# start_host: with the networks "default" and "lan"; sets uri.
start_host ()
{
    uri=$("$lab" start "$labdir")
    "$lab" network "$labdir" default wbr0
    "$lab" network "$labdir" lan wbr1
    state=$workdir/state/wherry.db
    mkdir pools # for pools of their own path
    # libvirtd makes directories of its own with the first pool, which stay.
    libvirt pool-define-as first dir --target "$workdir/pools"
    libvirt pool-autostart first
    libvirt pool-undefine first
}

libvirt ()
{
    virsh -q -c "$uri" "$@"
}

# random_file FILE MIB: the same bytes in every run.
random_file ()
{
    head -c $(($2 << 20)) /dev/zero |
        openssl enc -aes-128-ctr -pbkdf2 -pass "pass:$1" -nosalt > "$1"
}

# make_bundle NAME FIRMWARE [MIB...]: medium/wherry/NAME, a recorded machine with disks of
# random data of these sizes (12).
make_bundle ()
{
    local name=$1 firmware=$2 disks=() mib i=0
    shift 2
    for mib in "${@:-12}"; do
        random_file "$name-$i.raw" "$mib"
        disks+=("$name-$i.raw")
        i=$((i + 1))
    done
    mkdir -p medium
    WHERRY_ROOT=$SOURCE_ROOT/tests/facts/$firmware/root "$PROGRAM" capture --quiet \
        --to medium --name "$name" "${disks[@]}" > capture.out
}

# import [ARG...]: with what every import here needs: our host, our state, one CPU.
import ()
{
    "$PROGRAM" import --quiet --cloud "$uri" --state "$state" --vcpus 1 --memory 256M "$@"
}

# files EXPRESSION: find's, on what is of the host, but for what libvirtd keeps of itself.
files ()
{
    find "$labdir/host/lib" "$labdir/host/etc" "$workdir/pools" -name 'capabilities*' -o \
        -name dnsmasq -prune -o "$@"
}

# snapshot FILE: all that is on the host but its logs and caches: domains, pools, volumes, networks,
# files.
snapshot ()
{
    local pool
    {
        libvirt list --all --uuid --name | sort
        for pool in $(libvirt pool-list --all --name | sort); do
            libvirt pool-dumpxml "$pool" --inactive | sed '/<\(capacity\|allocation\|available\) /d'
            libvirt pool-info "$pool" | grep -vE 'Capacity|Allocation|Available'
            libvirt vol-list "$pool" 2>/dev/null | sort || true
        done
        libvirt net-list --all
        files -printf '%p %y %m %U:%G\n' | sort
        files -type f -print0 | sort -z | xargs -0 sha256sum
    } > "$1"
}

# unchanged BEFORE: nothing of the host differs from that snapshot, and no job's claim is left.
unchanged ()
{
    snapshot after
    diff "$1" after > difference || fail "something is left, or gone: $(cat difference)"
    no_claims
}

no_claims ()
{
    [ ! -e "$state" ] || ! sqlite3 "$state" .tables | grep import_claim > /dev/null ||
        [ -z "$(sqlite3 "$state" 'SELECT * FROM import_claim')" ] ||
        fail "a claim is left: $(sqlite3 "$state" 'SELECT * FROM import_claim')"
}

# is_complete NAME BUNDLE: the VM is defined, each of its disks is a sound copy of the bundle's.
is_complete ()
{
    local path i=0
    libvirt domstate "$1" > /dev/null || fail "there is no VM '$1'"
    for path in $(libvirt domblklist "$1" | awk '{ print $2 }'); do
        # Paths are the host's.
        path=${path/#\/var\/lib\/libvirt/$labdir/host/lib}
        cmp "$path" "$2/disk-$i.qcow2" || fail "'$path' is not disk-$i.qcow2 of '$2'"
        i=$((i + 1))
    done
    [ "$i" -eq "$(jq '.disks | length' "$2/machine.json")" ] || fail "'$1' has $i disks"
    no_claims
}

# remove NAME: the VM with its disks, as a user would.
remove ()
{
    libvirt destroy "$1" > /dev/null 2>&1 || true
    libvirt undefine "$1" --nvram --remove-all-storage > /dev/null
}

# refused STATUS TEXT CMD...: that exit status, and TEXT in the last line on stderr.
refused ()
{
    local status=$1 text=$2 r=0
    shift 2
    "$@" > stdout 2> stderr < /dev/null || r=$?
    [ $r -eq "$status" ] || fail "'$*': exit status $r, not $status: $(cat stderr)"
    tail -n 1 stderr | grep -F -- "$text" > /dev/null || fail "'$*': no '$text' in: $(cat stderr)"
}
