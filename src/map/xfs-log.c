/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The head is searched by halves, as a kernel does that mounts it ("Journaling Log", "Log
 * Records").  A torn write could mislead that, so around the head the cycles are looked at one by
 * one: as far as the kernel's writes that are under way at a time can reach.
 */
#include "map/xfs-log.h"

#include "base/error.h"

#include <ext2fs/ext2fs.h>
#include <inttypes.h>
#include <string.h>

/* Eight buffers of 256 KiB are under way at most; twice that. */
#define WINDOW_BLOCKS ((4u << 20) / XFS_BASIC_BLOCK)

/*
 * Tools that write a log anew leave zeros between its only record, at the start, and here, where
 * the cycle before begins: libxfs_log_clear() of xfsprogs, for xfs_repair -L and xfs_admin -U.
 */
#define CLEARED_BLOCKS ((256u << 10) / XFS_BASIC_BLOCK)

/* A record has no more, headers included. */
#define RECORD_BLOCKS_MAX ((256u << 10) / XFS_BASIC_BLOCK + 8)

/* h_crc covers these bytes of the header; a kernel of 32-bit x86 left out the padding. */
#define HEADER_SIZE       328u
#define HEADER_SIZE_SHORT 324u
#define NEXT_HEADER_SIZE  260u /* and these of each that follows: a cycle and 64 words */

struct log {
	const Volume *volume;
	const struct xfs_super *super;
	uint64_t offset;   /* of the log, in bytes */
	uint32_t n_blocks; /* basic blocks */
	uint32_t head;     /* 0 to @n_blocks - 1 */
	uint32_t cycle;    /* of the block before it */
};

static bool read_blocks(const struct log *log, uint32_t block, uint32_t count, uint8_t *to,
			GError **error)
{
	/* They may go on at the start of the ring. */
	uint32_t first = MIN(count, log->n_blocks - block);

	return volume_read(log->volume, log->offset + (uint64_t)block * XFS_BASIC_BLOCK, to,
			   (size_t)first * XFS_BASIC_BLOCK, error) &&
	       volume_read(log->volume, log->offset, to + (size_t)first * XFS_BASIC_BLOCK,
			   (size_t)(count - first) * XFS_BASIC_BLOCK, error);
}

static uint32_t get_word(const uint8_t *at)
{
	be32 word;

	memcpy(&word, at, sizeof(word));
	return be32_get(word);
}

/* In the header of a record it comes second. */
static uint32_t get_cycle(const uint8_t *block)
{
	uint32_t word = get_word(block);

	return word == XFS_MAGIC_RECORD ? get_word(block + 4) : word;
}

static bool read_cycle(const struct log *log, uint32_t block, uint32_t *ret, GError **error)
{
	uint8_t data[XFS_BASIC_BLOCK];

	if (!read_blocks(log, block, 1, data, error))
		return false;
	*ret = get_cycle(data);
	return true;
}

static bool fail_dirty(const struct log *log, const char *what, GError **error)
{
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIRTY,
		    "XFS with a dirty log: %s (its head is block %" PRIu32 " of %" PRIu32
		    ", cycle %" PRIu32 ")",
		    what, log->head, log->n_blocks, log->cycle);
	return false;
}

/* The first block with another cycle than block 0; the start, when there is none. */
static bool find_head(struct log *log, GError **error)
{
	uint32_t low = 0, high = log->n_blocks, cycle;

	if (!read_cycle(log, 0, &log->cycle, error))
		return false;
	while (high - low > 1) { /* ends: it halves */
		uint32_t middle = low + (high - low) / 2;

		if (!read_cycle(log, middle, &cycle, error))
			return false;
		if (cycle == log->cycle)
			low = middle;
		else
			high = middle;
	}
	log->head = high % log->n_blocks;
	return true;
}

/* Whether it is what a block that was written in order has. */
static bool is_expected(const struct log *log, uint32_t block, uint32_t cycle)
{
	if (block < log->head || log->head == 0)
		return cycle == log->cycle;
	return cycle == log->cycle - 1 || (cycle == 0 && block < CLEARED_BLOCKS);
}

static bool check_window(const struct log *log, GError **error)
{
	uint32_t count = MIN(2 * WINDOW_BLOCKS, log->n_blocks);
	uint32_t back = MIN(WINDOW_BLOCKS, log->n_blocks / 2);
	uint32_t start = (log->head + log->n_blocks - back) % log->n_blocks;
	g_autofree uint8_t *data = g_malloc((size_t)count * XFS_BASIC_BLOCK);

	if (log->cycle == 0)
		return fail_dirty(log, "there is no record in it", error);
	if (!read_blocks(log, start, count, data, error))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t block = (start + i) % log->n_blocks;

		if (!is_expected(log, block, get_cycle(data + (size_t)i * XFS_BASIC_BLOCK)))
			return fail_dirty(log, "its blocks were not written in order", error);
	}
	return true;
}

/* Of the header and of those that follow it, which hold the first words of long records. */
static uint32_t header_blocks(const struct xfs_disk_log_record *record)
{
	uint32_t size = be32_get(record->size);

	if (!(be32_get(record->version) & 2) || size == 0)
		return 1;
	return (size - 1) / XFS_LOG_CYCLE_SIZE + 1;
}

/* @data: the record.  @header_size: how much of its first header the checksum covers. */
static bool crc_is_right(const uint8_t *data, uint32_t n_headers, size_t header_size)
{
	static const uint8_t zero[sizeof(le32)];
	const size_t at = offsetof(struct xfs_disk_log_record, crc), after = at + sizeof(zero);
	size_t length = be32_get(((const struct xfs_disk_log_record *)data)->length);
	size_t n_covered = (length + XFS_LOG_CYCLE_SIZE - 1) / XFS_LOG_CYCLE_SIZE;
	uint32_t crc = ext2fs_crc32c_le(~0u, data, at);
	le32 want;

	memcpy(&want, data + at, sizeof(want));
	crc = ext2fs_crc32c_le(crc, zero, sizeof(zero));
	crc = ext2fs_crc32c_le(crc, data + after, header_size - after);
	for (size_t i = 1; i < MIN(n_covered, n_headers); i++)
		crc = ext2fs_crc32c_le(crc, data + i * XFS_BASIC_BLOCK, NEXT_HEADER_SIZE);
	crc = ext2fs_crc32c_le(crc, data + n_headers * XFS_BASIC_BLOCK, length);
	return ~crc == le32_get(want);
}

/* The tools write none, nor do kernels before 3.10. */
static bool check_crc(const struct log *log, const uint8_t *data, uint32_t n_headers,
		      GError **error)
{
	const struct xfs_disk_log_record *record = (const void *)data;

	if (le32_get(record->crc) == 0 || crc_is_right(data, n_headers, HEADER_SIZE) ||
	    crc_is_right(data, n_headers, HEADER_SIZE_SHORT))
		return true;
	return fail_dirty(log, "its last record has a wrong checksum", error);
}

static bool is_unmount(const struct xfs_disk_log_record *record, const uint8_t *operation)
{
	struct xfs_disk_log_operation head;

	memcpy(&head, operation, sizeof(head));
	return be32_get(record->operations) == 1 && head.flags & XFS_LOG_UNMOUNT;
}

/* @data: the record, which is to be all of the @n_blocks before the head. */
static bool check_record(const struct log *log, const uint8_t *data, uint32_t n_blocks,
			 GError **error)
{
	const struct xfs_disk_log_record *record = (const void *)data;
	uint32_t start = (log->head + log->n_blocks - n_blocks) % log->n_blocks;
	uint64_t lsn = (uint64_t)be32_get(record->cycle) << 32 | start;
	uint32_t n_headers = header_blocks(record), length = be32_get(record->length);

	if (n_headers >= n_blocks || length > (n_blocks - n_headers) * XFS_BASIC_BLOCK ||
	    length + XFS_BASIC_BLOCK <= (n_blocks - n_headers) * XFS_BASIC_BLOCK ||
	    be64_get(record->lsn) != lsn)
		return fail_dirty(log, "its last record is not whole", error);
	if (memcmp(record->uuid, log->super->uuid, XFS_UUID_SIZE) != 0)
		return fail_dirty(log, "its last record is another filesystem's", error);
	if (!is_unmount(record, data + (size_t)n_headers * XFS_BASIC_BLOCK))
		return fail_dirty(log, "it was not unmounted", error);
	return check_crc(log, data, n_headers, error);
}

static bool check_last_record(const struct log *log, GError **error)
{
	uint32_t max = MIN(RECORD_BLOCKS_MAX, log->n_blocks);
	g_autofree uint8_t *data = g_malloc((size_t)max * XFS_BASIC_BLOCK);
	uint32_t start = (log->head + log->n_blocks - max) % log->n_blocks;

	if (!read_blocks(log, start, max, data, error))
		return false;
	for (uint32_t n = 1; n <= max; n++) {
		const uint8_t *at = data + (size_t)(max - n) * XFS_BASIC_BLOCK;

		if (get_word(at) == XFS_MAGIC_RECORD)
			return check_record(log, at, n, error);
	}
	return fail_dirty(log, "no record ends at its head", error);
}

bool xfs_log_check_clean(const Volume *volume, const struct xfs_super *super, GError **error)
{
	uint64_t bytes = (uint64_t)super->log_blocks * super->block_size;
	struct log log = {
		.volume = volume,
		.super = super,
		.offset = xfs_offset(super, super->log_ag, super->log_block),
		.n_blocks = (uint32_t)MIN(bytes / XFS_BASIC_BLOCK, INT32_MAX),
	};

	return find_head(&log, error) && check_window(&log, error) &&
	       check_last_record(&log, error);
}
