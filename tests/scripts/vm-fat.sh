#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# FAT and exFAT as the kernel leaves them: a VM with Debian's writes to disks of each kind, and is cut
# off.  Those that it had unmounted are clean, and all of their files are carried.  Those that it was
# writing to are carried whole.  So is FAT that was only synced; but exFAT is clean then, by Linux,
# and has all of its files.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
PATH=$PATH:/usr/sbin:/sbin
export MTOOLS_SKIP_CHECK=1

requires qemu-system-x86_64 --version
requires busybox true
requires cpio --version
requires mkfs.fat --help
requires mtools --version
requires command -v mkfs.exfat
requires command -v mount.exfat-fuse
requires mmdebstrap --version
requires test "$(id -u)" -eq 0 # for loop devices

tests=$SOURCE_ROOT/tests
cache=$SOURCE_ROOT/build/demo

cat > machine << 'END'
DISKS='FAT12-unmounted FAT12-left FAT16-unmounted FAT16-left FAT32-unmounted FAT32-left
    exFAT-unmounted exFAT-left exFAT-synced'
FIRST_MIB=40 LEFT_MIB='41 43 45 47'
END
# shellcheck source=/dev/null
. ./machine

qemu=
clean_up ()
{
    [ -z "$qemu" ] || kill -KILL "$qemu" 2>/dev/null || true
    if mountpoint -q "$workdir/mnt"; then umount "$workdir/mnt"; fi
    rm -rf "$workdir"
}
trap clean_up EXIT

# --- the disks, and the system

drives=()
mib=$FIRST_MIB
for disk in $DISKS; do
    truncate -s "${mib}M" "$disk"
    case $disk in
    FAT12-*) mkfs.fat -F 12 -s 32 "$disk" ;;
    FAT16-*) mkfs.fat -F 16 -s 2 "$disk" ;;
    FAT32-*) mkfs.fat -F 32 -s 1 "$disk" ;;
    exFAT-*) mkfs.exfat "$disk" ;;
    esac > /dev/null
    drives+=(-drive "if=virtio,file=$disk,format=raw,cache=unsafe")
    mib=$((mib + 1))
done

find_archive ()
{
    find "$cache" -maxdepth 1 -name 'debian-*.tar' 2>/dev/null | sort | tail -n 1
}
if [ -z "$(find_archive)" ]; then
    "$tests/vm/make-debian" --cache "$cache" --size 2048 --deleted 0 debian
    rm debian*
fi
modules=()
for module in virtio_pci virtio_blk nls_cp437 nls_ascii nls_utf8 vfat exfat; do
    modules+=(--module "$module")
done
"$tests/vm/make-initramfs" --archive "$(find_archive)" --init "$tests/vm/guest-init" \
    --file machine=/machine --file "$tests/vm/cases-fat=/cases/fat" "${modules[@]}" system

# --- the kernel writes, and is cut off

accel=tcg,thread=multi
if grep -qwE 'vmx|svm' /proc/cpuinfo && [ -w /dev/kvm ]; then
    accel=kvm
fi
deadline=$((SECONDS + 400))
qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none -accel "$accel" \
    -machine q35 -smp 2 -m 512 -serial file:console -device virtio-rng-pci \
    -kernel system/vmlinuz -initrd system/initrd \
    -append 'console=ttyS0 loglevel=4 panic=-1 cases=fat' "${drives[@]}" &
qemu=$!
until grep -q '^HOST cut' console 2> /dev/null; do
    [ $SECONDS -lt $deadline ] || { tail -n 20 console >&2; fail "the VM hangs"; }
    kill -0 $qemu 2> /dev/null || { tail -n 20 console >&2; fail "the VM ended early"; }
    sleep 0.1
done
kill -KILL $qemu
{ wait $qemu; } 2> /dev/null || true
qemu=
tr -d '\r' < console | sed -n '/^\(CASE\|guest-init\|    \)/p' > cases
cat cases
[ "$(grep -c '^CASE [^ ]* OK' cases)" -eq "$(wc -w <<< "$DISKS")" ] || fail "a case of the VM failed"

# --- there and back

# carry NAME: sets $how and $used, and makes `raw`.
carry ()
{
    rm -rf to raw
    mkdir to
    "$PROGRAM" capture --quiet --to to --name a "$1" > /dev/null
    how=$(jq -r '.disks[0].volumes[0].how' to/wherry/a/machine.json)
    used=$(jq '.disks[0].used' to/wherry/a/machine.json)
    qemu-img convert -O raw to/wherry/a/disk-0.qcow2 raw
}

# check_files KIND: of `raw`.
check_files ()
{
    rm -rf got mnt
    mkdir got mnt
    if [ "$1" = exFAT ]; then
        fsck.exfat -n raw > fsck.log || fail "fsck.exfat: $(cat fsck.log)"
        loop=$(losetup -f --show -r raw)
        mount.exfat-fuse -o ro "$loop" mnt > /dev/null
        cp -r mnt/. got/
        umount mnt
        losetup -d "$loop"
    else
        fsck.fat -n raw > fsck.log || fail "fsck.fat: $(cat fsck.log)"
        mcopy -s -i raw '::*' got/
    fi
    [ "$(wc -l < got/sums)" -eq 81 ] || fail "$(wc -l < got/sums) files"
    (cd got && sha256sum --quiet -c sums) || fail "the files differ"
}

for disk in $DISKS; do
    kind=${disk%-*}
    carry "$disk"
    echo "$disk: $how, $used bytes"
    case $disk in
    *-left)
        [[ $how = "carried whole: $kind that was not cleanly unmounted"* ]] || fail "how is '$how'"
        ;;
    *)
        [ "$how" = "$kind, clean" ] || fail "how is '$how'"
        check_files "$kind"
        ;;
    esac
done
