#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Each task of an import fails once, twice, three times, and for ever, by a real cause: a directory
# that is read-only, a filesystem that is full, a file that is gone, a libvirtd that is dead, a network
# that is down.  Repaired in time, the VM is there; else all is as it was.  Then what others do
# meanwhile: a VM of the same name, two imports of one bundle, a medium that goes or changes.
#
# The cause comes just before the call that the task makes (RUN_AT, see tests/images/kill-at.c), and
# goes when the program says that the task has failed so many times.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
# shellcheck source=tests/scripts/import-functions.sh
. "$(dirname "$0")/import-functions.sh"

requires sqlite3 --version

start_host
make_bundle small bios 5 1
bundle=$workdir/medium/wherry/small
pool=$workdir/pools/tmpfs/deep/images

# on_host CMD...: among the host's mounts.
on_host ()
{
    nsenter --target "$("$lab" pid "$labdir")" --mount -- "$@"
}

mkdir pools/tmpfs
on_host mount -t tmpfs -o size=64m tmpfs "$workdir/pools/tmpfs"
# Not by libvirtd's pid: it is killed here, too.
outer=$(cat "$labdir/host/unshare.pid")
read -r init _ < "/proc/$outer/task/$outer/children" || true # there is no newline
inside="nsenter --target $init --mount --"
snapshot before
cp before before-all
command=("$PROGRAM" import --verbose --cloud "$uri" --state "$state" --vcpus 1 --memory 256M
    --start --pool "$pool" "$bundle")

clean_slate ()
{
    remove small
    libvirt pool-destroy images > /dev/null
    libvirt pool-undefine images > /dev/null
    on_host rm -rf "$workdir/pools/tmpfs/deep"
    unchanged before
    rm -rf "$workdir/state"
}

# is_there: the VM runs, with all of its disks; looked at as the host sees them.
is_there ()
{
    local path i=0
    libvirt domstate small | grep running > /dev/null || fail "$case: the VM does not run"
    for path in $(libvirt domblklist small | awk '{ print $2 }'); do
        libvirt vol-info --pool images "$(basename "$path")" > /dev/null || fail "$case: no $path"
        i=$((i + 1))
    done
    [ $i -eq 2 ] || fail "$case: $i disks"
    no_claims
}

# fails TIMES TASK AT BREAK REPAIR: the task fails TIMES times; 0: for ever.  AT "": BREAK is done
# before the import begins.
fails ()
{
    local times=$1 task=$2 at=$3 break=$4 repair=$5 r=0 pid text attempts
    case="$task fails $times times"
    attempts=$((times + 4)) # the repair may take longer than the pause
    [ "$times" -gt 0 ] || attempts=2
    text="task '$task' failed $times of $attempts times"
    "$PROGRAM" job list --state "$state" # makes the store, so that the first flush is the job's
    [ -n "$at" ] || bash -e -c "$break" || fail "$case: $break"
    RUN_AT=$at RUN=$break LD_PRELOAD=$KILL_AT_LIBRARY "${command[@]}" --attempts $attempts \
        > out 2> err < /dev/null &
    pid=$!
    while [ "$times" -gt 0 ] && ! grep -qF "$text" err; do
        [ -e "/proc/$pid" ] || break
        sleep 0.05
    done
    [ "$times" -eq 0 ] || bash -e -c "$repair" || fail "$case: $repair"
    wait $pid || r=$?
    if [ "$times" -gt 0 ]; then
        [ $r -eq 0 ] || fail "$case: exit status $r: $(cat err)"
        grep -qF "$text" err || fail "$case: it did not fail: $(cat err)"
        is_there
        clean_slate
        return
    fi
    bash -e -c "$repair" || fail "$case: $repair"
    [ $r -eq 4 ] || [ $r -eq 5 ] || fail "$case: exit status $r: $(cat err)"
    tail -n 1 err | grep -E "is (not )?rolled back.*: task '$task' failed 2 times" > /dev/null ||
        fail "$case: $(cat err)"
    # What was in the way of the undo, too, is no more.
    [ $r -eq 4 ] || "$PROGRAM" job recover --state "$state" > out 2> err || [ $? -eq 4 ] ||
        fail "$case: recover: $(cat err)"
    unchanged before
    rm -rf "$workdir/state"
}

lab_pid="\$($lab pid $labdir)"
tmpfs="$inside mount -o remount"
mounted="$workdir/pools/tmpfs"
# shellcheck disable=SC2034 # read through a nameref
table=(
    "check bundle||mv $bundle/disk-0.qcow2 $bundle/gone|mv $bundle/gone $bundle/disk-0.qcow2"
    "claim|fdatasync:2|kill -KILL $lab_pid|$lab start $labdir > /dev/null"
    "directory||$tmpfs,ro $mounted|$tmpfs,rw $mounted"
    "pool||$tmpfs,size=256k $mounted|$tmpfs,size=64m $mounted"
    "volume 0|virStorageVolCreateXML:1|$tmpfs,ro $mounted|$tmpfs,rw $mounted"
    "volume 1|virStorageVolCreateXML:2|$tmpfs,ro $mounted|$tmpfs,rw $mounted"
    "copy 0|virStreamSend:2|$tmpfs,size=2m $mounted|$tmpfs,size=64m $mounted"
    "check copy 0|virStorageVolUpload:2|mv $bundle/disk-0.sums $bundle/gone|mv $bundle/gone $bundle/disk-0.sums"
    "define|virDomainDefineXMLFlags:1|$inside mount --bind -o ro /etc/libvirt/qemu /etc/libvirt/qemu|$inside umount /etc/libvirt/qemu"
    "start|virDomainCreate:1|virsh -q -c '$uri' net-destroy default|virsh -q -c '$uri' net-start default"
)
n=0 slice=$(draw)
for row in "${table[@]}"; do
    IFS='|' read -r task at break repair <<< "$row"
    n=$((n + 1))
    for times in 0 1 2 3; do
        # In `make test`: for ever, and one of the others.
        [ -n "${WHERRY_TEST_ALL-}" ] && [ "$WHERRY_TEST_ALL" != 0 ] || [ $times -eq 0 ] ||
            [ $times -eq $(((slice + n) % 2 + 1)) ] || continue
        fails $times "$task" "$at" "$break" "$repair"
    done
    echo "$task: fails, and is repaired or undone"
done

# ---- What others do meanwhile ----

# meanwhile STATUS TEXT AT COMMAND: the import ends with that status and TEXT; nothing of it is left.
meanwhile ()
{
    local r=0
    case="meanwhile: $4"
    RUN_AT=$3 RUN=$4 LD_PRELOAD=$KILL_AT_LIBRARY "${command[@]}" > out 2> err < /dev/null || r=$?
    [ $r -eq "$1" ] || fail "$case: exit status $r: $(cat err)"
    tail -n 1 err | grep -F -- "$2" > /dev/null || fail "$case: no '$2' in: $(cat err)"
}

# A VM of the same name, a moment before ours is defined; it stays as it is.
cat > other.xml <<END
<domain type='qemu'><name>small</name><uuid>11111111-2222-4333-8444-555555555555</uuid>
<memory>65536</memory><os><type>hvm</type></os></domain>
END
for at in virStorageVolUpload:1 virDomainDefineXMLFlags:1; do
    meanwhile 4 "task 'define': " $at "virsh -q -c '$uri' define $PWD/other.xml > /dev/null"
    [ "$(libvirt domuuid small)" = 11111111-2222-4333-8444-555555555555 ] || fail "$case: gone"
    libvirt undefine small > /dev/null
    unchanged before
done

# A pool of somebody else at the very path, just before ours: it is used, and stays.
meanwhile 4 "task 'define': " virStorageVolUpload:1 "virsh -q -c '$uri' define $PWD/other.xml \
    > /dev/null; virsh -q -c '$uri' vol-create-as images theirs 1k > /dev/null"
grep -q "the pool 'images' is kept: there are volumes of others in it" err || fail "$(cat err)"
libvirt vol-list images | grep theirs > /dev/null || fail "the volume of others is gone"
[ "$(libvirt vol-list images | grep -c qcow2)" -eq 0 ] || fail "a volume of ours is left"
libvirt undefine small > /dev/null
libvirt pool-destroy images > /dev/null
libvirt pool-undefine images > /dev/null
$inside rm -rf "$workdir/pools/tmpfs/deep"
unchanged before

# The bundle is altered after its check, in the middle; the medium is pulled out; another comes.
cp -r "$bundle" kept
flip="printf x | dd of=$bundle/disk-0.qcow2 bs=1 seek=4500000 conv=notrunc status=none"
meanwhile 4 "'disk-0.qcow2' was altered between bytes 4194304 and" virStreamSend:1 "$flip"
unchanged before
cp kept/disk-0.qcow2 "$bundle/"
meanwhile 4 "'disk-0.qcow2' ends at" virStreamSend:2 "truncate -s 600k $bundle/disk-0.qcow2"
unchanged before
cp kept/disk-0.qcow2 "$bundle/"
meanwhile 4 "disk-1.qcow2': No such file" virStorageVolUpload:1 "rm $bundle/disk-1.qcow2"
unchanged before
cp kept/disk-1.qcow2 "$bundle/"
meanwhile 4 "'disk-0.sums' was altered" virStorageVolCreateXML:1 \
    "printf x | dd of=$bundle/disk-0.sums bs=1 seek=70 conv=notrunc status=none"
unchanged before
cp kept/disk-0.sums "$bundle/"

# The copy is altered in the pool: it is read back.
meanwhile 4 "was altered between bytes 0 and" virStorageVolUpload:2 "$inside bash -c 'printf x |
    dd of=\$(ls $pool/*-0.qcow2) bs=1 seek=100000 conv=notrunc status=none'"
unchanged before

# libvirtd dies for good: what was made is left, said, and undone once it is back.
meanwhile 5 "what task 'volume 1' made" virStreamSend:2 "kill -KILL $lab_pid"
"$lab" start "$labdir" > /dev/null
"$PROGRAM" job recover --state "$state" > out 2> err || [ $? -eq 4 ] || fail "$(cat err)"
unchanged before

# Cancelled by a signal (system() of RUN ignores SIGINT), by another process, by time.
for how in "kill -TERM \$PPID;" "$PROGRAM job cancel --state $state \$($PROGRAM job list --json \
    --state $state | jq '.jobs[-1].id') > /dev/null 2>&1 &"; do
    r=0
    RUN_AT=virStreamSend:3 RUN="$how sleep 5" LD_PRELOAD=$KILL_AT_LIBRARY "${command[@]}" > out \
        2> err < /dev/null || r=$?
    [ $r -eq 130 ] || [ $r -eq 4 ] || fail "cancelled: exit status $r: $(cat err)"
    unchanged before
done
r=0
RUN_AT=virStreamSend:3 RUN="sleep 3" LD_PRELOAD=$KILL_AT_LIBRARY "${command[@]}" --timeout 2 \
    > out 2> err < /dev/null || r=$?
[ $r -eq 4 ] || fail "timeout: exit status $r: $(cat err)"
grep -q "its time was over" err || fail "timeout: $(cat err)"
unchanged before
rm -rf "$workdir/state"

# Two imports of one bundle at once: one wins, the other leaves nothing.
for _ in 1 2 3; do
    "${command[@]}" > out1 2> err1 < /dev/null &
    first=$!
    r1=0 r2=0
    "${command[@]}" > out2 2> err2 < /dev/null || r2=$?
    wait $first || r1=$?
    case="two at once: $r1: $(tail -n 1 err1); $r2: $(tail -n 1 err2)"
    [ $((r1 == 0)) -ne $((r2 == 0)) ] || fail "$case"
    [ $((r1 + r2)) -eq 4 ] || [ $((r1 + r2)) -eq 1 ] || fail "$case"
    echo "$case" | grep -E "is importing a VM with the name small|there is a VM of the name" > /dev/null ||
        fail "$case"
    is_there
    clean_slate
done

# Two machines at once, whose pool neither finds: both land in one, and it stays for both.
make_bundle second uefi 1
"${command[@]}" > out1 2> err1 < /dev/null &
first=$!
r1=0 r2=0
"$PROGRAM" import --cloud "$uri" --state "$state" --vcpus 1 --memory 256M --pool "$pool" \
    medium/wherry/second > out2 2> err2 < /dev/null || r2=$?
wait $first || r1=$?
[ $((r1 + r2)) -eq 0 ] || fail "two machines: $r1: $(cat err1); $r2: $(cat err2)"
remove second
is_there
clean_slate
