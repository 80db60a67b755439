#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Our reader on images that qemu-img makes, with each of its options: what QEMU wrote into them is
# read, or the image is refused with the reason.  An option of qemu-img that is in no case here is a
# failure.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"

requires qemu-img --version
requires qemu-io --version

size=$((20 << 20 | 512))
secret=(--object "secret,id=key,data=secret")

# Each: options | "read", or the reason.
cases='
size=20972032|read
cluster_size=512|clusters of 2^9 bytes with refcounts of 2^4 bits are not taken
cluster_size=4096|clusters of 2^12 bytes
cluster_size=32768|clusters of 2^15 bytes
cluster_size=65536|read
cluster_size=131072|clusters of 2^17 bytes
cluster_size=2097152|clusters of 2^21 bytes
compat=0.10|qcow2 version 2 is not taken
compat=1.1|read
compression_type=zlib|read
compression_type=zstd|read
preallocation=off|read
preallocation=metadata|read
preallocation=falloc|read
preallocation=full|read
preallocation=metadata,compression_type=zstd|read
refcount_bits=1|refcounts of 2^0 bits are not taken
refcount_bits=2|refcounts of 2^1 bits
refcount_bits=4|refcounts of 2^2 bits
refcount_bits=8|refcounts of 2^3 bits
refcount_bits=16|read
refcount_bits=32|refcounts of 2^5 bits
refcount_bits=64|refcounts of 2^6 bits
lazy_refcounts=on|read
lazy_refcounts=off|read
extended_l2=on,cluster_size=64k|an image with extended L2 entries is not taken
extended_l2=off|read
data_file=data.raw|an image with an external data file is not taken
data_file=data.raw,data_file_raw=on|an image with an external data file is not taken
backing_file=base.qcow2,backing_fmt=qcow2|an image with a backing file is not taken
encryption=on,encrypt.key-secret=key|an image with encryption is not taken
encrypt.format=aes,encrypt.key-secret=key|an image with encryption is not taken
encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10|an image with encryption is not taken
encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10,encrypt.cipher-alg=aes-256,encrypt.cipher-mode=cbc,encrypt.ivgen-alg=essiv,encrypt.ivgen-hash-alg=sha256,encrypt.hash-alg=sha256|an image with encryption is not taken
'

qemu-img create -q -f qcow2 base.qcow2 $size
while read -r option; do
    grep -qE "(^|,|\|)$option=" <<< "$cases" || fail "nobody tries qemu-img's option $option"
done < <(qemu-img create -f qcow2 -o help | sed -n 's/^ *\([a-z_.0-9-]*\)=.*/\1/p')

# write_to IMAGE OPTIONS: as a guest does; with a copy in disk.raw.
write_to ()
{
    local opts="driver=qcow2,file.filename=$1"
    [[ $2 != *encrypt* ]] || opts+=",encrypt.key-secret=key"
    [[ $2 != *encryption=on* && $2 != *format=aes* ]] || opts+=",encrypt.format=aes"
    [[ $2 != *format=luks* ]] || opts+=",encrypt.format=luks"
    qemu-io "${secret[@]}" --image-opts "$opts" -c 'write -P 7 0 100k' -c 'write -P 9 5M 1M' \
        -c 'write -z 6M 2M' -c "write -P 3 $((size - 512)) 512" > /dev/null
}

rm -f disk.raw
truncate -s $size disk.raw
qemu-io -f raw disk.raw -c 'write -P 7 0 100k' -c 'write -P 9 5M 1M' \
    -c "write -P 3 $((size - 512)) 512" > /dev/null

n_read=0 n_refused=0
while IFS='|' read -r options want; do
    [ -n "$options" ] || continue
    rm -f image.qcow2 data.raw back.raw
    args=(image.qcow2 "$size")
    [[ $options != size=* ]] || args=(image.qcow2)
    if ! qemu-img create -q "${secret[@]}" -f qcow2 -o "$options" "${args[@]}" > create.log 2>&1; then
        # What QEMU itself does not make any more cannot come.
        [[ $options = *encryption=on* || $options = *format=aes* ]] || fail "$options: $(cat create.log)"
        continue
    fi
    [[ $options = *encryption=on* || $options = *format=aes* ]] || write_to image.qcow2 "$options"
    if [ "$want" = read ]; then
        "$IMAGE_TOOL" check image.qcow2
        "$IMAGE_TOOL" read image.qcow2 back.raw
        cmp disk.raw back.raw || fail "$options: other bytes"
        n_read=$((n_read + 1))
    else
        fails_with "$want" "$IMAGE_TOOL" read image.qcow2 back.raw
        fails_with "$want" "$IMAGE_TOOL" check image.qcow2
        n_refused=$((n_refused + 1))
    fi
done <<< "$cases"
echo "$n_read read, $n_refused refused"

# Compressed clusters: zstd is read, zlib refused where it is met.
qemu-img convert -c -f raw -O qcow2 -o compression_type=zstd disk.raw image.qcow2
"$IMAGE_TOOL" read image.qcow2 back.raw
cmp disk.raw back.raw
qemu-img convert -c -f raw -O qcow2 -o compression_type=zlib disk.raw image.qcow2
fails_with 'is compressed by zlib, not zstd' "$IMAGE_TOOL" read image.qcow2 back.raw

# Snapshots and bitmaps come later.
qemu-img convert -f raw -O qcow2 disk.raw image.qcow2
qemu-img snapshot -c one image.qcow2
fails_with 'an image with snapshots is not taken' "$IMAGE_TOOL" check image.qcow2
qemu-img convert -f raw -O qcow2 disk.raw image.qcow2
qemu-img bitmap --add image.qcow2 dirty
fails_with 'an image with auto-clear features is not taken' "$IMAGE_TOOL" check image.qcow2
