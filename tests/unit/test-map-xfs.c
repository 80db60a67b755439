/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * XFS volumes that are right but for one thing, from the seeds of the fuzzer, and logs made here,
 * whose head is anywhere.  That real ones are mapped as their own tools count them is shown by the
 * round trips.
 */
#include "xfs-seed.h"

#include "map/storage-map.h"
#include "map/xfs-log.h"

#include <inttypes.h>

/* How many bytes are in use, or -1 with @error. */
static int64_t map(const Blkdev *disk, GError **error)
{
	g_autoptr(UsedMap) used = used_map_new(disk->size, 1000);
	g_autoptr(Volume) volume = volume_new_disk(disk, used);
	struct map_found found = { NULL };

	if (!map_xfs.map(volume, "xfs", NULL, &found, error))
		return -1;
	assert_string_equal(found.how, "XFS, clean");
	g_free(found.how);
	return (int64_t)used_map_count(used, 0, disk->size);
}

/* @words: as those of struct change. */
static void check_disk(const Blkdev *disk, const char *words)
{
	g_autoptr(GError) error = NULL;
	int64_t used = map(disk, &error);

	if (!words)
		assert_ok(used > 0, error);
	else if (used >= 0 || !strstr(error->message, words))
		fail_msg("not '%s': %s", words, error ? error->message : "mapped");
}

static void check(const char *seed, const struct change *changes, size_t n, bool mend)
{
	for (size_t i = 0; i < n; i++) {
		g_autoptr(Blkdev) disk = xfs_seed_open(seed, &changes[i], 1, mend);

		check_disk(disk, changes[i].words);
	}
}

/* Changes that only together are one: the words are those of the last. */
static void check_together(const char *seed, const struct change *changes, size_t n)
{
	g_autoptr(Blkdev) disk = xfs_seed_open(seed, changes, n, false);

	check_disk(disk, changes[n - 1].words);
}

#define TOGETHER(...)                                                          \
	check_together("valid-v4-512", (const struct change[]){ __VA_ARGS__ }, \
		       G_N_ELEMENTS(((const struct change[]){ __VA_ARGS__ })))

/* What xfs_db calls free is not in use; all else is, also what is behind the filesystem. */
static void test_valid(void **state)
{
	static const struct {
		const char *name;
		uint64_t free, block_size; /* by xfs_db, of each group */
	} seeds[] = {
		{ "valid-v4-512", 40917 + 36143, 512 },
		{ "valid-v4-log1", 4767 + 3747 + 4770, 4096 },
		{ "valid-v5-4k-sectors", 5099 + 3886, 4096 },
		{ "valid-v5-log-unit", 5102 + 3694, 4096 },
		{ "valid-v5-two-levels", 18101 + 13055, 1024 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(seeds); i++) {
		g_autoptr(Blkdev) disk = xfs_seed_open(seeds[i].name, NULL, 0, false);
		g_autoptr(GError) error = NULL;
		int64_t used = map(disk, &error);

		print_message("%s: %" PRId64 " bytes in use\n", seeds[i].name, used);
		assert_ok(used > 0, error);
		assert_int_equal(used, FUZZ_VOLUME_SIZE - seeds[i].free * seeds[i].block_size);
	}
}

static void test_super(void **state)
{
	static const struct change v4[] = {
		{ 0, "Y", 1, "XFS of version 4 (magic number 0x59465342)" },
		{ 101, "\xa6", 1, "XFS of version 6" },
		{ 101, "\xa3", 1, "XFS of version 3" },
		{ 4, "\0\0\4\0", 4, "81920 blocks of 1024 bytes" },
		{ 8, "\0\0\0\0\0\2", 6, "on a volume of 67108864 bytes" }, /* more blocks */
		{ 8, "\xff", 1, "on a volume of 67108864 bytes" },
		{ 84, "\0\0\0\0", 4, "2 groups of 0" },
		{ 84, "\0\2", 2, "groups of 172032" },
		{ 91, "\3", 1, "3 groups of 40960" },
		{ 91, "\1", 1, "1 groups of 40960" },
		{ 102, "\4", 1, "sectors of 1024" },
		{ 124, "\x20", 1, "groups of 40960" },
		{ 124, "\x0f", 1, "groups of 40960" },
		{ 100, "\xb6", 1, "version features 0x200" },
		{ 200, "\1", 1, "version 2 features 0x1000000" },
		{ 200, "\0\0\2\x8b", 4, "version 2 features 0x1 " },
		{ 200, "\0\0\3\x9a", 4, NULL },
		{ 23, "\1", 1, "a real-time volume" },
		{ 31, "\1", 1, "a real-time volume" },
		{ 48, "\0\0\0\0\0\0\0\0", 8, "an external log" },
		{ 126, "\1", 1, "not done" },
		{ 53, "\2", 1, "of group 2, of which there are 2" },
		{ 55, "\0", 1, "at block 0 of group 1" },
		{ 96, "\0\0\0\0", 4, "a log of 0 blocks" },
		{ 96, "\0\1", 2, "a log of 70342 blocks" },
		{ 136, "\xff\xff\xff\xff", 4, NULL }, /* counters */
		{ 120, "\x0a", 1, "81920 blocks of 512 bytes" },
		{ 120, "\x29", 1, "81920 blocks of 512 bytes" }, /* 9, and 32 more */
		{ 124, "\x30", 1, "groups of 40960" },
		{ 53, "\3", 1, "of group 3, of which there are 2" },
		{ 55, "\4", 1, "XFS with a dirty log" }, /* it may begin behind the headers */
		{ 96, "\0\0\x9f\xf9", 4, "whose superblock in group 1 says" }, /* to the end */
		{ 208, "\0\0\0\1", 4, NULL },                                  /* of version 5 */
		{ 216, "\0\0\0\x10", 4, NULL },
		{ 40960 * 512, "Y", 1, "whose superblock in group 1 says" },
		{ 40960 * 512 + 8, "\1", 1, "whose superblock in group 1 says" },
		{ 40960 * 512 + 88, "\1", 1, "whose superblock in group 1 says" },
		{ 40960 * 512 + 84, "\1", 1, "whose superblock in group 1 says" },
		{ 40960 * 512 + 96, "\1", 1, "whose superblock in group 1 says" },
		{ 40960 * 512 + 4, "\1", 1, "whose superblock in group 1 says" },
		{ 40960 * 512 + 102, "\4", 1, "whose superblock in group 1 says" },
		{ 40960 * 512 + 101, "\xa5", 1, "whose superblock in group 1 says" },
	};
	static const struct change v5[] = {
		{ 208, "\0\0\0\1", 4, "compatible features 0x1 " },
		{ 212, "\0\0\0\x1f", 4, "read-only compatible features 0x10 " },
		{ 216, "\0\0\1\x0b", 4, "incompatible features 0x100 " },
		{ 216, "\x80", 1, "incompatible features 0x80000000 " },
		{ 216, "\0\0\0\x1b", 4, "needs xfs_repair" },
		{ 216, "\0\0\0\xef", 4, "of group 0" }, /* another UUID, which nothing here has */
		{ 216, "\0\0\0\xeb", 4, NULL },
		{ 220, "\0\0\0\1", 4, NULL },
		{ 220, "\0\0\0\2", 4, "log features 0x2 " },
	};
	static const struct change sums[] = {
		{ 136, "\xff", 1, "superblock in group 0 has a wrong checksum" },
		{ 18432 * 1024 + 136, "\xff", 1, "superblock in group 1 has a wrong checksum" },
	};

	check("valid-v4-512", v4, G_N_ELEMENTS(v4), false);
	check("valid-v5-two-levels", v5, G_N_ELEMENTS(v5), true);
	check("valid-v5-two-levels", sums, G_N_ELEMENTS(sums), false);
}

#define BLOCKS(n)                        \
	{                                \
		8, "\0\0\0\0" n, 8, NULL \
	}
#define BLOCK_SIZE(n, s)        \
	{ 4, n, 4, NULL },      \
	{                       \
		120, s, 1, NULL \
	}
#define SECTOR(n, s)            \
	{ 102, n, 2, NULL },    \
	{                       \
		121, s, 1, NULL \
	}
#define AG_BLOCKS(n)           \
	{                      \
		84, n, 4, NULL \
	}
#define AG_COUNT(n)            \
	{                      \
		88, n, 4, NULL \
	}
#define WORDS(words)            \
	{                       \
		0, "", 0, words \
	}

/* Sizes that fit each other, but for one. */
static void test_sizes(void **state)
{
	TOGETHER(SECTOR("\1\0", "\x08"), WORDS("sectors of 256)"));
	TOGETHER(SECTOR("\4\0", "\x0a"), WORDS("sectors of 1024)"));
	TOGETHER(BLOCKS("\0\0\2\0"), BLOCK_SIZE("\0\2\0\0", "\x11"), AG_BLOCKS("\0\0\1\0"),
		 WORDS("512 blocks of 131072 bytes"));
	TOGETHER(BLOCKS("\0\0\4\0"), BLOCK_SIZE("\0\1\0\0", "\x10"), AG_BLOCKS("\0\0\2\0"),
		 WORDS("a log of 4806 blocks"));
	TOGETHER(BLOCKS("\0\2\x80\0"), AG_COUNT("\0\0\0\4"), WORDS("on a volume of"));
	TOGETHER(BLOCKS("\0\2\0\0"), AG_COUNT("\0\0\0\4"), /* all of the volume */
		 WORDS("whose superblock in group 1 says"));
	TOGETHER(AG_BLOCKS("\0\0\0\4"), AG_COUNT("\0\0\x50\0"), WORDS("20480 groups of 4,"));
	TOGETHER(BLOCKS("\0\2\0\0"), AG_BLOCKS("\0\1\0\0"), /* as large as its numbers go */
		 WORDS("whose superblock in group 1 says"));
	TOGETHER(BLOCKS("\0\0\0\0"), AG_COUNT("\0\0\0\0"), WORDS("XFS of 0 blocks"));
	TOGETHER(BLOCKS("\0\1\x40\4"), AG_COUNT("\0\0\0\3"), WORDS("81924 blocks of 512"));
	TOGETHER({ 100, "\x34", 1, NULL }, { 200, "\1", 1, NULL }); /* there is no second word */
	(void)state;
}

/* The header is sector 1, the free list sector 3: entries 1 to 4 are 7 to 10. */
static void test_header(void **state)
{
	static const struct change v4[] = {
		{ 512, "Y", 1, "header of group 0 (0x59414746" },
		{ 512 + 7, "\2", 1, "version 2)" },
		{ 512 + 11, "\1", 1, "is of group 1" },
		{ 512 + 15, "\1", 1, "with 40961 blocks" },
		{ 40961 * 512 + 11, "\0", 1, "header of group 1" },
		{ 512 + 43, "\0", 1, "free list of group 0, entries 0 to 4 of 128, has 4" },
		{ 512 + 47, "\5", 1, "entries 1 to 5 of 128, has 4" },
		{ 512 + 47, "\x80", 1, "entries 1 to 128 of 128" },
		{ 512 + 51, "\3", 1, "has 3 by its header" },
		{ 512 + 51, "\0", 1, "has 0 by its header" },
		{ 512 + 55, "\xd6", 1, "40918 free blocks in group 0 by its header" },
		{ 512 + 59, "\xd1", 1, "(at most 40913 in a row)" },
		{ 512 + 63, "\1", 1, NULL }, /* the blocks of the B+trees are not counted by all */
		{ 1536 + 7, "\x0b", 1, "own structures, or the log, in its free space" },
		{ 1536 + 4, "\xff", 1, "own structures, or the log, in its free space" },
		{ 1536 + 7, "\3", 1, "own structures, or the log, in its free space" },
		{ 1536 + 3, "\0", 1, NULL },                                 /* not in the list */
		{ 1536 + 7, "\4", 1, "in its free space, or in one place" }, /* a root, too */
	};
	static const struct change v5[] = {
		{ 512 + 64, "\0", 1, "header of group 0" },
		{ 1536, "Y", 1, "free list of group 0" },
		{ 1536 + 7, "\1", 1, "free list of group 0" },
		{ 1536 + 8, "\0", 1, "free list of group 0" },
		{ 512 + 63, "\7", 1, "group 0 take 17 blocks, and by its header 7 and 3 roots" },
	};
	static const struct change sums[] = {
		{ 512 + 100, "\1", 1, "header of group 0" },
		{ 1536 + 500, "\1", 1, "free list of group 0" },
	};

	check("valid-v4-512", v4, G_N_ELEMENTS(v4), false);
	check("valid-v5-two-levels", v5, G_N_ELEMENTS(v5), true);
	check("valid-v5-two-levels", sums, G_N_ELEMENTS(sums), false);
}

#define LIST(first, last, count)                                   \
	{ 512 + 43, first, 1, NULL }, { 512 + 47, last, 1, NULL }, \
	{                                                          \
		512 + 51, count, 1, NULL                           \
	}

static void test_list(void **state)
{
	g_autoptr(Blkdev) disk = xfs_seed_open("valid-v5-two-levels", NULL, 0, false);

	TOGETHER(LIST("\x80", "\4", "\5"), WORDS("entries 128 to 4 of 128, has 5"));
	TOGETHER(LIST("\1", "\x80", "\x80"), WORDS("entries 1 to 128 of 128, has 128"));
	TOGETHER(LIST("\4", "\4", "\1"));
	TOGETHER(LIST("\5", "\4", "\0")); /* empty */
	TOGETHER(LIST("\5", "\4", "\3"), WORDS("entries 5 to 4 of 128, has 3"));
	disk_write(disk, 1536, "Y", 1);
	xfs_mend_one(disk->fd, 1536, 512, offsetof(struct xfs_disk_agfl, crc));
	check_disk(disk, "free list of group 0");
	(void)state;
}

/* By block: block 4, records 11 + 5 and 48 + 40912; by length: block 5. */
static void test_records(void **state)
{
	static const struct change v4[] = {
		{ 512 + 19, "\x05", 1, "by block in group 0 of which block 5 is not one" },
		{ 512 + 19, "\3", 1, "of which block 3 lies outside of the group" },
		{ 512 + 19, "\1", 1, "of which block 1 lies outside of the group" },
		{ 512 + 16, "\1", 1, "lies outside of the group" },
		{ 512 + 16, "\0\0\xa0\0", 4, "block 40960 lies outside of the group" },
		{ 512 + 31, "\x09", 1, "is on another level" },
		{ 512 + 31, "\0", 1, "none or too many levels" },
		{ 512 + 31, "\x0a", 1, "none or too many levels" },
		{ 512 + 31, "\2", 1, "is on another level" },
		{ 4 * 512, "Y", 1, "block 4 is not one" },
		{ 4 * 512 + 5, "\1", 1, "block 4 is on another level" },
		{ 4 * 512 + 7, "\x40", 1, "block 4 has too many entries" },
		{ 4 * 512 + 7, "\1", 1, "5 in 1 by block, 40917 in 2 by length" },
		{ 4 * 512 + 8, "\0", 1, "block 4 has other neighbours" },
		{ 4 * 512 + 12, "\0", 1, "has a neighbour without a parent" },
		{ 4 * 512 + 16, "\1", 1, "block 4 has a record outside" },
		{ 4 * 512 + 28, "\1", 1, "block 4 has a record outside" },
		{ 4 * 512 + 23, "\0", 1, "block 4 has a record outside" },
		{ 4 * 512 + 23, "\x26", 1, "block 4 has records out of order" },
		{ 4 * 512 + 19, "\x0c", 1, "40917 in 2 by block, 40917 in 2 by length" },
		{ 4 * 512 + 23, "\6", 1, "40918 in 2 by block" },
		{ 5 * 512, "ABTB", 4, "by length in group 0 of which block 5 is not one" },
		{ 5 * 512 + 19, "\x0c", 1, "40917 in 2 by block, 40917 in 2 by length" },
		{ 5 * 512 + 28, "\0\0\0\4", 4, "block 5 has records out of order" },
	};

	check("valid-v4-512", v4, G_N_ELEMENTS(v4), false);
}

/* As many records, in blocks 4 and 5 of group @ag; @free: blocks, of which @longest in a row. */
#define GROUP(ag, n, records, free, longest)                                                    \
	{ (ag * 40960 + 4) * 512 + 7, n, 1, NULL }, { (ag * 40960 + 5) * 512 + 7, n, 1, NULL }, \
	    { (ag * 40960 + 4) * 512 + 16, records, sizeof(records) - 1, NULL },                \
	    { (ag * 40960 + 5) * 512 + 16, records, sizeof(records) - 1, NULL },                \
	    { (ag * 40960 + 1) * 512 + 52, free, 4, NULL },                                     \
	{                                                                                       \
		(ag * 40960 + 1) * 512 + 56, longest, 4, NULL                                   \
	}

static void test_groups(void **state)
{
	/* All is in use. */
	TOGETHER(GROUP(1, "\0", "", "\0\0\0\0", "\0\0\0\0"));
	/* 11 + 1, 12 + 1, 13 + 3, 48 + 40912: next to each other. */
	TOGETHER(GROUP(0, "\4",
		       "\0\0\0\x0b\0\0\0\1\0\0\0\x0c\0\0\0\1\0\0\0\x0d\0\0\0\3"
		       "\0\0\0\x30\0\0\x9f\xd0",
		       "\0\0\x9f\xd5", "\0\0\x9f\xd0"));
	/* The last block of the log, 4812, and what is behind it and the list. */
	TOGETHER(GROUP(1, "\2", "\0\0\x12\xcc\0\0\0\1\0\0\x12\xd1\0\0\x8d\x2f", "\0\0\x8d\x30",
		       "\0\0\x8d\x2f"),
		 WORDS("group 1 has its own structures, or the log, in its free space"));
	/* The last of the headers. */
	TOGETHER(GROUP(1, "\2", "\0\0\0\3\0\0\0\1\0\0\x12\xd1\0\0\x8d\x2f", "\0\0\x8d\x30",
		       "\0\0\x8d\x2f"),
		 WORDS("group 1 has its own structures, or the log, in its free space"));
	(void)state;
}

/* Leaves 13, 68 of the group below node 14, by block; the leaves of 1 KiB are full with 121. */
static void test_levels(void **state)
{
	static const struct change v5[] = {
		{ 14 * 1024 + 7, "\2", 1, "of which block 13 has a neighbour without a parent" },
		{ 14 * 1024 + 7, "\0", 1, "block 14 has too many entries, or none" },
		{ 14 * 1024 + 7, "\x51", 1, "block 14 has too many entries, or none" },
		{ 14 * 1024 + 16, "\1", 1, "block 14 belongs elsewhere" },
		{ 14 * 1024 + 32, "\1", 1, "block 14 belongs elsewhere" },
		{ 14 * 1024 + 51, "\1", 1, "block 14 belongs elsewhere" },
		{ 14 * 1024 + 59, "\1", 1, "block 14 has another key than its child" },
		{ 14 * 1024 + 56 + 80 * 8 + 3, "\x0d", 1, "block 13 has other neighbours" },
		{ 14 * 1024 + 56 + 80 * 8 + 7, "\2", 1, "block 2 has other neighbours" },
		{ 13 * 1024 + 7, "\0", 1, "block 13 has too many entries, or none" },
		{ 13 * 1024 + 11, "\3", 1, "block 13 has other neighbours" },
		{ 13 * 1024 + 15, "\x45", 1, "block 68 has other neighbours" },
		{ 3 * 1024 + 56 + 11, "\x19", 1, "block 3 has records out of order" },
		{ 3 * 1024 + 56 + 11, "\x1a", 1, "block 3 has records out of order" },
		{ 13 * 1024 + 59, "\1", 1, "another key than its child" },
	};
	static const struct change sums[] = {
		{ 13 * 1024 + 1000, "\1", 1, "block 13 has a wrong checksum" },
	};

	check("valid-v5-two-levels", v5, G_N_ELEMENTS(v5), true);
	check("valid-v5-two-levels", sums, G_N_ELEMENTS(sums), false);
}

/* What only a mount brings in order is listed with where it lies, and told of once that was done.
 */
static void test_dirty(void **state)
{
	for (unsigned int clean = 0; clean < 2; clean++) {
		g_autoptr(Blkdev) disk =
		    xfs_seed_open("valid-v4-512", &xfs_not_unmounted, clean ? 0 : 1, false);
		g_autoptr(GPtrArray) names = g_ptr_array_new();
		const struct map_options options = { .replayed = clean ? names : NULL };
		g_autoptr(StorageMap) map = NULL;
		const struct map_volume *volume;

		g_ptr_array_add(names, disk->name);
		map = storage_map_read((const Blkdev *const *)&disk, 1, &options);
		volume =
		    g_ptr_array_index(((DiskMap *)g_ptr_array_index(map->disks, 0))->volumes, 0);
		assert_int_equal(map->dirty->len, clean ? 0 : 1);
		if (clean) {
			assert_string_equal(volume->how, "XFS, log replayed in a snapshot");
		} else {
			const struct map_dirty *dirty = g_ptr_array_index(map->dirty, 0);
			const struct volume_piece *piece =
			    &g_array_index(dirty->pieces, struct volume_piece, 0);

			assert_non_null(strstr(volume->how, "carried whole: XFS with a dirty log"));
			assert_string_equal(dirty->name, disk->name);
			assert_string_equal(dirty->content, "xfs");
			assert_int_equal(dirty->pieces->len, 1);
			assert_ptr_equal(piece->disk, disk);
			assert_int_equal(piece->length, FUZZ_VOLUME_SIZE);
		}
	}
}

/* --- the log --- */

#define LOG_BLOCKS 40000u /* basic blocks; more than are looked at one by one */
#define LOG_START  UINT64_C(65536)

static const struct xfs_super log_super = {
	.version = 5,
	.block_size = 4096,
	.blocks = 8192,
	.ag_blocks = 8192,
	.ag_count = 1,
	.log_block = LOG_START / 4096,
	.log_blocks = LOG_BLOCKS / 8,
	.uuid = "0123456789abcde",
};

/* The record that ends at @head, in a log in which it is the last. */
struct record {
	uint32_t head, cycle;
	uint32_t length;  /* bytes */
	uint32_t size;    /* h_size */
	uint32_t version; /* h_version */
	uint32_t operations;
	uint8_t flags;
	bool other_uuid, lsn_wrong;
	enum { CRC_RIGHT, CRC_SHORT, CRC_NONE, CRC_WRONG } crc;
	const char *words; /* NULL: clean */
};

static void put_word(Blkdev *disk, uint32_t block, uint32_t offset, uint32_t value)
{
	be32 word = be32_make(value);

	disk_write(disk, LOG_START + block % LOG_BLOCKS * UINT64_C(512) + offset, &word,
		   sizeof(word));
}

static uint32_t cycle_at(const struct record *record, uint32_t block)
{
	return block % LOG_BLOCKS < record->head || record->head == 0 ? record->cycle
								      : record->cycle - 1;
}

static uint32_t checksum(uint8_t *data, uint32_t n_headers, uint32_t length, size_t header)
{
	uint32_t crc = ext2fs_crc32c_le(~0u, data, header);

	for (uint32_t i = 1; i < MIN(n_headers, (length + 32767) / 32768); i++)
		crc = ext2fs_crc32c_le(crc, data + i * 512, 260);
	return ~ext2fs_crc32c_le(crc, data + n_headers * 512, length);
}

static void put_record(Blkdev *disk, const struct record *record)
{
	uint32_t n_headers = record->size > 32768 ? (record->size + 32767) / 32768 : 1;
	uint32_t n = n_headers + (record->length + 511) / 512;
	uint32_t start = (record->head + LOG_BLOCKS - n) % LOG_BLOCKS;
	g_autofree uint8_t *data = g_malloc0(n * 512);
	struct xfs_disk_log_record *head = (void *)data;
	struct xfs_disk_log_operation *operation = (void *)(data + n_headers * 512);

	for (uint32_t i = 0; i < n; i++)
		*(be32 *)(data + i * 512) = be32_make(cycle_at(record, start + i));
	head->magic = be32_make(XFS_MAGIC_RECORD);
	head->cycle = be32_make(cycle_at(record, start));
	head->version = be32_make(record->version);
	head->length = be32_make(record->length);
	head->lsn =
	    be64_make((uint64_t)cycle_at(record, start) << 32 | (start + record->lsn_wrong));
	head->operations = be32_make(record->operations);
	head->size = be32_make(record->size);
	memcpy(head->uuid, log_super.uuid, XFS_UUID_SIZE);
	head->uuid[0] ^= record->other_uuid;
	operation->flags = record->flags;
	if (record->crc != CRC_NONE)
		head->crc = le32_make(checksum(data, n_headers, record->length,
					       record->crc == CRC_SHORT ? 324 : 328) ^
				      (record->crc == CRC_WRONG));
	for (uint32_t i = 0; i < n; i++)
		disk_write(disk, LOG_START + (start + i) % LOG_BLOCKS * UINT64_C(512),
			   data + i * 512, 512);
}

static Blkdev *new_log(const struct record *record)
{
	Blkdev *disk = disk_new(LOG_START + LOG_BLOCKS * UINT64_C(512), 0);
	g_autofree uint8_t *data = g_malloc0(LOG_BLOCKS * 512);

	for (uint32_t i = 0; i < LOG_BLOCKS; i++)
		*(be32 *)(data + (size_t)i * 512) = be32_make(cycle_at(record, i));
	disk_write(disk, LOG_START, data, LOG_BLOCKS * 512);
	put_record(disk, record);
	return disk;
}

static void check_log(const Blkdev *disk, const char *words)
{
	g_autoptr(UsedMap) used = used_map_new(disk->size, 1000);
	g_autoptr(Volume) volume = volume_new_disk(disk, used);
	g_autoptr(GError) error = NULL;
	bool ok = xfs_log_check_clean(volume, &log_super, &error);

	if (words) {
		assert_false(ok);
		assert_error(&error, WHERRY_ERROR_DIRTY, words);
	} else {
		assert_ok(ok, error);
	}
}

#define UNMOUNT 2, 1, XFS_LOG_UNMOUNT

static void test_log_records(void **state)
{
	static const struct record records[] = {
		{ 2, 1, 512, 32768, UNMOUNT, .crc = CRC_NONE },
		{ 2, 1, 512, 32768, UNMOUNT },
		{ 2, 1, 512, 32768, UNMOUNT, .crc = CRC_SHORT },
		{ 2, 1, 512, 32768, UNMOUNT, .crc = CRC_WRONG, .words = "wrong checksum" },
		{ 3000, 7, 512, 32768, UNMOUNT },
		{ 30000, 7, 512, 32768, UNMOUNT },
		{ LOG_BLOCKS - 1, 7, 512, 32768, UNMOUNT },
		{ 0, 7, 512, 32768, UNMOUNT },
		{ 1, 7, 512, 32768, UNMOUNT }, /* its header is the last of the ring */
		{ 300, 7, 512, 262144, UNMOUNT },
		{ 300, 7, 262144, 262144, UNMOUNT }, /* there is no longer one */
		{ 300, 7, 512, 0, UNMOUNT },
		{ 300, 7, 260 * 512, 262144, UNMOUNT }, /* over the end of the ring */
		{ 30000, 7, 32768, 32768, UNMOUNT },
		{ 30000, 7, 600, 32768, UNMOUNT },
		{ 30000, 7, 512, 262144, 1, 1, XFS_LOG_UNMOUNT, .words = "not whole" },
		{ 30000, 7, 512, 32768, 1, 1, XFS_LOG_UNMOUNT },
		{ 30000, 7, 512, 32768, 2, 2, XFS_LOG_UNMOUNT, .words = "not unmounted" },
		{ 30000, 7, 512, 32768, 2, 1, 0x2, .words = "not unmounted" },
		{ 30000, 7, 512, 32768, UNMOUNT, .other_uuid = true, .words = "another file" },
		{ 30000, 7, 512, 32768, UNMOUNT, .lsn_wrong = true, .words = "not whole" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(records); i++) {
		g_autoptr(Blkdev) disk = new_log(&records[i]);

		print_message("record %zu\n", i);
		check_log(disk, records[i].words);
	}
}

/* The record has one header, and is two blocks long. */
static void test_log_lengths(void **state)
{
	static const struct {
		uint32_t size, length;
	} cases[] = {
		{ 65536, 0 },                 /* two headers, and nothing behind them */
		{ 98304, UINT32_C(0) - 512 }, /* one block less than none */
		{ 32768, 1024 },
		{ 32768, 0 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		const struct record record = { 30000, 7, 512, 32768, UNMOUNT, .crc = CRC_NONE };
		g_autoptr(Blkdev) disk = new_log(&record);

		put_word(disk, 29998, offsetof(struct xfs_disk_log_record, size), cases[i].size);
		put_word(disk, 29998, offsetof(struct xfs_disk_log_record, length),
			 cases[i].length);
		check_log(disk, "its last record is not whole");
	}
	(void)state;
}

/* Another word than is due, around the head and far from it. */
static void test_log_order(void **state)
{
	static const struct {
		uint32_t head, block, cycle;
		const char *words;
	} cases[] = {
		{ 20000, 20000, 6, NULL },
		{ 20000, 20001, 7, "not written in order (its head is block 20000" },
		{ 20000, 24000, 7, "not written in order" },
		{ 20000, 20001, 5, "not written in order" },
		{ 20000, 19000, 6, "not written in order" },
		{ 20000, 13000, 8, "not written in order" },
		{ 20000, 20000, 7, "its last record is not whole" },
		{ 0, 39000, 6, "not written in order" },
		{ 0, 8000, 6, "not written in order" },
		{ 100, 39000, 7, "not written in order" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		const struct record record = { cases[i].head, 7, 512, 32768, UNMOUNT };
		g_autoptr(Blkdev) disk = new_log(&record);

		print_message("case %zu\n", i);
		put_word(disk, cases[i].block, 0, cases[i].cycle);
		check_log(disk, cases[i].words);
	}
}

/* Zeros behind a record at the start, as far as tools leave some. */
static void test_log_cleared(void **state)
{
	static const struct {
		uint32_t head, end;
		const char *words;
	} cases[] = {
		{ 2, 512, NULL },
		{ 2, 513, "not written in order (its head is block 2" },
		{ 400, 512, NULL },
		{ 600, 601, "not written in order" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		const struct record record = { cases[i].head, 7, 512, 32768, UNMOUNT };
		g_autoptr(Blkdev) disk = new_log(&record);

		for (uint32_t block = cases[i].head; block < cases[i].end; block++)
			put_word(disk, block, 0, 0);
		print_message("case %zu\n", i);
		check_log(disk, cases[i].words);
	}
}

static void test_log_empty(void **state)
{
	g_autoptr(Blkdev) disk = disk_new(LOG_START + LOG_BLOCKS * UINT64_C(512), 0);

	check_log(disk, "there is no record in it");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_valid),     cmocka_unit_test(test_super),
		cmocka_unit_test(test_header),    cmocka_unit_test(test_records),
		cmocka_unit_test(test_levels),    cmocka_unit_test(test_log_records),
		cmocka_unit_test(test_log_order), cmocka_unit_test(test_log_empty),
		cmocka_unit_test(test_sizes),     cmocka_unit_test(test_list),
		cmocka_unit_test(test_groups),    cmocka_unit_test(test_log_lengths),
		cmocka_unit_test(test_dirty),     cmocka_unit_test(test_log_cleared),
	};

	return cmocka_run_group_tests_name("map-xfs", tests, NULL, NULL);
}
