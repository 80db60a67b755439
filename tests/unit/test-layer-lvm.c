/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A group of two disks: what of them is carried, and what makes all of it be carried.  The group:
 *
 *	extent    0       4   5   6            60  (each 64 KiB)
 *	a  [label][root  ][data   ][   free    ][tail]
 *	b  [label][data ][           free      ][tail]
 */
#include "disk.h"
#include "lvm-sample.h"

#include "map/layer-lvm-group.h"
#include "map/storage-map.h"

#include <inttypes.h>

#define KIB     UINT64_C(1024)
#define SIZE    (4096 * KIB)
#define EXTENT  (64 * KIB)
#define N_DISKS 3u

#define UUID_A "aaaaaabbbbccccddddeeeeffffgggggg"
#define UUID_B "bbbbbbbbbbccccddddeeeeffffgggggg"
#define DASHED "-bbbb-cccc-dddd-eeee-ffff-gggggg"

#define SEGMENT "segment_count = 1 segment1 { start_extent = 0 "

static const char group_text[] =
    "vg0 { id = \"vvvvvv" DASHED "\" seqno = 4 format = \"lvm2\"\n"
    "status = [\"RESIZEABLE\", \"READ\", \"WRITE\"] flags = [] extent_size = 128\n"
    "physical_volumes {\n"
    "pv0 { id = \"aaaaaa" DASHED "\" device = \"/dev/sda\" status = [\"ALLOCATABLE\"] flags = []\n"
    "pe_start = 128 pe_count = 60 }\n"
    "pv1 { id = \"bbbbbb" DASHED "\" device = \"/dev/sdb\" status = [\"ALLOCATABLE\"] flags = []\n"
    "pe_start = 128 pe_count = 60 }\n"
    "}\n"
    "logical_volumes {\n"
    "root { status = [\"READ\", \"WRITE\", \"VISIBLE\"] flags = []\n" SEGMENT
    "extent_count = 4 type = \"striped\" stripe_count = 1 stripes = [\"pv0\", 0] } }\n"
    "data { status = [\"READ\", \"WRITE\", \"VISIBLE\"] flags = []\n" SEGMENT
    "extent_count = 4 type = \"striped\" stripe_count = 2 stripe_size = 8\n"
    "stripes = [\"pv0\", 4, \"pv1\", 0] } }\n"
    "} }\n"
    "contents = \"Text Format Volume Group\" version = 1\n";

struct disks {
	Blkdev *disk[N_DISKS];
	StorageMap *map;
};

static void setup(struct disks *disks)
{
	for (unsigned int i = 0; i < N_DISKS; i++)
		disks->disk[i] = disk_new(SIZE, 512);
	disks->map = NULL;
}

static void teardown(struct disks *disks)
{
	for (unsigned int i = 0; i < N_DISKS; i++)
		blkdev_free(disks->disk[i]);
	storage_map_free(disks->map);
}

static void put_label(struct disks *disks, unsigned int i, const char *uuid)
{
	uint8_t sector[512];

	sample_label(sector, 1, uuid, SIZE);
	disk_write(disks->disk[i], 512, sector, 512);
}

static void put_text(struct disks *disks, unsigned int i, const char *text)
{
	uint32_t crc = lvm_crc(LVM_CRC_START, text, strlen(text));
	uint8_t header[512];

	sample_area(header, SAMPLE_HEADER, strlen(text), crc);
	disk_write(disks->disk[i], SAMPLE_AREA, header, 512);
	disk_write(disks->disk[i], SAMPLE_AREA + SAMPLE_HEADER, text, strlen(text));
}

/* A swap at @offset, of which the first page is carried. */
static void put_swap(Blkdev *disk, uint64_t offset)
{
	disk_write(disk, offset + 1024, "\1\0\0\0\77\0\0\0", 8); /* 64 pages */
	disk_write(disk, offset + 4086, "SWAPSPACE2", 10);
}

/* The group on two disks, a swap in each of its volumes. */
static void put_group(struct disks *disks, const char *text)
{
	put_label(disks, 0, UUID_A);
	put_label(disks, 1, UUID_B);
	put_text(disks, 0, text);
	put_text(disks, 1, text);
	put_swap(disks->disk[0], EXTENT);     /* root */
	put_swap(disks->disk[0], 5 * EXTENT); /* the first stripe of data is 4 KiB */
}

static void read_map(struct disks *disks, unsigned int n)
{
	disks->map = storage_map_read((const Blkdev *const *)disks->disk, n, NULL);
}

static const DiskMap *disk_map(const struct disks *disks, unsigned int i)
{
	return g_ptr_array_index(disks->map->disks, i);
}

static const char *disk_how(const struct disks *disks, unsigned int i)
{
	return ((struct map_volume *)g_ptr_array_index(disk_map(disks, i)->volumes, 0))->how;
}

static uint64_t disk_used(const struct disks *disks, unsigned int i)
{
	return used_map_count(disk_map(disks, i)->used, 0, SIZE);
}

static const struct map_volume *find_volume(const struct disks *disks, const char *name)
{
	for (unsigned int i = 0; i < disks->map->volumes->len; i++) {
		const struct map_volume *volume = g_ptr_array_index(disks->map->volumes, i);

		if (strcmp(volume->name, name) == 0)
			return volume;
	}
	return NULL;
}

/* @text with the first @old in it replaced by @new; owned by the caller. */
static char *replace(const char *text, const char *old, const char *new)
{
	const char *at = strstr(text, old);

	assert_non_null(at);
	return g_strdup_printf("%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
}

/* All of @n disks is carried, for a reason with @words in it. */
static void check_whole(const struct disks *disks, unsigned int n, const char *words)
{
	for (unsigned int i = 0; i < n; i++) {
		if (!g_str_has_prefix(disk_how(disks, i), "carried whole: ") ||
		    !strstr(disk_how(disks, i), words))
			fail_msg("disk %u: '%s', not '%s'", i, disk_how(disks, i), words);
		assert_int_equal(disk_used(disks, i), SIZE);
	}
	assert_int_equal(disks->map->volumes->len, 0);
}

static void test_mapped(void **state)
{
	const struct map_volume *root, *data;
	struct disks disks;

	setup(&disks);
	put_group(&disks, group_text);
	read_map(&disks, 2);
	for (unsigned int i = 0; i < 2; i++)
		assert_string_equal(disk_how(&disks, i), "LVM, volume group vg0");
	root = find_volume(&disks, "vg0/root");
	data = find_volume(&disks, "vg0/data");
	assert_string_equal(root->how, "swap, header only");
	assert_string_equal(root->layer, "lvm");
	assert_int_equal(root->size, 4 * EXTENT);
	assert_int_equal(root->used, 4 * KIB);
	assert_string_equal(data->how, "swap, header only");
	assert_int_equal(data->used, 4 * KIB);
	/* Before the first extent, in the volumes, behind the last extent. */
	assert_int_equal(disk_used(&disks, 0), 64 * KIB + 2 * 4 * KIB + 192 * KIB);
	assert_int_equal(disk_used(&disks, 1), 64 * KIB + 192 * KIB);
	assert_int_equal(used_map_count(disk_map(&disks, 0)->used, 5 * EXTENT, 4 * KIB), 4 * KIB);
	assert_int_equal(used_map_count(disk_map(&disks, 0)->used, 0, EXTENT), EXTENT);
	assert_int_equal(used_map_count(disk_map(&disks, 1)->used, 61 * EXTENT, SIZE), 192 * KIB);
	assert_int_equal(disks.map->warnings->len, 0);
	teardown(&disks);
}

/* Of the text of the group, what is wrong, unknown, or nothing to build on. */
static void test_whole_group(void **state)
{
	static const struct {
		const char *old, *new, *words;
		unsigned int n_warnings;
	} cases[] = {
		{ "vg0 {", "vg0", "a name without a value in line 1" },
		{ "Text Format", "Other Format", "version 1 with 1 groups" },
		{ "version = 1", "version = 2", "version 2 with 1 groups" },
		{ "version = 1", "", "has no number 'version'" },
		{ "vg0 {", "vg1 { } vg0 {", "version 1 with 2 groups" },
		{ "lvm2", "lvm1", "vg0 is not of the format lvm2" },
		{ "vvvvvv-", "vvvvv-", "vg0 has the UUID vvvvv-bbbb" },
		{ "vvvvvv-", "vvvv\t-", "vg0 has the UUID (not printable)" },
		{ "seqno = 4", "", "has no number 'seqno'" },
		{ "seqno = 4", "seqno = 4 seqno = 5", "two members 'seqno'" },
		{ "\"READ\"", "\"READS\"", "vg0 has the unknown flag READS" },
		{ "\"READ\"", "5", "vg0 has the unknown flag that is no string" },
		{ "flags = []", "flags = [\"X\"]", "vg0 has the unknown flag X" },
		{ "\"READ\"", "\"CLUSTERED\"", "volume group vg0: other machines share it", 1 },
		{ "\"READ\"", "\"SHARED\"", "volume group vg0: other machines share it", 1 },
		{ "seqno", "lock_type = \"dlm\" seqno", "other machines share it", 1 },
		{ "extent_size = 128", "extent_size = 0", "extents of 0 bytes" },
		{ "extent_size = 128", "extent_size = -1", "has -1 as 'extent_size'" },
		{ "extent_size = 128", "extent_size = 256", "needs 7929856 bytes and has 4194304" },
		{ "physical_volumes", "caches { } physical_volumes", "an unknown section caches" },
		{ "ALLOCATABLE", "MISSING", "has marked physical volume aaaaaa" DASHED, 1 },
		{ "ALLOCATABLE", "MOVED", "pv0 has the unknown flag MOVED" },
		{ "pv1 {", "pv0 {", "two physical volumes have the name pv0" },
		{ "pv1 {", "pv1 = 5 pv2 {", "holds 'pv1', which is no section" },
		{ "\"bbbbbb-", "\"aaaaaa-", "counts physical volume aaaaaa" },
		{ "pe_start = 128", "pe_start = 136", "start at 69632, and by its label at 65536" },
		{ "pe_start = 128", "pe_start = 0", "start at 0, and by its label at 65536" },
		{ "pe_count = 60", "pe_count = 64", "needs 4259840 bytes and has 4194304" },
		{ "pe_count = 60", "pe_count = 4294967296", "has 4294967296 as 'pe_count'" },
		{ "\"VISIBLE\"", "\"WRITE\", \"INVISIBLE\"",
		  "root has the unknown flag INVISIBLE" },
		{ "data {", "root {", "two of the name root" },
		{ "root {", "root = 1 x {", "holds 'root', which is no section" },
		{ "segment_count = 1", "segment_count = 2", "root has 1 segments, not 2" },
		{ "segment_count = 1", "", "has no number 'segment_count'" },
		{ "segment1", "segment2", "where segment1 at 0 was due" },
		{ "start_extent = 0", "start_extent = 1", "has 4 extents at 1 as segment1" },
		{ "extent_count = 4", "extent_count = 0", "root has 0 extents at 0" },
		{ "extent_count = 4", "extent_count = 61",
		  "root has 61 extents at 0 of pv0, which has" },
		{ "extent_count = 4", "extent_count = 5", "extent 4 of pv0 has two owners" },
		{ "\"pv0\", 4", "\"pv0\", 3", "extent 3 of pv0 has two owners" },
		{ "\"pv0\", 4", "\"pv0\", 59", "2 extents at 59 of pv0, which has 60" },
		{ "\"pv0\", 4", "\"pv0\", 4294967295", "2 extents at 4294967295 of pv0" },
		{ "\"pv0\", 4", "\"pv0\", -1", "no list of names and numbers" },
		{ "\"pv0\", 4", "\"pv2\", 4", "data lies on pv2, which there is not" },
		{ "\"pv0\", 4,", "", "in 2 stripes of 8 sectors with 2 names and numbers" },
		{ "\"pv0\", 4", "4, \"pv0\"", "no list of names and numbers" },
		{ "stripe_size = 8", "stripe_size = 0", "in 2 stripes of 0 sectors" },
		{ "stripe_size = 8", "stripe_size = 7", "262144 bytes in stripes of 3584" },
		{ "stripe_count = 2", "stripe_count = 0", "in 0 stripes" },
		{ "stripe_count = 2", "", "has no number 'stripe_count'" },
		{ "\"striped\"", "\"new\"", "root, a segments of type new, lies on pv0" },
		{ "type = \"striped\"", "", "has no string 'type'" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *text = replace(group_text, cases[i].old, cases[i].new);
		struct disks disks;

		print_message("%s -> %s\n", cases[i].old, cases[i].new);
		setup(&disks);
		put_group(&disks, text);
		read_map(&disks, 2);
		check_whole(&disks, 2, cases[i].words);
		assert_int_equal(disks.map->warnings->len, cases[i].n_warnings);
		teardown(&disks);
	}
}

static void test_limits(void **state)
{
	g_autofree char *name = g_strnfill(LVM_MAX_NAME + 1, 'x');
	g_autofree char *group = g_strdup_printf("%s {", name), *lv = g_strdup_printf("%s {", name);
	const struct {
		const char *old, *new, *words;
	} cases[] = {
		{ "vg0 {", group, "version 1 with 1 groups" },
		{ "vg0 {", group + 1, NULL },
		{ "root {", lv, "which is no section of a short name" },
		{ "root {", lv + 1, NULL },
		{ "logical_volumes {",
		  "logical_volumes { x { status = [] " SEGMENT
		  "extent_count = 4294967295 type = \"zero\" } }",
		  NULL },
		{ "extent_size = 128", "extent_size = 4294967295", NULL },
		{ "4 type",
		  "1 type = \"zero\" } segment2 { start_extent = 1 extent_count = 4096 type",
		  "has 4096 extents at 0 of pv0" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *text = replace(group_text, cases[i].old, cases[i].new);
		g_autoptr(GError) error = NULL;
		g_autoptr(LvmGroup) parsed = lvm_group_parse(text, strlen(text), &error);

		print_message("%s\n", error ? error->message : "accepted");
		if (!cases[i].words)
			assert_ok(parsed, error);
		else
			assert_true(error && strstr(error->message, cases[i].words));
	}
}

static void test_large_volume(void **state)
{
	g_autofree char *large = replace(group_text, "extent_size = 128", "extent_size = 8192");
	g_autofree char *text = replace(large, "logical_volumes {",
					"logical_volumes { x { status = [] " SEGMENT
					"extent_count = 2147483649 type = \"zero\" } }");
	g_autofree char *fits = replace(text, "2147483649", "2147483648");
	g_autoptr(GError) error = NULL;
	g_autoptr(LvmGroup) parsed = NULL;

	assert_null(lvm_group_parse(text, strlen(text), &error));
	assert_error(&error, WHERRY_ERROR_UNSUPPORTED,
		     "x has 2147483649 extents of 4194304 bytes, more than 8 PiB");
	assert_ok(parsed = lvm_group_parse(fits, strlen(fits), &error), error);
}

/* What is said of one volume, which is then carried whole; the other one is mapped. */
static void test_whole_volume(void **state)
{
	static const struct {
		const char *old, *new, *words;
	} cases[] = {
		{ ", \"VISIBLE\"", "", "carried whole: hidden volume of LVM" },
		{ "\"VISIBLE\"", "\"VISIBLE\", \"LOCKED\"", "carried whole: marked by LVM" },
		{ "[] segm", "[\"CACHE_VOL\"] segm", "carried whole: marked by LVM" },
		{ "stripe_count = 1", "stripe_count = 1 new = 2", "not known in full" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *joined =
		    replace(group_text, "flags = []\nsegm", "flags = [] segm");
		g_autofree char *text = replace(joined, cases[i].old, cases[i].new);
		struct disks disks;

		print_message("%s -> %s\n", cases[i].old, cases[i].new);
		setup(&disks);
		put_group(&disks, text);
		read_map(&disks, 2);
		assert_string_equal(find_volume(&disks, "vg0/data")->how, "swap, header only");
		if (!strstr(find_volume(&disks, "vg0/root")->how, cases[i].words))
			fail_msg("how: '%s'", find_volume(&disks, "vg0/root")->how);
		assert_int_equal(disk_used(&disks, 0), 5 * EXTENT + 4 * KIB + 192 * KIB);
		teardown(&disks);
	}
}

/* Volumes that need root, each in a way of its own. */
static void test_part_of(void **state)
{
	static const struct {
		const char *type, *how, *root_how;
	} cases[] = {
		{ "type = \"thin-pool\" data = \"root\"", "carried whole: thin pool",
		  "carried whole: part of x (thin pool)" },
		{ "type = \"raid5_ls+RESHAPE\" raids = [\"m\", \"root\"]", "carried whole: RAID5",
		  "carried whole: part of x (RAID5)" },
		{ "type = \"thin\" thin_pool = \"pool\" external_origin = \"root\"",
		  "carried whole: thin volume in pool",
		  "carried whole: part of x (thin volume in pool)" },
		{ "type = \"striped\" stripe_count = 1 stripes = [\"root\", 0]",
		  "carried whole: made of other volumes",
		  "carried whole: part of x (made of other volumes)" },
		{ "type = \"new\" list { a = [1, \"root\"] }",
		  "carried whole: segments of type new",
		  "carried whole: part of x (segments of type new)" },
		{ "type = \"snapshot\" origin = \"root\" cow_store = \"y\"", NULL,
		  "carried whole: origin of a snapshot" },
		{ "type = \"snapshot\" origin = \"y\" cow_store = \"root\"", NULL,
		  "carried whole: snapshot" },
		{ "type = \"zero\" tags = [\"root\"]", "carried whole: zero segments",
		  "swap, header only" },
		{ "type = \"mirror\" mirrors = [\"pv0\", 20, \"root\", 0]", "carried whole: mirror",
		  "carried whole: part of x (mirror)" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *lv =
		    g_strdup_printf("logical_volumes { x { status = [\"VISIBLE\"] " SEGMENT
				    "extent_count = 1 %s } }",
				    cases[i].type);
		g_autofree char *text = replace(group_text, "logical_volumes {", lv);
		const struct map_volume *x, *root;
		struct disks disks;
		uint64_t mirror;

		print_message("%s\n", cases[i].type);
		setup(&disks);
		put_group(&disks, text);
		read_map(&disks, 2);
		x = find_volume(&disks, "vg0/x");
		root = find_volume(&disks, "vg0/root");
		assert_true((x == NULL) == (cases[i].how == NULL));
		if (x) {
			assert_string_equal(x->how, cases[i].how);
			assert_int_equal(x->size, EXTENT);
			assert_int_equal(x->used, 0);
		}
		assert_string_equal(root->how, cases[i].root_how);
		mirror = used_map_count(disk_map(&disks, 0)->used, 21 * EXTENT, EXTENT);
		assert_int_equal(mirror, strstr(cases[i].type, "pv0") ? EXTENT : 0);
		teardown(&disks);
	}
}

static void test_missing(void **state)
{
	struct disks disks;

	setup(&disks);
	put_group(&disks, group_text);
	read_map(&disks, 1);
	check_whole(&disks, 1,
		    "volume group vg0: its physical volume bbbbbb" DASHED
		    " (/dev/sdb) is not among the disks");
	assert_int_equal(disks.map->warnings->len, 1);
	assert_string_equal(g_ptr_array_index(disks.map->warnings, 0),
			    "volume group vg0 is carried whole: its physical volume bbbbbb" DASHED
			    " (/dev/sdb) is not among the disks");
	teardown(&disks);
}

/* A copy, with its metadata and without. */
static void test_twice(void **state)
{
	for (int has_text = 0; has_text <= 1; has_text++) {
		uint8_t header[512];
		struct disks disks;

		setup(&disks);
		put_group(&disks, group_text);
		put_label(&disks, 2, UUID_B);
		sample_area(header, 0, 0, 0);
		disk_write(disks.disk[2], SAMPLE_AREA, header, 512);
		if (has_text)
			put_text(&disks, 2, group_text);
		read_map(&disks, 3);
		check_whole(&disks, 3,
			    "physical volume bbbbbb" DASHED " (/dev/sdb) is there twice");
		assert_int_equal(disks.map->warnings->len, 1);
		teardown(&disks);
	}
}

/* A boot loader's area where extents are. */
/* A copy of a physical volume that is seen only when its group is mapped: in a volume of another.
 */
static void test_late(void **state)
{
	static const char other_text[] =
	    "vg1 { id = \"wwwwww" DASHED "\" seqno = 1 format = \"lvm2\" status = [] "
	    "extent_size = 128\n"
	    "physical_volumes { pv0 { id = \"cccccc" DASHED "\" status = []\n"
	    "pe_start = 128 pe_count = 60 } }\n"
	    "logical_volumes { image { status = [\"VISIBLE\"]\n" SEGMENT
	    "extent_count = 30 type = \"striped\" stripe_count = 1 stripes = [\"pv0\", 0] } } } }\n"
	    "contents = \"Text Format Volume Group\" version = 1\n";
	uint8_t start[SAMPLE_AREA + SAMPLE_AREA_SIZE];
	struct disks disks;

	setup(&disks);
	put_group(&disks, group_text);
	put_label(&disks, 2, "ccccccbbbbccccddddeeeeffffgggggg");
	put_text(&disks, 2, other_text);
	assert_true(blkdev_read(disks.disk[0], 0, start, sizeof(start), NULL));
	disk_write(disks.disk[2], EXTENT, start, sizeof(start));
	read_map(&disks, 3);
	assert_string_equal(disk_how(&disks, 2), "LVM, volume group vg1");
	for (unsigned int i = 0; i < 2; i++) {
		assert_string_equal(disk_how(&disks, i),
				    "carried whole: a second copy of a part of "
				    "it was found later");
		assert_int_equal(disk_used(&disks, i), SIZE);
	}
	assert_int_equal(disks.map->warnings->len, 2);
	teardown(&disks);
}

static void test_area_among_extents(void **state)
{
	struct disks disks;
	uint8_t sector[512];

	setup(&disks);
	put_group(&disks, group_text);
	sample_label(sector, 1, UUID_A, SIZE);
	sample_put64(sector + 144, SIZE - 193 * KIB);
	sample_put64(sector + 152, 4 * KIB);
	sample_seal_label(sector);
	disk_write(disks.disk[0], 512, sector, 512);
	read_map(&disks, 2);
	check_whole(&disks, 2, "(/dev/sda) has metadata among its extents");
	g_clear_pointer(&disks.map, storage_map_free);

	sample_put64(sector + 144, SIZE - 192 * KIB);
	sample_seal_label(sector);
	disk_write(disks.disk[0], 512, sector, 512);
	read_map(&disks, 2);
	assert_string_equal(disk_how(&disks, 0), "LVM, volume group vg0");
	teardown(&disks);
}

/* @other: the text on the second disk; NULL: none. */
static void check_copies(const char *other, const char *words)
{
	struct disks disks;
	uint8_t header[512];

	setup(&disks);
	put_group(&disks, group_text);
	if (other) {
		put_text(&disks, 1, other);
	} else {
		sample_area(header, 0, 0, 0);
		disk_write(disks.disk[1], SAMPLE_AREA, header, 512);
	}
	read_map(&disks, 2);
	check_whole(&disks, 2, words);
	teardown(&disks);
}

static void test_copies(void **state)
{
	g_autofree char *newer = replace(group_text, "seqno = 4", "seqno = 5");
	g_autofree char *other = replace(group_text, "\"pv0\", 4", "\"pv0\", 6");
	g_autofree char *group = replace(group_text, "vvvvvv", "wwwwww");
	g_autofree char *alone = replace(newer, "bbbbbb", "cccccc");

	check_copies(newer, "the copies of its metadata differ, with changes 4 and 5");
	check_copies(other, "the copies of its metadata differ, with changes 4 and 4");
	check_copies(group, "a physical volume is in two volume groups, vg0 and vg0");
	check_copies(alone, "the copies of its metadata differ, with changes 4 and 5");
	check_copies(NULL, "bbbbbb" DASHED " (/dev/sdb) has an empty copy of the metadata");
}

/* Another group, on the third disk, counts the first one to its own. */
static void test_two_owners(void **state)
{
	g_autofree char *moved = replace(group_text, "\"bbbbbb", "\"cccccc");
	g_autofree char *text = replace(moved, "vg0 { id = \"vvvvvv", "vg1 { id = \"wwwwww");
	struct disks disks;

	setup(&disks);
	put_group(&disks, group_text);
	put_label(&disks, 2, "ccccccbbbbccccddddeeeeffffgggggg");
	put_text(&disks, 2, text);
	read_map(&disks, 3);
	check_whole(&disks, 3, "a physical volume is in two volume groups, vg0 and vg1");
	teardown(&disks);
}

/* As old versions write them for a physical volume in the making; its extents lie on the label. */
static void test_no_data_area(void **state)
{
	g_autofree char *text = replace(group_text, "pe_start = 128", "pe_start = 0");
	struct disks disks;
	uint8_t sector[512];

	setup(&disks);
	put_group(&disks, text);
	sample_label(sector, 1, UUID_A, SIZE);
	memmove(sector + 72, sector + 88, 512 - 88);
	sample_seal_label(sector);
	disk_write(disks.disk[0], 512, sector, 512);
	read_map(&disks, 2);
	check_whole(&disks, 2, "start at 0, and by its label at 0");
	teardown(&disks);
}

/* Its text does not name the second disk, on which there is that text, too. */
static void test_not_named(void **state)
{
	g_autofree char *text = replace(group_text, "\"bbbbbb", "\"cccccc");
	struct disks disks;

	setup(&disks);
	put_group(&disks, text);
	put_label(&disks, 2, "ccccccbbbbccccddddeeeeffffgggggg");
	put_text(&disks, 2, text);
	read_map(&disks, 3);
	check_whole(&disks, 3, "a physical volume has its metadata, which does not name it");
	teardown(&disks);
}

/* Only the first disk has metadata that is in use: the second one is known by its label. */
static void test_ignored(void **state)
{
	struct disks disks;
	uint8_t header[512];

	setup(&disks);
	put_group(&disks, group_text);
	sample_area(header, SAMPLE_HEADER, 100, 0);
	sample_put32(header + 60, 1);
	sample_seal_area(header);
	disk_write(disks.disk[1], SAMPLE_AREA, header, 512);
	read_map(&disks, 2);
	assert_string_equal(disk_how(&disks, 1), "LVM, volume group vg0");
	teardown(&disks);
}

static void test_orphan(void **state)
{
	struct disks disks;
	uint8_t header[512];

	setup(&disks);
	put_label(&disks, 0, UUID_A);
	sample_area(header, 0, 0, 0);
	disk_write(disks.disk[0], SAMPLE_AREA, header, 512);
	read_map(&disks, 1);
	check_whole(&disks, 1, "LVM physical volume in no known group");
	teardown(&disks);
}

/* The text starts near the end of its area and goes on behind the header. */
static void test_wrapped(void **state)
{
	size_t len = strlen(group_text), first = 100;
	uint32_t crc = lvm_crc(LVM_CRC_START, group_text, len);
	uint8_t header[512];
	struct disks disks;

	setup(&disks);
	put_group(&disks, group_text);
	for (unsigned int i = 0; i < 2; i++) {
		sample_area(header, SAMPLE_AREA_SIZE - first, len, crc);
		disk_write(disks.disk[i], SAMPLE_AREA, header, 512);
		disk_write(disks.disk[i], 65536 - first, group_text, first);
		disk_write(disks.disk[i], SAMPLE_AREA + SAMPLE_HEADER, group_text + first,
			   len - first);
	}
	read_map(&disks, 2);
	assert_string_equal(disk_how(&disks, 1), "LVM, volume group vg0");
	teardown(&disks);
}

/* Numbers of the second disk's label and area that are poked, and their checksums put right. */
static void test_headers(void **state)
{
	static const struct {
		bool area; /* or the label */
		unsigned int at, bytes;
		uint64_t value;
		const char *words; /* NULL: all is well */
		bool unsealed;
	} cases[] = {
		{ false, 20, 4, 32, NULL },
		{ false, 20, 4, 473, "needs 40 bytes at 473" },
		{ false, 20, 4, 0xffffffff, "needs 40 bytes at 4294967295" },
		{ false, 40, 1, '-', "a UUID that is none" },
		{ false, 104, 8, SIZE, "61440 bytes at 4194304 on a volume of 4194304" },
		{ false, 112, 8, SIZE, "4194304 bytes at 4096 on a volume of 4194304" },
		{ false, 112, 8, UINT64_MAX, "bytes at 4096 on a volume of 4194304" },
		{ false, 112, 8, 61952, "another place or size than the label says" },
		{ false, 112, 8, 0, "0 bytes at 4096" },
		{ false, 136, 4, 1, NULL },
		{ false, 136, 4, 0, NULL },
		{ false, 136, 4, 3, "extension 3 and flags 0x1" },
		{ false, 140, 4, 5, "extension 2 and flags 0x5" },
		{ false, 144, 8, 65536, "0 bytes at 65536" }, /* a boot loader's area */
		{ false, 72, 8, 131072, "start at 65536, and by its label at 131072" },
		{ true, 0, 4, 5, "with a wrong checksum", true },
		{ true, 4, 1, '-', "an unknown magic or version" },
		{ true, 20, 4, 2, "an unknown magic or version" },
		{ true, 24, 8, 8192, "another place or size" },
		{ true, 32, 8, 1024, "another place or size" },
		{ true, 40, 8, 511, "bytes at 511 of an area of 61440" },
		{ true, 40, 8, 61440, "bytes at 61440 of an area of 61440" },
		{ true, 48, 8, 0, "LVM metadata of 0 bytes at 512" },
		{ true, 48, 8, 60929, "LVM metadata of 60929 bytes" },
		{ true, 48, 8, UINT64_MAX, "LVM metadata of 18446744073709551615 bytes" },
		{ true, 56, 4, 1, "LVM metadata at 4608 with a wrong checksum" },
		{ true, 60, 4, 2, "unknown flags" },
		{ true, 64, 8, 2048, NULL }, /* a change that was under way */
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		uint64_t place = cases[i].area ? SAMPLE_AREA : 512;
		uint8_t sector[512], value[8];
		struct disks disks;

		print_message("%u: %#" PRIx64 "\n", cases[i].at, cases[i].value);
		setup(&disks);
		put_group(&disks, group_text);
		assert_int_equal(pread(disks.disk[1]->fd, sector, 512, (off_t)place), 512);
		sample_put64(value, cases[i].value);
		memcpy(sector + cases[i].at, value, cases[i].bytes);
		if (!cases[i].unsealed)
			(cases[i].area ? sample_seal_area : sample_seal_label)(sector);
		disk_write(disks.disk[1], place, sector, 512);
		read_map(&disks, 2);
		if (!cases[i].words)
			assert_string_equal(disk_how(&disks, 1), "LVM, volume group vg0");
		else if (!strstr(disk_how(&disks, 1), cases[i].words))
			fail_msg("how: '%s'", disk_how(&disks, 1));
		assert_true(cases[i].words == NULL || disk_used(&disks, 1) == SIZE);
		assert_true(cases[i].words == NULL || disk_used(&disks, 0) == SIZE);
		teardown(&disks);
	}
}

/* In any of the first four sectors, but in one only. */
static void test_labels(void **state)
{
	static const uint8_t nothing[512];
	uint8_t sector[512];

	for (unsigned int at = 0; at < 5; at++) {
		struct disks disks;

		setup(&disks);
		put_group(&disks, group_text);
		sample_label(sector, at, UUID_B, SIZE);
		disk_write(disks.disk[1], 512, nothing, 512);
		disk_write(disks.disk[1], UINT64_C(512) * at, sector, 512);
		read_map(&disks, 2);
		print_message("sector %u: %s\n", at, disk_how(&disks, 1));
		if (at < 4)
			assert_string_equal(disk_how(&disks, 1), "LVM, volume group vg0");
		else
			assert_string_equal(disk_how(&disks, 1), "carried whole: no known content");
		if (at == 3) {
			g_clear_pointer(&disks.map, storage_map_free);
			put_label(&disks, 1, UUID_B);
			read_map(&disks, 2);
			assert_string_equal(disk_how(&disks, 1),
					    "carried whole: LVM with 2 labels that are right");
		}
		teardown(&disks);
	}
}

static void test_uuids(void **state)
{
	g_autofree char *text = lvm_uuid_text(UUID_A);
	char uuid[LVM_UUID_SIZE + 1];

	assert_string_equal(text, "aaaaaa-bbbb-cccc-dddd-eeee-ffff-gggggg");
	assert_true(lvm_uuid_parse(text, strlen(text), uuid));
	assert_string_equal(uuid, UUID_A);
	assert_false(lvm_uuid_parse(text, strlen(text) - 1, uuid));
	assert_false(lvm_uuid_parse("aaaaaabbbbccccddddeeeeffffggggggg", 33, uuid));
	assert_false(lvm_uuid_parse("aaaaaabbbbccccddddeeeeffffggggg ", 32, uuid));
}

/* The fuzzers start from these: were the valid ones refused, they would only test refusals. */
static const struct {
	const char *name, *words;
} wrong_seeds[] = {
	{ "nothing", "no known content" },
	{ "area-beyond-the-volume", "an LVM area of 1099511627776 bytes at 4096" },
	{ "extents-beyond-the-volume", "bytes and has 67108864" },
	{ "header-beyond-its-sector", "needs 40 bytes at 500 of its sector" },
	{ "no-group", "LVM physical volume in no known group" },
	{ "other-area-than-in-the-label", "another place or size than the label says" },
	{ "text-larger-than-its-area", "LVM metadata of 40000 bytes" },
	{ "unknown-extension", "extension 3 and flags" },
}, wrong_texts[] = {
	{ "cut", "without an end" },
	{ "extent-with-two-owners", "extent 3 of pv0 has two owners" },
	{ "nested-too-deep", "sections nested too deep" },
	{ "nothing", "has no string 'contents'" },
	{ "segment-missing", "data has 1 segments, not 2" },
	{ "segments-with-a-gap", "extents at 1 as segment1" },
	{ "string-without-end", "a string without an end" },
	{ "unknown-flag", "vg0 has the unknown flag NEW" },
};

static const char *expected_words(const char *name, bool is_text)
{
	for (size_t i = 0; !is_text && i < G_N_ELEMENTS(wrong_seeds); i++)
		if (strcmp(wrong_seeds[i].name, name) == 0)
			return wrong_seeds[i].words;
	for (size_t i = 0; is_text && i < G_N_ELEMENTS(wrong_texts); i++)
		if (strcmp(wrong_texts[i].name, name) == 0)
			return wrong_texts[i].words;
	fail_msg("%s: nothing is known of it", name);
	return NULL;
}

/* What is said of a seed; owned by the caller. */
static char *try_seed(const char *data, size_t size, bool is_text)
{
	g_autoptr(Blkdev) disk = NULL;
	g_autoptr(StorageMap) map = NULL;
	const DiskMap *disk_map;

	if (is_text) {
		g_autoptr(GError) error = NULL;
		g_autoptr(LvmGroup) group = lvm_group_parse(data, size, &error);

		return g_strdup(group ? "LVM" : error->message);
	}
	disk = disk_new(UINT64_C(64) << 20, 512);
	disk_write(disk, 0, data, size);
	map = storage_map_read((const Blkdev *const *)&disk, 1, NULL);
	disk_map = g_ptr_array_index(map->disks, 0);
	return g_strdup(((struct map_volume *)g_ptr_array_index(disk_map->volumes, 0))->how);
}

static void check_corpus(const char *corpus, bool is_text)
{
	g_autofree char *path =
	    g_build_filename(g_getenv("SOURCE_ROOT"), "tests/fuzz/corpus", corpus, NULL);
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	const char *name;
	int n_valid = 0;

	assert_non_null(dir);
	while ((name = g_dir_read_name(dir))) {
		g_autofree char *file = g_build_filename(path, name, NULL), *data = NULL;
		g_autofree char *how = NULL;
		size_t size;

		if (g_str_has_prefix(name, "crash-"))
			continue; /* found by a fuzzer: whatever comes out, it must not crash */
		assert_true(g_file_get_contents(file, &data, &size, NULL));
		how = try_seed(data, size, is_text);
		print_message("%s: %s\n", name, how);
		if (g_str_has_prefix(name, "valid-"))
			assert_true(g_str_has_prefix(how, "LVM"));
		else
			assert_non_null(strstr(how, expected_words(name, is_text)));
		n_valid += g_str_has_prefix(name, "valid-");
	}
	assert_true(n_valid > 0);
}

static void test_seeds(void **state)
{
	check_corpus("map-lvm", false);
	check_corpus("lvm-text", true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mapped),       cmocka_unit_test(test_whole_group),
		cmocka_unit_test(test_whole_volume), cmocka_unit_test(test_part_of),
		cmocka_unit_test(test_missing),      cmocka_unit_test(test_twice),
		cmocka_unit_test(test_late),         cmocka_unit_test(test_copies),
		cmocka_unit_test(test_not_named),    cmocka_unit_test(test_ignored),
		cmocka_unit_test(test_orphan),       cmocka_unit_test(test_wrapped),
		cmocka_unit_test(test_headers),      cmocka_unit_test(test_two_owners),
		cmocka_unit_test(test_no_data_area), cmocka_unit_test(test_area_among_extents),
		cmocka_unit_test(test_limits),       cmocka_unit_test(test_large_volume),
		cmocka_unit_test(test_seeds),        cmocka_unit_test(test_labels),
		cmocka_unit_test(test_uuids),
	};

	return cmocka_run_group_tests_name("layer-lvm", tests, NULL, NULL);
}
