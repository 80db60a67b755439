#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A VM that writes numbered records to two disks (qcow2 and raw) and counts in memory moves to another
# host and back: nothing is lost or torn, no number is said twice, the disks are as sparse as before.
# Once with BIOS, once with UEFI.  virsh, qemu-img and the guest itself say what is right.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
# shellcheck source=tests/scripts/lab-functions.sh
. "$SOURCE_ROOT/tests/scripts/lab-functions.sh"
# shellcheck source=tests/scripts/migrate-functions.sh
. "$SOURCE_ROOT/tests/scripts/migrate-functions.sh"

requires openssl version
requires sqlite3 --version
requires iptables --version

start_fleet 2

# as_sparse_as FILE BYTES: it takes at most a few MiB more; the guest has gone on writing.
as_sparse_as ()
{
    local now
    now=$(bytes_of "$1")
    [ "$now" -le $(($2 + (24 << 20))) ] || fail "$1 takes $now bytes, it was $2"
}

# image_of FILE: its format and size.
image_of ()
{
    qemu-img info -U --output=json "$1" | jq -r '.format, ."virtual-size"' | xargs
}

# move FROM TO ARG...: and all that must be true after it.
move ()
{
    local from=$1 to=$2 vda vdb image
    shift 2
    image=$(image_of "$(disk_of "$from" vda)")
    vda=$(bytes_of "$(disk_of "$from" vda)") vdb=$(bytes_of "$(disk_of "$from" vdb)")
    migrate "$@" > out 2> err || fail "it did not move: $(cat err)"
    runs_only_on "$to"
    take_console "$from"
    writes_on "$to"
    as_sparse_as "$(disk_of "$to" vda)" "$vda"
    as_sparse_as "$(disk_of "$to" vdb)" "$vdb"
    [ "$(image_of "$(disk_of "$to" vda)")" = "$image" ] || fail "vda is no $image any more"
    has_all_records "$to"
    [ "$(wherry vm show vm --json | jq -r '.host, .state' | xargs)" = "h$to running" ] ||
        fail "the store says: $(wherry vm show vm --json)"
    grep -qE 'moved from|"event":"done"' out || fail "it says: $(cat out)"
}

# gives WANTED CMD...: the command succeeds and prints exactly that.
gives ()
{
    local wanted=$1 got
    shift
    got=$("$@") || fail "'$*' failed"
    [ "$got" = "$wanted" ] || fail "'$*' gave '$got', not '$wanted'"
}

has_job ()
{
    cloud 1 standing $uuid | grep -q job
}

# The calls of src/cloud below it, by themselves.
test_cloud ()
{
    local images=/var/lib/libvirt/images disk pid
    cloud 1 disks $uuid > described-disks
    gives "vda	file	disk	$images/vm-vda.qcow2	qcow2	-	0	0	268435456
vdb	file	disk	$images/vm-vdb.raw	raw	-	0	0	268435456" cut -f 1-9 described-disks
    gives "running	 persistent" cloud 1 standing $uuid
    gives "none	" cloud 2 standing $uuid
    cloud 1 suspend $uuid
    gives "paused	 persistent" cloud 1 standing $uuid
    cloud 1 resume $uuid
    gives running on 1 domstate vm
    cloud 1 dirty-rate $uuid > rate
    cloud 1 abort $uuid # there is none, which is right
    gives - cloud 1 heal $uuid vda vdb
    fails_with 'cutting the copies' cloud 1 yank $uuid vda

    for disk in vda.qcow2 vdb.raw; do
        qemu-img create -q -f "${disk#*.}" "$(images 2)/vm-$disk" 256M
    done
    cloud 1 migrate $uuid qemu+tcp://10.77.0.2/system 10.77.0.2 paused $((4 << 20)) \
        vda $images/vm-vda.qcow2 vdb $images/vm-vdb.raw 2> moving.err &
    pid=$!
    wait_for 60 has_job || fail "it does not begin: $(cat moving.err)"
    cloud 1 migration $uuid now > progress
    until ! kill -0 $pid 2> /dev/null; do
        cloud 1 abort $uuid
        sleep 1
    done
    ! wait $pid || fail "it has moved"
    grep -q '^CANCELLED: ' moving.err || fail "it says: $(cat moving.err)"
    gives "running	 persistent" cloud 1 standing $uuid
    gives "none	" cloud 2 standing $uuid
    rm "$(images 2)"/vm-*
}

test_dry_run ()
{
    wherry migrate vm --dry-run > out 2> err || fail "dry run: $(cat err)"
    grep -q '^forecast: ' out || fail "no forecast: $(cat out)"
    grep -q 'h2' out || fail "no choice: $(cat out)"
    wherry migrate vm --dry-run --json > plan.json 2> err
    jq -e '.event == "plan" and .choice.target == "h2" and (.disks | length) == 2 and
        .forecast.converges' plan.json > jq.out || fail "the plan is $(cat plan.json)"
    no_files_on 2
    [ "$(wherry job list --json | jq '.jobs | length')" -eq 0 ] || fail "a dry run made a job"
    runs_only_on 1
}

test_json ()
{
    described migrate > docs
    # All but the choice, which is the fleet's.
    {
        printed plan.json | grep -v '^choice'
        echo choice
        printed done.json
        printed progress.json
    } | sort -u > program
    diff -u docs program || fail "docs/json.md and migrate --json differ"
}

# here VERB ARG...: wherry on host 1 itself, with a store of its own.
here ()
{
    "$libvirtd" in "$labdir/1" "$PROGRAM" "$1" --state "$workdir/here/wherry.db" "${@:2}"
}

# gives_up STATUS TEXT CMD...: it fails with that status, and says TEXT.
gives_up ()
{
    local status=$1 text=$2 r=0
    shift 2
    "$@" > out 2> err || r=$?
    [ $r -eq "$status" ] || fail "'$*': status $r: $(cat err)"
    grep -qF -- "$text" err || fail "no '$text' in: $(cat err)"
    runs_only_on 1
    no_files_on 2
}

# A firewall before the target's QEMU: tried where wherry is on the source, told where it is not.
test_ports ()
{
    local close=(INPUT -p tcp --dport 49152:49215 -j REJECT --reject-with icmp-host-prohibited)
    here host add a qemu:///system --address 10.77.0.1 > added 2>&1 || fail "$(cat added)"
    here host add b qemu+tcp://10.77.0.2/system --insecure > added 2>&1 || fail "$(cat added)"
    "$libvirtd" in "$labdir/2" iptables -A "${close[@]}"
    gives_up 4 "port 49152 of '10.77.0.2' cannot be reached" here migrate vm --quiet --attempts 1
    gives_up 4 'must be open for the source' here migrate vm --quiet --attempts 1 --force
    gives_up 4 'must be open for the source' migrate --attempts 1
    "$libvirtd" in "$labdir/2" iptables -D "${close[@]}"
}

test_refusals ()
{
    fails_with "no VM 'nix'" wherry migrate nix --quiet
    fails_with "--accept-postcopy-risk" migrate --on-timeout postcopy
    fails_with "needs --commit fast" migrate --on-timeout postcopy --accept-postcopy-risk
    fails_with "--parallel do not go" migrate --on-timeout postcopy --accept-postcopy-risk \
        --commit fast --parallel 2
    fails_with "--alternates do not go" migrate --detach --alternates 1
    fails_with "--bandwidth is" migrate --bandwidth 5K
    fails_with "is not in --disks" migrate --disks vda
    fails_with "no disk 'vdz'" migrate --disks vda,vdb,vdz
    fails_with "the move would take about" migrate --timeout 1 --bandwidth 16M
    no_files_on 2
    runs_only_on 1
}

# there_and_back FIRMWARE
there_and_back ()
{
    start_vm 1 "$1" ''
    wherry host refresh > refresh.out
    if [ "$1" = bios ]; then
        test_cloud
        test_dry_run
        test_refusals
        test_ports
    fi
    on 1 autostart vm > /dev/null
    move 1 2
    no_nvram 1
    old_copies_go
    move 2 1 --commit fast --delete-source-after 0 --json
    tail -n 1 out > done.json
    grep '"event":"progress"' out | tail -n 1 > progress.json
    no_files_on 2
    no_nvram 2
    at=1
    if [ "$1" = bios ]; then
        test_options
        test_alternates
    fi
    said_in_order "$at"
    [ "$1" = bios ] || test_switched_off
    end_vm
}

# Switched off by somebody while it is moved: it stays where it is, off, and the store knows that.
test_switched_off ()
{
    local pid r=0
    migrate --bandwidth 8M --json > out 2> err &
    pid=$!
    wait_for 60 grep -q 'copying the disks' out || fail "no disks are copied: $(cat out err)"
    on "$at" destroy vm > /dev/null
    wait $pid || r=$?
    [ $r -eq 4 ] || fail "status $r: $(cat err)"
    grep -q 'was switched off while it was being moved' err || fail "it says: $(cat err)"
    [ "$(wherry vm show vm --json | jq -r '.host, .state' | xargs)" = "h$at off" ] ||
        fail "the store says: $(wherry vm show vm --json)"
    no_files_on "$(other "$at")"
}

# end_vm: it is gone with its disks, wherever it is.
end_vm ()
{
    on "$at" destroy vm > /dev/null 2>&1 || true # it may be off
    on "$at" undefine vm --nvram > /dev/null
    rm -f "$(images "$at")"/*
    wherry host refresh > refresh.out # which forgets how it was
}

# step ARG...: from where it is to the other host.
step ()
{
    local to
    to=$(other "$at")
    move "$at" "$to" --delete-source-after 0 "$@"
    no_files_on "$at"
    at=$to
}

# Those that one move shows.
test_options ()
{
    step --parallel 2 --disks vda,vdb
    on "$at" dominfo vm > facts
    grep -qE '^Autostart: +enable' facts || fail "its host does not start it: $(cat facts)"
    test_tls
    test_detach
}

# make_certificate I ADDRESS: of the authority in tls, for host I, as QEMU wants it.
make_certificate ()
{
    local dir=$labdir/$1/host/etc/pki name
    openssl req -newkey rsa:2048 -nodes -subj "/CN=host-$1" -keyout tls/key.pem -out tls/req.pem \
        2> openssl.err
    openssl x509 -req -in tls/req.pem -CA tls/ca-cert.pem -CAkey tls/ca-key.pem -CAcreateserial \
        -days 2 -extfile <(echo "subjectAltName=IP:$2") -out tls/cert.pem 2> openssl.err
    for name in server client; do
        cp tls/cert.pem "$dir/$name-cert.pem"
        cp tls/key.pem "$dir/$name-key.pem"
    done
    cp tls/ca-cert.pem "$dir/ca-cert.pem"
}

# Only with certificates, and only to the host that they name: so it is encrypted, and to whom.
test_tls ()
{
    local to
    to=$(other "$at")
    mkdir tls
    openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=ca -days 2 -keyout tls/ca-key.pem \
        -out tls/ca-cert.pem 2> openssl.err
    fails_tls 'on both hosts (migrate_tls_x509_cert_dir'
    make_certificate 1 10.77.0.1
    make_certificate 2 10.77.0.2
    step --tls
    to=$(other "$at")
    make_certificate "$to" 10.77.0.77
    fails_tls ''
}

# fails_tls TEXT: with --tls it does not move, and says TEXT.
fails_tls ()
{
    local r=0
    migrate --tls --attempts 1 > out 2> err || r=$?
    [ $r -eq 4 ] || fail "--tls: status $r: $(cat err)"
    grep -qF -- "$1" err || fail "no '$1' in: $(cat err)"
    runs_only_on "$at"
}

test_detach ()
{
    local to id
    to=$(other "$at")
    migrate --detach --delete-source-after 0 --json > out || fail "--detach: $(cat out)"
    id=$(jq -r 'select(.event == "detached") | .job' out)
    wait_for 120 job_is "$id" 'done' || fail "job $id: $(wherry job show "$id")"
    runs_only_on "$to"
    take_console "$at"
    writes_on "$to"
    no_files_on "$at"
    at=$to
}

# job_is ID STATE
job_is ()
{
    [ "$(wherry job show "$1" --json | jq -r .state)" = "$2" ]
}

# make_read_only I, make_writable I: what its libvirtd may write to.
make_read_only () { "$libvirtd" in "$labdir/$1" mount -o remount,ro,bind /var/lib/libvirt; }
make_writable () { "$libvirtd" in "$labdir/$1" mount -o remount,rw,bind /var/lib/libvirt; }

# chosen JOB: the host that it has chosen, as a number; fails if none yet.
chosen ()
{
    sqlite3 -cmd '.timeout 10000' "$state" \
        "SELECT ltrim(value, 'h') FROM job_note WHERE key = 'host' AND job = $1" | grep .
}

# Of two other hosts, whichever is chosen first cannot make the disks.
test_alternates ()
{
    local first second i job pid
    "$hosts" start "$labdir" 3 > /dev/null
    wherry host add h3 qemu+tcp://10.77.0.3/system --insecure \
        --pool default=/var/lib/libvirt/images > added.json 2> added.err || fail "$(cat added.err)"
    for i in $(seq 3 | grep -v "$at"); do
        make_read_only "$i"
    done
    job=$(($(sqlite3 "$state" 'SELECT max(id) FROM job') + 1))
    migrate --alternates 1 --attempts 2 --delete-source-after 0 > out 2> err &
    pid=$!
    wait_for 60 chosen $job || fail "no host is chosen: $(cat err)"
    first=$(chosen $job)
    second=$((6 - at - first))
    make_writable $second
    wait $pid || fail "--alternates: $(cat err)"
    make_writable "$first"
    grep -q "is rolled back: task 'disk vda' failed 2 times" err || fail "h$first: $(cat err)"
    take_console "$at"
    at=$second
    [ "$(on "$at" domstate vm)" = running ] || fail "it is not on h$at: $(cat err)"
    for ((i = 1; i <= 3; i++)); do
        [ $i -eq "$at" ] || [ -z "$(on $i list --all --name | xargs)" ] || fail "host $i has it, too"
        [ $i -eq "$at" ] || no_files_on $i
    done
    writes_on "$at"
    has_all_records "$at"
}

# Those on host 1 are kept for a day; then `job recover` removes them.
old_copies_go ()
{
    [ "$(find "$(images 1)" -type f | wc -l)" -eq 2 ] || fail "the old copies are gone at once"
    wherry job recover > recovered 2>&1
    [ "$(find "$(images 1)" -type f | wc -l)" -eq 2 ] || fail "they went too early"
    sqlite3 "$state" 'UPDATE migrate_grace SET due = 1'
    wherry job recover > recovered 2>&1
    no_files_on 1
}

# no_nvram I: the firmware's variables of the VM have gone with it.
no_nvram ()
{
    [ -z "$(find "$labdir/$1/host/lib/qemu/nvram" -type f 2>/dev/null)" ] || fail "NVRAM left on $1"
}

# look_on PID: while it lives, what host 1 and its QEMU say of the move goes to the file `seen`.
look_on ()
{
    while kill -0 "$1" 2> /dev/null; do
        on 1 domjobinfo vm || true
        on 1 migrate-getmaxdowntime vm | sed 's/^/downtime /' || true
        sleep 0.3
    done > seen 2> /dev/null
}

# A guest that changes its memory faster than it goes over is refused; by force it is slowed down, may
# stand still for longer and longer, and is paused in the end.  Emulated CPUs do not always bring such
# a one over whole, by `virsh migrate` neither: only the hosts are asked.
test_busy ()
{
    local pid
    start_vm 1 bios dirty=40 32M
    wherry host remove h3 > removed || fail "host remove: $(cat removed)"
    wherry host refresh > refresh.out
    at=1
    fails_with "the move would not come to an end" migrate --bandwidth 2M
    migrate --bandwidth 16M --force --delete-source-after 0 --timeout 25 --on-timeout pause \
        --verbose > out 2> err &
    pid=$!
    look_on $pid
    wait $pid || fail "it did not move: $(cat err)"
    at=2
    runs_only_on 2
    no_files_on 1
    grep -q 'the guest is paused until it has moved' err || fail "not paused: $(cat err)"
    grep -q 'the guest may stand still for 600 ms' err || fail "no longer stop: $(cat err)"
    grep -q '^downtime 600$' seen || fail "QEMU was not told of 600 ms"
    grep -qE '^Auto converge throttle: +[1-9]' seen || fail "the guest was not slowed down"
    end_vm
}

there_and_back bios
test_json
test_busy
there_and_back uefi
