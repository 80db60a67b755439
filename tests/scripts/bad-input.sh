#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What can be wrong with the input of capture and verify: one clear line that names the thing, the
# right exit status, and nothing changed.  What needs another kernel is in tests/vm.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
PATH=$PATH:/usr/sbin:/sbin

requires mke2fs -V
requires openssl version
requires nbdkit --version
requires nbdfuse --version
requires test "$(id -u)" -eq 0 # for loop devices and a small tmpfs

mib=1048576
chmod 755 .
mounts=()
loops=()
pids=()
clean_up ()
{
    cd /
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for dir in "${mounts[@]}"; do umount "$workdir/$dir" 2>/dev/null || true; done
    for loop in "${loops[@]}"; do losetup -d "$loop" 2>/dev/null || true; done
    rm -rf "$workdir"
}
trap clean_up EXIT

# refused STATUS TEXT CMD...: one line with TEXT on stderr, that exit status, and `to` is still empty.
refused ()
{
    local status=$1 text=$2 r=0
    shift 2
    "$@" > stdout 2> stderr || r=$?
    [ $r -eq "$status" ] || fail "'$*': exit status $r, not $status: $(cat stderr)"
    [ "$(wc -l < stderr)" -eq 1 ] || fail "'$*': not one line: $(cat stderr)"
    grep -qF -- "$text" stderr || fail "'$*': no '$text' in: $(cat stderr)"
    [ -z "$(ls -A to)" ] || fail "'$*': left $(ls to)"
}

# larger FILE BYTES
larger ()
{
    [ "$(stat -c %s "$1" 2>/dev/null || echo 0)" -gt "$2" ]
}

# wait_until CMD...: at most a minute, for it comes at once or never.
wait_until ()
{
    local deadline=$((SECONDS + 60))
    until "$@"; do
        [ $SECONDS -lt $deadline ] || fail "never: $*; $(cat stderr)"
    done
}

capture=("$PROGRAM" capture --quiet --name bad --to to)
mkdir to
truncate -s 8M disk
mke2fs -q -t ext4 disk

# --- the command line ---
refused 2 "where to?" "$PROGRAM" capture disk
refused 2 "cannot name a bundle" "$PROGRAM" capture --to to --name ../x disk
refused 2 "not 'lzma'" "$PROGRAM" capture --to to --compress lzma disk
refused 2 "not 'zstd:99'" "$PROGRAM" capture --to to --compress zstd:99 disk
refused 2 "Unknown option --too" "$PROGRAM" capture --too to disk
refused 2 "no command 'captur'" "$PROGRAM" captur
refused 2 "no debug topic 'mop'" "$PROGRAM" verify --debug mop x
refused 2 "expected BUNDLE, got 0 arguments" "$PROGRAM" verify

# --- disks ---
refused 1 "cannot open '/dev/nonexistent': No such file" "${capture[@]}" /dev/nonexistent
refused 1 "'/dev/null' is neither a block device nor a regular file" "${capture[@]}" /dev/null
refused 1 "'to' is neither" "${capture[@]}" to
mkfifo fifo
refused 1 "'fifo' is neither" "${capture[@]}" fifo
: > empty
refused 1 "'empty' is empty: 0 bytes" "${capture[@]}" empty
ln -s disk also
refused 1 "'disk' and 'also' are the same disk" "${capture[@]}" disk also
cp disk secret
chmod 600 secret
cp "$PROGRAM" wherry
chmod 777 to
refused 1 "cannot open 'secret': Permission denied" \
    setpriv --reuid=65534 --regid=65534 --clear-groups "$workdir/wherry" "${capture[@]:1}" secret
chmod 755 to
refused 1 "cannot write to the target 'to': Permission denied" \
    setpriv --reuid=65534 --regid=65534 --clear-groups "$workdir/wherry" "${capture[@]:1}" disk

# --- targets ---
refused 1 "cannot use the target 'nowhere': No such file" "$PROGRAM" capture --to nowhere disk
for odd in $'odd\xff' $'odd\x01'; do
    mkdir "$odd"
    LC_ALL=C refused 1 "is no UTF-8 or has control characters" "$PROGRAM" capture --to "$odd" disk
    [ -z "$(ls -A "$odd")" ] || fail "left something in '$odd'"
    rmdir "$odd"
done
refused 1 "the target 'empty' is no directory" "$PROGRAM" capture --to empty disk

mkdir inside
loops+=("$(losetup -f --show disk)")
mount "${loops[0]}" inside
mounts+=(inside)
refused 1 "the target 'inside' lies on '${loops[0]}'" \
    "$PROGRAM" capture --to inside "${loops[0]}"
refused 1 "the target 'inside/lost+found' lies on 'disk'" \
    "$PROGRAM" capture --to inside/lost+found disk
refused 1 "'disk' is in use: a filesystem on it is mounted for writing at '$workdir/inside'" \
    "${capture[@]}" disk
umount inside

mkdir small
mount -t tmpfs -o size=20m tmpfs small
mounts+=(small)
head -c $((64 * mib)) /dev/zero | openssl enc -aes-128-ctr -pbkdf2 -pass pass:x -nosalt > full
refused 1 "has 20.0 MiB free (20971520 bytes), but the bundle needs about 65." \
    "$PROGRAM" capture --quiet --to small --name bad full
[ -z "$(ls -A small)" ] || fail "something was made"

# Where the samples are taken there are zeros, so that it seems to fit.
for i in $(seq 0 63); do
    dd if=/dev/zero of=full bs=64k seek=$((i * 16)) count=1 conv=notrunc status=none
done
r=0
"$PROGRAM" capture --quiet --to small --name bad full > stdout 2> stderr || r=$?
[ $r -eq 1 ] || fail "a full target: exit status $r"
grep -q "warning: 'small' has .* free; the bundle needs about .* may need up to" stderr
tail -n 1 stderr | grep -q "the bundle 'small/wherry/bad' is incomplete, go on with --resume: .*No space left" ||
    fail "a full target: $(cat stderr)"
[ ! -e small/wherry/bad/machine.json ]
refused 1 "'small/wherry/bad' is incomplete" "$PROGRAM" verify small/wherry/bad
if qemu-img info small/wherry/bad/disk-0.qcow2 2>/dev/null | grep -q 'format: qcow2'; then
    fail "an unfinished image looks like one"
fi
umount small

# --- disks that go away ---
mkdir shrunk
"$PROGRAM" capture --quiet --to shrunk --name bad full > stdout 2> stderr &
pid=$!
wait_until larger shrunk/wherry/bad/disk-0.qcow2 0
truncate -s $((63 * mib)) full
r=0
wait $pid || r=$?
[ $r -eq 1 ] || fail "a disk that shrinks: exit status $r: $(cat stderr)"
grep -Eq "full: (ended at 66060288 of|changed its size from 67108864 to 66060288)" stderr ||
    fail "a disk that shrinks: $(cat stderr)"

mkdir gone
: > nbd
nbdkit -f --filter=delay -U nbd.sock memory 64M rdelay=5ms > nbdkit.log 2>&1 &
nbdkit=$!
pids+=("$nbdkit")
wait_until [ -S nbd.sock ]
nbdfuse nbd --unix nbd.sock > nbdfuse.log 2>&1 &
pids+=($!)
wait_until larger nbd $((64 * mib - 1))
WHERRY_STALL_MS=2000 "$PROGRAM" capture --quiet --to gone --name bad nbd > stdout 2> stderr &
pid=$!
wait_until [ -e gone/wherry/bad/disk-0.sums ]
kill -KILL "$nbdkit"
r=0
wait $pid || r=$?
[ $r -eq 1 ] || fail "a disk that vanishes: exit status $r: $(cat stderr)"
grep -q "the bundle 'gone/wherry/bad' is incomplete, go on with --resume: .*nbd.*: the disk is gone for 2 s: " stderr ||
    fail "a disk that vanishes: $(cat stderr)"
fusermount3 -u nbd 2>/dev/null || umount nbd

# --- interrupted ---
mkdir stopped
truncate -s 64M full
"$PROGRAM" capture --quiet --to stopped --name bad full > stdout 2> stderr &
pid=$!
wait_until [ -e stopped/wherry/bad/disk-0.sums ]
kill -INT $pid
r=0
wait $pid || r=$?
[ $r -eq 130 ] || fail "SIGINT: exit status $r: $(cat stderr)"
grep -q "interrupted after [0-9]* of 67108864 bytes" stderr || fail "SIGINT: $(cat stderr)"
refused 1 "'stopped/wherry/bad' is incomplete" "$PROGRAM" verify stopped/wherry/bad
refused 1 "'stopped/wherry/bad'" "$PROGRAM" capture --quiet --to stopped --name bad disk # in the way

# --- bundles ---
mkdir good
"$PROGRAM" capture --quiet --to good --name good disk > stdout
good=good/wherry/good

# resign: give machine.json in ./bundle the digest of its bytes.
resign ()
{
    sed -n '/^  "digest": /q;p' bundle/machine.json > signed
    printf '  "digest": "%s"\n}\n' "$(sha256sum < signed | cut -d ' ' -f 1)" >> signed
    mv signed bundle/machine.json
}

# altered STATUS TEXT CMD...: verify says so of a copy of the bundle that CMD has changed.
altered ()
{
    local status=$1 text=$2
    shift 2
    rm -rf bundle
    cp -r "$good" bundle
    "$@"
    refused "$status" "$text" "$PROGRAM" verify bundle
}

edit ()
{
    sed -i "$1" bundle/machine.json
    resign
}

nest ()
{
    head -c 100000 /dev/zero | tr '\0' '[' > bundle/machine.json
}

big ()
{
    truncate -s 20M bundle/machine.json
}

replace ()
{
    rm "bundle/$1"
    case $2 in
    symlink) ln -s /etc/passwd "bundle/$1" ;;
    fifo) mkfifo "bundle/$1" ;;
    device) mknod "bundle/$1" b 7 200 ;;
    directory) mkdir "bundle/$1" ;;
    esac
}

# header OFFSET HEX: bytes of the image's header, as the format puts them.
header ()
{
    # shellcheck disable=SC2001 # what is found is part of what is put
    printf '%b' "$(sed 's/../\\x&/g' <<< "$2")" |
        dd of=bundle/disk-0.qcow2 bs=1 seek="$1" conv=notrunc status=none
}

altered 1 "'bundle' is incomplete" rm bundle/machine.json
altered 1 "newer" edit 's/"schema": 1/"schema": 2/'
altered 3 "machine.json" sed -i 1d bundle/machine.json
altered 3 "no JSON" sed -i '1s/.*/not this/' bundle/machine.json
altered 3 "machine.json is nested too deep: more than 2048 levels" nest
altered 3 "machine.json' has 20971520 bytes, more than 16777216" big
altered 3 "/etc/passwd" edit 's/"image": "disk-0.qcow2"/"image": "\/etc\/passwd"/'
altered 3 "../disk-0.sums" edit 's/"sums": "disk-0.sums"/"sums": "..\/disk-0.sums"/'
altered 3 "../domain.xml" edit 's/"name": "domain.xml"/"name": "..\/domain.xml"/'
for kind in symlink fifo device directory; do
    for file in machine.json disk-0.qcow2 disk-0.sums domain.xml; do
        altered 3 "$file" replace "$file" "$kind"
    done
done
altered 3 "disk-0.sums" rm bundle/disk-0.sums
altered 3 "disk-0.qcow2" rm bundle/disk-0.qcow2
altered 3 "'disk-0.qcow2' has 65536 bytes, but" truncate -s 64k bundle/disk-0.qcow2
altered 3 "'disk-0.qcow2' has" truncate -s +64k bundle/disk-0.qcow2
altered 3 "backing file" header 8 00000000000000680000000a
altered 3 "external data file" header 72 000000000000000c
altered 3 "'disk-0.qcow2': a disk of 9223372036854775807 bytes is not" header 24 7fffffffffffffff
altered 3 "an L1 table of 1 entries for a disk of 4294967296 bytes" header 24 0000000100000000
altered 3 "disks[0].size is 9223372036854775807, not from 1 to" edit 's/"size": 8388608/"size": 9223372036854775807/'
altered 3 "disk-0" edit 's/"size": 8388608/"size": 8389120/'
altered 0 "" true 2>/dev/null || "$PROGRAM" verify --quiet bundle > /dev/null
refused 1 "nowhere" "$PROGRAM" verify nowhere
refused 1 "disk" "$PROGRAM" verify disk
