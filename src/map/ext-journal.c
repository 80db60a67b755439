/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The superblock of the journal, and the bytes of a filesystem as its log has them. */
#include "map/ext-journal.h"

#include "base/error.h"
#include "map/ext-journal-priv.h"
#include "map/ext-log.h"

#include <ext2fs/ext2fs.h>
#include <inttypes.h>
#include <string.h>

#define KNOWN_COMPAT JBD2_COMPAT_CHECKSUM
#define KNOWN_INCOMPAT                                                             \
	(JBD2_INCOMPAT_REVOKE | JBD2_INCOMPAT_64BIT | JBD2_INCOMPAT_ASYNC_COMMIT | \
	 JBD2_INCOMPAT_CSUM_V2 | JBD2_INCOMPAT_CSUM_V3 | JBD2_INCOMPAT_FAST_COMMIT)

/* A superblock of version 1 has no features, whatever lies there. */
static bool check_features(const struct jbd2_superblock *sb, struct ext_log *log, GError **error)
{
	uint32_t compat = be32_get(sb->compat) & ~(uint32_t)KNOWN_COMPAT;
	uint32_t incompat = be32_get(sb->incompat);
	uint32_t ro_compat = be32_get(sb->ro_compat);

	if (be32_get(sb->header.type) == JBD2_SUPERBLOCK_V1)
		return true;
	if (compat || incompat & ~(uint32_t)KNOWN_INCOMPAT || ro_compat) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "ext journal with features 0x%" PRIx32 ", 0x%" PRIx32 ", 0x%" PRIx32
			    " (compatible, incompatible, read-only) that are not known",
			    compat, incompat & ~(uint32_t)KNOWN_INCOMPAT, ro_compat);
		return false;
	}
	if (incompat & JBD2_INCOMPAT_FAST_COMMIT) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "ext journal with fast commits in %" PRIu32 " blocks",
			    be32_get(sb->n_fast_commit_blocks));
		return false;
	}
	log->sums = be32_get(sb->compat) & JBD2_COMPAT_CHECKSUM;
	log->csum2 = incompat & JBD2_INCOMPAT_CSUM_V2;
	log->csum3 = incompat & JBD2_INCOMPAT_CSUM_V3;
	log->wide = incompat & JBD2_INCOMPAT_64BIT;
	log->async = incompat & JBD2_INCOMPAT_ASYNC_COMMIT;
	if (log->sums + log->csum2 + log->csum3 <= 1)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "ext journal with checksums of more than one kind (features 0x%" PRIx32
		    ", 0x%" PRIx32 ")",
		    be32_get(sb->compat), incompat);
	return false;
}

static bool check_checksum(const struct jbd2_superblock *sb, struct ext_log *log, GError **error)
{
	uint32_t stored = be32_get(sb->checksum), sum;

	if (!log->csum2 && !log->csum3)
		return true;
	sum = jbd2_checksum_around(~0u, (const uint8_t *)sb, sizeof(*sb),
				   offsetof(struct jbd2_superblock, checksum));
	log->seed = ext2fs_crc32c_le(~0u, sb->uuid, sizeof(sb->uuid));
	if (sb->checksum_type == JBD2_CRC32C && stored == sum)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "ext journal whose superblock has checksum 0x%08" PRIx32 " of kind %u, not "
		    "0x%08" PRIx32,
		    stored, sb->checksum_type, sum);
	return false;
}

/* @start 0: an empty log has no first transaction, either. */
static bool check_place(const struct jbd2_superblock *sb, struct ext_log *log, GError **error)
{
	uint32_t block_size = be32_get(sb->block_size);

	log->first = be32_get(sb->first);
	log->end = be32_get(sb->n_blocks);
	log->start = be32_get(sb->start);
	log->sequence = be32_get(sb->sequence);
	if (block_size == log->block_size && log->first > 0 && log->first < log->end &&
	    log->end <= log->journal->size / block_size &&
	    (log->start == 0 || (log->start >= log->first && log->start < log->end)))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "ext journal of %" PRIu64 " bytes with %" PRIu32 " blocks of %" PRIu32
		    " bytes, its log from %" PRIu32 " on, which starts at %" PRIu32,
		    log->journal->size, log->end, block_size, log->first, log->start);
	return false;
}

static bool read_superblock(struct ext_log *log, GError **error)
{
	struct jbd2_superblock sb;
	uint32_t magic, type;

	if (!volume_read(log->journal, 0, &sb, sizeof(sb), error))
		return false;
	magic = be32_get(sb.header.magic);
	type = be32_get(sb.header.type);
	if (magic != JBD2_MAGIC || (type != JBD2_SUPERBLOCK_V1 && type != JBD2_SUPERBLOCK_V2)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "ext journal that starts with 0x%08" PRIx32 " and a block of type "
			    "%" PRIu32,
			    magic, type);
		return false;
	}
	if (!check_features(&sb, log, error) || !check_checksum(&sb, log, error))
		return false;
	if (be32_get(sb.errnum) != 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "ext journal that was aborted with error %d", (int)be32_get(sb.errnum));
		return false;
	}
	return check_place(&sb, log, error);
}

ExtReplay *ext_replay_new(const Volume *journal, uint32_t block_size, uint64_t n_blocks,
			  GError **error)
{
	struct ext_log log = { .journal = journal, .block_size = block_size };
	g_autoptr(ExtReplay) replay = g_new0(ExtReplay, 1);

	replay->journal = journal;
	replay->block_size = block_size;
	replay->blocks = block_table_new(EXT_REPLAY_MAX_BLOCKS);
	if (!read_superblock(&log, error))
		return NULL;
	replay->is_empty = log.start == 0;
	if (!replay->is_empty && !ext_log_replay(&log, n_blocks, replay->blocks, error))
		return NULL;
	return g_steal_pointer(&replay);
}

/* [@from, @to) of the filesystem, which lies in the block of @entry. */
static bool read_entry(const ExtReplay *replay, const struct block_entry *entry, uint64_t from,
		       uint64_t to, uint8_t *buf, GError **error)
{
	const be32 magic = be32_make(JBD2_MAGIC);
	uint64_t start = entry->block * replay->block_size;

	if (!volume_read(replay->journal,
			 EXT_LOG_AT(entry->value) * replay->block_size + (from - start), buf,
			 to - from, error))
		return false;
	for (uint64_t i = from; entry->value & EXT_LOG_ESCAPED && i < to && i - start < 4; i++)
		buf[i - from] = magic.b[i - start];
	return true;
}

bool ext_replay_read(const ExtReplay *replay, const Volume *volume, uint64_t offset, void *buf,
		     size_t len, GError **error)
{
	const struct block_entry *entry;
	unsigned int i;

	if (!volume_read(volume, offset, buf, len, error))
		return false;
	if (!replay || len == 0)
		return true;
	i = block_table_find(replay->blocks, offset / replay->block_size);
	while ((entry = block_table_nth(replay->blocks, i++))) { /* ends: there is a last one */
		uint64_t from = MAX(offset, entry->block * replay->block_size);
		uint64_t to = MIN(offset + len, (entry->block + 1) * replay->block_size);

		if (from >= to)
			break;
		if (!read_entry(replay, entry, from, to, (uint8_t *)buf + (from - offset), error))
			return false;
	}
	return true;
}

void ext_replay_free(ExtReplay *replay)
{
	if (!replay)
		return;
	block_table_free(replay->blocks);
	g_free(replay);
}
