#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# wherry in real machines, as far as QEMU makes them: one with BIOS, whose disks hang on SAS
# controllers, and one with UEFI, started from the stick that is its medium.  Each runs Debian's
# kernel, tests/vm/guest-init and the cases of tests/vm/cases-*, with real disks that are pulled out,
# mounts, filesystems of the medium.  Then, here: the source disks are unchanged, the bundles are
# right, and the carried Debian boots on the bus of its old driver.
#
# What is downloaded stays in build/demo, as for `make demo`.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
PATH=$PATH:/usr/sbin:/sbin
export MTOOLS_SKIP_CHECK=1

requires qemu-system-x86_64 --version
requires busybox true
requires cpio --version
requires dmsetup --version
requires expect -v
requires virt-xml-validate --version
requires xmllint --version
requires mmdebstrap --version
requires test -f /usr/lib/grub/x86_64-efi/moddep.lst
requires test -f /usr/share/OVMF/OVMF_CODE_4M.fd

tests=$SOURCE_ROOT/tests
cache=$SOURCE_ROOT/build/demo
mib=1048576

# --- what the machines are; the guests read it, too

cat > machine << 'END'
VENDOR='Wharf & Sons' PRODUCT='Barge 2000' SERIAL=WH-0042
UUID=3d2c1b0a-9f8e-4d7c-8b6a-5f4e3d2c1b0a
MEMORY_MIB=768
SAS_MIB=2048 MEGA_MIB=96 NVME_MIB=64
STICK_MIB=1536 WORK_MIB=80 VICTIM_MIB=160 LOOSE_MIB=208
UEFI_NVME_MIB=112 SATA_MIB=40 VIRTIO_MIB=48 CARD_MIB=32
ESP_UUID=0c1d2e3f-1122-4344-8566-778899aabbcc
END
# shellcheck source=/dev/null
. ./machine

qemu=
clean_up ()
{
    [ -z "$qemu" ] || kill "$qemu" 2>/dev/null || true
    rm -rf "$workdir"
}
trap clean_up EXIT

# le BYTES NUMBER: as \x escapes, the lowest byte first.
le ()
{
    local i
    for ((i = 0; i < $1; i++)); do
        printf '\\x%02x' $(($2 >> (8 * i) & 255))
    done
}

# ucs2 TEXT: as \x escapes, with its end.
ucs2 ()
{
    local i
    for ((i = 0; i < ${#1}; i++)); do
        le 2 "$(printf '%d' "'${1:i:1}")"
    done
    le 2 0
}

# guid TEXT: as \x escapes, the first three fields the lowest byte first.
guid ()
{
    local fields
    IFS=- read -ra fields <<< "$1"
    le 4 $((16#${fields[0]}))
    le 2 $((16#${fields[1]}))
    le 2 $((16#${fields[2]}))
    fold -w 2 <<< "${fields[3]}${fields[4]}" | sed 's/^/\\x/' | tr -d '\n'
}

# boot_option NAME PARTITION-UUID START SECTORS LOADER: an EFI_LOAD_OPTION (UEFI 2.10, 3.1.3) with
# efivarfs's attributes in front, as \x escapes; the partition is the first of its disk.
boot_option ()
{
    local file
    file=$(ucs2 "$5")
    le 4 7
    le 4 1
    le 2 $((42 + 4 + ${#file} / 4 + 4))
    ucs2 "$1"
    printf '\\x04\\x01' # HD()
    le 2 42
    le 4 1
    le 8 "$3"
    le 8 "$4"
    guid "$2"
    printf '\\x02\\x02'
    printf '\\x04\\x04' # File()
    le 2 $((4 + ${#file} / 4))
    printf '%s' "$file"
    printf '\\x7f\\xff'
    le 2 4
}
echo "BOOT_OPTION='$(boot_option wharf "$ESP_UUID" 2048 32768 '\EFI\wharf\grubx64.efi')'" >> machine

# --- disks

# new_disk NAME MIB: empty, for sfdisk's words on stdin; none: no table.
new_disk ()
{
    local table
    truncate -s "$2M" "$1"
    table=$(cat)
    [ -z "$table" ] || sfdisk -q "$1" <<< "$table"
}

# ext4_at DISK START-MIB SIZE-MIB LABEL [DIRECTORY]
ext4_at ()
{
    mke2fs -q -F -t ext4 -b 4096 -L "$4" ${5+-d "$5"} -E "offset=$(($2 * mib))" "$1" "$3M"
}

# fat_at DISK START-MIB SIZE-MIB [FILE...]: with these files in its top directory.
fat_at ()
{
    local disk=$1 start=$2
    truncate -s "$3M" fat
    mkfs.fat -F 32 -h $((start * 2048)) fat > mkfs.log
    shift 3
    [ $# -eq 0 ] || mcopy -i fat "$@" ::
    dd if=fat of="$disk" bs=1M seek="$start" conv=notrunc,sparse status=none
    rm fat
}

# random_mib MIB
random_mib ()
{
    head -c "$1M" /dev/urandom
}

"$tests/vm/make-debian" --cache "$cache" --size "$SAS_MIB" --deleted 0 --small sas

mkdir data
random_mib 60 > data/cargo
new_disk mega "$MEGA_MIB" <<< 'start=1MiB, type=83'
ext4_at mega 1 $((MEGA_MIB - 1)) mega data

# sfdisk takes a file to have sectors of 512 bytes.
mkdir large
random_mib 5 > large/cargo
truncate -s "${NVME_MIB}M" nvme
printf 'g\nn\n1\n256\n\nw\n' | fdisk -b 4096 -w never nvme > fdisk.log
ext4_at nvme 1 $((NVME_MIB - 2)) nvme large

mkdir work inner
echo words > inner/words
truncate -s 12M work/inner.img
mke2fs -q -F -t ext4 -d inner work/inner.img
new_disk workdisk "$WORK_MIB" << 'END'
start=1MiB, size=40MiB, type=83
start=48MiB, size=8MiB, type=83
start=64MiB, size=8MiB, type=83
END
ext4_at workdisk 1 40 work work
ext4_at workdisk 48 8 below-dm
ext4_at workdisk 64 8 below-md

new_disk victim "$VICTIM_MIB" < /dev/null
random_mib $((VICTIM_MIB - 20)) | dd of=victim bs=1M conv=notrunc iflag=fullblock status=none
new_disk loose "$LOOSE_MIB" <<< 'start=1MiB, type=83'
ext4_at loose 1 $((LOOSE_MIB - 1)) loose

new_disk uefi-nvme "$UEFI_NVME_MIB" << END
label: gpt
start=1MiB, size=34MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=$ESP_UUID
start=36MiB, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4
END
fat_at uefi-nvme 1 34
ext4_at uefi-nvme 36 75 root data
new_disk sata "$SATA_MIB" <<< 'start=1MiB, type=83'
ext4_at sata 1 $((SATA_MIB - 1)) sata large
new_disk virtio "$VIRTIO_MIB" < /dev/null
new_disk card "$CARD_MIB" < /dev/null

sources=(sas mega nvme uefi-nvme sata virtio card)
sha256 "${sources[@]}" > before

# --- the medium: an ESP with the system, the data, and a FAT partition

programs=(--program "$PROGRAM")
for program in dmsetup jq setpriv; do
    programs+=(--program "$(command -v $program)")
done
modules=()
for module in virtio_pci virtio_blk virtio_scsi ahci ata_piix nvme mptsas megaraid_sas sd_mod sr_mod \
    xhci_pci usb-storage sdhci-pci mmc_block e1000 ext4 vfat nls_cp437 nls_ascii nls_iso8859-1 \
    loop dm_mod md_mod raid1 zram efivarfs crc32c_generic; do
    modules+=(--module "$module")
done
archives=("$cache"/debian-*.tar)
"$tests/vm/make-initramfs" --archive "${archives[-1]}" --init "$tests/vm/guest-init" --file machine=/machine \
    --file "$tests/vm/cases-bios=/cases/bios" --file "$tests/vm/cases-uefi=/cases/uefi" \
    "${programs[@]}" "${modules[@]}" system

cat > grub.cfg << 'END'
search --no-floppy --set=root --file /vmlinuz
linux /vmlinuz console=ttyS0 loglevel=3 panic=-1 cases=uefi
initrd /initrd
boot
END
mkdir -p efi/EFI/BOOT
grub-mkimage -O x86_64-efi -p / -c grub.cfg -o efi/EFI/BOOT/BOOTX64.EFI part_gpt fat search \
    search_fs_file linux
esp_mib=100 data_mib=1300
new_disk stick "$STICK_MIB" << END
label: gpt
start=1MiB, size=${esp_mib}MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
size=${data_mib}MiB, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4
size=100MiB, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7
END
fat_at stick 1 $esp_mib -s efi/EFI system/vmlinuz system/initrd
data=$((1 + esp_mib))
ext4_at stick $data $data_mib WHERRY
fat_at stick $((data + data_mib)) 100

# --- the machines

accel=tcg,thread=multi
if grep -qwE 'vmx|svm' /proc/cpuinfo && [ -w /dev/kvm ]; then
    accel=kvm
fi

# drive ID FILE
drive ()
{
    args+=(-drive "if=none,id=$1,file=$2,format=raw,cache=unsafe")
}

# usb ID FILE SERIAL [OPTION]: a disk behind USB, on its own port.
usb ()
{
    drive "$1-drive" "$2"
    args+=(-device "usb-storage,id=$1,bus=usb.0,drive=$1-drive,serial=$3${4+,$4}")
}

# machine NAME SECONDS: run QEMU with $args until it ends, and print what the cases of NAME said.
machine ()
{
    local name=$1 console=$1.console deadline=$((SECONDS + $2)) done=0 words cases=0
    mkfifo "$name.in" "$name.out"
    exec 3<> "$name.in" 4<> "$name.out"
    : > "$console"
    qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none -accel "$accel" \
        -m "$MEMORY_MIB" -chardev "pipe,id=monitor,path=$name" \
        -mon chardev=monitor,mode=readline -serial "file:$console" -device virtio-rng-pci \
        -smbios "type=1,manufacturer=$VENDOR,product=$PRODUCT,serial=$SERIAL,uuid=$UUID" \
        "${args[@]}" &
    qemu=$!
    while kill -0 $qemu 2>/dev/null; do
        # "HOST pull ID": the device is gone as if someone had pulled it out.
        words=$(tr -d '\r' < "$console" | sed -n 's/^HOST pull \([a-z]*\)$/\1/p' |
            sed -n "$((done + 1))p")
        if [ -n "$words" ]; then
            echo "device_del $words" >&3
            done=$((done + 1))
        fi
        [ $SECONDS -lt $deadline ] || { tail -n 20 "$console" >&2; fail "$name hangs"; }
        sleep 0.2
    done
    wait $qemu || fail "QEMU failed"
    qemu=
    exec 3>&- 4>&-

    tr -d '\r' < "$console" | sed -n '/^\(CASE\|guest-init\|    \)/p' > "$name.cases"
    cat "$name.cases"
    grep -q '^CASES END' "$console" || { tail -n 20 "$console" >&2; fail "$name ended early"; }
    while read -r words; do
        grep -q "^CASE $words " "$name.cases" || fail "no case $words"
        cases=$((cases + 1))
    done < <(sed -n 's/^run_case \([^ ]*\) .*/\1/p' "$tests/vm/cases-$name")
    [ $cases -gt 0 ] || fail "$name: no cases"
    if grep -q '^CASE [^ ]* FAIL' "$name.cases"; then
        failed=yes
    fi
}
failed=no

args=(-machine pc -smp "2,sockets=2,cores=1,threads=1" -kernel system/vmlinuz
    -initrd system/initrd -append "console=ttyS0 loglevel=3 panic=-1 cases=bios"
    -device "e1000,mac=52:54:00:0a:0b:0c,romfile=" -device ide-cd
    -device "mptsas1068,id=sas" -device "megasas,id=mega" -device "qemu-xhci,id=usb")
drive sas-drive sas
drive mega-drive mega
drive nvme-drive nvme
args+=(-device "scsi-hd,bus=sas.0,scsi-id=0,drive=sas-drive,serial=SAS-0001,wwn=0x5000c50012345678"
    -device "scsi-hd,bus=mega.0,scsi-id=1,drive=mega-drive,serial=MEGA-0002,wwn=0x5000c50087654321"
    -device "nvme,serial=NVME-0003,drive=nvme-drive,logical_block_size=4096,physical_block_size=4096")
usb stick stick STICK-0004 removable=on
usb work workdisk WORK-0005
usb victim victim VICTIM-0006
usb loose loose LOOSE-0007 removable=on
machine bios 500

ovmf=/usr/share/OVMF
cp $ovmf/OVMF_VARS_4M.fd vars
args=(-machine q35 -smp 2 -drive "if=pflash,format=raw,readonly=on,file=$ovmf/OVMF_CODE_4M.fd"
    -drive "if=pflash,format=raw,file=vars" -device "qemu-xhci,id=usb" -device sdhci-pci)
drive nvme-drive uefi-nvme
drive sata-drive sata
drive virtio-drive virtio
drive card-drive card
args+=(-device "nvme,serial=NVME-0010,id=nvme"
    -device "nvme-ns,bus=nvme,drive=nvme-drive"
    -device "ide-hd,bus=ide.0,drive=sata-drive,serial=SATA-0011,wwn=0x5000c500aabbccdd"
    -device "virtio-blk-pci,drive=virtio-drive,serial=VIRTIO-0012"
    -device "sd-card,drive=card-drive")
usb stick stick STICK-0004 removable=on,bootindex=1
machine uefi 300

[ $failed = no ] || fail "a case failed"

# --- what came back

sha256 "${sources[@]}" | diff before - || fail "a source disk was changed"

mkdir medium
debugfs -R "rdump /wherry medium" "stick?offset=$((data * mib))" 2>/dev/null
mv medium/wherry/* medium/
"$PROGRAM" verify --quiet medium/carried > verified
"$PROGRAM" verify --quiet medium/carried-uefi > verified
for bundle in carried carried-uefi; do
    virt-xml-validate "medium/$bundle/domain.xml" domain > validated 2>&1 ||
        fail "$bundle: $(cat validated)"
done

# is BUNDLE XPATH VALUE: of its domain.xml.
is ()
{
    local value
    value=$(xmllint --xpath "string($2)" "medium/$1/domain.xml")
    [ "$value" = "$3" ] || fail "$1: $2 is '$value', not '$3'"
}

# on_bus BUNDLE SERIAL BUS REASON: what machine.json says of this disk.
on_bus ()
{
    jq -e --arg serial "$2" --arg bus "$3" --arg reason "$4" '[.disks[] | select(.serial == $serial) |
        .bus == $bus and (.bus_reason | contains($reason))] == [true]' \
        "medium/$1/machine.json" > answer ||
        fail "$1: $(jq -c '.disks[] | {path, serial, bus, bus_reason}' "medium/$1/machine.json")"
}

on_bus carried SAS-0001 lsisas1068 "mptsas with BIOS"
on_bus carried MEGA-0002 lsisas1078 "megaraid_sas with BIOS"
on_bus carried NVME-0003 virtio-scsi "4096-byte sectors"
is carried '/domain/os/@firmware' ''
is carried '/domain/uuid' "$UUID"
is carried '/domain/memory' "$MEMORY_MIB"
is carried '/domain/vcpu' 2
is carried '/domain/cpu/topology/@sockets' 2
is carried "/domain/devices/disk[serial='SAS-0001']/boot/@order" 1
is carried "/domain/devices/disk[serial='SAS-0001']/wwn" 5000c50012345678
is carried '/domain/devices/interface/mac/@address' 52:54:00:0a:0b:0c
is carried '/domain/devices/interface/model/@type' e1000

on_bus carried-uefi NVME-0010 sata "nvme: SATA"
on_bus carried-uefi SATA-0011 sata "ahci"
on_bus carried-uefi VIRTIO-0012 virtio "virtio_blk at the source"
is carried-uefi '/domain/os/@firmware' efi
is carried-uefi "/domain/os/firmware/feature[@name='secure-boot']/@enabled" no
is carried-uefi "/domain/devices/disk[serial='NVME-0010']/boot/@order" 1
jq -e '.facts.firmware == "uefi" and (.facts.boot_entries | length >= 3)' \
    medium/carried-uefi/machine.json > answer || fail "no boot entries in the manifest"

# shellcheck disable=SC2016 # the VM expands it
"$tests/vm/boot-bundle" medium/carried 'dmesg -n 1; cat /etc/wherry-marker
    ls -d /sys/bus/pci/drivers/mptsas/0000* /sys/bus/pci/drivers/megaraid_sas/0000* | wc -l
    for label in mega nvme; do
        mount -r "$(blkid -L $label)" /mnt && sha256sum < /mnt/cargo; umount /mnt; done' \
    --log boot.log > booted || { tail -n 30 boot.log >&2; fail "the carried Debian does not boot"; }
{
    cat sas.marker
    echo 2
    sha256sum < data/cargo
    sha256sum < large/cargo
} | diff - booted || fail "the carried Debian says something else"
