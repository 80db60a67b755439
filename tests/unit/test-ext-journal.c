/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Journals made by hand: what a replay of them writes, and which are refused. */
#include "disk.h"

#include "map/ext-journal-priv.h"
#include "map/ext-journal.h"

#include <ext2fs/ext2fs.h>

#define BLOCK      1024u
#define N_JOURNAL  64u  /* blocks */
#define N_BLOCKS   100u /* of the filesystem */
#define FILESYSTEM 0xee /* what fills it */

struct format {
	const char *name;
	uint32_t type, compat, incompat;
};

static const struct format formats[] = {
	{ "version 1", JBD2_SUPERBLOCK_V1, 0, 0 },
	{ "plain", JBD2_SUPERBLOCK_V2, 0, JBD2_INCOMPAT_REVOKE },
	{ "64bit", JBD2_SUPERBLOCK_V2, 0, JBD2_INCOMPAT_REVOKE | JBD2_INCOMPAT_64BIT },
	{ "sums", JBD2_SUPERBLOCK_V2, JBD2_COMPAT_CHECKSUM, JBD2_INCOMPAT_REVOKE },
	{ "sums, asynchronous", JBD2_SUPERBLOCK_V2, JBD2_COMPAT_CHECKSUM,
	  JBD2_INCOMPAT_REVOKE | JBD2_INCOMPAT_ASYNC_COMMIT },
	{ "csum v2", JBD2_SUPERBLOCK_V2, 0, JBD2_INCOMPAT_CSUM_V2 },
	{ "csum v2, 64bit", JBD2_SUPERBLOCK_V2, 0, JBD2_INCOMPAT_CSUM_V2 | JBD2_INCOMPAT_64BIT },
	{ "csum v3", JBD2_SUPERBLOCK_V2, 0, JBD2_INCOMPAT_CSUM_V3 },
	{ "csum v3, 64bit", JBD2_SUPERBLOCK_V2, 0, JBD2_INCOMPAT_CSUM_V3 | JBD2_INCOMPAT_64BIT },
	{ "csum v3, asynchronous", JBD2_SUPERBLOCK_V2, 0,
	  JBD2_INCOMPAT_CSUM_V3 | JBD2_INCOMPAT_ASYNC_COMMIT },
};

static const struct format *find_format(const char *name)
{
	for (size_t i = 0; i < G_N_ELEMENTS(formats); i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	fail_msg("no format %s", name);
	return NULL;
}

/* The journal is [0, N_JOURNAL) of the disk, and what a test asks for is made at @at. */
struct maker {
	const struct format *format;
	struct jbd2_superblock sb;
	Blkdev *disk;
	Volume *journal;
	uint32_t first, at, sequence;
	uint32_t sum, seed;
	uint64_t second;
};

static bool has_tail(const struct maker *m)
{
	return m->format->incompat & (JBD2_INCOMPAT_CSUM_V2 | JBD2_INCOMPAT_CSUM_V3);
}

static void start(struct maker *m, const struct format *format, uint32_t at, uint32_t sequence)
{
	*m = (struct maker){ .format = format, .first = 1, .at = at, .sequence = sequence };
	m->disk = disk_new(N_JOURNAL * BLOCK, 0);
	m->journal = volume_new_disk(m->disk, NULL);
	m->second = 1700000000;
	m->sum = ~0u;
	m->sb = (struct jbd2_superblock){
		.header = { be32_make(JBD2_MAGIC), be32_make(format->type), be32_make(0) },
		.block_size = be32_make(BLOCK),
		.n_blocks = be32_make(N_JOURNAL),
		.first = be32_make(m->first),
		.sequence = be32_make(sequence),
		.start = be32_make(at),
		.compat = be32_make(format->compat),
		.incompat = be32_make(format->incompat),
		.uuid = "sixteen bytes..",
		.checksum_type = has_tail(m) ? JBD2_CRC32C : 0,
	};
	m->seed = ext2fs_crc32c_le(~0u, m->sb.uuid, sizeof(m->sb.uuid));
}

static void stop(struct maker *m)
{
	volume_free(m->journal);
	blkdev_free(m->disk);
}

/* Where it was written. */
static uint32_t put(struct maker *m, const uint8_t *block)
{
	uint32_t at = m->at;

	disk_write(m->disk, (uint64_t)at * BLOCK, block, BLOCK);
	m->at = at + 1 == N_JOURNAL ? m->first : at + 1;
	return at;
}

static void put_header(const struct maker *m, uint8_t *block, uint32_t type)
{
	const struct jbd2_header header = {
		be32_make(JBD2_MAGIC),
		be32_make(type),
		be32_make(m->sequence),
	};

	memcpy(block, &header, sizeof(header));
}

static void sign(const struct maker *m, uint8_t *block, size_t at)
{
	be32 sum;

	if (!has_tail(m))
		return;
	sum = be32_make(jbd2_checksum_around(m->seed, block, BLOCK, at));
	memcpy(block + at, &sum, sizeof(sum));
}

/* A block to be written. */
struct write {
	uint64_t block;
	uint8_t fill; /* of the whole block */
	uint32_t flags;
};

static void fill_data(const struct write *write, uint8_t *ret)
{
	memset(ret, write->fill, BLOCK);
	if (write->flags & JBD2_TAG_ESCAPE)
		memset(ret, 0, 4);
}

static size_t put_tag(const struct maker *m, uint8_t *to, const struct write *write, uint32_t flags)
{
	be32 sequence = be32_make(m->sequence), high = be32_make((uint32_t)(write->block >> 32));
	struct jbd2_tag tag = { .block = be32_make((uint32_t)write->block) };
	struct jbd2_tag3 tag3 = { .block = tag.block, .block_high = high };
	uint8_t data[BLOCK];
	size_t size = 8;
	uint32_t sum;

	fill_data(write, data);
	sum = ext2fs_crc32c_le(m->seed, sequence.b, 4);
	sum = ext2fs_crc32c_le(sum, data, BLOCK);
	if (m->format->incompat & JBD2_INCOMPAT_CSUM_V3) {
		tag3.flags = be32_make(flags);
		tag3.checksum = be32_make(sum);
		memcpy(to, &tag3, sizeof(tag3));
		return sizeof(tag3);
	}
	tag.flags = be16_make((uint16_t)flags);
	if (has_tail(m))
		tag.checksum = be16_make((uint16_t)sum);
	memcpy(to, &tag, 8);
	if (m->format->incompat & JBD2_INCOMPAT_64BIT) {
		memcpy(to + size, &high, sizeof(high));
		size += sizeof(high);
	}
	return size + (m->format->incompat & JBD2_INCOMPAT_CSUM_V2 ? 2 : 0);
}

/* The kernel's way: the UUID behind the first tag only.  Where the descriptor block lies. */
static uint32_t put_writes(struct maker *m, const struct write *writes, unsigned int n)
{
	uint8_t block[BLOCK] = { 0 }, data[BLOCK];
	size_t at = sizeof(struct jbd2_header);
	uint32_t where;

	put_header(m, block, JBD2_DESCRIPTOR);
	for (unsigned int i = 0; i < n; i++) {
		uint32_t flags = writes[i].flags;

		flags |= i > 0 ? JBD2_TAG_SAME_UUID : 0;
		flags |= i == n - 1 ? JBD2_TAG_LAST : 0;
		at += put_tag(m, block + at, &writes[i], flags);
		if (i == 0) {
			memcpy(block + at, m->sb.uuid, sizeof(m->sb.uuid));
			at += sizeof(m->sb.uuid);
		}
	}
	sign(m, block, BLOCK - sizeof(struct jbd2_tail));
	m->sum = ext2fs_crc32_be(m->sum, block, BLOCK);
	where = put(m, block);
	for (unsigned int i = 0; i < n; i++) {
		fill_data(&writes[i], data);
		m->sum = ext2fs_crc32_be(m->sum, data, BLOCK);
		put(m, data);
	}
	return where;
}

static uint32_t put_write(struct maker *m, uint64_t block, uint8_t fill)
{
	const struct write write = { block, fill, 0 };

	return put_writes(m, &write, 1);
}

static uint32_t put_revoke(struct maker *m, uint64_t revoked)
{
	uint8_t block[BLOCK] = { 0 };
	struct jbd2_revoke head;
	be64 wide = be64_make(revoked);
	be32 narrow = be32_make((uint32_t)revoked);
	size_t size = 4;

	if (m->format->incompat & JBD2_INCOMPAT_64BIT)
		size = 8;
	put_header(m, block, JBD2_REVOKE);
	memcpy(&head, block, sizeof(head));
	head.n_bytes = be32_make((uint32_t)(sizeof(head) + size));
	memcpy(block, &head, sizeof(head));
	if (size == 8)
		memcpy(block + sizeof(head), &wide, size);
	else
		memcpy(block + sizeof(head), &narrow, size);
	sign(m, block, BLOCK - sizeof(struct jbd2_tail));
	return put(m, block);
}

/* Ends the transaction.  Where the commit block lies. */
static uint32_t put_commit(struct maker *m)
{
	uint8_t block[BLOCK] = { 0 };
	struct jbd2_commit commit = { .seconds = be64_make(m->second++) };

	if (m->format->compat & JBD2_COMPAT_CHECKSUM) {
		commit.checksum_type = JBD2_CRC32;
		commit.checksum_size = 4;
		commit.checksum[0] = be32_make(m->sum);
	}
	memcpy(block, &commit, sizeof(commit));
	put_header(m, block, JBD2_COMMIT);
	sign(m, block, offsetof(struct jbd2_commit, checksum));
	m->sequence++;
	m->sum = ~0u;
	return put(m, block);
}

static void put_superblock(struct maker *m)
{
	if (has_tail(m))
		m->sb.checksum =
		    be32_make(jbd2_checksum_around(~0u, (const uint8_t *)&m->sb, sizeof(m->sb),
						   offsetof(struct jbd2_superblock, checksum)));
	disk_write(m->disk, 0, &m->sb, sizeof(m->sb));
}

static ExtReplay *replay(struct maker *m, GError **error)
{
	put_superblock(m);
	return ext_replay_new(m->journal, BLOCK, N_BLOCKS, error);
}

static void flip(const struct maker *m, uint32_t block, uint32_t offset)
{
	uint64_t at = (uint64_t)block * BLOCK + offset;
	uint8_t byte;

	assert_int_equal(pread(m->disk->fd, &byte, 1, (off_t)at), 1);
	byte ^= 1;
	disk_write(m->disk, at, &byte, 1);
}

/* Each block that is written is one of @expected, and the others are as they were. */
static void check_replay(struct maker *m, const struct write *expected, unsigned int n)
{
	static const uint8_t magic[] = { 0xc0, 0x3b, 0x39, 0x98 };
	g_autoptr(GError) error = NULL;
	g_autoptr(ExtReplay) r = replay(m, &error);
	g_autoptr(Blkdev) disk = disk_new(N_BLOCKS * BLOCK, 0);
	g_autoptr(Volume) volume = volume_new_disk(disk, NULL);
	g_autofree uint8_t *before = g_malloc(N_BLOCKS * BLOCK);
	g_autofree uint8_t *after = g_malloc(N_BLOCKS * BLOCK);

	assert_ok(r, error);
	assert_int_equal(r->blocks->entries->len, n);
	memset(before, FILESYSTEM, N_BLOCKS * BLOCK);
	disk_write(disk, 0, before, N_BLOCKS * BLOCK);
	for (unsigned int i = 0; i < n; i++) {
		uint8_t *block = before + expected[i].block * BLOCK;

		assert_true(block_table_has(r->blocks, expected[i].block, 1));
		memset(block, expected[i].fill, BLOCK);
		if (expected[i].flags & JBD2_TAG_ESCAPE)
			memcpy(block, magic, sizeof(magic));
	}
	assert_ok(ext_replay_read(r, volume, 0, after, N_BLOCKS * BLOCK, &error), error);
	assert_memory_equal(before, after, N_BLOCKS * BLOCK);
	for (unsigned int at = 9 * BLOCK + 1000; at < 40 * BLOCK; at += 1013) { /* any bytes */
		uint8_t part[1500];

		assert_ok(ext_replay_read(r, volume, at, part, sizeof(part), &error), error);
		assert_memory_equal(before + at, part, sizeof(part));
	}
}

/* Three transactions, and one that was never finished. */
static void put_story(struct maker *m)
{
	const struct write first[] = {
		{ 10, 0x11, 0 },
		{ 20, 0x12, JBD2_TAG_ESCAPE },
		{ 25, 0x13, 0 },
		{ 30, 0x14, 0 },
	};
	const struct write third[] = { { 30, 0x31, JBD2_TAG_DELETED }, { 12, 0x32, 0 } };

	put_writes(m, first, G_N_ELEMENTS(first));
	put_commit(m);
	put_revoke(m, 35);
	put_revoke(m, 25);      /* but it is written again */
	put_revoke(m, 10);      /* for good */
	put_write(m, 35, 0x21); /* which the record in its own transaction is about, too */
	put_write(m, 20, 0x22);
	put_commit(m);
	put_writes(m, third, G_N_ELEMENTS(third));
	put_write(m, 25, 0x33);
	put_commit(m);
	put_revoke(m, 12);
	put_write(m, 40, 0x41);
}

static const struct write story[] = {
	{ 12, 0x32, 0 },
	{ 20, 0x22, 0 },
	{ 25, 0x33, 0 },
	{ 30, 0x31, 0 },
};

static void test_formats(void **state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
		struct maker m;

		print_message("%s\n", formats[i].name);
		start(&m, &formats[i], 1, 5);
		put_story(&m);
		check_replay(&m, story, G_N_ELEMENTS(story));
		stop(&m);
	}
}

/* From each block on, with numbers of transactions that start again at 0. */
static void test_wrapped(void **state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(formats); i++)
		for (uint32_t at = 30; at < N_JOURNAL; at++) {
			struct maker m;

			start(&m, &formats[i], at, UINT32_MAX - at % 3);
			put_story(&m);
			check_replay(&m, story, G_N_ELEMENTS(story));
			stop(&m);
		}
}

static void test_escape(void **state)
{
	const struct write write = { 11, 0x55, JBD2_TAG_ESCAPE };

	for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
		struct maker m;

		start(&m, &formats[i], 1, 1);
		put_writes(&m, &write, 1);
		put_commit(&m);
		check_replay(&m, &write, 1);
		stop(&m);
	}
}

/* Four bytes that lie in two reads. */
static void test_escape_in_parts(void **state)
{
	static const uint8_t magic[] = { 0xc0, 0x3b, 0x39, 0x98 };
	const struct write write = { 11, 0x55, JBD2_TAG_ESCAPE };
	g_autoptr(GError) error = NULL;
	g_autoptr(ExtReplay) r = NULL;
	uint8_t part[8];
	struct maker m;

	start(&m, find_format("plain"), 1, 1);
	put_writes(&m, &write, 1);
	put_commit(&m);
	r = replay(&m, &error);
	assert_ok(r, error);
	for (unsigned int i = 0; i < 4; i++) { /* the journal is long enough to be the volume */
		assert_ok(ext_replay_read(r, m.journal, 11 * BLOCK + i, part, 2, &error), error);
		assert_int_equal(part[0], magic[i]);
		assert_int_equal(part[1], i < 3 ? magic[i + 1] : 0x55);
		assert_ok(ext_replay_read(r, m.journal, 11 * BLOCK - 1, part, i + 1, &error),
			  error);
		assert_memory_equal(part + 1, magic, i);
	}
	stop(&m);
}

/* A superblock of version 1 ends before them. */
static void test_no_features(void **state)
{
	struct maker m;

	start(&m, find_format("version 1"), 1, 5);
	put_story(&m);
	m.sb.compat = m.sb.incompat = m.sb.ro_compat = be32_make(UINT32_MAX);
	check_replay(&m, story, G_N_ELEMENTS(story));
	stop(&m);
}

static void test_empty(void **state)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(ExtReplay) r = NULL;
	struct maker m;

	start(&m, find_format("csum v3"), 1, 1);
	put_story(&m);
	m.sb.start = be32_make(0);
	r = replay(&m, &error);
	assert_ok(r, error);
	assert_true(r->is_empty);
	assert_int_equal(r->blocks->entries->len, 0);
	stop(&m);
}

/* Whatever starts or goes on differently is the end of the log. */
static void test_end(void **state)
{
	const struct write written = { 10, 1, 0 };
	struct maker m;

	for (unsigned int i = 1; i < 4; i++) {
		start(&m, find_format("plain"), 1, 5);
		put_write(&m, 10, 1);
		put_commit(&m);
		if (i == 1)
			m.sequence++;
		if (i == 2)
			flip(&m, put_write(&m, 20, 2), 0); /* the magic */
		else if (i == 3)
			flip(&m, put_write(&m, 20, 2), 6); /* the type, which nobody knows then */
		else
			put_write(&m, 20, 2);
		put_commit(&m);
		check_replay(&m, &written, 1);
		stop(&m);
	}
}

/* A transaction of before, with its number but not its checksums, is no damage. */
static void test_stale(void **state)
{
	const struct write written = { 10, 1, 0 };
	const char *const names[] = { "csum v2", "csum v3", "sums" };

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		for (unsigned int wrong = 0; wrong < 3; wrong++) {
			uint32_t where[3];
			struct maker m;

			if (wrong != 2 && i == 2)
				continue; /* no block of its own has a checksum */
			start(&m, find_format(names[i]), 1, 5);
			put_write(&m, 10, 1);
			put_commit(&m);
			m.second -= 1000;
			where[0] = put_revoke(&m, 10);
			where[1] = put_write(&m, 20, 2);
			where[2] = put_commit(&m);
			flip(&m, where[wrong], wrong == 2 ? 17 : 900);
			check_replay(&m, &written, 1);
			stop(&m);
		}
}

/* Of a transaction that is not replayed, and of a block that is not written, nothing matters. */
static void test_damage_without_effect(void **state)
{
	const struct write written = { 10, 1, 0 };
	struct maker m;

	start(&m, find_format("csum v3"), 1, 5);
	flip(&m, put_write(&m, 11, 1) + 1, 500);
	put_write(&m, 10, 1);
	put_revoke(&m, 11);
	put_commit(&m);
	flip(&m, put_write(&m, 12, 1), 900);
	flip(&m, put_write(&m, 13, 1) + 1, 500);
	check_replay(&m, &written, 1);
	stop(&m);
}

static void test_asynchronous(void **state)
{
	const struct write written = { 10, 1, 0 };
	const char *const names[] = { "sums, asynchronous", "csum v3, asynchronous" };

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		for (unsigned int later = 0; later < 2; later++) {
			g_autoptr(GError) error = NULL;
			struct maker m;

			start(&m, find_format(names[i]), 1, 5);
			put_write(&m, 10, 1);
			put_commit(&m);
			put_write(&m, 20, 2);
			flip(&m, put_commit(&m), 17);
			put_write(&m, 30, 3);
			if (later == 0) {
				check_replay(&m, &written, 1);
			} else {
				put_commit(&m);
				assert_null(replay(&m, &error));
				assert_error(&error, WHERRY_ERROR_DAMAGED,
					     "transaction 7 has a wrong checksum before block");
			}
			stop(&m);
		}
}

/* Old kernels left it away; then nothing is checked. */
static void test_without_sum(void **state)
{
	const struct write written = { 10, 2, 0 };
	struct format plain = *find_format("plain");
	struct maker m;

	start(&m, &plain, 1, 5);
	put_write(&m, 10, 2);
	put_commit(&m);
	m.sb.compat = be32_make(JBD2_COMPAT_CHECKSUM);
	check_replay(&m, &written, 1);
	stop(&m);
}

enum place {
	IN_SUPERBLOCK,
	IN_REVOKE,
	IN_DESCRIPTOR,
	IN_DATA,
	IN_COMMIT,
};

/* One bit of a good journal: block, byte. */
static const struct {
	const char *format;
	enum place place;
	uint32_t offset;
	const char *words;
} flips[] = {
	{ "plain", IN_SUPERBLOCK, 3, "starts with 0xc03b3999" },
	{ "plain", IN_SUPERBLOCK, 7, "a block of type 5" },
	{ "csum v2", IN_SUPERBLOCK, 900, "superblock has checksum" },
	{ "csum v3", IN_SUPERBLOCK, 900, "superblock has checksum" },
	{ "csum v3", IN_REVOKE, 900, "transaction 5 has a wrong checksum" },
	{ "csum v3", IN_DESCRIPTOR, 900, "transaction 5 has a wrong checksum" },
	{ "csum v3", IN_DATA, 900, "transaction 5 has data with a wrong checksum before block 4" },
	{ "csum v3", IN_COMMIT, 900, "transaction 5 has a wrong checksum before block 5" },
	{ "csum v3, asynchronous", IN_DESCRIPTOR, 900, "transaction 5 has a wrong checksum" },
	{ "csum v2, 64bit", IN_REVOKE, 900, "transaction 5 has a wrong checksum" },
	{ "csum v2, 64bit", IN_DESCRIPTOR, 900, "transaction 5 has a wrong checksum" },
	{ "csum v2, 64bit", IN_DATA, 900, "data with a wrong checksum" },
	{ "csum v2, 64bit", IN_COMMIT, 17, "transaction 5 has a wrong checksum" },
	{ "sums", IN_DESCRIPTOR, 900, "transaction 5 has a wrong checksum" },
	{ "sums", IN_DATA, 900, "transaction 5 has a wrong checksum" },
	{ "sums", IN_COMMIT, 12, "transaction 5 has a wrong checksum" },
	{ "sums", IN_COMMIT, 13, "transaction 5 has a wrong checksum" },
	{ "sums", IN_COMMIT, 19, "transaction 5 has a wrong checksum" },
};

static void test_damaged(void **state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(flips); i++) {
		g_autoptr(GError) error = NULL;
		uint32_t where[5] = { 0 };
		struct maker m;

		print_message("%s, %d, %u\n", flips[i].format, (int)flips[i].place,
			      flips[i].offset);
		start(&m, find_format(flips[i].format), 1, 5);
		where[IN_REVOKE] = put_revoke(&m, 77);
		where[IN_DESCRIPTOR] = put_write(&m, 10, 1);
		where[IN_DATA] = where[IN_DESCRIPTOR] + 1;
		where[IN_COMMIT] = put_commit(&m);
		put_superblock(&m);
		flip(&m, where[flips[i].place], flips[i].offset);
		assert_null(ext_replay_new(m.journal, BLOCK, N_BLOCKS, &error));
		assert_error(&error, WHERRY_ERROR_DAMAGED, flips[i].words);
		stop(&m);
	}
}

/* Numbers of the superblock, under a checksum that is right. */
static const struct {
	const char *format;
	size_t offset;
	uint32_t value;
	enum wherry_error code;
	const char *words;
} numbers[] = {
	{ "csum v3", offsetof(struct jbd2_superblock, block_size), 2048, WHERRY_ERROR_DAMAGED,
	  "64 blocks of 2048 bytes" },
	{ "csum v3", offsetof(struct jbd2_superblock, block_size), 0, WHERRY_ERROR_DAMAGED,
	  "blocks of 0 bytes" },
	{ "csum v3", offsetof(struct jbd2_superblock, n_blocks), 65, WHERRY_ERROR_DAMAGED,
	  "of 65536 bytes with 65 blocks" },
	{ "csum v3", offsetof(struct jbd2_superblock, first), 0, WHERRY_ERROR_DAMAGED,
	  "log from 0 on" },
	{ "csum v3", offsetof(struct jbd2_superblock, first), 64, WHERRY_ERROR_DAMAGED,
	  "log from 64 on" },
	{ "csum v3", offsetof(struct jbd2_superblock, first), 2, WHERRY_ERROR_DAMAGED,
	  "log from 2 on, which starts at 1" },
	{ "csum v3", offsetof(struct jbd2_superblock, start), 64, WHERRY_ERROR_DAMAGED,
	  "which starts at 64" },
	{ "csum v3", offsetof(struct jbd2_superblock, errnum), (uint32_t)-5, WHERRY_ERROR_DAMAGED,
	  "aborted with error -5" },
	{ "csum v3", offsetof(struct jbd2_superblock, compat), 2, WHERRY_ERROR_UNSUPPORTED,
	  "features 0x2, 0x0, 0x0" },
	{ "csum v3", offsetof(struct jbd2_superblock, compat), 1, WHERRY_ERROR_DAMAGED,
	  "more than one kind (features 0x1, 0x10)" },
	{ "csum v3", offsetof(struct jbd2_superblock, incompat), 0x50, WHERRY_ERROR_UNSUPPORTED,
	  "features 0x0, 0x40, 0x0" },
	{ "csum v3", offsetof(struct jbd2_superblock, incompat), 0x30, WHERRY_ERROR_UNSUPPORTED,
	  "fast commits in 0 blocks" },
	{ "csum v3", offsetof(struct jbd2_superblock, incompat), 0x18, WHERRY_ERROR_DAMAGED,
	  "more than one kind" },
	{ "csum v3", offsetof(struct jbd2_superblock, ro_compat), 1, WHERRY_ERROR_UNSUPPORTED,
	  "features 0x0, 0x0, 0x1" },
	{ "csum v3", offsetof(struct jbd2_superblock, checksum_type), 0x01000000,
	  WHERRY_ERROR_DAMAGED, "of kind 1" },
};

static void test_superblock(void **state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
		const be32 value = be32_make(numbers[i].value);
		g_autoptr(GError) error = NULL;
		struct maker m;

		start(&m, find_format(numbers[i].format), 1, 5);
		put_story(&m);
		memcpy((uint8_t *)&m.sb + numbers[i].offset, &value, sizeof(value));
		assert_null(replay(&m, &error));
		assert_error(&error, numbers[i].code, numbers[i].words);
		stop(&m);
	}
}

static void test_revoke_too_long(void **state)
{
	const be32 lengths[] = { be32_make(BLOCK), be32_make(BLOCK - 3) };
	struct maker m;

	for (unsigned int i = 0; i < 2; i++) { /* right to the end, but for the checksum */
		const struct write written = { 10, 1, 0 };
		g_autoptr(GError) error = NULL;
		uint32_t revoke;

		start(&m, find_format(i == 0 ? "plain" : "csum v3"), 1, 5);
		revoke = put_revoke(&m, 77);
		put_write(&m, 10, 1);
		put_commit(&m);
		disk_write(m.disk, revoke * BLOCK + 12, &lengths[i], 4);
		if (i == 0) {
			check_replay(&m, &written, 1);
		} else {
			uint8_t block[BLOCK];

			assert_int_equal(pread(m.disk->fd, block, BLOCK, revoke * BLOCK), BLOCK);
			sign(&m, block, BLOCK - 4);
			disk_write(m.disk, revoke * BLOCK, block, BLOCK);
			assert_null(replay(&m, &error));
			assert_error(&error, WHERRY_ERROR_DAMAGED,
				     "transaction 5 has a revoke block that is too long");
		}
		stop(&m);
	}
}

static void test_beyond_filesystem(void **state)
{
	const uint64_t blocks[] = { N_BLOCKS, UINT64_C(1) << 32 };

	for (unsigned int i = 0; i < 2; i++) {
		g_autoptr(GError) error = NULL;
		struct maker m;

		start(&m, find_format("csum v3, 64bit"), 1, 5);
		put_write(&m, blocks[i], 1);
		put_commit(&m);
		assert_null(replay(&m, &error));
		assert_error(&error, WHERRY_ERROR_DAMAGED,
			     i ? "writes block 4294967296 of 100" : "writes block 100 of 100");
		stop(&m);
	}
}

static void test_without_end(void **state)
{
	g_autoptr(GError) error = NULL;
	struct maker m;

	start(&m, find_format("plain"), 1, 5);
	for (uint32_t i = m.first; i < N_JOURNAL; i++)
		put_revoke(&m, i);
	assert_null(replay(&m, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "log of 63 blocks has no end");
	stop(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_wrapped),
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_escape_in_parts),
		cmocka_unit_test(test_no_features),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_stale),
		cmocka_unit_test(test_damage_without_effect),
		cmocka_unit_test(test_asynchronous),
		cmocka_unit_test(test_without_sum),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_superblock),
		cmocka_unit_test(test_revoke_too_long),
		cmocka_unit_test(test_beyond_filesystem),
		cmocka_unit_test(test_without_end),
	};

	return cmocka_run_group_tests_name("ext-journal", tests, NULL, NULL);
}
