#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The power fails under a mounted XFS, see power-cuts.sh, and what is left is captured where there is
# device-mapper: in a VM with Debian's kernel, which replays the log in a snapshot
# (tests/vm/cases-xfs).  The bundles are restored here: all 40 files are there, the kernel and
# xfs_repair are content, little more was carried than is in use, and the disks are what they were.
# The VM also kills captures, goes on with them, fills a snapshot, and knows version 4, of which
# another VM checks what came back.
#
# Some cases, and others drawn by the commit; WHERRY_TEST_ALL=1: all of them.  SEED=N instead of the
# commit.

# shellcheck source=tests/scripts/xfs-cuts.sh
. "$(dirname "$0")/xfs-cuts.sh"

requires qemu-system-x86_64 --version
requires busybox true
requires cpio --version
requires dmsetup --version
requires mmdebstrap --version

tests=$SOURCE_ROOT/tests
cache=$SOURCE_ROOT/build/demo
qemu=
leave ()
{
    if [ -n "$qemu" ]; then
        kill -KILL "$qemu" 2> /dev/null || true
        wait "$qemu" 2> /dev/null || true # it has the disks open
    fi
    let_go
}
trap leave EXIT

# --- the disks

# one_of WORD...: by the seed.
seed=${SEED:-$(draw)}
one_of ()
{
    local words=("$@")
    echo "${words[seed % $#]}"
}

run='bare gpt lvm bareorphan gptorphan lvmorphan file ran'
if [ "${WHERRY_TEST_ALL:-0}" != 1 ]; then
    run="bare $(one_of bareorphan gptorphan lvmorphan) $(one_of gpt lvm file ran)"
fi
run+=' killed update interrupted full busy v4 v4cut'

# Each: name | layout | arguments of mkfs.xfs; with an orphan, + is before the name.  A small log
# comes round sooner.
cases='
bare         |bare|--unsupported -l size=12m
gpt          |gpt |
lvm          |lvm |--unsupported -l size=12m
+bareorphan  |bare|--unsupported -l size=6m
+gptorphan   |gpt |--unsupported -l size=6m
+lvmorphan   |lvm |--unsupported -l size=6m
'
declare -A offset_of=() in_use_of=() scatter_of=()
names=()
while IFS='|' read -r name layout args; do
    name=${name// /}
    [ -n "$name" ] || continue
    scatter=
    case $name in +*) scatter=+ name=${name#+} ;; esac
    [[ " $run gpt " = *" $name "* ]] || continue # gpt is also the disk of others
    for try in 1 2 3 4 5; do
        make_cut "${layout// /}" "$args" '' "$scatter"
        lost=$(count_lost cut.img)
        [ "$lost" -lt 10 ] || break
        [ $try -lt 5 ] || fail "$name: the files are there without the log: no test"
    done
    echo "$name: $lost files lost without the log, $in_use bytes in use"
    mv cut.img "$name.img"
    mv sums "sums-$name"
    offset_of[$name]=$offset in_use_of[$name]=$in_use scatter_of[$name]=$scatter
    names+=("$name")
done <<< "$cases"
rm -f disk disk2
truncate -s 96M vfour.img vfourcut.img
mkfs.xfs -q --unsupported -m crc=0 -b size=512 -l size=8m vfour.img 2> mkfs.log || fail "mkfs.xfs: $(cat mkfs.log)"
truncate -s 64M small.img
truncate -s 6G medium.img
for name in small medium; do mke2fs -q -F -t ext4 $name.img; done
cat > machine <<END
DISKS='${names[*]} vfour vfourcut small'
CASES='$run'
END

# --- the system

programs=()
for tool in dd dmsetup jq losetup "$PROGRAM" blockdev; do
    programs+=(--program "$(command -v "$tool")")
done
modules=()
for module in crc32c_generic virtio_pci virtio_blk ext4 xfs loop dm_mod dm_snapshot; do
    modules+=(--module "$module")
done
find_archive ()
{
    find "$cache" -maxdepth 1 -name 'debian-*.tar' 2> /dev/null | sort | tail -n 1
}
if [ -z "$(find_archive)" ]; then
    "$tests/vm/make-debian" --cache "$cache" --size 2048 --deleted 0 debian
    rm debian*
fi
"$tests/vm/make-initramfs" --archive "$(find_archive)" --init "$tests/vm/guest-init" \
    --file machine=/machine --file "$tests/vm/cases-xfs=/cases/xfs" \
    --file "$tests/vm/cases-xfscheck=/cases/xfscheck" "${programs[@]}" "${modules[@]}" system

accel=tcg,thread=multi
if grep -qwE 'vmx|svm' /proc/cpuinfo && [ -w /dev/kvm ]; then
    accel=kvm
fi

# machine FILE CASES SECONDS DISK...: what the cases of that file said is printed; all of them must be
# content.
machine ()
{
    local cases=$1 wanted=$2 deadline=$((SECONDS + $3)) name drives=()
    shift 3
    for name; do
        drives+=(-drive "if=virtio,file=$name.img,format=raw,cache=unsafe,discard=unmap")
    done
    qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none -accel "$accel" \
        -machine q35 -smp 2 -m 1024 -serial "file:$cases.console" -device virtio-rng-pci \
        -kernel system/vmlinuz -initrd system/initrd \
        -append "console=ttyS0 loglevel=4 panic=-1 cases=$cases" "${drives[@]}" &
    qemu=$!
    until grep -q '^CASES END' "$cases.console" 2> /dev/null; do
        [ $SECONDS -lt $deadline ] || { tail -n 20 "$cases.console" >&2; fail "$cases hangs"; }
        kill -0 $qemu 2> /dev/null || { tail -n 20 "$cases.console" >&2; fail "$cases ended early"; }
        sleep 0.2
    done
    wait $qemu || true
    qemu=
    tr -d '\r' < "$cases.console" | sed -n '/^\(CASE\|guest-init\|    \)/p' > answers
    cat answers
    for name in $wanted; do
        grep -q "^CASE $name OK" answers || fail "$name"
    done
}

sha256 "${names[@]/%/.img}" > before
machine xfs "$run" 3000 "${names[@]}" vfour vfourcut small medium
sha256 "${names[@]/%/.img}" | diff before - || fail "a source disk was changed"

# --- what came back

mount_volume medium.img 0 0 carried -t ext4
for name in "${names[@]}"; do
    [[ " $run " = *" $name "* ]] || continue
    echo "$name"
    bundle=carried/wherry/$name
    in_use=${in_use_of[$name]} offset=${offset_of[$name]}
    cp "sums-$name" sums
    check_tight "${scatter_of[$name]}"
    qemu-img convert -O raw "$bundle/disk-0.qcow2" raw
    cp --sparse=always "$name.img" source
    check_mount source "the source of $name" -t xfs
    check_mount raw "$name" -t xfs
    rm raw source
done

# The one that was killed, went on and was brought up to date is as good; the one without a snapshot is all that there was.
echo killed
qemu-img convert -O raw carried/wherry/killed/disk-0.qcow2 raw
offset=${offset_of[bare]}
cp sums-bare sums
check_mount raw killed -t xfs
mount_volume small.img 0 0 little -t ext4
qemu-img convert -O raw little/wherry/full/disk-0.qcow2 raw
cmp bare.img raw || fail "full: not whole"
unmount little

[[ $run != *file* ]] || cmp bare.img carried/file.img || fail "the image file was changed"

# Version 4.
for name in vfour vfourcut; do
    qemu-img convert -O raw "carried/wherry/$name/disk-0.qcow2" "$name.raw.img"
    xfs_repair -n "$name.raw.img" > repair.log 2>&1 || fail "$name: $(cat repair.log)"
done
unmount carried
machine xfscheck 'v4 v4cut' 120 vfour.raw vfourcut.raw medium
