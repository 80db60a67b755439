/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as the journal of an ext filesystem.  Its checksums are put right first, or nothing
 * would be behind them; not so when the first of the superblock's users is not 0.
 */
#include "fuzz-volume.h"

#include "map/ext-journal-priv.h"
#include "map/ext-journal.h"

#include <ext2fs/ext2fs.h>
#include <string.h>

#define BLOCK    1024u
#define N_BLOCKS 50000u /* of the filesystem */

static void sign(uint32_t seed, uint8_t *block, size_t at)
{
	be32 sum = be32_make(jbd2_checksum_around(seed, block, BLOCK, at));

	memcpy(block + at, &sum, sizeof(sum));
}

/* Of version 3, and as far as they do not wrap. */
static void mend_tags(uint32_t seed, uint8_t *block, uint8_t *end)
{
	struct jbd2_header header;
	uint8_t *data = block + BLOCK;
	struct jbd2_tag3 tag;

	memcpy(&header, block, sizeof(header));
	for (size_t at = sizeof(header); at + sizeof(tag) <= BLOCK - 4 && data < end;
	     data += BLOCK) {
		uint32_t sum = ext2fs_crc32c_le(seed, header.sequence.b, sizeof(be32));

		memcpy(&tag, block + at, sizeof(tag));
		tag.checksum = be32_make(ext2fs_crc32c_le(sum, data, BLOCK));
		memcpy(block + at, &tag, sizeof(tag));
		if (be32_get(tag.flags) & JBD2_TAG_LAST)
			break;
		at += sizeof(tag) + (be32_get(tag.flags) & JBD2_TAG_SAME_UUID ? 0 : 16);
	}
}

static void mend_block(uint32_t seed, bool tags, uint8_t *block, uint8_t *end)
{
	struct jbd2_header header;

	memcpy(&header, block, sizeof(header));
	if (be32_get(header.magic) != JBD2_MAGIC)
		return;
	switch (be32_get(header.type)) {
	case JBD2_DESCRIPTOR:
		if (tags)
			mend_tags(seed, block, end);
		sign(seed, block, BLOCK - sizeof(struct jbd2_tail));
		break;
	case JBD2_REVOKE:
		sign(seed, block, BLOCK - sizeof(struct jbd2_tail));
		break;
	case JBD2_COMMIT:
		sign(seed, block, offsetof(struct jbd2_commit, checksum));
		break;
	default:
		break;
	}
}

static void mend(uint8_t *data, size_t size)
{
	uint8_t *end = data + size / BLOCK * BLOCK;
	struct jbd2_superblock sb;
	uint32_t incompat, seed;

	if (size < sizeof(sb))
		return;
	memcpy(&sb, data, sizeof(sb));
	incompat = be32_get(sb.incompat);
	if (sb.users[0] || !(incompat & (JBD2_INCOMPAT_CSUM_V2 | JBD2_INCOMPAT_CSUM_V3)))
		return;
	sb.checksum_type = JBD2_CRC32C;
	memcpy(data, &sb, sizeof(sb));
	sign(~0u, data, offsetof(struct jbd2_superblock, checksum));
	seed = ext2fs_crc32c_le(~0u, sb.uuid, sizeof(sb.uuid));
	for (uint8_t *block = data + BLOCK; block < end; block += BLOCK)
		mend_block(seed, incompat & JBD2_INCOMPAT_CSUM_V3, block, end);
}

/* What is read through it. */
static void check(const ExtReplay *replay)
{
	const struct block_entry *entry, *last = NULL;
	uint8_t block[BLOCK];

	for (unsigned int i = 0; (entry = block_table_nth(replay->blocks, i)); i++) {
		g_assert_cmpuint(entry->block, <, N_BLOCKS);
		g_assert_true(!last || last->block < entry->block);
		last = entry;
		g_assert_true(ext_replay_read(replay, replay->journal, entry->block * BLOCK + 1,
					      block, BLOCK, NULL));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree uint8_t *mended = g_memdup2(data, size);
	g_autoptr(Blkdev) disk = NULL;
	g_autoptr(Volume) journal = NULL;
	g_autoptr(ExtReplay) replay = NULL;
	g_autoptr(GError) error = NULL;

	mend(mended, size);
	disk = fuzz_disk(mended, size);
	journal = volume_new_disk(disk, NULL);
	replay = ext_replay_new(journal, BLOCK, N_BLOCKS, &error);
	g_assert_true((replay == NULL) == (error != NULL));
	if (replay)
		check(replay);
	return 0;
}
