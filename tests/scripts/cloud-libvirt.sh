#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# src/cloud against a real libvirtd in namespaces of its own (tests/lab/libvirtd); virsh, qemu-img,
# the filesystem and /proc say what is right.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
PATH=$PATH:/usr/sbin:/sbin

requires [ "$(id -u)" -eq 0 ]
requires unshare --mount --uts --pid --net --fork true
requires libvirtd --version
requires virsh --version
requires qemu-system-x86_64 --version
requires qemu-img --version
requires [ -e /usr/share/OVMF/OVMF_CODE_4M.fd ]

lab=$SOURCE_ROOT/tests/lab/libvirtd
clean_up ()
{
    "$lab" stop "$workdir/a" || true
    "$lab" stop "$workdir/b" || true
    cd /
    rm -rf "$workdir"
}
trap clean_up EXIT

mkdir a b pools
uri=$("$lab" start "$workdir/a" host-a)
uuid=5a1d1c3e-0000-4000-8000-000000000001

cloud ()
{
    "$CLOUD_TOOL" "$uri" "$@"
}

libvirt ()
{
    virsh -q -c "$uri" "$@"
}

# gives WANTED CMD...: the command succeeds and prints exactly that.
gives ()
{
    local wanted=$1 got
    shift
    got=$("$@") || fail "'$*' failed"
    [ "$got" = "$wanted" ] || fail "'$*' gave '$got', not '$wanted'"
}

# field N CMD...: the Nth field of what it prints.
field ()
{
    local n=$1
    shift
    "$@" | cut -f "$n"
}

# nothing_left: no pool but those that were there.
nothing_left ()
{
    gives '' libvirt pool-list --all --name
}

test_host ()
{
    local has=no
    gives host-a field 2 cloud host
    gives "$(sed -n 's/^host_uuid = "\(.*\)"/\1/p' a/host/etc/libvirtd.conf)" field 1 cloud host

    cloud capacity > facts
    value () { sed -n "s/^$1\t//p" facts; }
    gives "$(nproc --all)" value cpus
    [ "$(value memory)" -eq $(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) * 1024)) ] ||
        fail "memory: $(value memory)"
    [ "$(value memory-free)" -lt "$(value memory)" ] || fail "more memory is free than there is"
    gives "$(uname -m)" value arch
    gives 1 value q35
    gives 1 value pc
    gives 1 value uefi
    ! grep -qwE '^flags.*(vmx|svm)' /proc/cpuinfo || has=yes
    if [ $has = no ] || [ ! -e /dev/kvm ]; then
        gives - value kvm
        [ "$(value no-kvm)" != - ] || fail "no reason"
    else
        gives /usr/bin/qemu-system-x86_64 value kvm
    fi
    gives /usr/bin/qemu-system-x86_64 value qemu

    gives '' cloud networks
    "$lab" network "$workdir/a" default virbr-w
    gives "$(printf 'default\t%s\tactive\tvirbr-w' "$(libvirt net-uuid default)")" cloud networks
}

test_directories ()
{
    local base=$workdir/pools dir path
    gives "$base/x
$base/x/y
$base/x/y/z" cloud directory-missing $uuid "$base/x/y/z"
    gives '' cloud directory-missing $uuid "$base"
    fails_with "NOT_FOUND: " cloud directory-create $uuid "$base/x/y"
    [ ! -e "$base/x" ] || fail "a level above was made"

    for dir in x x/y x/y/z; do
        gives no cloud directory-exists $uuid "$base/$dir"
        cloud directory-create $uuid "$base/$dir"
        [ -d "$base/$dir" ] || fail "$dir was not made"
        gives yes cloud directory-exists $uuid "$base/$dir"
        fails_with "EXISTS: " cloud directory-create $uuid "$base/$dir"
    done
    gives '' cloud directory-missing $uuid "$base/x/y/z"

    gives "kept	it is not empty" cloud directory-delete $uuid "$base/x/y"
    for dir in x/y/z x/y x x x/y; do
        gives gone cloud directory-delete $uuid "$base/$dir"
        [ ! -e "$base/$dir" ] || fail "$dir is there"
    done

    echo data > "$base/file"
    fails_with "INVALID_INPUT: " cloud directory-exists $uuid "$base/file"
    fails_with "INVALID_INPUT: " cloud directory-create $uuid "$base/file"
    gives "kept	it is no directory" cloud directory-delete $uuid "$base/file"
    [ "$(cat "$base/file")" = data ] || fail "the file was touched"

    mkdir "$base/ro"
    "$lab" in "$workdir/a" mount -t tmpfs -o ro tmpfs "$base/ro"
    fails_with "DENIED: " cloud directory-create $uuid "$base/ro/x"
    gives "kept	something is mounted there" cloud directory-delete $uuid "$base/ro"
    nothing_left

    # What a killed call leaves is taken away by the next, and only that.
    libvirt pool-create-as "wherry-directory-$uuid" dir --target "$base" > /dev/null
    sed "s|UUID|$uuid|g; s|DIR|$base|" > scratch.xml <<-END
	<pool type="dir"><name>wherry-directory-UUID</name><uuid>UUID</uuid>
	<target><path>DIR</path></target></pool>
	END
    libvirt pool-destroy "wherry-directory-$uuid" > /dev/null
    libvirt pool-create scratch.xml > /dev/null
    gives no cloud directory-exists $uuid "$base/x"
    nothing_left

    # Another's question about the directory is in the way only for its moment.
    libvirt pool-create-as "wherry-directory-another" dir --target "$base" > /dev/null
    fails_with "BUSY: " cloud pool-define $uuid images "$base"
    libvirt pool-destroy "wherry-directory-another" > /dev/null
    libvirt pool-create-as another dir --target "$base" > /dev/null
    fails_with "EXISTS: " cloud pool-define $uuid images "$base"
    libvirt pool-destroy another > /dev/null
    nothing_left
    libvirt pool-define scratch.xml > /dev/null
    gives gone cloud directory-delete $uuid "$base/x"
    nothing_left

    for path in "$base/../x" "$base//x" relative "$base/x/" / $'/new\nline' /dev/x /proc/x /sys/x; do
        fails_with "INVALID_INPUT: " cloud directory-create $uuid "$path"
    done
}

test_pools ()
{
    local base=$workdir/pools other=5a1d1c3e-0000-4000-8000-000000000002
    mkdir "$base/found" "$base/found2"
    echo theirs > "$base/found/file"
    libvirt pool-define-as found dir --target "$base/found" > /dev/null
    fails_with "BUSY: " cloud directory-exists $uuid "$base/found"
    libvirt pool-start found > /dev/null
    gives yes cloud directory-exists $uuid "$base/found"
    gives "kept	the pool 'found' lies there" cloud directory-delete $uuid "$base/found"

    gives found field 1 cloud pool-on "$base/found/"
    gives found field 1 cloud pool found
    gives none cloud pool nix
    gives none cloud pool-on "$base"
    fails_with "that name already" cloud pool-define $uuid found "$base/new"
    fails_with "EXISTS: " cloud pool-define $uuid found "$base/new"
    fails_with "that directory already" cloud pool-define $uuid new "$base/found"
    fails_with "that UUID already" cloud pool-define "$(libvirt pool-uuid found)" new "$base/new"
    fails_with "INVALID_INPUT: " cloud pool-define $uuid a/b "$base/new"
    fails_with "INVALID_INPUT: " cloud pool-define $uuid new "$base/../new"
    fails_with "INVALID_INPUT: " cloud pool-define no-uuid new "$base/new"

    fails_with "NOT_FOUND: " cloud pool-start $uuid
    cloud pool-define $uuid new "$base/new"
    cloud pool-define $uuid new "$base/new"
    fails_with "that name already" cloud pool-define $other new "$base/found2"
    fails_with "NOT_FOUND: " cloud pool-start $uuid
    [ ! -e "$base/new" ] || fail "defining or starting made the directory"
    fails_with "BUSY: " cloud directory-exists $uuid "$base/new"
    mkdir "$base/new"
    cloud pool-start $uuid
    cloud pool-start $uuid
    gives "active	auto" field 5,6 cloud pool new
    [ "$(field 7 cloud pool new)" -gt "$(field 8 cloud pool new)" ] || fail "sizes of the pool"

    libvirt pool-destroy found > /dev/null
    gives "inactive	manual	0	0" field 5-8 cloud pool found
    cloud pool-activate "$(libvirt pool-uuid found)"
    gives "active	manual" field 5,6 cloud pool found

    touch "$base/new/file"
    cloud pool-remove $uuid
    cloud pool-remove $uuid
    gives none cloud pool new
    [ -e "$base/new/file" ] || fail "removing the pool removed a file"
    [ "$(cat "$base/found/file")" = theirs ] || fail "a file of the other pool was touched"
    libvirt pool-destroy found > /dev/null
    libvirt pool-undefine found > /dev/null
    nothing_left
}

# new_pool PATH: one that is started, with our UUID.
new_pool ()
{
    cloud pool-define $uuid new "$1"
    cloud pool-start $uuid
}

test_volumes ()
{
    local base=$workdir/pools/new size name
    new_pool "$base"
    qemu-img create -q -f qcow2 image.qcow2 3G
    qemu-io -c 'write -P 7 1G 20M' image.qcow2 > /dev/null
    size=$(stat -c %s image.qcow2)

    cloud volume-create $uuid disk.qcow2 raw "$size"
    gives "raw	-	$size	0" field 3- cloud volume $uuid disk.qcow2
    fails_with "EXISTS: " cloud volume-create $uuid disk.qcow2 raw "$size"
    cloud volume-upload $uuid disk.qcow2 image.qcow2
    cmp image.qcow2 "$base/disk.qcow2"
    qemu-img check -q "$base/disk.qcow2"
    gives "$base/disk.qcow2	qcow2	-	3221225472" field 2-5 cloud volume $uuid disk.qcow2
    fails_with "EXISTS: " cloud volume-create $uuid disk.qcow2 raw "$size"
    cmp image.qcow2 "$base/disk.qcow2"

    cloud volume-read $uuid disk.qcow2 123 5000000 > part
    tail -c +124 image.qcow2 > rest
    head -c 5000000 rest | cmp - part
    gives '' cloud volume-read $uuid disk.qcow2 0 0
    fails_with "DAMAGED: " cloud volume-read $uuid disk.qcow2 $((size - 10)) 11 > /dev/null
    gives yes cloud volume-open $uuid disk.qcow2

    echo foreign > "$base/foreign"
    fails_with "EXISTS: " cloud volume-create $uuid foreign raw 1000
    fails_with "EXISTS: " cloud volume-create $uuid foreign qcow2 1000
    echo later > "$base/later"
    gives later field 1 cloud volume $uuid later
    [ "$(cat "$base/foreign" "$base/later")" = $'foreign\nlater' ] || fail "a file was touched"
    gives $'disk.qcow2\nfile\nforeign\nlater' field 1 cloud volumes $uuid
    gives none cloud volume $uuid nix

    cloud volume-create $uuid thin qcow2 $((1 << 40))
    gives "qcow2	-	$((1 << 40))" field 3-5 cloud volume $uuid thin
    [ "$(field 6 cloud volume $uuid thin)" -lt 1000000 ] || fail "not thin"
    cloud volume-create $uuid empty raw 0
    : > nothing
    cloud volume-upload $uuid empty nothing

    for name in ../x a/b .hidden -x '' $'new\nline' "$(printf 'n%.0s' {1..201})"; do
        fails_with "INVALID_INPUT: " cloud volume-create $uuid "$name" raw 1000
    done
    fails_with "INVALID_INPUT: " cloud volume-create $uuid x vmdk 1000
    fails_with "NOT_FOUND: " cloud volume-upload $uuid nix image.qcow2
    fails_with "NOT_FOUND: " cloud volumes 5a1d1c3e-0000-4000-8000-00000000000f

    for name in thin empty disk.qcow2 disk.qcow2 nix; do
        cloud volume-delete $uuid "$name"
        [ ! -e "$base/$name" ] || fail "$name is there"
    done
    cloud volume-delete 5a1d1c3e-0000-4000-8000-00000000000f nix
    [ "$(cat "$base/foreign")" = foreign ] || fail "another file is gone"

    libvirt pool-destroy new > /dev/null
    fails_with "BUSY: " cloud volumes $uuid
    fails_with "BUSY: " cloud volume-delete $uuid foreign
    cloud pool-remove $uuid
    nothing_left
}

# define_disk SOURCE [TYPE]: the VM "needy", off, with that <source>.
define_disk ()
{
    "$DOMAIN_TOOL" needy qemu q35 bios virtio 512 1 0 "$workdir/pools" |
        sed "s|<source file=.*/>|$1|; s|<disk type=\"file\"|<disk type=\"${2-file}\"|" > needy.xml
    grep -qF "$1" needy.xml || fail "the disk is not as wanted: $(cat needy.xml)"
    libvirt undefine needy > /dev/null 2>&1 || true
    libvirt define needy.xml > /dev/null
}

# Who needs a file, by whichever path: deletion depends on it.
test_users ()
{
    local base=$workdir/pools/new far=$workdir/far
    mkdir -p "$base" "$far"
    new_pool "$base"
    cloud volume-create $uuid old.qcow2 qcow2 1048576
    cloud volume-create $uuid other.qcow2 qcow2 1048576
    gives nobody cloud volume-user $uuid old.qcow2
    gives nobody cloud volume-user $uuid nix

    define_disk "<source file=\"$base/other.qcow2\"/>"
    gives nobody cloud volume-user $uuid old.qcow2
    define_disk "<source file=\"$base/old.qcow2\"/>"
    gives "the VM 'needy' names it" cloud volume-user $uuid old.qcow2
    define_disk '<source pool="new" volume="old.qcow2"/>' volume
    gives "the VM 'needy' names it" cloud volume-user $uuid old.qcow2
    # A link in a directory of which libvirt knows nothing.
    ln -s "$base/old.qcow2" "$far/link"
    define_disk "<source file=\"$far/link\"/>"
    gives "the VM 'needy' names it" cloud volume-user $uuid old.qcow2
    gives nobody cloud volume-user $uuid other.qcow2
    # An image on it, beside a disk of the VM; then in another pool.
    rm "$far/link"
    qemu-img create -q -f qcow2 -F qcow2 -b "$base/old.qcow2" "$far/top.qcow2"
    define_disk "<source file=\"$far/top.qcow2\"/>"
    gives "'$far/top.qcow2' stands on it" cloud volume-user $uuid old.qcow2
    libvirt undefine needy > /dev/null
    gives nobody cloud volume-user $uuid old.qcow2
    libvirt pool-create-as far dir --target "$far" > /dev/null
    gives "'$far/top.qcow2' stands on it" cloud volume-user $uuid old.qcow2
    libvirt pool-destroy far > /dev/null

    rm "$far/top.qcow2" "$base"/*.qcow2
    rmdir "$far"
    cloud pool-remove $uuid
    nothing_left
}

# Libvirt says of some of these sizes that all went well.
test_no_space ()
{
    local base=$workdir/pools/small size
    mkdir "$base"
    "$lab" in "$workdir/a" mount -t tmpfs -o size=8M tmpfs "$base"
    new_pool "$base"
    openssl rand -out random 31457280
    for size in 31457280 12000000 9437184 8400000 8388609 8388608; do
        head -c $size random > piece
        cloud volume-create $uuid big raw $size
        if [ $size -gt 8388608 ]; then
            fails_with "NO_SPACE: " cloud volume-upload $uuid big piece
        else
            cloud volume-upload $uuid big piece
        fi
        # In another namespace it is no file, or another one.
        gives no cloud volume-open $uuid big
        cp piece "$base/big"
        gives no cloud volume-open $uuid big
        cloud volume-delete $uuid big
        rm "$base/big"
    done
    # The last bytes of an image may well be zero.
    truncate -s 30M tail
    dd if=random of=tail bs=1M count=9 conv=notrunc status=none
    cloud volume-create $uuid big raw 31457280
    fails_with "NO_SPACE: " cloud volume-upload $uuid big tail
    cloud volume-delete $uuid big
    fails_with "INVALID_INPUT: " cloud volume-create $uuid big raw 20000000000000000000
    cloud pool-remove $uuid
}

# background OUT CMD...: with a pipe to write to, whose other side is its stdin.
background ()
{
    local out=$1
    shift
    rm -f to "$out" "$out.err"
    mkfifo to
    "$@" < to > "$out" 2> "$out.err" &
    job=$!
    exec 9> to
}

# says OUT WORDS: wait until they stand there.
says ()
{
    for _ in {1..600}; do
        ! grep -qsF -- "$2" "$1" || return 0
        sleep 0.1
    done
    fail "it did not come to say '$2': $(cat "$1" "$1.err")"
}

# ends_with TEXT: the background command fails so.
ends_with ()
{
    exec 9>&-
    if wait "$job"; then fail "it succeeded"; fi
    grep -F -- "$1" out.err > /dev/null || fail "no '$1' in: $(cat out.err)"
}

# While it copies a volume libvirt refuses to list the others, to stop the pool and more.
test_busy_pool ()
{
    local base=$workdir/pools/new copy seen=no
    new_pool "$base"
    openssl rand -out "$base/dense" 400000000
    libvirt pool-refresh new
    for _ in 1 2 3; do
        libvirt vol-clone dense copy --pool new > /dev/null &
        copy=$!
        while [ $seen = no ] && kill -0 $copy 2> /dev/null; do
            libvirt pool-refresh new 2> refused || seen=yes
        done
        if [ $seen = yes ]; then
            grep -F 'asynchronous jobs' refused > /dev/null || fail "$(cat refused)"
            cloud volumes $uuid > /dev/null
        fi
        wait $copy
        libvirt vol-delete copy --pool new
        [ $seen = no ] || break
    done
    [ $seen = yes ] || fail "the pool was never busy"
    cloud volume-delete $uuid dense
    cloud pool-remove $uuid
}

test_interrupted ()
{
    local base=$workdir/pools/new start
    new_pool "$base"
    cloud volume-create $uuid disk raw 31457280

    background out "$CLOUD_TOOL" --cancel-ms 1000 "$uri" volume-upload $uuid disk random pause
    says out half
    sleep 1.5
    echo >&9
    ends_with "cancelled after 16777216 of 31457280 bytes"
    grep -q "^CANCELLED: " out.err
    cloud volume-delete $uuid disk

    # A host that hangs in the middle.
    cloud volume-create $uuid disk raw 31457280
    background out "$CLOUD_TOOL" --stall-ms 2000 "$uri" volume-upload $uuid disk random pause
    says out half
    kill -STOP "$("$lab" pid "$workdir/a")"
    start=$SECONDS
    echo >&9
    ends_with "IO: "
    [ $((SECONDS - start)) -lt 40 ] || fail "it took $((SECONDS - start)) s"
    kill -CONT "$("$lab" pid "$workdir/a")"
    cloud volume-delete $uuid disk

    # And one that dies.
    cloud volume-create $uuid disk raw 31457280
    background out "$CLOUD_TOOL" "$uri" volume-upload $uuid disk random pause
    says out half
    kill -KILL "$("$lab" pid "$workdir/a")"
    echo >&9
    ends_with "IO: "
    fails_with "IO: " cloud volume-delete $uuid disk
    "$lab" start "$workdir/a" > /dev/null 9>&-
    cloud volume-delete $uuid disk
    [ ! -e "$base/disk" ] || fail "the volume is there"
    gives "active	auto" field 5,6 cloud pool new # by its autostart
    cloud pool-remove $uuid
}

test_dead ()
{
    local start=$SECONDS
    kill -STOP "$("$lab" pid "$workdir/a")"
    fails_with "IO: " "$CLOUD_TOOL" --call-ms 1000 "$uri" pools
    [ $((SECONDS - start)) -lt 30 ] || fail "it took $((SECONDS - start)) s"
    kill -CONT "$("$lab" pid "$workdir/a")"

    # One Cloud: it hangs after it has connected; the next call is all right, over a new connection.
    background out "$CLOUD_TOOL" --call-ms 8000 --twice "$uri" pools
    says out again
    kill -STOP "$("$lab" pid "$workdir/a")"
    echo >&9
    ends_with "IO: "
    kill -CONT "$("$lab" pid "$workdir/a")"

    background out "$CLOUD_TOOL" --twice "$uri" directory-exists $uuid "$workdir/pools"
    says out again
    kill -KILL "$("$lab" pid "$workdir/a")"
    "$lab" start "$workdir/a" > /dev/null 9>&-
    echo >&9
    exec 9>&-
    wait "$job" || fail "no new connection: $(cat out.err)"
    gives $'yes\nagain?\nyes' cat out

    kill -KILL "$("$lab" pid "$workdir/a")"
    fails_with "IO: " cloud pools
    fails_with "IO: " "$CLOUD_TOOL" "qemu+unix:///system?socket=$workdir/nix" host
    fails_with "IO: " "$CLOUD_TOOL" qemu+tcp://127.0.0.1:1/system host
    fails_with "UNSUPPORTED: " "$CLOUD_TOOL" xen:///system host
    "$lab" start "$workdir/a" > /dev/null 9>&-
}

test_domains ()
{
    local vm=5a1d1c3e-0000-4000-8000-00000000000a other=5a1d1c3e-0000-4000-8000-00000000000b
    libvirt net-start default > /dev/null 2>&1 || true # it ended with the libvirtd
    qemu-img create -q -f qcow2 pools/disk-0.qcow2 64M
    "$DOMAIN_TOOL" web qemu q35 uefi virtio 512 1 2 "$workdir/pools" > plain.xml
    sed "s|</name>|</name><uuid>$vm</uuid>|" plain.xml > web.xml

    gives '' cloud domains
    gives none cloud domain web
    fails_with "INVALID_INPUT: " cloud domain-define plain.xml
    sed 's|<vcpu>|<vcpu>no|' web.xml > bad.xml
    fails_with "INVALID_INPUT: " cloud domain-define bad.xml
    cloud domain-define web.xml
    gives "web	$vm	off	persistent	52:54:00:00:00:00,52:54:00:00:00:01	$workdir/pools/disk-0.qcow2" \
        cloud domains
    fails_with "EXISTS: " cloud domain-define web.xml
    sed "s|$vm|$other|" web.xml > other.xml
    fails_with "has that name already" cloud domain-define other.xml
    sed "s|web|web2|" web.xml > other.xml
    fails_with "has that UUID already" cloud domain-define other.xml
    gives web libvirt list --all --name

    cloud domain-start $vm
    cloud domain-start $vm
    gives running field 3 cloud domain web
    gives running libvirt domstate web
    # What runs and what is defined may differ: both count.
    libvirt detach-interface web network --mac 52:54:00:00:00:01 --config > /dev/null
    libvirt attach-interface web network default --mac 52:54:00:00:00:09 --config > /dev/null
    gives "52:54:00:00:00:00,52:54:00:00:00:01,52:54:00:00:00:09" field 5 cloud domain web
    libvirt suspend web > /dev/null
    gives paused field 3 cloud domain web
    fails_with "BUSY: " cloud domain-undefine $vm
    libvirt snapshot-create-as web --no-metadata nix > /dev/null 2>&1 || true
    [ -n "$(find a/host/lib/qemu/nvram -type f)" ] || fail "no NVRAM was made"

    cloud domain-destroy $vm
    cloud domain-destroy $vm
    gives off field 3 cloud domain web
    libvirt snapshot-create-as web --disk-only one > /dev/null
    cloud domain-undefine $vm
    cloud domain-undefine $vm
    cloud domain-destroy $vm
    fails_with "NOT_FOUND: " cloud domain-start $vm
    gives '' cloud domains
    gives '' find a/host/lib/qemu/nvram -type f
    [ -e pools/disk-0.qcow2 ] || fail "the disk is gone"
}

test_two_hosts ()
{
    local uri_b
    uri_b=$("$lab" start "$workdir/b" host-b)
    mkdir pools/b
    "$CLOUD_TOOL" "$uri_b" pool-define $uuid b "$workdir/pools/b"
    gives host-b field 2 "$CLOUD_TOOL" "$uri_b" host
    gives host-a field 2 cloud host
    nothing_left
    # Over the network, as to another machine.
    gives host-b field 2 "$lab" net "$workdir/b" "$CLOUD_TOOL" qemu+tcp://127.0.0.1/system host
    "$lab" stop "$workdir/b"
    fails_with "IO: " "$CLOUD_TOOL" "$uri_b" host
    gives host-a field 2 cloud host
}

for name in host directories pools volumes users busy_pool no_space interrupted dead domains two_hosts; do
    begin=$SECONDS
    "test_$name"
    echo "$name: $((SECONDS - begin)) s"
done
