# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Sourced after functions.sh by the scripts that need joined libvirt hosts (tests/lab/hosts).

PATH=$PATH:/usr/sbin:/sbin
workdir=$PWD # of functions.sh

requires [ "$(id -u)" -eq 0 ]
requires unshare --mount --uts --pid --net --fork true
requires ip -V
requires libvirtd --version
requires virsh --version
requires qemu-system-x86_64 --version
requires qemu-img --version
requires jq --version

hosts=$SOURCE_ROOT/tests/lab/hosts
libvirtd=$SOURCE_ROOT/tests/lab/libvirtd
labdir=$(mktemp -d /tmp/wherry-lab.XXXXXX) # short: sockets lie below it
clean_up ()
{
    cd /
    "$hosts" stop "$labdir" || true
    rm -rf "$workdir" "$labdir"
}
trap clean_up EXIT
state=$workdir/state/wherry.db

# start_hosts N: they find each other, and have no VM.
start_hosts ()
{
    "$hosts" start "$labdir" "$1" > /dev/null
}

# on I VIRSH-ARG...
on ()
{
    local host=$1
    shift
    "$hosts" net "$labdir" virsh -q -c "qemu+tcp://10.77.0.$host/system" "$@"
}

# wherry VERB ARG...
wherry ()
{
    "$hosts" net "$labdir" "$PROGRAM" "$1" --state "$state" "${@:2}"
}

# images I: host I's /var/lib/libvirt/images, as seen here.
images ()
{
    echo "$labdir/$1/host/lib/images"
}

# wait_for SECONDS CMD [ARG...]: until it works.
wait_for ()
{
    local n=$(($1 * 10))
    shift
    until "$@" > /dev/null 2>&1; do
        [ $((n -= 1)) -gt 0 ] || return 1
        sleep 0.1
    done
}

# end_daemon I: its libvirtd ends; "$libvirtd" start "$labdir/I" starts it again.
end_daemon ()
{
    local pid
    pid=$("$libvirtd" pid "$labdir/$1")
    kill "$pid"
    wait_for 30 [ ! -e "/proc/$pid" ]
}
