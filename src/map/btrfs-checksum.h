/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The checksums of superblocks and nodes (btrfs documentation, "Checksumming"): that of all but the
 * first 32 bytes begins these.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum btrfs_checksum {
	BTRFS_CRC32C,
	BTRFS_XXHASH64,
	BTRFS_SHA256,
	BTRFS_BLAKE2B, /* of 256 bits */
};

#define BTRFS_CHECKSUM_SIZE 32u

/* Whether @type, a number from a disk, is one of the above. */
bool btrfs_checksum_known(unsigned int type);

/* Of a block of @size bytes, more than the checksum has; @ret ends in zeros when it is shorter. */
void btrfs_checksum_make(enum btrfs_checksum type, const uint8_t *block, size_t size,
			 uint8_t ret[BTRFS_CHECKSUM_SIZE]);

/* Whether the checksum in @block is right. */
bool btrfs_checksum_verify(enum btrfs_checksum type, const uint8_t *block, size_t size);
