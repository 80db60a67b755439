/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NTFS volumes that are right but for one thing, from the seeds of the fuzzer.  That real ones are
 * mapped as ntfsclone copies them is shown by the round trips.
 */
#include "disk.h"

#include "../fuzz/fuzz-ntfs.h"

#include "map/storage-map.h"

#include <inttypes.h>

#define CLUSTER  4096u
#define CLUSTERS 767u
#define RECORD   1024u
#define MFT      (4 * CLUSTER)
#define PAGEFILE (256u << 10)

/* Types of attributes, and where in one that is not in its record is what. */
#define VOLUME_INFO       0x70u
#define DATA              0x80u
#define ATTR_FLAGS        12
#define ATTR_LAST_CLUSTER 24
#define ATTR_ALLOCATED    40
#define ATTR_SIZE         48
#define ATTR_WRITTEN      56
#define ATTR_RUNS         64

/* In $Volume: its flags, behind what begins a small attribute. */
#define FLAGS_AT 34

typedef struct {
	Blkdev *disk;
	uint8_t *bytes; /* FUZZ_VOLUME_SIZE of them, mapped */
	char *data;     /* of the file */
	size_t size;
} Seed;

static void seed_clear(Seed *seed)
{
	munmap(seed->bytes, FUZZ_VOLUME_SIZE);
	g_free(seed->data);
	blkdev_free(seed->disk);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Seed, seed_clear)

static void open_seed(const char *name, Seed *ret)
{
	g_autofree char *path =
	    g_build_filename(g_getenv("SOURCE_ROOT"), "tests/fuzz/corpus/map-ntfs", name, NULL);

	assert_true(g_file_get_contents(path, &ret->data, &ret->size, NULL));
	ret->disk = disk_new(FUZZ_VOLUME_SIZE, 0);
	fuzz_lay_out(ret->disk->fd, (const uint8_t *)ret->data, ret->size);
	ret->bytes =
	    mmap(NULL, FUZZ_VOLUME_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, ret->disk->fd, 0);
	assert_true(ret->bytes != MAP_FAILED);
}

/* How, owned by the caller, or NULL with @error; @ret_used: bytes. */
static char *map(const Seed *seed, bool keep, uint64_t *ret_used, GError **error)
{
	g_autoptr(UsedMap) used = used_map_new(seed->disk->size, 1000);
	g_autoptr(Volume) volume = volume_new_disk(seed->disk, used);
	const struct map_options options = { .keep_pagefile = keep };
	struct map_found found = { NULL };

	if (!map_ntfs.map(volume, "ntfs", &options, &found, error))
		return NULL;
	assert_int_equal(found.warning != NULL, strstr(found.how, "hibernated") != NULL);
	g_free(found.warning);
	*ret_used = used_map_count(used, 0, seed->disk->size);
	return found.how;
}

static uint8_t *record(const Seed *seed, unsigned int number)
{
	return seed->bytes + MFT + number * RECORD;
}

/* The first attribute of this type. */
static uint8_t *attribute(const Seed *seed, unsigned int number, uint32_t type)
{
	uint8_t *start = record(seed, number), *at = start + ntfs_get16(start + 20);

	while (ntfs_get16(at) != type) {
		assert_int_not_equal(ntfs_get16(at), 0xffff);
		at += ntfs_get16(at + 4);
	}
	return at;
}

/* The number of the record of a file in the root directory. */
static unsigned int find_file(const Seed *seed, const char *name)
{
	uint8_t wide[64] = { 0 };
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++)
		wide[2 * i] = (uint8_t)name[i];
	for (unsigned int i = 16; i < 200; i++)
		if (memmem(record(seed, i), RECORD, wide, 2 * len))
			return i;
	fail_msg("no %s", name);
	return 0;
}

/* Where the first run of its data begins: bytes in the volume. */
static uint8_t *contents(const Seed *seed, unsigned int number)
{
	const uint8_t *run = attribute(seed, number, DATA) + ATTR_RUNS;
	uint64_t cluster = 0;

	for (unsigned int i = run[0] >> 4; i > 0; i--)
		cluster = cluster << 8 | run[(run[0] & 15) + i];
	return seed->bytes + cluster * CLUSTER;
}

/* It is refused with these words. */
static void check_refused(Seed *seed, const char *words)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *how = NULL;
	uint64_t used;

	ntfs_mend(seed->disk->fd, (const uint8_t *)seed->data, seed->size);
	how = map(seed, false, &used, &error);
	if (how || !strstr(error->message, words))
		fail_msg("not '%s' but '%s'", words, how ? how : error->message);
}

/* It is mapped, and this is how. */
static uint64_t check_mapped(Seed *seed, bool keep, const char *want)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *how = NULL;
	uint64_t used = 0;

	ntfs_mend(seed->disk->fd, (const uint8_t *)seed->data, seed->size);
	how = map(seed, keep, &used, &error);
	assert_ok(how != NULL, error);
	assert_string_equal(how, want);
	return used;
}

#define LEFT_OUT "NTFS, clean; without the contents of pagefile.sys (256.0 KiB)"

static void test_valid(void **state)
{
	static const struct {
		const char *name, *how;
	} seeds[] = {
		{ "valid-4096", LEFT_OUT },
		{ "valid-512", LEFT_OUT " and swapfile.sys (16.0 KiB)" },
		{ "valid-hibernated", "carried whole: NTFS that holds a hibernated Windows" },
		{ "valid-sectors-of-4096", "NTFS, clean" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(seeds); i++) {
		g_auto(Seed) seed = { NULL };

		print_message("%s\n", seeds[i].name);
		open_seed(seeds[i].name, &seed);
		check_mapped(&seed, false, seeds[i].how);
	}
}

/* Changes anywhere in the volume. */
static void test_bytes(void **state)
{
	static const struct {
		uint64_t at;
		const char *bytes;
		size_t len;
		const char *words;
	} changes[] = {
		{ 11, "\0\1", 2, "that cannot be opened" }, /* 256: $MFT would be elsewhere */
		{ 11, "\0\3", 2, "sectors of 768 bytes" },
		{ 13, "\3", 1, "clusters of 1536" },
		{ 13, "\xe0", 1, "clusters of 0" },
		{ 13, "\xf0", 1, "clusters of 33554432" },
		{ 40, "\1\0\2", 3, "131073 sectors of 512 bytes" },
		{ 44, "\1", 1, "on a volume of 67108864 bytes" },
		{ 47, "\x80", 1, "on a volume of 67108864 bytes" },
		{ 40, "\0\0", 2, "NTFS of 0 clusters" },
		{ 48, "\0", 1, "$MFT at 0" },
		{ 50, "\1", 1, "$MFT at 65540" },
		{ 58, "\1", 1, "$MFTMirr at 65" },
		{ 64, "\xf3", 1, "file records of 8192" },
		{ 64, "\xe1", 1, "file records of 2147483648" },
		{ 64, "\x90", 1, "file records of 0" },
		{ 68, "\xe9", 1, "index records of 8388608" },
		{ MFT, "BAAD", 4, "cannot be opened" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(changes); i++) {
		g_auto(Seed) seed = { NULL };

		open_seed("valid-4096", &seed);
		memcpy(seed.bytes + changes[i].at, changes[i].bytes, changes[i].len);
		check_refused(&seed, changes[i].words);
	}
}

static void test_mirror(void **state)
{
	g_autoptr(GError) error = NULL;
	g_auto(Seed) seed = { NULL };
	g_autofree char *how = NULL;
	uint64_t used;

	open_seed("valid-4096", &seed);
	attribute(&seed, 3, VOLUME_INFO)[FLAGS_AT] = 8; /* without the mirror's */
	how = map(&seed, false, &used, &error);
	assert_null(how);
	assert_non_null(strstr(error->message, "$MFTMirr does not match $MFT (record 3)"));
}

static void test_flags(void **state)
{
	static const struct {
		uint16_t flags;
		const char *words; /* NULL: it is mapped */
	} flags[] = {
		{ 0x0001, "marked as not clean, with flags 0x0001" },
		{ 0x8001, "marked as not clean, with flags 0x8001" },
		{ 0x4000, "with flags 0x4000 in $Volume" },
		{ 0x0010, "with flags 0x0010 in $Volume" },
		{ 0x0100, "with flags 0x0100 in $Volume" },
		{ 0x80ae, NULL },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(flags); i++) {
		g_auto(Seed) seed = { NULL };
		uint8_t *at;

		open_seed("valid-4096", &seed);
		at = attribute(&seed, 3, VOLUME_INFO) + FLAGS_AT;
		at[0] = (uint8_t)flags[i].flags;
		at[1] = (uint8_t)(flags[i].flags >> 8);
		if (flags[i].words)
			check_refused(&seed, flags[i].words);
		else
			check_mapped(&seed, false, LEFT_OUT);
	}
}

static void test_hibernated(void **state)
{
	static const struct {
		const char *header;
		bool is_image;
	} headers[] = {
		{ "hibr", true }, { "HIBR", true },  { "rstr", true },    { "HORM", true },
		{ "link", true }, { "wake", false }, { "\0\0\0", false }, { "brkp", true },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(headers); i++) {
		g_auto(Seed) seed = { NULL };

		open_seed("valid-4096", &seed);
		memcpy(contents(&seed, find_file(&seed, "hiberfil.sys")), headers[i].header, 4);
		if (headers[i].is_image)
			assert_int_equal(
			    check_mapped(&seed, false,
					 "carried whole: NTFS that holds a hibernated Windows"),
			    FUZZ_VOLUME_SIZE);
		else
			check_mapped(&seed, false, LEFT_OUT);
	}
}

/* The page file of a Windows that is hibernated on another disk, looked at before and after it. */
static void test_hibernated_elsewhere(void **state)
{
	for (unsigned int i = 0; i < 2; i++) {
		g_auto(Seed) windows = { NULL }, data = { NULL };
		const Blkdev *disks[2];
		g_autoptr(StorageMap) map = NULL;
		const DiskMap *found;

		open_seed("valid-hibernated", &windows);
		open_seed("valid-4096", &data);
		disks[i] = data.disk;
		disks[!i] = windows.disk;
		map = storage_map_read(disks, 2, NULL);
		found = g_ptr_array_index(map->disks, i);
		assert_string_equal(((struct map_volume *)found->volumes->pdata[0])->how,
				    "NTFS, clean");
		assert_int_equal(found->warnings->len, 0);
		found = g_ptr_array_index(map->disks, !i);
		assert_int_equal(found->warnings->len, 1);
	}
}

static void put(uint8_t *at, uint64_t value, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

/* A restart page with one client; linux-ntfs' documentation, "$LogFile". */
static void make_restart_page(const Seed *seed, uint16_t major, uint16_t client, uint16_t flags)
{
	uint64_t size = ntfs_get16(attribute(seed, 2, DATA) + ATTR_SIZE) |
			(uint64_t)ntfs_get16(attribute(seed, 2, DATA) + ATTR_SIZE + 2) << 16;
	uint8_t *page = contents(seed, 2), *area = page + 64, *name = area + 48;

	memset(page, 0, 4096);
	memcpy(page, "RSTR", 4);
	put(page + 4, 30, 2); /* the numbers that end the sectors */
	put(page + 6, 4096 / 512 + 1, 2);
	put(page + 16, 4096, 4); /* pages of the system */
	put(page + 20, 4096, 4); /* and of the log */
	put(page + 24, area - page, 2);
	put(page + 26, major == 1, 2); /* minor version */
	put(page + 28, major, 2);
	put(area + 8, 1, 2); /* clients */
	put(area + 10, client == 0 ? 0xffff : 0, 2);
	put(area + 12, client, 2);
	put(area + 14, flags, 2);
	put(area + 16, 67 - (uint64_t)g_bit_storage(size), 4);
	put(area + 20, 48 + 160, 2);
	put(area + 22, 48, 2);
	put(area + 24, size, 8);
	put(area + 36, 48, 2);
	put(area + 38, 64, 2);
	put(name + 16, 0xffff, 2);
	put(name + 18, 0xffff, 2);
	put(name + 28, 8, 4);
	memcpy(name + 32, "N\0T\0F\0S\0", 8);
}

static void test_log(void **state)
{
	static const struct {
		uint16_t major, client, flags;
		const char *words; /* NULL: it is mapped */
	} logs[] = {
		{ 1, 0, 0, "there are changes in its $LogFile" },
		{ 1, 0, 2, NULL },
		{ 1, 0xffff, 0, NULL },
		{ 2, 0, 2, "that Windows has not let go of" },
		{ 2, 0xffff, 2, "that Windows has not let go of" },
		{ 3, 0xffff, 2, "whose $LogFile cannot be read" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(logs); i++) {
		g_auto(Seed) seed = { NULL };

		open_seed("valid-4096", &seed);
		make_restart_page(&seed, logs[i].major, logs[i].client, logs[i].flags);
		if (logs[i].words)
			check_refused(&seed, logs[i].words);
		else
			check_mapped(&seed, false, LEFT_OUT);
	}
}

static void test_bitmap(void **state)
{
	static const struct {
		unsigned int at; /* of its attribute; 0: of its contents */
		const char *bytes;
		const char *words;
	} changes[] = {
		{ 0, "\0", "calls cluster 0 free, which holds one of its own files" },
		{ 0, "\xef", "calls cluster 4 free" },
		{ ATTR_SIZE, "\x5f", "of 767 clusters with a $Bitmap of 95 bytes" },
		{ ATTR_WRITTEN, "\x5f", "95 of them written" },
		{ ATTR_SIZE + 1, "\x20", "" },
		{ ATTR_FLAGS, "\1", "" },
		{ ATTR_RUNS, "\1", "whose $Bitmap" }, /* a hole */
	};

	for (size_t i = 0; i < G_N_ELEMENTS(changes); i++) {
		g_auto(Seed) seed = { NULL };

		open_seed("valid-4096", &seed);
		*(changes[i].at ? attribute(&seed, 6, DATA) + changes[i].at : contents(&seed, 6)) =
		    (uint8_t)changes[i].bytes[0];
		check_refused(&seed, changes[i].words);
	}
}

/* One with room for a cluster more than it needs, and another one. */
static void test_large_bitmap(void **state)
{
	g_auto(Seed) seed = { NULL };
	uint8_t *bitmap;

	open_seed("valid-4096", &seed);
	bitmap = attribute(&seed, 6, DATA);
	put(bitmap + ATTR_LAST_CLUSTER, 1, 8);
	put(bitmap + ATTR_ALLOCATED, 2 * CLUSTER, 8);
	put(bitmap + ATTR_SIZE, 8000, 8);
	put(bitmap + ATTR_WRITTEN, 8000, 8);
	bitmap[ATTR_RUNS + 1] = 2;
	check_refused(&seed, "of 767 clusters with a $Bitmap of 8000 bytes");
}

static void test_pagefile(void **state)
{
	g_auto(Seed) seed = { NULL };
	unsigned int number;
	uint64_t used;

	open_seed("valid-4096", &seed);
	used = check_mapped(&seed, false, LEFT_OUT);
	assert_true(used > FUZZ_VOLUME_SIZE - CLUSTERS * CLUSTER); /* with what is behind them */
	assert_int_equal(check_mapped(&seed, true, "NTFS, clean"), used + PAGEFILE);

	number = find_file(&seed, "pagefile.sys");
	record(&seed, number)[18] = 2; /* names */
	assert_int_equal(check_mapped(&seed, false, "NTFS, clean"), used + PAGEFILE);
	record(&seed, number)[18] = 1;
	put(attribute(&seed, number, DATA) + ATTR_FLAGS, 0x8000, 2); /* sparse */
	assert_int_equal(check_mapped(&seed, false, "NTFS, clean"), used + PAGEFILE);
	put(attribute(&seed, number, DATA) + ATTR_FLAGS, 0x4000, 2); /* encrypted */
	assert_int_equal(check_mapped(&seed, false, "NTFS, clean"), used + PAGEFILE);
}

/* One that says that it lies where something else does. */
static void test_shared(void **state)
{
	g_auto(Seed) seed = { NULL };
	unsigned int number;
	uint8_t *data;

	open_seed("valid-4096", &seed);
	number = find_file(&seed, "pagefile.sys");
	data = attribute(&seed, number, DATA);
	assert_int_equal(data[ATTR_RUNS] & 15, 1);
	data[ATTR_RUNS] = 0x11; /* cluster 4 is $MFT's */
	data[ATTR_RUNS + 2] = 4;
	data[ATTR_RUNS + 3] = 0;
	check_refused(&seed, "in which two files share cluster 4");
	data[ATTR_RUNS] = 0x21;
	put(data + ATTR_RUNS + 2, 600, 2); /* nobody's */
	data[ATTR_RUNS + 4] = 0;
	check_refused(&seed, "calls cluster ");
}

/* mkntfs makes the stream of bad clusters, and never puts one into it. */
static void test_bad(void **state)
{
	/* A hole of 700 clusters, cluster 700, a hole of 66. */
	static const uint8_t runs[] = "\x02\xbc\x02\x21\x01\xbc\x02\x01\x42\0\0\0\0\0\0";
	g_auto(Seed) seed = { NULL };
	uint8_t *bad, *start, *end;
	uint64_t used;

	open_seed("valid-4096", &seed);
	used = check_mapped(&seed, false, LEFT_OUT);
	start = record(&seed, 8);
	bad = attribute(&seed, 8, DATA);
	bad += ntfs_get16(bad + 4); /* the second one, which has a name and is the last */
	assert_int_equal(bad[9], 4);
	memcpy(bad + 72, runs, sizeof(runs));
	put(bad + 4, 72 + sizeof(runs), 4);
	end = bad + 72 + sizeof(runs);
	put(end, 0xffffffff, 4);
	put(start + 24, (uint64_t)(end - start) + 8, 4);
	check_refused(&seed, "calls cluster 700 free");

	contents(&seed, 6)[700 / 8] |= 1 << 700 % 8;
	assert_int_equal(check_mapped(&seed, false,
				      "NTFS, clean; without 1 bad cluster; without the contents "
				      "of pagefile.sys (256.0 KiB)"),
			 used);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_valid),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_mirror),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_hibernated),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_hibernated_elsewhere),
		cmocka_unit_test(test_bitmap),
		cmocka_unit_test(test_pagefile),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_large_bitmap),
	};

	return cmocka_run_group_tests_name("map-ntfs", tests, NULL, NULL);
}
