#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A hostile bundle: every member of machine.json in turn has a value that it should not have, and the
# digest fits again, so that the checks must decide; then hostile images, whose sums fit, too.  Each
# is imported into a pool of its own.  Whether it is refused or becomes a VM: outside that pool nothing
# changes, no disk of the VM lies anywhere else, and the VM has no device that is not ours.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
# shellcheck source=tests/scripts/import-functions.sh
. "$(dirname "$0")/import-functions.sh"

requires sqlite3 --version
requires xmllint --version

start_host
make_bundle evil uefi 1
good=medium/wherry/evil
mkdir pools/own outside
libvirt pool-create-as own dir --target "$workdir/pools/own" > /dev/null
echo secret > outside/secret
snapshot before
find outside medium -type f -exec sha256sum '{}' + | sort > outside.before

# sign: give machine.json in ./bad the digest of its bytes.
sign ()
{
    sed -n '/^  "digest": /q;p' bad/machine.json > signed
    printf '  "digest": "%s"\n}\n' "$(sha256sum < signed | cut -d ' ' -f 1)" >> signed
    mv signed bad/machine.json
}

# sum_image: make disk-0.sums and the manifest fit disk-0.qcow2 as it is now.
sum_image ()
{
    local chunks leaf hex size
    chunks=$(od -A n -t u8 -j 48 -N 8 bad/disk-0.sums | tr -d ' ')
    size=$(stat -c %s bad/disk-0.qcow2)
    head -c $((64 + 40 * chunks)) bad/disk-0.sums > sums
    for ((leaf = 0; leaf * 4194304 < size; leaf++)); do
        hex=$(tail -c +$((leaf * 4194304 + 1)) bad/disk-0.qcow2 | head -c 4194304 | sha256sum |
            cut -d ' ' -f 1)
        # shellcheck disable=SC2001 # what is found is part of what is put
        printf '%b' "$(sed 's/../\\x&/g' <<< "$hex")" >> sums
    done
    mv sums bad/disk-0.sums
    jq --argjson size "$(stat -c %s bad/disk-0.sums)" \
        --arg digest "$(sha256sum < bad/disk-0.sums | cut -d ' ' -f 1)" \
        '(.files[] | select(.name == "disk-0.sums")) |= (.size = $size | .digest = $digest)' \
        "$good/machine.json" > bad/machine.json
    sign
}

# only_ours: the VMs that came of it use nothing but volumes of the pool, networks and what
# domain-xml.c always writes.
only_ours ()
{
    local uuid file
    for uuid in $(libvirt list --all --uuid); do
        libvirt dumpxml "$uuid" --inactive > vm.xml
        for file in $(xmllint --xpath '//disk/source/@*' vm.xml | grep -oE '"[^"]*"' | tr -d '"'); do
            case $file in
            *..*) fail "$case: a disk at $file" ;;
            "$workdir/pools/own/"*) ;;
            *) fail "$case: a disk at $file" ;;
            esac
        done
        [ "$(xmllint --xpath 'count(//hostdev | //filesystem | //channel | //shmem | //rng |
            //interface[@type != "network"] | //disk[@type != "file"] | //kernel | //initrd |
            //*[namespace-uri() != ""] | //backingStore[*])' vm.xml)" = 0 ] ||
            fail "$case: $(cat vm.xml)"
        libvirt undefine "$uuid" --nvram --remove-all-storage > /dev/null
        taken=$((taken + 1))
    done
}

# try TITLE: import ./bad, and look.
tried=0 taken=0
try ()
{
    local r=0
    case=$1
    import --pool own bad > out 2> err < /dev/null || r=$?
    case $r in
    0 | 1 | 3 | 4) ;;
    *) fail "$case: exit status $r: $(cat err)" ;;
    esac
    only_ours
    tried=$((tried + 1))
}

# check_outside: of many tries together, since each takes a second.
check_outside ()
{
    unchanged before
    find outside medium -type f -exec sha256sum '{}' + | sort | cmp - outside.before ||
        fail "$case: something else has changed"
    rm -rf "$workdir/state"
}

fresh ()
{
    rm -rf bad
    cp -r "$good" bad
}

# --- every member, with every kind of value ---
values=(
    null true 0 1 -1 4294967296 9223372036854775807 1e300 '""' '"x"' '[]' '{}' '"../../outside/secret"'
    "\"$workdir/outside/secret\"" '"disk-1.qcow2"' "\"x'/><disk type='file'/>\"" '"&lt;"' '"a\nb"'
    '"00000000-0000-0000-0000-000000000000"' '"default"' '"ff:ff:ff:ff:ff:ff"' '"-x"' '"virtio-scsi"'
)
jq -c 'del(.facts, .digest) | paths' "$good/machine.json" > paths
n=0 slice=$(draw)
while read -r path; do
    for value in "${values[@]}"; do
        n=$((n + 1))
        [ -n "${WHERRY_TEST_ALL-}" ] && [ "$WHERRY_TEST_ALL" != 0 ] ||
            [ $(((n + slice) % 12)) -eq 0 ] || continue
        fresh
        jq --argjson path "$path" --argjson value "$value" 'setpath($path; $value)' \
            "$good/machine.json" > bad/machine.json
        sign
        try "$path = $value"
    done
    # Without the member at all.
    fresh
    jq --argjson path "$path" 'delpaths([$path])' "$good/machine.json" > bad/machine.json
    sign
    try "no $path"
done < paths
check_outside
echo "$tried manifests, $taken of them taken"
[ $taken -gt 0 ] || fail "none was taken: it tests nothing"

# --- images whose sums fit ---
# header OFFSET HEX: bytes of the image's header.
header ()
{
    # shellcheck disable=SC2001 # what is found is part of what is put
    printf '%b' "$(sed 's/../\\x&/g' <<< "$2")" |
        dd of=bad/disk-0.qcow2 bs=1 seek="$1" conv=notrunc status=none
}

# refused_image TEXT CMD...: the image after CMD is refused with TEXT, before anything is made.
refused_image ()
{
    local text=$1
    shift
    fresh
    "$@"
    sum_image
    case="image: $text"
    refused 4 "$text" import --pool own bad
    grep -q "task 'check bundle': " stderr || fail "$case: not by the first task: $(cat stderr)"
    check_outside
}

fresh
sum_image
try "the same image, summed anew"
[ "$(sqlite3 "$state" 'SELECT count(*) FROM job_task WHERE name = "define"')" -eq 1 ] ||
    fail "it was not taken"
check_outside
backing ()
{
    printf '%s' "$workdir/outside/secret" | dd of=bad/disk-0.qcow2 bs=1 seek=1024 conv=notrunc \
        status=none
    header 8 "0000000000000400$(printf '%08x' "${#workdir}")"
}
refused_image "a backing file" backing
refused_image "an external data file" header 72 000000000000000c
refused_image "unknown incompatible features" header 72 0000000000000108
refused_image "auto-clear features" header 88 0000000000000001
refused_image "encryption" header 32 00000002
refused_image "snapshots" header 60 00000001
refused_image "version 2" header 4 00000002
refused_image "is no qcow2 image" header 0 00000000
refused_image "holds a disk of 2097152 bytes, but 1048576 were recorded" header 24 0000000000200000
# What qemu would probe as something else if it were raw.
vmdk ()
{
    printf '# Disk DescriptorFile\nversion=1\nCID=1\ncreateType="monolithicFlat"\nRW 2048 FLAT "%s" 0\n' \
        "$workdir/outside/secret" | dd of=bad/disk-0.qcow2 bs=1 conv=notrunc status=none
}
refused_image "is no qcow2 image" vmdk
for file in disk-0.qcow2 disk-0.sums machine.json; do
    fresh
    rm "bad/$file"
    ln -s "$workdir/outside/secret" "bad/$file"
    refused "$([ $file = machine.json ] && echo 3 || echo 4)" "is a symlink" import --pool own bad
    check_outside
done
