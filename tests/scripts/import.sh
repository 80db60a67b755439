#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Bundles become VMs on a libvirt host: what is made, what the options change, and what is refused
# before anything is made.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
# shellcheck source=tests/scripts/import-functions.sh
. "$(dirname "$0")/import-functions.sh"

requires sqlite3 --version
requires xmllint --version

start_host
make_bundle web bios 9 1
make_bundle secure uefi 5
web=medium/wherry/web secure=medium/wherry/secure
snapshot before

# says NAME XPATH VALUE: of the VM's description.
says ()
{
    local got
    got=$(libvirt dumpxml "$1" --inactive | xmllint --xpath "string($2)" -)
    [ "$got" = "$3" ] || fail "$1: $2 is '$got', not '$3'"
}

# --- nothing there: directory, pool and VM are made ---
import "$web" > out 2> err
is_complete web "$web"
says web /domain/uuid "$(jq -r .uuid $web/machine.json)"
says web /domain/@type qemu
says web /domain/vcpu 1
says web "concat(/domain/memory, /domain/memory/@unit)" 262144KiB
says web "count(//disk)" 2
says web "//interface[1]/mac/@address" 52:54:00:aa:00:01
says web "//interface[1]/source/@network" default
grep -q "^web: imported in .* UUID $(jq -r .uuid $web/machine.json), 1 vCPUs" out || fail "$(cat out)"
grep -q "When the source is off, start it: virsh -c '$uri' start web" out || fail "$(cat out)"
grep -q "will be emulated, which is slow" err || fail "$(cat err)"
libvirt pool-info default | grep "Autostart: *yes" > /dev/null || fail "the pool does not start by itself"
[ "$(libvirt pool-dumpxml default | xmllint --xpath 'string(//target/path)' -)" = \
    /var/lib/libvirt/images ] || fail "the pool is elsewhere"

# --- a second one, UEFI with Secure Boot, in the pool that is there now, started ---
import --json --start "$secure" > out 2> err
is_complete secure "$secure"
[ "$(libvirt domstate secure)" = running ] || fail "it does not run"
says secure //os/@firmware efi
jq -e --arg uri "$uri" '.cloud == $uri and .started and .name == "secure" and .pool == "default"
    and .vcpus == 1 and (.disks | length) == 1 and (.nics | length) == 3' out > /dev/null ||
    fail "$(cat out)"
described import > docs
printed out > members
diff docs members || fail "docs/json.md and import --json differ"
grep -q "the source must be off" err || fail "no warning: $(cat err)"
[ "$("$PROGRAM" job list --json --state "$state" | jq -r '.jobs[].state' | sort -u)" = 'done' ] ||
    fail "$("$PROGRAM" job list --state "$state")"

# --- refused: each before anything is made ---
snapshot two
nothing_made ()
{
    unchanged two
    [ "$("$PROGRAM" job list --json --state "$state" | jq '.jobs | length')" -eq 2 ] ||
        fail "there is a job more"
}

refused 1 "a VM of the name 'web' already" import "$web"
refused 1 "the VM 'web' has this machine's UUID" import --name web2 "$web"
remove secure
cat > macs.xml <<END
<domain type='qemu'><name>macs</name><memory>65536</memory><os><type>hvm</type></os><devices>
<interface type='network'><mac address='52:54:00:BB:00:01'/><source network='lan'/></interface>
</devices></domain>
END
libvirt define macs.xml > /dev/null
refused 1 "the VM 'macs' has the MAC 52:54:00:bb:00:01 of this machine's NIC p1" import "$secure"
libvirt undefine macs > /dev/null
snapshot two
refused 2 "cannot name a VM" import --name ../x "$secure"
refused 1 "there is no network 'wan' for NIC p1; there are: 'default', 'lan'" \
    import --network p1=wan "$secure"
refused 1 "no such NIC; it has: p1 (52:54:00:bb:00:01)" import --network eth9=lan "$secure"
refused 2 "--network is FROM=TO" import --network p1 "$secure"
refused 1 "there is no pool 'fast'; there are: 'default' (/var/lib/libvirt/images)" \
    import --pool fast "$secure"
refused 1 "part" import --pool /tmp/../etc "$secure"
refused 1 "4096 vCPUs are asked for, but the host has $(nproc) CPUs" import --vcpus 4096 "$secure"
refused 1 "4 vCPUs are in the bundle, but the host has" \
    "$PROGRAM" import --cloud "$uri" --state "$state" "$secure"
refused 1 "64.0 TiB of memory (70368744177664 bytes) are asked for, but the host has" \
    import --memory 64T "$secure"
refused 1 "the host has no KVM: " import --virt-type kvm "$secure"
refused 1 "cannot go on bus lsisas1078: UEFI cannot start from it" import --bus lsisas1078 "$secure"
refused 2 "--bus is sata, virtio" import --bus ide "$secure"
refused 2 "--vcpus is a whole number from 1 to 4096, not '0'" import --vcpus 0 "$secure"
refused 2 "--memory is a number of MiB" import --memory 1K "$secure"
refused 2 "--memory is a number of MiB" import --memory -1 "$secure"
refused 2 "--virt-type is auto, kvm or qemu, not 'xen'" import --virt-type xen "$secure"
refused 2 "--attempts is" import --attempts x "$secure"
refused 2 "--timeout is" import --timeout 1.5 "$secure"
refused 2 "expected BUNDLE" import
refused 1 "nowhere" import nowhere
refused 1 "cannot connect to" "$PROGRAM" import --state "$state" \
    --cloud "qemu+unix:///system?socket=/nonexistent" "$secure"
refused 1 "" "$PROGRAM" import --state "$state" --cloud "nonsense" "$secure"
mkdir empty
refused 1 "'empty' is incomplete" import empty
cp -r "$secure" altered
sed -i 's/"generation": 1/"generation": 2/' altered/machine.json
refused 3 "altered" import altered
libvirt net-destroy default
refused 1 "the network 'default' for NIC p1 is not active" import "$secure"
libvirt net-start default
libvirt pool-destroy default
refused 1 "the pool 'default' is not active" import "$secure"
libvirt pool-start default
nothing_made

# A pool on a full filesystem.
read -r init _ < "/proc/$(cat "$labdir/host/unshare.pid")/task/$(cat \
    "$labdir/host/unshare.pid")/children" || true # there is no newline
mkdir pools/full
nsenter --target "$init" --mount -- mount -t tmpfs -o size=1m tmpfs "$workdir/pools/full"
libvirt pool-create-as full dir --target "$workdir/pools/full" > /dev/null
refused 1 "the pool 'full' has 1.0 MiB free (1048576 bytes), but the images take" \
    import --pool full "$secure"
libvirt pool-destroy full
rmdir pools/full 2>/dev/null || true

# --- the options ---
mkdir pools/named
libvirt pool-create-as named dir --target "$workdir/pools/named" > /dev/null
import --name other --pool named --network p2=lan --network 52:54:00:BB:00:03=lan --bus virtio \
    --virt-type qemu "$secure" > /dev/null
is_complete other "$secure"
says other "//interface[mac/@address='52:54:00:bb:00:01']/source/@network" default
says other "//interface[mac/@address='52:54:00:bb:00:02']/source/@network" lan
says other "//interface[mac/@address='52:54:00:bb:00:03']/source/@network" lan
says other "//disk/target/@bus" virtio
[ "$(find pools/named -name 'other-*-0.qcow2' | wc -l)" -eq 1 ] || fail "the pool has $(ls pools/named)"
remove other
libvirt pool-destroy named

# A path: a pool and its directories are made there; then it is that pool's.
import --pool "$workdir/pools/deep/down/" "$secure" > /dev/null 2>&1
is_complete secure "$secure"
libvirt pool-info down > /dev/null || fail "there is no pool 'down'"
remove secure
import --pool "$workdir/pools/deep/down" "$secure" > /dev/null 2>&1
is_complete secure "$secure"
[ "$(libvirt pool-list --all --name | grep -c down)" -eq 1 ] || fail "$(libvirt pool-list --all)"
remove secure
