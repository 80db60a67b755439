/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where each sector of a chunk lies, for every profile, against tables written here by hand;
 * reading and using ranges must come to the same.
 */
#include "disk.h"

#include "map/btrfs-chunks.h"

#include <string.h>

#define DEVICES     4
#define DEVICE_SIZE (UINT64_C(4) << 20)
#define UNIT        UINT64_C(65536)
#define SECTOR      UINT64_C(4096)
#define LOGICAL     (UINT64_C(30) << 20)
#define ROWS        4

/* Stripe i lies on device i, from here on. */
static uint64_t stripe_offset(unsigned int i)
{
	return (i + 1) * 2 * UNIT;
}

/* Letters are the units of 64 KiB of the chunk in order, one string for each device, "p": parity.
 */
static const struct profile {
	const char *name;
	uint64_t type;
	unsigned int n_stripes, n_copies;
	const char *layout[DEVICES];
} profiles[] = {
	{ "single", 0, 1, 1, { "abcd" } },
	{ "RAID0", BTRFS_GROUP_RAID0, 3, 1, { "adgj", "behk", "cfil" } },
	{ "RAID1", BTRFS_GROUP_RAID1, 2, 2, { "abcd", "abcd" } },
	{ "RAID1C3", BTRFS_GROUP_RAID1C3, 3, 3, { "abcd", "abcd", "abcd" } },
	{ "RAID1C4", BTRFS_GROUP_RAID1C4, 4, 4, { "abcd", "abcd", "abcd", "abcd" } },
	{ "RAID10", BTRFS_GROUP_RAID10, 4, 2, { "aceg", "aceg", "bdfh", "bdfh" } },
	{ "RAID5", BTRFS_GROUP_RAID5, 3, 1, { "apfg", "bcph", "pdep" } },
	{ "RAID6", BTRFS_GROUP_RAID6, 4, 1, { "apph", "bcpp", "pdep", "ppfg" } },
};

struct set {
	const struct profile *profile;
	Blkdev *disks[DEVICES];
	UsedMap *used[DEVICES];
	Volume *volumes[DEVICES];
	BtrfsChunks *chunks;
	uint64_t length; /* of the chunk */
};

static size_t make_item(const struct profile *profile, uint64_t length, uint8_t *ret)
{
	struct btrfs_disk_chunk chunk = {
		.length = le64_make(length),
		.stripe_len = le64_make(UNIT),
		.type = le64_make(profile->type | BTRFS_GROUP_DATA),
		.n_stripes = { { (uint8_t)profile->n_stripes } },
		.sub_stripes = { { profile->type == BTRFS_GROUP_RAID10 ? 2 : 1 } },
	};

	memcpy(ret, &chunk, sizeof(chunk));
	for (unsigned int i = 0; i < profile->n_stripes; i++) {
		struct btrfs_disk_stripe stripe = { .device = le64_make(i + 1),
						    .offset = le64_make(stripe_offset(i)) };

		memset(stripe.uuid, (int)i, sizeof(stripe.uuid));
		memcpy(ret + sizeof(chunk) + i * sizeof(stripe), &stripe, sizeof(stripe));
	}
	return sizeof(chunk) + profile->n_stripes * sizeof(struct btrfs_disk_stripe);
}

static unsigned int count_units(const struct profile *profile)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < profile->n_stripes; i++)
		for (unsigned int row = 0; row < ROWS; row++)
			if (profile->layout[i][row] != 'p')
				n = MAX(n, (unsigned int)(profile->layout[i][row] - 'a') + 1);
	return n;
}

/* Each sector of a device is told by its letter and number. */
static void fill_device(const struct set *set, unsigned int i)
{
	for (uint64_t at = 0; at < ROWS * UNIT; at += SECTOR) {
		char text[32] = { set->profile->layout[i][at / UNIT],
				  (char)('0' + at % UNIT / SECTOR) };

		disk_write(set->disks[i], stripe_offset(i) + at, text, sizeof(text));
	}
}

static void setup(struct set *set, const struct profile *profile)
{
	g_autoptr(GArray) devices = g_array_new(false, false, sizeof(struct btrfs_device));
	uint8_t item[512];
	GError *error = NULL;
	size_t size;

	*set = (struct set){ .profile = profile, .length = count_units(profile) * UNIT };
	for (unsigned int i = 0; i < DEVICES; i++) {
		struct btrfs_device device = { .id = i + 1, .size = DEVICE_SIZE };

		set->disks[i] = disk_new(DEVICE_SIZE, 512);
		set->used[i] = used_map_new(DEVICE_SIZE, 1000);
		set->volumes[i] = volume_new_disk(set->disks[i], set->used[i]);
		device.volume = set->volumes[i];
		memset(device.uuid, (int)i, sizeof(device.uuid));
		g_array_append_val(devices, device);
		if (i < profile->n_stripes)
			fill_device(set, i);
	}
	set->chunks = btrfs_chunks_new(devices, SECTOR);
	size = make_item(profile, set->length, item);
	assert_ok(btrfs_chunks_add(set->chunks, LOGICAL, item, size, &error), error);
}

static void teardown(struct set *set)
{
	btrfs_chunks_free(set->chunks);
	for (unsigned int i = 0; i < DEVICES; i++) {
		volume_free(set->volumes[i]);
		used_map_free(set->used[i]);
		blkdev_free(set->disks[i]);
	}
}

/* Every copy, from every sector on over the next unit's start. */
static void check_reading(const struct set *set)
{
	g_autofree uint8_t *buf = g_malloc(3 * UNIT);

	assert_int_equal(btrfs_chunks_count_copies(set->chunks, LOGICAL), set->profile->n_copies);
	assert_int_equal(btrfs_chunks_count_copies(set->chunks, LOGICAL + set->length), 0);
	for (unsigned int copy = 0; copy < set->profile->n_copies; copy++)
		for (uint64_t at = 0; at < set->length; at += SECTOR) {
			size_t len = (size_t)MIN(set->length - at, UNIT + 2 * SECTOR);

			assert_true(
			    btrfs_chunks_read(set->chunks, LOGICAL + at, copy, buf, len, NULL));
			for (uint64_t i = 0; i < len; i += SECTOR) {
				assert_int_equal(buf[i], 'a' + (at + i) / UNIT);
				assert_int_equal(buf[i + 1], '0' + (at + i) % UNIT / SECTOR);
			}
		}
	assert_false(btrfs_chunks_read(set->chunks, LOGICAL + set->length - 1, 0, buf, 2, NULL));
	assert_false(btrfs_chunks_read(set->chunks, LOGICAL - 1, 0, buf, 2, NULL));
}

/* By the letters on its device, whether a sector lies in the sectors [@from, @to) of the chunk. */
static bool is_in(const struct profile *profile, unsigned int device, uint64_t sector,
		  uint64_t from, uint64_t to)
{
	char letter = profile->layout[device][sector * SECTOR / UNIT];
	uint64_t at = (uint64_t)(letter - 'a') * (UNIT / SECTOR) + sector % (UNIT / SECTOR);

	return letter != 'p' && at >= from && at < to;
}

static void check_using(const struct profile *profile, uint64_t from, uint64_t to)
{
	struct set set;

	setup(&set, profile);
	assert_true(
	    btrfs_chunks_use(set.chunks, LOGICAL + from * SECTOR, (to - from) * SECTOR, NULL));
	for (unsigned int i = 0; i < profile->n_stripes; i++) {
		uint64_t sum = 0;

		for (uint64_t sector = 0; sector < ROWS * UNIT / SECTOR; sector++) {
			uint64_t used =
			    used_map_count(set.used[i], stripe_offset(i) + sector * SECTOR, SECTOR);

			if (used != (is_in(profile, i, sector, from, to) ? SECTOR : 0))
				fail_msg("%s: [%u, %u): %u bytes of sector %u on device %u",
					 profile->name, (unsigned int)from, (unsigned int)to,
					 (unsigned int)used, (unsigned int)sector, i);
			sum += used;
		}
		assert_int_equal(used_map_count(set.used[i], 0, DEVICE_SIZE), sum);
	}
	teardown(&set);
}

static void test_profiles(void **state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(profiles); i++) {
		const struct profile *profile = &profiles[i];
		struct set set;

		print_message("%s\n", profile->name);
		setup(&set, profile);
		check_reading(&set);
		teardown(&set);
		if (profile->type & (BTRFS_GROUP_RAID5 | BTRFS_GROUP_RAID6))
			continue;
		for (uint64_t from = 0; from < set.length / SECTOR; from += 9)
			for (uint64_t to = from + 1; to <= set.length / SECTOR; to += 11)
				check_using(profile, from, to);
	}
}

/* Of parity all of the chunk, and nothing else. */
static void test_parity(void **state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(profiles); i++) {
		struct set set;
		bool parity = profiles[i].type & (BTRFS_GROUP_RAID5 | BTRFS_GROUP_RAID6);

		setup(&set, &profiles[i]);
		btrfs_chunks_use_parity(set.chunks);
		for (unsigned int j = 0; j < DEVICES; j++) {
			uint64_t want = parity && j < profiles[i].n_stripes ? ROWS * UNIT : 0;

			assert_int_equal(used_map_count(set.used[j], 0, DEVICE_SIZE), want);
			assert_int_equal(used_map_count(set.used[j], stripe_offset(j), ROWS * UNIT),
					 want);
		}
		teardown(&set);
	}
}

/* What a chunk must not say.  @at: of the item. */
static void test_wrong(void **state)
{
	static const struct {
		const char *what;
		size_t at, len;
		uint64_t value;
		const char *words;
	} wrong[] = {
		{ "no bytes", 0, 8, 0, "has 0 bytes in 2 stripes" },
		{ "not whole rows", 0, 8, 3 * UNIT, "has 196608 bytes in 2 stripes" },
		{ "too long for its devices", 0, 8, 16 << 20, "takes 8388608 bytes" },
		{ "as long as can be", 0, 8, UINT64_MAX - UNIT * 2 + 1, "over another" },
		{ "other stripes", 16, 8, 2 * UNIT, "in 2 stripes" },
		{ "two profiles", 24, 8, 0x19, "has the type 0x19, which is not followed" },
		{ "no kind", 24, 8, 0x8, "has the type 0x8, which is not followed" },
		{ "unknown profile", 24, 8, 0x801, "has the type 0x801, which is not followed" },
		{ "RAID10 of sub-stripes of 1", 24, 8, 0x41, "in 2 stripes of type 0x41" },
		{ "RAID6 of 2", 24, 8, 0x101, "in 2 stripes of type 0x101" },
		{ "more stripes than there are", 44, 2, 3, "in 3 stripes" },
		{ "no stripes", 44, 2, 0, "in 0 stripes" },
		{ "another device", 48, 8, 9, "lies on a device 9 that it does not have" },
		{ "another UUID", 48 + 16, 1, 7, "has 4194304 or is another" },
		{ "far behind the end", 56, 8, 3 * DEVICE_SIZE, "131072 bytes at 12582912 of" },
		{ "behind the end", 56, 8, DEVICE_SIZE, "131072 bytes at 4194304 of device 1" },
	};
	static const struct profile raid0 = { "RAID0", BTRFS_GROUP_RAID0, 2, 1, { "ac", "bd" } };
	struct set set;

	setup(&set, &profiles[0]);
	for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autoptr(GError) error = NULL;
		uint8_t item[512];
		size_t size = make_item(&raid0, 4 * UNIT, item);

		print_message("%s\n", wrong[i].what);
		for (size_t j = 0; j < wrong[i].len; j++)
			item[wrong[i].at + j] = (uint8_t)(wrong[i].value >> (8 * j));
		assert_false(btrfs_chunks_add(set.chunks, 0, item, size, &error));
		if (!strstr(error->message, wrong[i].words))
			fail_msg("'%s', not '%s'", error->message, wrong[i].words);
	}
	teardown(&set);
}

/* They may come in any order, and never over each other. */
static void test_order(void **state)
{
	static const struct {
		uint64_t logical;
		bool ok;
	} adds[] = {
		{ LOGICAL + 8 * UNIT, true },       { LOGICAL - 4 * UNIT, true },
		{ LOGICAL + 4 * UNIT, true },       { LOGICAL - 3 * UNIT, false },
		{ LOGICAL + 5 * UNIT, false },      { LOGICAL + 11 * UNIT, false },
		{ LOGICAL - 7 * UNIT, false },      { LOGICAL + 100, false },
		{ LOGICAL + 12 * UNIT, true },      { UINT64_MAX - 4 * UNIT + 1, false },
		{ LOGICAL - 20 * UNIT + 1, false },
	};
	uint64_t last = 0;
	struct set set;

	setup(&set, &profiles[0]);
	for (size_t i = 0; i < G_N_ELEMENTS(adds); i++) {
		uint8_t item[512];
		size_t size = make_item(&profiles[0], 4 * UNIT, item);

		assert_int_equal(btrfs_chunks_add(set.chunks, adds[i].logical, item, size, NULL),
				 adds[i].ok);
	}
	for (unsigned int i = 0; i < set.chunks->chunks->len; i++) {
		const struct btrfs_chunk *chunk =
		    &g_array_index(set.chunks->chunks, struct btrfs_chunk, i);

		assert_true(chunk->logical >= last);
		last = chunk->logical + chunk->length;
	}
	assert_int_equal(set.chunks->chunks->len, 5);
	assert_false(btrfs_chunks_use(set.chunks, LOGICAL + 3 * UNIT, 2 * UNIT, NULL));
	assert_false(btrfs_chunks_use(set.chunks, LOGICAL, 0, NULL));
	teardown(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_profiles),
		cmocka_unit_test(test_parity),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests_name("btrfs-chunks", tests, NULL, NULL);
}
