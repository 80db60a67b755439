/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Three walks, as the kernel's: find the end of the log, collect what is revoked, then see what is
 * written.  The first one trusts nothing, since behind the end there are older transactions; it
 * checks all checksums but those of single blocks, which matter only when they are written.
 */
#include "map/ext-log.h"

#include "base/error.h"
#include "map/ext-journal-priv.h"
#include "map/ext-journal.h"

#include <ext2fs/ext2fs.h>
#include <inttypes.h>
#include <string.h>

enum pass {
	PASS_SCAN,
	PASS_REVOKE,
	PASS_REPLAY,
};

struct walk {
	const struct ext_log *log;
	enum pass pass;
	uint8_t *block, *data; /* a block of the journal each */
	uint64_t at;           /* the next block of the log */
	uint64_t n_walked;     /* blocks since its start */
	uint32_t sequence;     /* of the transaction that is looked at */
	uint32_t end;          /* of the first transaction that is not replayed */

	/* PASS_SCAN */
	uint32_t sum;         /* CRC-32 of the transaction so far */
	bool is_doubtful;     /* it has a block with a wrong checksum: stale, or damaged */
	bool is_broken;       /* a transaction, @end, was not all written */
	uint64_t last_second; /* of the last commit */

	BlockTable *revoked; /* the value: of the last transaction that revokes the block */
	BlockTable *blocks;
	uint64_t n_blocks; /* of the filesystem */
};

struct tag {
	uint64_t block;
	uint32_t checksum;
	uint32_t flags;
};

static bool has_tail(const struct ext_log *log)
{
	return log->csum2 || log->csum3;
}

/* How many bytes of a descriptor or revoke block there are for what it lists. */
static size_t list_end(const struct ext_log *log)
{
	return log->block_size - (has_tail(log) ? sizeof(struct jbd2_tail) : 0);
}

static size_t tag_size(const struct ext_log *log)
{
	size_t size = sizeof(struct jbd2_tag);

	if (log->csum3)
		return sizeof(struct jbd2_tag3);
	if (!log->wide)
		size -= sizeof(be32);
	return size + (log->csum2 ? 2 : 0);
}

/* Whether sequence @a, which wraps, comes after @b. */
static bool is_after(uint32_t a, uint32_t b)
{
	return a != b && a - b < UINT32_C(1) << 31;
}

static void set_damaged(const struct walk *walk, GError **error, const char *what)
{
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "ext journal whose transaction %" PRIu32 " has %s before block %" PRIu64,
		    walk->sequence, what, walk->at);
}

/* The log is a ring, and in one that somebody wrote the end does not reach the start. */
static bool advance(struct walk *walk, unsigned int n, GError **error)
{
	const struct ext_log *log = walk->log;
	uint32_t size = log->end - log->first;

	walk->at = log->first + (walk->at - log->first + n) % size;
	walk->n_walked += n;
	if (walk->n_walked <= size)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "ext journal whose log of %" PRIu32 " blocks has no end", size);
	return false;
}

static bool read_next(struct walk *walk, uint8_t *buf, GError **error)
{
	const struct ext_log *log = walk->log;

	return volume_read(log->journal, walk->at * log->block_size, buf, log->block_size, error) &&
	       advance(walk, 1, error);
}

uint32_t jbd2_checksum_around(uint32_t seed, const uint8_t *block, size_t size, size_t at)
{
	static const uint8_t zeros[sizeof(be32)];

	seed = ext2fs_crc32c_le(seed, block, at);
	seed = ext2fs_crc32c_le(seed, zeros, sizeof(zeros));
	at += sizeof(zeros);
	return ext2fs_crc32c_le(seed, block + at, size - at);
}

static bool verify_block(const struct walk *walk, size_t at)
{
	const struct ext_log *log = walk->log;
	be32 stored;

	if (!has_tail(log))
		return true;
	memcpy(&stored, walk->block + at, sizeof(stored));
	return be32_get(stored) ==
	       jbd2_checksum_around(log->seed, walk->block, log->block_size, at);
}

static bool verify_data(const struct walk *walk, const struct tag *tag)
{
	const struct ext_log *log = walk->log;
	be32 sequence = be32_make(walk->sequence);
	uint32_t sum;

	if (!has_tail(log))
		return true;
	sum = ext2fs_crc32c_le(log->seed, sequence.b, sizeof(sequence));
	sum = ext2fs_crc32c_le(sum, walk->data, log->block_size);
	return tag->checksum == (log->csum3 ? sum : (sum & 0xffff));
}

/* The tag at *@at of the block, and *@at moves on.  False when there is none. */
static bool next_tag(const struct walk *walk, size_t *at, struct tag *ret)
{
	const struct ext_log *log = walk->log;
	struct jbd2_tag3 tag3 = { 0 };
	struct jbd2_tag tag = { 0 };
	be32 high;

	if (*at + tag_size(log) > list_end(log))
		return false;
	memcpy(&tag3, walk->block + *at, MIN(tag_size(log), sizeof(tag3)));
	memcpy(&tag, walk->block + *at, MIN(tag_size(log), sizeof(tag)));
	high = log->csum3 ? tag3.block_high : tag.block_high;
	ret->block = be32_get(tag.block);
	if (log->wide)
		ret->block |= (uint64_t)be32_get(high) << 32;
	ret->checksum = log->csum3 ? be32_get(tag3.checksum) : be16_get(tag.checksum);
	ret->flags = log->csum3 ? be32_get(tag3.flags) : be16_get(tag.flags);

	*at += tag_size(log);
	if (!(ret->flags & JBD2_TAG_SAME_UUID))
		*at += 16;
	if (ret->flags & JBD2_TAG_LAST)
		*at = log->block_size;
	return true;
}

/* The data only matters to a checksum of the whole transaction. */
static bool scan_descriptor(struct walk *walk, GError **error)
{
	const struct ext_log *log = walk->log;
	size_t at = sizeof(struct jbd2_header);
	struct tag tag;

	if (has_tail(log) && !verify_block(walk, list_end(log)))
		walk->is_doubtful = true;
	if (log->sums)
		walk->sum = ext2fs_crc32_be(walk->sum, walk->block, log->block_size);
	while (next_tag(walk, &at, &tag)) { /* ends: @at grows */
		if (!log->sums) {
			if (!advance(walk, 1, error))
				return false;
			continue;
		}
		if (!read_next(walk, walk->data, error))
			return false;
		walk->sum = ext2fs_crc32_be(walk->sum, walk->data, log->block_size);
	}
	return true;
}

static bool is_revoked(const struct walk *walk, uint64_t block)
{
	const struct block_entry *entry =
	    block_table_nth(walk->revoked, block_table_find(walk->revoked, block));

	return entry && entry->block == block && !is_after(walk->sequence, (uint32_t)entry->value);
}

static bool replay_block(struct walk *walk, const struct tag *tag, uint64_t at, GError **error)
{
	uint64_t value = EXT_LOG_VALUE(at);

	if (is_revoked(walk, tag->block))
		return true;
	if (tag->block >= walk->n_blocks) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "ext journal whose transaction %" PRIu32 " writes block %" PRIu64
			    " of %" PRIu64,
			    walk->sequence, tag->block, walk->n_blocks);
		return false;
	}
	if (!verify_data(walk, tag)) {
		set_damaged(walk, error, "data with a wrong checksum");
		return false;
	}
	if (tag->flags & JBD2_TAG_ESCAPE)
		value |= EXT_LOG_ESCAPED;
	if (block_table_set(walk->blocks, tag->block, value))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
		    "ext journal that writes more than %zu blocks", EXT_REPLAY_MAX_BLOCKS);
	return false;
}

static bool replay_descriptor(struct walk *walk, GError **error)
{
	size_t at = sizeof(struct jbd2_header);
	struct tag tag;

	while (next_tag(walk, &at, &tag)) { /* ends: @at grows */
		uint64_t where = walk->at;
		bool ok = has_tail(walk->log) ? read_next(walk, walk->data, error)
					      : advance(walk, 1, error);

		if (!ok || !replay_block(walk, &tag, where, error))
			return false;
	}
	return true;
}

static bool skip_descriptor(struct walk *walk, GError **error)
{
	size_t at = sizeof(struct jbd2_header);
	struct tag tag;

	while (next_tag(walk, &at, &tag)) /* ends: @at grows */
		if (!advance(walk, 1, error))
			return false;
	return true;
}

static bool walk_descriptor(struct walk *walk, GError **error)
{
	switch (walk->pass) {
	case PASS_SCAN:
		return scan_descriptor(walk, error);
	case PASS_REVOKE:
		return skip_descriptor(walk, error);
	case PASS_REPLAY:
		break;
	}
	return replay_descriptor(walk, error);
}

static bool collect_revoked(struct walk *walk, GError **error)
{
	struct jbd2_revoke head;
	size_t size = walk->log->wide ? sizeof(be64) : sizeof(be32), end;

	memcpy(&head, walk->block, sizeof(head));
	end = be32_get(head.n_bytes);
	if (end > list_end(walk->log)) {
		set_damaged(walk, error, "a revoke block that is too long");
		return false;
	}
	for (size_t at = sizeof(head); at + size <= end; at += size) {
		be32 part[2] = { 0 };
		uint64_t block;

		memcpy(part, walk->block + at, size);
		block = be32_get(part[0]);
		if (walk->log->wide)
			block = block << 32 | be32_get(part[1]);
		if (!block_table_set(walk->revoked, block, walk->sequence)) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
				    "ext journal that revokes more than %zu blocks",
				    EXT_REPLAY_MAX_BLOCKS);
			return false;
		}
	}
	return true;
}

static bool walk_revoke(struct walk *walk, GError **error)
{
	switch (walk->pass) {
	case PASS_SCAN:
		if (!verify_block(walk, list_end(walk->log)))
			walk->is_doubtful = true;
		return true;
	case PASS_REVOKE:
		return collect_revoked(walk, error);
	case PASS_REPLAY:
		break;
	}
	return true;
}

/* A commit block without a checksum is right, too. */
static bool verify_sum(const struct walk *walk, const struct jbd2_commit *commit)
{
	uint32_t stored = be32_get(commit->checksum[0]);

	if (!walk->log->sums)
		return true;
	if (commit->checksum_type == 0 && commit->checksum_size == 0 && stored == 0)
		return true;
	return commit->checksum_type == JBD2_CRC32 && commit->checksum_size == sizeof(be32) &&
	       stored == walk->sum;
}

/*
 * The end of a transaction.  A wrong checksum where the clock went back: it is an old one, and the
 * log ends before it.  Otherwise the journal is damaged; only with asynchronous commits it may be
 * that the power failed, if this is the last one.  1: go on.  0: the log ends.  -1: failed.
 */
static int scan_commit(struct walk *walk, GError **error)
{
	struct jbd2_commit commit;
	uint64_t second;
	bool ok;

	memcpy(&commit, walk->block, sizeof(commit));
	second = be64_get(commit.seconds);
	ok = !walk->is_doubtful && verify_sum(walk, &commit) &&
	     verify_block(walk, offsetof(struct jbd2_commit, checksum));
	if (!ok && !walk->is_broken && second < walk->last_second)
		return 0;
	if (walk->is_broken || walk->is_doubtful || (!ok && !walk->log->async)) {
		set_damaged(walk, error, "a wrong checksum");
		return -1;
	}
	if (!ok) {
		walk->is_broken = true;
		walk->end = walk->sequence;
	}
	walk->last_second = second;
	walk->sequence++;
	walk->sum = ~0u;
	return 1;
}

/* 1: there is more.  0: the log ends here.  -1: failed. */
static int walk_block(struct walk *walk, GError **error)
{
	struct jbd2_header header;

	if (walk->pass != PASS_SCAN && walk->sequence == walk->end)
		return 0;
	if (!read_next(walk, walk->block, error))
		return -1;
	memcpy(&header, walk->block, sizeof(header));
	if (be32_get(header.magic) != JBD2_MAGIC || be32_get(header.sequence) != walk->sequence)
		return 0;

	switch (be32_get(header.type)) {
	case JBD2_DESCRIPTOR:
		return walk_descriptor(walk, error) ? 1 : -1;
	case JBD2_REVOKE:
		return walk_revoke(walk, error) ? 1 : -1;
	case JBD2_COMMIT:
		if (walk->pass == PASS_SCAN)
			return scan_commit(walk, error);
		walk->sequence++;
		return 1;
	default:
		return 0;
	}
}

static bool walk_log(struct walk *walk, enum pass pass, GError **error)
{
	int r;

	walk->pass = pass;
	walk->at = walk->log->start;
	walk->n_walked = 0;
	walk->sequence = walk->log->sequence;
	walk->sum = ~0u;
	do { /* ends: advance() fails after one round */
		r = walk_block(walk, error);
	} while (r > 0);
	if (r < 0)
		return false;
	if (pass == PASS_SCAN) {
		if (!walk->is_broken)
			walk->end = walk->sequence;
	} else if (walk->sequence != walk->end) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "ext journal that ends with transaction %" PRIu32 ", not %" PRIu32,
			    walk->sequence, walk->end);
		return false;
	}
	return true;
}

bool ext_log_replay(const struct ext_log *log, uint64_t n_blocks, BlockTable *blocks,
		    GError **error)
{
	g_autofree uint8_t *block = g_malloc(log->block_size), *data = g_malloc(log->block_size);
	g_autoptr(BlockTable) revoked = block_table_new(EXT_REPLAY_MAX_BLOCKS);
	struct walk walk = {
		.log = log,
		.block = block,
		.data = data,
		.revoked = revoked,
		.blocks = blocks,
		.n_blocks = n_blocks,
	};

	if (!walk_log(&walk, PASS_SCAN, error) || !walk_log(&walk, PASS_REVOKE, error))
		return false;
	block_table_sort(revoked);
	if (!walk_log(&walk, PASS_REPLAY, error))
		return false;
	block_table_sort(blocks);
	g_debug("%s: transactions %" PRIu32 " to %" PRIu32 " write %u blocks, %u were revoked",
		log->journal->name, log->sequence, walk.end, blocks->entries->len,
		revoked->entries->len);
	return true;
}
