#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What others do to an import's storage while it runs: they stop or undefine its pool, remove its
# directory, make a file of just the name that a volume is about to get.  It ends in nothing of ours,
# nothing of theirs is gone, and it never says that all is undone while a file of ours is left.  Then
# ends at moments that no journal entry follows.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
# shellcheck source=tests/scripts/import-functions.sh
. "$(dirname "$0")/import-functions.sh"

requires sqlite3 --version

start_host
make_bundle small bios 5 1
bundle=$workdir/medium/wherry/small
snapshot before

# meanwhile STATUS AT COMMAND ARG...: the import of small, with these arguments, ends with that
# status when the command is run just before the call AT (see tests/images/kill-at.c).
meanwhile ()
{
    local status=$1 at=$2 command=$3 r=0
    shift 3
    case="meanwhile: $command"
    "$PROGRAM" job list --state "$state" > /dev/null # makes the store
    RUN_AT=$at RUN=$command LD_PRELOAD=$KILL_AT_LIBRARY import "$@" "$bundle" > out 2> err \
        < /dev/null || r=$?
    [ $r -eq "$status" ] || fail "$case: exit status $r: $(cat err)"
}

new=$workdir/pools/new
stop="virsh -q -c '$uri' pool-destroy new > /dev/null"
undefine="virsh -q -c '$uri' pool-undefine new > /dev/null"
for command in "$stop" "$stop; $undefine" "$stop; $undefine; rm -r '$new'"; do
    meanwhile 4 virStreamSend:2 "$command" --pool "$new"
    unchanged before
done

# Another pool lies there then: it stays, and so does the directory.
meanwhile 4 virStreamSend:2 "$stop; $undefine; virsh -q -c '$uri' pool-create-as theirs dir \
    --target '$new' > /dev/null" --pool "$new"
grep -qF "'$new' is kept: the pool 'theirs' lies there" err || fail "$case: $(cat err)"
libvirt pool-info theirs | grep -x "State: *running" > /dev/null || fail "$case: it is gone"
libvirt pool-destroy theirs
rmdir "$new" # fails if a file is left
unchanged before

# A pool that was there before, and is gone: what is left is said, and undone once it can be.
mkdir "$new"
libvirt pool-create-as new dir --target "$new" > /dev/null
meanwhile 5 virStreamSend:2 "$stop" --pool new
tail -n 1 err | grep -F "the pool 'new' is gone, but its directory is not: define a pool on '$new' again" \
    > /dev/null || fail "$case: $(cat err)"
[ "$(find "$new" -type f | wc -l)" -eq 2 ] || fail "$case: $(ls "$new")"
libvirt pool-create-as again dir --target "$new" > /dev/null
r=0
"$PROGRAM" job recover --state "$state" > out 2> err || r=$?
[ $r -eq 4 ] || fail "$case: recover: exit status $r: $(cat err)"
libvirt pool-destroy again
rmdir "$new"
unchanged before

# A file of the volume's very name: it stays.
mkdir "$new"
libvirt pool-create-as new dir --target "$new" > /dev/null
cat > clash <<END
name=\$(sqlite3 '$state' "SELECT value FROM job_note WHERE key = 'made' AND value LIKE 'small-%'")
echo theirs > '$new'/"\$name"
END
meanwhile 4 virStorageVolCreateXML:1 "bash '$workdir/clash'" --pool new
tail -n 1 err | grep "task 'volume 0': .* already exists" > /dev/null || fail "$case: $(cat err)"
[ "$(cat "$new"/small-*-0.qcow2)" = theirs ] || fail "$case: it is gone, or another"
rm "$new"/small-*-0.qcow2
libvirt pool-destroy new
rmdir "$new"
unchanged before

# Another import of this machine, which knows nothing of our store, defines its VM over ours: before
# ours is started, and while it runs.  Theirs stays, and nothing of ours.
mkdir "$new"
libvirt pool-create-as new dir --target "$new" > /dev/null
rival="virsh -q -c '$uri' dumpxml small --inactive | sed -E 's/small-[0-9a-f]{8}-/small-01234567-/' \
    > rival.xml; virsh -q -c '$uri' define rival.xml > /dev/null"
for first in true "virsh -q -c '$uri' start small > /dev/null"; do
    meanwhile 4 virDomainCreate:1 "$first; $rival" --pool new --start
    tail -n 1 err | grep -F "has the disks of another import now" > /dev/null ||
        fail "$case: $(cat err)"
    [ "$(libvirt domstate small)" = "shut off" ] || fail "$case: it runs"
    [ "$(libvirt domblklist small | grep -c "$new/small-01234567-[01].qcow2")" -eq 2 ] ||
        fail "$case: $(libvirt domblklist small)"
    libvirt undefine small > /dev/null
    [ -z "$(ls "$new")" ] || fail "$case: $(ls "$new")"
done
libvirt pool-destroy new
rmdir "$new"
unchanged before

# Killed while it asks which directories are there, before it has made any; then the medium is gone.
rm -rf "$workdir/state"
for n in 1 2; do
    # shellcheck disable=SC2016 # expanded by the command's shell
    meanwhile 137 "virStoragePoolDestroy:$n" 'kill -KILL $PPID' --pool "$new/deep" 2> /dev/null
    libvirt pool-list --all --name | grep wherry-directory- > /dev/null ||
        fail "$case: the instant is another one"
    mv "$bundle" gone
    r=0
    "$PROGRAM" job recover --state "$state" > out 2> err || r=$?
    [ $r -eq 4 ] || fail "$case: recover: exit status $r: $(cat err)"
    mv gone "$bundle"
    unchanged before
done

# A signal, and killed before the task has come back: what was asked for is remembered.
# shellcheck disable=SC2016 # expanded by the command's shell
meanwhile 137 virStreamSend:2 'kill -TERM $PPID; sleep 2; kill -KILL $PPID' 2> /dev/null
r=0
"$PROGRAM" job recover --state "$state" > out 2> err || r=$?
[ $r -eq 4 ] || fail "$case: recover: exit status $r: $(cat err)"
unchanged before

# A signal while the host hangs, before there is a job.
pid=$("$lab" pid "$labdir")
kill -STOP "$pid"
r=0
SECONDS=0
timeout --preserve-status -s INT 2 "$PROGRAM" import --cloud "$uri" --state "$state" "$bundle" \
    > out 2> err || r=$?
kill -CONT "$pid"
[ $r -eq 130 ] || fail "a signal: exit status $r: $(cat err)"
[ $SECONDS -lt 30 ] || fail "a signal: it took $SECONDS s"
unchanged before

# The room for the sums is full: that is what is said.
mkdir tmp
mounts+=("$workdir/tmp")
mount -t tmpfs -o size=4k tmpfs tmp
head -c 4096 /dev/zero > tmp/full
r=0
TMPDIR=$workdir/tmp import --attempts 1 "$bundle" > out 2> err || r=$?
[ $r -eq 4 ] || fail "a full TMPDIR: exit status $r: $(cat err)"
tail -n 1 err | grep -F "keeping 'disk-0.sums' in a file in '$workdir/tmp': " > /dev/null ||
    fail "a full TMPDIR: $(cat err)"
unchanged before
