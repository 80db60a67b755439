/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small image that is right, and then one thing wrong with it at a time.  Its clusters:
 *
 *   0 header | 1 plain | 2 packed | 3 plain | 4 L2 | 5 L1 | 6 refcount block | 7 refcount table
 */
#include "unit.h"

#include "base/autofd.h"
#include "base/be.h"
#include "base/io.h"
#include "corpus.h"
#include "image/compress.h"
#include "image/image-reader.h"
#include "leaves.h"

#include <inttypes.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

#define C         ((uint64_t)IMAGE_CLUSTER_SIZE)
#define DISK_SIZE (4 * C + 512) /* 5 clusters */
#define FILE_SIZE (8 * C)
#define PACKED    (2 * C)
#define L2        (4 * C)
#define L1        (5 * C)
#define REFCOUNTS (6 * C)
#define TABLE     (7 * C)
#define COPIED    (UINT64_C(1) << 63)

/* Guest cluster 0: plain 'a'; 1: nothing; 2: packed 'c'; 3: packed 'd'; 4: plain 'e', cut short. */
static int make_image(void)
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	g_autofree uint8_t *data = g_malloc(C), *frame = g_malloc(C);
	g_autoptr(Compressor) compressor = compressor_new(1);
	g_autoptr(GError) error = NULL;
	g_autoptr(LeafSums) leaves = new_leaves();
	g_autoptr(ImageWriter) writer =
	    image_writer_new(fd, "image", leaves, DISK_SIZE, true, &error);
	uint64_t size;

	for (uint64_t i = 0; i < 5; i++) {
		bool packed = i == 2 || i == 3;
		size_t n = C;

		if (i == 1)
			continue;
		memset(data, (int)('a' + i), C);
		if (packed)
			n = compressor_run(compressor, data, frame);
		assert_ok(image_writer_put(writer, i, packed ? frame : data, n, packed, &error),
			  error);
	}
	assert_ok(image_writer_finish(writer, &size, &error), error);
	assert_int_equal(size, FILE_SIZE);
	return fd;
}

/* @n bytes of @value, big-endian, at @at. */
struct patch {
	uint64_t at;
	unsigned int n; /* 0 ends a list */
	uint64_t value;
};

static void apply(int fd, const struct patch *patches, size_t n_max)
{
	g_autoptr(GError) error = NULL;

	for (size_t i = 0; i < n_max && patches[i].n > 0; i++) {
		be64 value = be64_make(patches[i].value);

		assert_ok(io_pwrite(fd, "image", patches[i].at, value.b + 8 - patches[i].n,
				    patches[i].n, &error),
			  error);
	}
}

static uint64_t get(int fd, uint64_t at)
{
	g_autoptr(GError) error = NULL;
	be64 value;

	assert_ok(io_pread(fd, "image", at, &value, sizeof(value), &error), error);
	return be64_get(value);
}

static void test_good(void **state)
{
	static const char want[] = "a\0cde";
	autofd int fd = make_image();
	g_autoptr(GError) error = NULL;
	g_autoptr(ImageReader) reader = image_reader_new(fd, "image", &error);
	g_autofree uint8_t *data = g_malloc(C);
	uint64_t index = 0;

	assert_ok(reader, error);
	assert_int_equal(image_reader_virtual_size(reader), DISK_SIZE);
	assert_ok(image_reader_check(reader, &error), error);
	for (uint64_t i = 0; i < 5; i++) {
		int r = image_reader_cluster(reader, i, data, &error);

		assert_ok(r >= 0, error);
		assert_int_equal(r, want[i] != 0);
		if (r == 0)
			continue;
		assert_int_equal(data[0], want[i]);
		assert_int_equal(data[511], want[i]);
		assert_int_equal(data[C - 1], i == 4 ? 0 : want[i]); /* behind the disk's end */
	}
	assert_int_equal(image_reader_next(reader, 1, &index, &error), 1);
	assert_int_equal(index, 2);
	assert_int_equal(image_reader_next(reader, 4, &index, &error), 1);
	assert_int_equal(index, 4);
	assert_int_equal(image_reader_next(reader, 5, &index, &error), 0);

	/* What the tables below stand on. */
	assert_true(get(fd, L1) == (L2 | COPIED));
	assert_true(get(fd, L2) == (1 * C | COPIED));
	assert_true(get(fd, L2 + 16) == (PACKED | UINT64_C(1) << 62));
	assert_true(get(fd, TABLE) == REFCOUNTS);
	assert_true(get(fd, REFCOUNTS) == UINT64_C(0x0001000100020001));
}

/* Refused by image_reader_new(). */
static const struct {
	struct patch patches[3];
	enum wherry_error code;
	const char *words;
} refused[] = {
	{ { { 0, 4, 0x514649fa } },
	  WHERRY_ERROR_DAMAGED,
	  "no qcow2 image: it begins with 0x514649fa" },
	{ { { 4, 4, 2 } }, WHERRY_ERROR_UNSUPPORTED, "version 2 is not taken" },
	{ { { 4, 4, 4 } }, WHERRY_ERROR_UNSUPPORTED, "version 4 is not taken" },
	{ { { 8, 8, 200 } }, WHERRY_ERROR_UNSUPPORTED, "with a backing file" },
	{ { { 16, 4, 1 } }, WHERRY_ERROR_UNSUPPORTED, "with a backing file" },
	{ { { 20, 4, 17 } }, WHERRY_ERROR_UNSUPPORTED, "clusters of 2^17 bytes" },
	{ { { 20, 4, UINT32_MAX } }, WHERRY_ERROR_UNSUPPORTED, "clusters of 2^4294967295 bytes" },
	{ { { 24, 8, 0 } }, WHERRY_ERROR_DAMAGED, "a disk of 0 bytes" },
	{ { { 24, 8, 513 } }, WHERRY_ERROR_DAMAGED, "a disk of 513 bytes" },
	{ { { 24, 8, (UINT64_C(1) << 51) + 512 } },
	  WHERRY_ERROR_DAMAGED,
	  "2251799813685760 bytes" },
	{ { { 24, 8, UINT64_MAX - 511 } }, WHERRY_ERROR_DAMAGED, "a disk of 18446744073709551104" },
	{ { { 24, 8, 8192 * C + 512 } },
	  WHERRY_ERROR_DAMAGED,
	  "1 entries for a disk of 536871424 bytes, which needs 2" },
	{ { { 32, 4, 1 } }, WHERRY_ERROR_UNSUPPORTED, "with encryption" },
	{ { { 36, 4, 0 } }, WHERRY_ERROR_DAMAGED, "an L1 table of 0 entries" },
	{ { { 36, 4, (4 << 20) + 1 } }, WHERRY_ERROR_DAMAGED, "an L1 table of 4194305 entries" },
	{ { { 36, 4, UINT32_MAX } }, WHERRY_ERROR_DAMAGED, "an L1 table of 4294967295 entries" },
	{ { { 36, 4, 4 << 20 } },
	  WHERRY_ERROR_DAMAGED,
	  "L1 table of 33554432 bytes cannot lie at 327680 of 524288 bytes" },
	{ { { 36, 4, 2 }, { L1 + 8, 8, 1 } },
	  WHERRY_ERROR_DAMAGED,
	  "L1 entry 1 is behind the disk's end" },
	{ { { 40, 8, 0 } }, WHERRY_ERROR_DAMAGED, "L1 table of 8 bytes cannot lie at 0 of" },
	{ { { 40, 8, L1 + 512 } },
	  WHERRY_ERROR_DAMAGED,
	  "L1 table of 8 bytes cannot lie at 328192 of" },
	{ { { 40, 8, FILE_SIZE } },
	  WHERRY_ERROR_DAMAGED,
	  "L1 table of 8 bytes cannot lie at 524288 of" },
	{ { { 40, 8, TABLE } },
	  WHERRY_ERROR_DAMAGED,
	  "the L1 table at 458752 and the refcount table at 458752 overlap" },
	{ { { 48, 8, 0 } },
	  WHERRY_ERROR_DAMAGED,
	  "refcount table of 65536 bytes cannot lie at 0 of" },
	{ { { 48, 8, TABLE + 8 } },
	  WHERRY_ERROR_DAMAGED,
	  "refcount table of 65536 bytes cannot lie at 458760 of" },
	{ { { 48, 8, UINT64_MAX - C + 1 } },
	  WHERRY_ERROR_DAMAGED,
	  "refcount table of 65536 bytes cannot lie at" },
	{ { { 56, 4, 0 } }, WHERRY_ERROR_DAMAGED, "a refcount table of 0 clusters" },
	{ { { 56, 4, 2 } }, WHERRY_ERROR_DAMAGED, "refcount table of 131072 bytes cannot lie at" },
	{ { { 56, 4, 129 } }, WHERRY_ERROR_DAMAGED, "a refcount table of 129 clusters" },
	{ { { 60, 4, 1 } }, WHERRY_ERROR_UNSUPPORTED, "with snapshots" },
	{ { { 64, 8, C } }, WHERRY_ERROR_UNSUPPORTED, "with snapshots" },
	{ { { 79, 1, 8 | 1 } }, WHERRY_ERROR_DAMAGED, "is marked as not closed" },
	{ { { 79, 1, 8 | 2 } }, WHERRY_ERROR_DAMAGED, "is marked as corrupt" },
	{ { { 79, 1, 8 | 4 } }, WHERRY_ERROR_UNSUPPORTED, "with an external data file" },
	{ { { 79, 1, 8 | 16 } }, WHERRY_ERROR_UNSUPPORTED, "with extended L2 entries" },
	{ { { 79, 1, 8 | 32 } }, WHERRY_ERROR_UNSUPPORTED, "unknown incompatible features 0x20" },
	{ { { 72, 1, 0x80 } },
	  WHERRY_ERROR_UNSUPPORTED,
	  "unknown incompatible features 0x8000000000000000" },
	{ { { 79, 1, 0 } },
	  WHERRY_ERROR_DAMAGED,
	  "compression type 1 contradicts its feature bit, 0" },
	{ { { 104, 1, 0 } },
	  WHERRY_ERROR_DAMAGED,
	  "compression type 0 contradicts its feature bit, 1" },
	{ { { 100, 4, 104 }, { 104, 8, 0 } },
	  WHERRY_ERROR_DAMAGED,
	  "compression type 0 contradicts" },
	{ { { 104, 1, 2 } }, WHERRY_ERROR_UNSUPPORTED, "compression type 2 is not taken" },
	{ { { 95, 1, 1 } }, WHERRY_ERROR_UNSUPPORTED, "with auto-clear features" },
	{ { { 96, 4, 5 } }, WHERRY_ERROR_UNSUPPORTED, "refcounts of 2^5 bits" },
	{ { { 100, 4, 96 } }, WHERRY_ERROR_DAMAGED, "header length 96" },
	{ { { 100, 4, 105 } }, WHERRY_ERROR_DAMAGED, "header length 105" },
	{ { { 100, 4, C + 8 } }, WHERRY_ERROR_DAMAGED, "header length 65544" },
	{ { { 112, 8, UINT64_C(0xe2792aca00000005) } },
	  WHERRY_ERROR_UNSUPPORTED,
	  "extension 0xe2792aca" },
	{ { { 112, 8, UINT64_C(0x2385287500000018) } },
	  WHERRY_ERROR_UNSUPPORTED,
	  "extension 0x23852875" },
	{ { { 112, 8, UINT64_C(0x6803f857ffffffff) } },
	  WHERRY_ERROR_DAMAGED,
	  "extension of 4294967295 bytes at 120" },
	{ { { 112, 8, (UINT64_C(0x6803f857) << 32) + C - 119 } },
	  WHERRY_ERROR_DAMAGED,
	  "extension of 65417 bytes at 120" },
	{ { { 112, 8, UINT64_C(0x6803f85700000003) }, { 128, 4, 1 } },
	  WHERRY_ERROR_UNSUPPORTED,
	  "extension 0x00000001" },
};

static void test_refused(void **state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
		autofd int fd = make_image();
		g_autoptr(GError) error = NULL;

		print_message("%s\n", refused[i].words);
		apply(fd, refused[i].patches, 3);
		assert_null(image_reader_new(fd, "image", &error));
		assert_error(&error, refused[i].code, refused[i].words);
	}
}

/* Unusual, and right. */
static const struct patch taken[][3] = {
	{ { 80, 8, UINT64_MAX } },                              /* compatible features */
	{ { 112, 8, UINT64_C(0x6803f85700000060) } },           /* feature names */
	{ { 112, 8, (UINT64_C(0x6803f857) << 32) + C - 120 } }, /* up to the cluster's end */
	{ { 112, 8, UINT64_C(0x6803f85700000003) } },           /* padded to 8 bytes */
	{ { 36, 4, 8192 } },                                    /* an L1 table of a whole cluster */
	{ { 100, 4, 120 } },                                    /* a longer header */
	{ { L2 + 8, 8, 1 } },                                   /* the zero flag */
	{ { L2, 8, COPIED | C | 1 } },                          /* the same, preallocated */
	{ { L2 + 16, 8, 0 }, { REFCOUNTS + 4, 2, 1 } },         /* one packed cluster less */
	{ { L2 + 8, 8, PACKED | UINT64_C(1) << 62 }, { REFCOUNTS + 4, 2, 3 } }, /* shared */
	{ { L2 + 16, 8, PACKED | UINT64_C(1) << 62 | UINT64_C(127) << 54 } },
	{ { L2 + 16, 8, PACKED | UINT64_C(1) << 62 | UINT64_C(128) << 54 },
	  { REFCOUNTS + 6, 2, 2 } },
};

static void test_taken(void **state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(taken); i++) {
		autofd int fd = make_image();
		g_autoptr(GError) error = NULL;
		g_autoptr(ImageReader) reader = NULL;
		bool overlaps = i == G_N_ELEMENTS(taken) - 1;

		print_message("case %zu\n", i);
		apply(fd, taken[i], 3);
		reader = image_reader_new(fd, "image", &error);
		assert_ok(reader, error);
		if (overlaps) { /* but for this: sectors in the next one, a plain one's */
			assert_false(image_reader_check(reader, &error));
			assert_error(&error, WHERRY_ERROR_DAMAGED, "196608 is used for more than");
		} else {
			assert_ok(image_reader_check(reader, &error), error);
		}
	}
}

/* Refused when a guest cluster is looked up, and by the check. */
static const struct {
	struct patch patch;
	uint64_t index;
	enum wherry_error code;
	const char *words;
} entries[] = {
	{ { L1, 8, L2 }, 0, WHERRY_ERROR_DAMAGED, "of L2 table 0 has no copied flag" },
	{ { L1, 8, L2 | COPIED | 1 }, 0, WHERRY_ERROR_DAMAGED, "of L2 table 0 has reserved bits" },
	{ { L1, 8, L2 | COPIED | UINT64_C(1) << 56 }, 0, WHERRY_ERROR_DAMAGED, "reserved bits" },
	{ { L1, 8, (L2 + 512) | COPIED },
	  0,
	  WHERRY_ERROR_DAMAGED,
	  "L2 table 0 at 262656 of 524288 bytes is not aligned" },
	{ { L1, 8, COPIED },
	  0,
	  WHERRY_ERROR_DAMAGED,
	  "L2 table 0 at 0 of 524288 bytes is in the header" },
	{ { L1, 8, FILE_SIZE | COPIED },
	  0,
	  WHERRY_ERROR_DAMAGED,
	  "L2 table 0 at 524288 of 524288 bytes reaches past" },
	{ { L1, 8, L1 | COPIED }, 0, WHERRY_ERROR_DAMAGED, "is in the L1 table" },
	{ { L1, 8, TABLE | COPIED }, 0, WHERRY_ERROR_DAMAGED, "is in the refcount table" },
	{ { L2, 8, C }, 0, WHERRY_ERROR_DAMAGED, "of guest cluster 0 has no copied flag" },
	{ { L2, 8, C | COPIED | 2 },
	  0,
	  WHERRY_ERROR_DAMAGED,
	  "of guest cluster 0 has reserved bits" },
	{ { L2, 8, C | COPIED | UINT64_C(1) << 61 }, 0, WHERRY_ERROR_DAMAGED, "reserved bits" },
	{ { L2, 8, COPIED },
	  0,
	  WHERRY_ERROR_DAMAGED,
	  "guest cluster 0 at 0 of 524288 bytes is in the header" },
	{ { L2, 8, (C + 512) | COPIED }, 0, WHERRY_ERROR_DAMAGED, "is not aligned" },
	{ { L2, 8, FILE_SIZE | COPIED },
	  0,
	  WHERRY_ERROR_DAMAGED,
	  "guest cluster 0 at 524288 of 524288 bytes reaches past" },
	{ { L2, 8, L1 | COPIED }, 0, WHERRY_ERROR_DAMAGED, "is in the L1 table" },
	{ { L2, 8, TABLE | COPIED }, 0, WHERRY_ERROR_DAMAGED, "is in the refcount table" },
	{ { L2 + 8, 8, COPIED | 1 }, 1, WHERRY_ERROR_DAMAGED, "guest cluster 1 at 0 of" },
	{ { L2 + 16, 8, COPIED | UINT64_C(1) << 62 | PACKED },
	  2,
	  WHERRY_ERROR_DAMAGED,
	  "compressed guest cluster 2 says bytes 131072 to 131584" },
	{ { L2 + 16, 8, UINT64_C(1) << 62 | (C - 1) },
	  2,
	  WHERRY_ERROR_DAMAGED,
	  "says bytes 65535 to 65536 of" },
	{ { L2 + 16, 8, UINT64_C(1) << 62 | FILE_SIZE },
	  2,
	  WHERRY_ERROR_DAMAGED,
	  "says bytes 524288 to 524800 of 524288" },
	{ { L2 + 16, 8, UINT64_C(1) << 62 | UINT64_C(1) << 54 | (FILE_SIZE - 1) },
	  2,
	  WHERRY_ERROR_DAMAGED,
	  "says bytes 524287 to 524800 of 524288" },
	{ { L2 + 16, 8, UINT64_C(1) << 62 | UINT64_C(129) << 54 | PACKED },
	  2,
	  WHERRY_ERROR_DAMAGED,
	  "says bytes 131072 to 197632 of" },
	{ { L2 + 16, 8, UINT64_C(1) << 62 | ((UINT64_C(1) << 54) - 1) },
	  2,
	  WHERRY_ERROR_DAMAGED,
	  "says bytes 18014398509481983 to" },
};

static void test_entries(void **state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(entries); i++) {
		autofd int fd = make_image();
		g_autoptr(GError) error = NULL;
		g_autoptr(ImageReader) reader = NULL;
		g_autofree uint8_t *data = g_malloc(C);
		uint64_t index;

		print_message("%s\n", entries[i].words);
		apply(fd, &entries[i].patch, 1);
		reader = image_reader_new(fd, "image", &error);
		assert_ok(reader, error);
		assert_int_equal(image_reader_cluster(reader, entries[i].index, data, &error), -1);
		assert_error(&error, entries[i].code, entries[i].words);
		assert_int_equal(image_reader_next(reader, entries[i].index, &index, &error), -1);
		assert_error(&error, entries[i].code, entries[i].words);
		assert_false(image_reader_check(reader, &error));
		assert_error(&error, entries[i].code, entries[i].words);
	}
}

/* Readable, but not for the check. */
static const struct {
	struct patch patches[2];
	const char *words;
} unsound[] = {
	{ { { REFCOUNTS, 2, 0 } }, "cluster at 0 has refcount 0, but 1 references" },
	{ { { REFCOUNTS + 2, 2, 2 } }, "cluster at 65536 has refcount 2, but 1" },
	{ { { REFCOUNTS + 4, 2, 1 } }, "cluster at 131072 has refcount 1, but 2" },
	{ { { REFCOUNTS + 4, 2, 3 } }, "cluster at 131072 has refcount 3, but 2" },
	{ { { REFCOUNTS + 14, 2, 0 } }, "cluster at 458752 has refcount 0, but 1" },
	{ { { REFCOUNTS + 16, 2, 1 } },
	  "cluster at 524288 has refcount 1, but 0" },                  /* past the end */
	{ { { L2, 8, 0 } }, "cluster at 65536 has refcount 1, but 0" }, /* a leak */
	{ { { L2, 8, COPIED | L2 } }, "cluster at 262144 is used for more than one thing" },
	{ { { L2, 8, COPIED | REFCOUNTS } }, "cluster at 393216 is used for more than one thing" },
	{ { { L2, 8, COPIED | PACKED } }, "cluster at 131072 is used for more than one thing" },
	{ { { L2 + 8, 8, COPIED | C }, { REFCOUNTS + 2, 2, 2 } },
	  "cluster at 65536 is used for more than one thing" },
	{ { { L2 + 5 * 8, 8, COPIED | C } }, "guest cluster 5 is behind the disk's end" },
	{ { { TABLE, 8, 0 } }, "cluster at 0 has refcount 0, but 1" },
	{ { { TABLE, 8, REFCOUNTS | 1 } },
	  "refcount block 0 at 393217 of 524288 bytes is not aligned" },
	{ { { TABLE, 8, FILE_SIZE } }, "refcount block 0 at 524288 of 524288 bytes reaches past" },
	{ { { TABLE, 8, UINT64_C(1) << 63 } }, "refcount block 0 at 9223372036854775808 of" },
	{ { { TABLE + 8, 8, REFCOUNTS } }, "cluster at 393216 is used for more than one thing" },
	{ { { TABLE + 8, 8, C }, { L2, 8, 0 } },
	  "cluster at 2147483648 has refcount 24929, but 0" },
};

static void test_unsound(void **state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(unsound); i++) {
		autofd int fd = make_image();
		g_autoptr(GError) error = NULL;
		g_autoptr(ImageReader) reader = NULL;

		print_message("%s\n", unsound[i].words);
		apply(fd, unsound[i].patches, 2);
		reader = image_reader_new(fd, "image", &error);
		assert_ok(reader, error);
		assert_false(image_reader_check(reader, &error));
		assert_error(&error, WHERRY_ERROR_DAMAGED, unsound[i].words);
	}
}

static void test_truncated(void **state)
{
	static const struct {
		off_t size;
		const char *words;
	} cases[] = {
		{ 0, "has 0 bytes, less than one cluster" },
		{ 65535, "has 65535 bytes, less than one cluster" },
		{ 65536, "L1 table of 8 bytes cannot lie at 327680 of 65536 bytes" },
		{ 458752, "refcount table of 65536 bytes cannot lie at 458752 of 458752 bytes" },
		{ 524287, "refcount table of 65536 bytes cannot lie at 458752 of 524287 bytes" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		autofd int fd = make_image();
		g_autoptr(GError) error = NULL;

		assert_int_equal(ftruncate(fd, cases[i].size), 0);
		assert_null(image_reader_new(fd, "image", &error));
		assert_error(&error, WHERRY_ERROR_DAMAGED, cases[i].words);
	}
}

/* A frame that makes other than one cluster, or is none. */
static void test_frames(void **state)
{
	static const struct {
		size_t size;
		const char *words;
	} cases[] = {
		{ 65535, "guest cluster 2 at 131072 decompresses to 65535 bytes, not 65536" },
		{ 65537, "cannot decompress guest cluster 2 at 131072: Destination buffer is too" },
		{ 0, "cannot decompress guest cluster 2 at 131072: Unknown frame" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		autofd int fd = make_image();
		g_autoptr(GError) error = NULL;
		g_autoptr(ImageReader) reader = NULL;
		g_autofree uint8_t *data = g_malloc0(2 * C);
		uint8_t frame[512] = { 0 };

		if (cases[i].size > 0)
			assert_false(ZSTD_isError(
			    ZSTD_compress(frame, sizeof(frame), data, cases[i].size, 1)));
		assert_ok(io_pwrite(fd, "image", PACKED, frame, sizeof(frame), &error), error);
		reader = image_reader_new(fd, "image", &error);
		assert_ok(reader, error);
		assert_int_equal(image_reader_cluster(reader, 2, data, &error), -1);
		assert_error(&error, WHERRY_ERROR_DAMAGED, cases[i].words);
	}
}

static void test_zlib(void **state)
{
	static const struct patch zlib[] = { { 79, 1, 0 }, { 104, 1, 0 } };
	static const struct patch extension[] = {
		{ 100, 4, 104 },
		{ 104, 8, UINT64_C(0x6803f85700000003) },
	};
	autofd int fd = make_image();
	g_autoptr(GError) error = NULL;
	g_autoptr(ImageReader) reader = NULL;
	g_autofree uint8_t *data = g_malloc(C);

	apply(fd, zlib, 2);
	reader = image_reader_new(fd, "image", &error);
	assert_ok(reader, error);
	assert_int_equal(image_reader_cluster(reader, 0, data, &error), 1);
	assert_int_equal(image_reader_cluster(reader, 2, data, &error), -1);
	assert_error(&error, WHERRY_ERROR_UNSUPPORTED, "guest cluster 2 is compressed by zlib");

	/* Behind a header of 104 bytes there is an extension, and no compression type. */
	apply(fd, extension, 2);
	image_reader_free(g_steal_pointer(&reader));
	reader = image_reader_new(fd, "image", &error);
	assert_ok(reader, error);
}

/* A file above 1 TiB, which the check counts in more than one pass. */
static void test_far_cluster(void **state)
{
	static const uint64_t far = UINT64_C(1) << 40;
	static const struct patch move[] = {
		{ L2, 8, COPIED | (UINT64_C(1) << 40) }, /* guest cluster 0 goes there, ... */
		{ TABLE + UINT64_C(512) * 8, 8, C },     /* ... a refcount block where it was */
	};
	static const uint8_t zeros[IMAGE_CLUSTER_SIZE];
	autofd int fd = make_image();
	g_autoptr(GError) error = NULL;
	g_autoptr(ImageReader) reader = NULL;

	assert_int_equal(ftruncate(fd, (off_t)(far + C)), 0);
	apply(fd, move, 2);
	assert_ok(io_pwrite(fd, "image", C, zeros, sizeof(zeros), &error), error);
	reader = image_reader_new(fd, "image", &error);
	assert_ok(reader, error);
	assert_false(image_reader_check(reader, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "1099511627776 has refcount 0, but 1");
	apply(fd, &(struct patch){ C, 2, 1 }, 1);
	assert_ok(image_reader_check(reader, &error), error);
	apply(fd, &(struct patch){ C + 2, 2, 1 }, 1);
	assert_false(image_reader_check(reader, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "1099511693312 has refcount 1, but 0");
}

/* From one end of a large disk to the other without a look at what is not there. */
static void test_sparse(void **state)
{
	const uint64_t size = UINT64_C(15) << 40, last = size / C - 1;
	autofd int fd = memfd_create("image", MFD_CLOEXEC);
	g_autoptr(GError) error = NULL;
	g_autoptr(LeafSums) leaves = new_leaves();
	g_autoptr(ImageWriter) writer = image_writer_new(fd, "image", leaves, size, false, &error);
	g_autoptr(ImageReader) reader = NULL;
	g_autofree uint8_t *data = g_malloc0(C);
	uint64_t file_size, index;

	assert_ok(image_writer_put(writer, last, data, C, false, &error), error);
	assert_ok(image_writer_finish(writer, &file_size, &error), error);
	reader = image_reader_new(fd, "image", &error);
	assert_ok(reader, error);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(image_reader_next(reader, 0, &index, &error), 1);
		assert_true(index == last);
	}
	assert_int_equal(image_reader_next(reader, last + 1, &index, &error), 0);
	assert_ok(image_reader_check(reader, &error), error);
}

/* An image that lies elsewhere: @fail_at is the first read that fails; 0: none does. */
struct elsewhere {
	int fd;
	unsigned int reads, fail_at;
};

static bool read_elsewhere(void *userdata, uint64_t offset, void *buf, size_t len, GError **error)
{
	struct elsewhere *place = userdata;

	if (++place->reads == place->fail_at) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_IO, "read %u fails", place->reads);
		return false;
	}
	return io_pread(place->fd, "elsewhere", offset, buf, len, error);
}

static void test_elsewhere(void **state)
{
	autofd int fd = make_image();
	struct elsewhere place = { .fd = fd };
	const struct image_source source = { FILE_SIZE, read_elsewhere, &place };
	g_autoptr(ImageReader) reader = NULL;
	g_autofree uint8_t *data = g_malloc(C);
	g_autoptr(GError) error = NULL;
	unsigned int reads;

	reader = image_reader_new_from(&source, "far", &error);
	assert_ok(reader, error);
	assert_ok(image_reader_check(reader, &error), error);
	reads = place.reads;
	assert_int_equal(image_reader_cluster(reader, 2, data, &error), 1);
	assert_int_equal(data[C - 1], 'c');

	for (unsigned int i = 1; i <= reads; i++) {
		g_autoptr(ImageReader) failing = NULL;
		g_autoptr(GError) why = NULL;

		place = (struct elsewhere){ .fd = fd, .fail_at = i };
		failing = image_reader_new_from(&source, "far", &why);
		assert_false(failing && image_reader_check(failing, &why));
		assert_true(g_error_matches(why, WHERRY_ERROR, WHERRY_ERROR_IO));
		assert_int_equal(place.reads, i);
	}
}

/* It says how long it is, whatever the file behind it has: nothing is read past that. */
static void test_elsewhere_short(void **state)
{
	autofd int fd = make_image();
	struct elsewhere place = { .fd = fd };
	struct image_source source = { 0, read_elsewhere, &place };

	for (; source.size < FILE_SIZE; source.size += C / 2) {
		g_autoptr(GError) error = NULL;
		g_autoptr(ImageReader) reader = image_reader_new_from(&source, "far", &error);

		assert_false(reader && image_reader_check(reader, &error));
		assert_true(g_error_matches(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED));
	}
}

static bool accept_image(const uint8_t *bytes, size_t len, GError **error)
{
	autofd int fd = memfd_create("image", MFD_CLOEXEC);
	g_autoptr(ImageReader) reader = NULL;

	assert_int_equal(write(fd, bytes, len), len);
	reader = image_reader_new(fd, "image", error);
	return reader && image_reader_check(reader, error);
}

static void test_corpus(void **state)
{
	check_corpus("image-reader", accept_image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),        cmocka_unit_test(test_refused),
		cmocka_unit_test(test_taken),       cmocka_unit_test(test_entries),
		cmocka_unit_test(test_unsound),     cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_frames),      cmocka_unit_test(test_zlib),
		cmocka_unit_test(test_far_cluster), cmocka_unit_test(test_sparse),
		cmocka_unit_test(test_elsewhere),   cmocka_unit_test(test_elsewhere_short),
		cmocka_unit_test(test_corpus),
	};

	return cmocka_run_group_tests_name("image-reader", tests, NULL, NULL);
}
