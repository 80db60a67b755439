/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each by a library.  BLAKE2b of 512 bits, the one of libcrypto, does not begin with the other. */
#include "map/btrfs-checksum.h"

#include "base/digest.h"
#include "base/le.h"

#include <ext2fs/ext2fs.h>
#include <sodium/crypto_generichash_blake2b.h>
#include <string.h>
#include <xxhash.h>

static const size_t sizes[] = {
	[BTRFS_CRC32C] = 4,
	[BTRFS_XXHASH64] = 8,
	[BTRFS_SHA256] = 32,
	[BTRFS_BLAKE2B] = 32,
};

bool btrfs_checksum_known(unsigned int type)
{
	return type < G_N_ELEMENTS(sizes);
}

void btrfs_checksum_make(enum btrfs_checksum type, const uint8_t *block, size_t size,
			 uint8_t ret[BTRFS_CHECKSUM_SIZE])
{
	const uint8_t *data = block + BTRFS_CHECKSUM_SIZE;
	size_t len = size - BTRFS_CHECKSUM_SIZE;
	struct digest digest;
	le32 crc;
	le64 xxh;

	memset(ret, 0, BTRFS_CHECKSUM_SIZE);
	switch (type) {
	case BTRFS_CRC32C:
		crc = le32_make(~ext2fs_crc32c_le(~0u, data, len));
		memcpy(ret, &crc, sizeof(crc));
		break;
	case BTRFS_XXHASH64:
		xxh = le64_make(XXH64(data, len, 0));
		memcpy(ret, &xxh, sizeof(xxh));
		break;
	case BTRFS_SHA256:
		digest = digest_of(data, len);
		memcpy(ret, &digest, sizeof(digest));
		break;
	case BTRFS_BLAKE2B:
		crypto_generichash_blake2b(ret, BTRFS_CHECKSUM_SIZE, data, len, NULL, 0);
		break;
	}
}

bool btrfs_checksum_verify(enum btrfs_checksum type, const uint8_t *block, size_t size)
{
	uint8_t sum[BTRFS_CHECKSUM_SIZE];

	btrfs_checksum_make(type, block, size, sum);
	return memcmp(sum, block, sizes[type]) == 0;
}
