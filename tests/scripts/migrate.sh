#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A VM that writes numbered records to two disks (qcow2 and raw) and counts in memory moves to another
# host and back: nothing is lost or torn, no number is said twice, the disks are as sparse as before.
# Once with BIOS, once with UEFI.  virsh, qemu-img and the guest itself say what is right.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
# shellcheck source=tests/scripts/migrate-functions.sh
. "$SOURCE_ROOT/tests/scripts/migrate-functions.sh"

start_fleet 2

# as_sparse_as FILE BYTES: it takes at most a few MiB more; the guest has gone on writing.
as_sparse_as ()
{
    local now
    now=$(bytes_of "$1")
    [ "$now" -le $(($2 + (24 << 20))) ] || fail "$1 takes $now bytes, it was $2"
}

# move FROM TO ARG...: and all that must be true after it.
move ()
{
    local from=$1 to=$2 vda vdb
    shift 2
    vda=$(bytes_of "$(disk_of "$from" vda)") vdb=$(bytes_of "$(disk_of "$from" vdb)")
    migrate "$@" > out 2> err || fail "it did not move: $(cat err)"
    runs_only_on "$to"
    writes_on "$to"
    as_sparse_as "$(disk_of "$to" vda)" "$vda"
    as_sparse_as "$(disk_of "$to" vdb)" "$vdb"
    qemu-img info -U --output=json "$(disk_of "$to" vda)" |
        jq -e '.format == "qcow2" and ."virtual-size" == 268435456' > jq.out || fail "vda changed"
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
    printed plan.json | grep -v '^choice' > members
    printed done.json >> members
    printf 'done\nphase\ntotal\nwords\nchoice\n' >> members
    sort -u members > program
    diff -u docs program || fail "docs/json.md and migrate --json differ"
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
    fi
    move 1 2
    no_nvram 1
    old_copies_go
    move 2 1 --commit fast --delete-source-after 0 --json
    tail -n 1 out > done.json
    no_files_on 2
    no_nvram 2
    in_order
    on 1 destroy vm
    on 1 undefine vm --nvram > /dev/null
    rm -f "$(images 1)"/*
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

# The console of host 1 holds the begin and the end: all numbers, each once, none missing.
in_order ()
{
    { said 1; said 2; } | sort -n | awk 'NR > 1 && $1 != last + 1 { print last, $1; exit 1 }
        { last = $1 }' || fail "a number was said twice, or never"
}

there_and_back bios
test_json
there_and_back uefi
