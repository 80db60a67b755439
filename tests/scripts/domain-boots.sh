#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Each combination of firmware and bus of domain.xml is valid, is defined and started by libvirt,
# and reaches its boot loader; with Secure Boot, an unsigned boot loader is not reached.
#
# libvirtd runs in namespaces of its own (mounts, pids, network), with directories of its own in
# place of /run, /etc/libvirt and the rest: it cannot meet one that runs on this machine.  Its
# pid 1 is a shell, since libvirtd does not reap the QEMUs that it starts as daemons.
# Everything is emulated (TCG), two machines at a time.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
PATH=$PATH:/usr/sbin:/sbin

requires [ "$(id -u)" -eq 0 ]
requires unshare --mount --uts --pid --net --fork true
requires libvirtd --version
requires virsh --version
requires virt-xml-validate --version
requires qemu-system-x86_64 --version
requires qemu-img --version
requires grub-mkimage --version
requires sfdisk --version
requires mcopy --version
requires mkfs.vfat --help
requires [ -e /usr/share/OVMF/OVMF_CODE_4M.ms.fd ]
shim=/usr/lib/shim/shimx64.efi.signed
grub=/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed
requires [ -e $shim ]
requires [ -e $grub ]
requires [ -e /usr/lib/grub/i386-pc/boot.img ]

host=
lanes=()
clean_up ()
{
    local inner
    if [ -n "$host" ]; then
        # Its only child is pid 1 in there, so it takes all of them with it.
        read -r inner _ < "/proc/$host/task/$host/children" || true # the file has no newline
        kill "${lanes[@]}" || true
        kill -KILL "$inner" || true
        wait || true
    fi 2> clean_up.log
    cd /
    rm -rf "$workdir"
}
trap clean_up EXIT

start_host ()
{
    mkdir -p run etc lib log cache images
    cat > etc/libvirtd.conf <<-END
	auth_unix_rw = "none"
	unix_sock_group = "root"
	END
    cat > etc/qemu.conf <<-END
	user = "root"
	group = "root"
	security_driver = "none"
	cgroup_controllers = []
	namespaces = []
	remember_owner = 0
	stdio_handler = "file"
	END
    # shellcheck disable=SC2016 # expanded by the inner shell
    unshare --mount --uts --pid --net --fork --kill-child --mount-proc bash -c '
        mount --make-rprivate /
        mount --bind etc /etc/libvirt
        for dir in lib log cache; do
            mkdir -p "/var/$dir/libvirt"
            mount --bind "$dir" "/var/$dir/libvirt"
        done
        mount --bind run /run
        libvirtd &
        while :; do wait; sleep 1; done' > libvirtd.log 2>&1 &
    host=$!
    for _ in {1..100}; do
        [ -S run/libvirt/libvirt-sock ] && return
        sleep 0.1
    done
    fail "libvirtd did not start: $(cat libvirtd.log)"
}

# libvirt VERB [ARG...]: virsh on our host.
libvirt ()
{
    virsh -q -c "qemu+unix:///system?socket=$workdir/run/libvirt/libvirt-sock" "$@"
}

# An MBR whose boot code finds GRUB's core image in the sectors behind it, where boot.img and
# core.img look for it unless told otherwise.
make_bios_disk ()
{
    cat > early.cfg <<-END
	serial --unit=0 --speed=115200
	terminal_output serial
	echo WHERRY-BOOT-OK bios
	END
    grub-mkimage -O i386-pc -p /boot -c early.cfg -o core.img biosdisk serial terminal echo
    truncate -s 16M raw
    echo '2048,,L,*' | sfdisk -q --label dos raw
    dd if=/usr/lib/grub/i386-pc/boot.img of=raw bs=440 count=1 conv=notrunc status=none
    dd if=core.img of=raw bs=512 seek=1 conv=notrunc status=none
    qemu-img convert -O qcow2 raw bios-512.qcow2
}

# make_uefi_disk NAME SECTOR-SIZE BOOTX64.EFI [GRUBX64.EFI]: a disk that is one FAT, without
# partitions (sfdisk makes no table for 4096-byte sectors in a plain file); firmware takes that.
make_uefi_disk ()
{
    rm -f raw
    truncate -s 64M raw
    mkfs.vfat -I -S "$2" raw > /dev/null
    mmd -i raw ::EFI ::EFI/BOOT ::EFI/debian
    mcopy -i raw "$3" ::EFI/BOOT/BOOTX64.EFI
    [ $# -lt 4 ] || mcopy -i raw "$4" ::EFI/BOOT/grubx64.efi
    mcopy -i raw grub.cfg ::EFI/debian/grub.cfg
    qemu-img convert -O qcow2 raw "$1-$2.qcow2"
}

make_disks ()
{
    make_bios_disk
    # Signed GRUB looks for /EFI/debian/grub.cfg on the volume it came from.
    cat > grub.cfg <<-'END'
	serial --unit=0 --speed=115200
	terminal_output serial
	echo WHERRY-BOOT-OK uefi lockdown=$lockdown shim_lock=$shim_lock
	END
    make_uefi_disk signed 512 $shim $grub
    make_uefi_disk signed 4096 $shim $grub
    grub-mkimage -O x86_64-efi -p /EFI/debian -o unsigned.efi part_gpt fat normal serial terminal echo
    make_uefi_disk unsigned 512 unsigned.efi
}

# reaches LOG WORDS: wait until they stand there.
reaches ()
{
    for _ in {1..1200}; do
        grep -aF -- "$2" "$1" > /dev/null 2>&1 && return
        sleep 0.1
    done
    return 1
}

# boots WORDS LOADER MACHINE FIRMWARE BUS SECTOR-SIZE DISKS: start a machine from the disk LOADER;
# its serial console must come to say WORDS.
boots ()
{
    local words=$1 loader=$2 name
    shift 2
    name=$loader-$(IFS=-; echo "$*")
    local dir=$workdir/images/$name start=$SECONDS

    mkdir "$dir"
    cp "$loader-$4.qcow2" "$dir/disk-0.qcow2"
    for ((i = 1; i < $5; i++)); do
        qemu-img create -q -f qcow2 "$dir/disk-$i.qcow2" 16M
    done
    "$DOMAIN_TOOL" "$name" qemu "$1" "$2" "$3" "$4" "$5" 0 "$dir" > "$dir/domain.xml"
    virt-xml-validate "$dir/domain.xml" domain 2>/dev/null
    sed "s|<serial type=\"pty\"/>|<serial type=\"pty\"><log file=\"$dir/console\"/></serial>|" \
        "$dir/domain.xml" > "$dir/logged.xml"
    libvirt define --validate "$dir/logged.xml"
    libvirt start "$name"
    if ! reaches "$dir/console" "$words"; then
        sed 's/\x1b\[[0-9;=?]*[A-Za-z]//g' "$dir/console" | tr -d '\r' | tail -20
        cat "log/qemu/$name.log"
        fail "$name did not come to say '$words'"
    fi
    libvirt destroy "$name"
    libvirt undefine --nvram "$name"
    rm -r "$dir"
    echo "$name: '$words' after $((SECONDS - start)) s"
}

# is_valid TYPE MACHINE FIRMWARE BUS SECTOR-SIZE DISKS NICS: what is not started, as it wants a
# network or KVM.  libvirt gives every device an address when it defines the machine.
is_valid ()
{
    "$DOMAIN_TOOL" unstarted "$@" /images > domain.xml
    virt-xml-validate domain.xml domain 2>/dev/null
    [ "$1" = kvm ] || libvirt define --validate domain.xml
    [ "$1" = kvm ] || libvirt undefine unstarted
}

start_host
make_disks

for machine in q35 pc; do
    is_valid qemu $machine bios sata 512 1 4
    is_valid kvm $machine bios virtio 512 30 30
done
is_valid kvm q35 secure virtio-scsi 4096 2 1
# SeaBIOS starts from no such disk, but a machine may have one beside the disk that it starts from.
is_valid qemu q35 bios virtio-scsi 4096 2 0

cat > matrix <<-END
	ok bios q35 bios sata 512 1
	ok bios pc bios sata 512 7
	ok bios q35 bios virtio 512 30
	ok bios pc bios virtio 512 1
	ok bios q35 bios virtio-scsi 512 1
	ok bios pc bios virtio-scsi 512 1
	ok bios q35 bios lsisas1078 512 1
	ok bios pc bios lsisas1078 512 1
	ok bios q35 bios lsisas1068 512 9
	ok bios pc bios lsisas1068 512 1
	off signed q35 uefi sata 512 7
	off signed q35 uefi virtio 512 1
	off signed q35 uefi virtio-scsi 512 1
	off signed q35 uefi virtio 4096 1
	off signed q35 uefi virtio-scsi 4096 1
	off signed pc uefi sata 512 1
	on signed q35 secure sata 512 1
	on signed q35 secure virtio 512 1
	on signed q35 secure virtio-scsi 512 1
	on signed q35 secure virtio-scsi 4096 1
	refused unsigned q35 secure sata 512 1
	ok unsigned q35 uefi sata 512 1
END
declare -A words=(
    [ok]='WHERRY-BOOT-OK'
    [off]='WHERRY-BOOT-OK uefi lockdown= shim_lock='
    [on]='WHERRY-BOOT-OK uefi lockdown=y shim_lock=y'
    [refused]='Access Denied'
)

# lane N: every second line of the matrix.
lane ()
{
    awk -v n="$1" 'NR % 2 == n' matrix > "lane$1"
    while read -r want args; do
        # shellcheck disable=SC2086 # words
        boots "${words[$want]}" $args </dev/null
    done < "lane$1"
}
lane 0 &
lanes+=($!)
lane 1 &
lanes+=($!)
wait "${lanes[0]}"
wait "${lanes[1]}"
