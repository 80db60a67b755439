/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Partition tables that are right, and wrong in one thing at a time.  That sfdisk's tables are read
 * as sfdisk reads them is shown by the round trips; here is what no tool would write.
 */
#include "disk.h"

#include "map/partition-table.h"

#include <endian.h>

#define DISK_SIZE (8 << 20)
#define SECTORS   (DISK_SIZE / 512)

struct entry {
	uint64_t at_sector; /* of the table */
	unsigned int slot;
	uint8_t boot, type;
	uint32_t start, sectors;
};

static void put_entry(Blkdev *disk, const struct entry *entry)
{
	uint8_t bytes[16] = { entry->boot, 0, 0, 0, entry->type };
	uint32_t start = htole32(entry->start), sectors = htole32(entry->sectors);

	memcpy(bytes + 8, &start, 4);
	memcpy(bytes + 12, &sectors, 4);
	disk_write(disk, entry->at_sector * 512 + 446 + entry->slot * 16, bytes, sizeof(bytes));
	disk_write(disk, entry->at_sector * 512 + 510, "\x55\xaa", 2);
}

static Volume whole(const Blkdev *disk)
{
	return (Volume){ .size = disk->size, .disk = disk };
}

/* A primary partition and two logical ones. */
static const struct entry good[] = {
	{ 0, 0, 0x80, 0x83, 64, 100 }, { 0, 1, 0, 0x0f, 1000, 8000 },
	{ 1000, 0, 0, 0x83, 8, 500 },  { 1000, 1, 0, 0x05, 2000, 1000 },
	{ 3000, 0, 0, 0x82, 8, 600 },
};

static const struct {
	struct entry wrong;
	const char *words; /* NULL: it is read all the same */
} mbr_cases[] = {
	{ { 0, 2, 0, 0x83, 10000, 6384 }, NULL },
	{ { 0, 2, 0, 0x83, 10000, 6385 }, "partition 3 of 6385 sectors at 10000 lies beyond" },
	{ { 0, 2, 0, 0x83, 0, 5 }, "partition 3 of 5 sectors at 0 lies beyond" },
	{ { 0, 2, 0, 0x83, UINT32_MAX, UINT32_MAX }, "lies beyond the 16384 sectors" },
	{ { 1000, 0, 0, 0x83, 8, 16000 }, "partition 5 of 16000 sectors at 1008" },
	{ { 1000, 1, 0, 0x05, 0, 1000 }, "go from sector 1000 back to 1000" },
	{ { 3000, 1, 0, 0x05, 0, 1000 }, "go from sector 3000 back to 1000" },
	{ { 3000, 0, 0, 0x05, 2000, 1000 },
	  "back to 3000 after 1 of them" }, /* holds no partition */
	{ { 1000, 1, 0, 0x05, 2500, 1000 }, "no table of logical partitions at sector 3500" },
	{ { 1000, 1, 0, 0x05, UINT32_MAX, 1000 }, "lie beyond the 8388608 bytes" },
	{ { 1000, 2, 0, 0x83, 100, 100 }, "entry 3 of the logical partitions at sector 1000" },
};

static void test_mbr(void **state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(mbr_cases); i++) {
		g_autoptr(Blkdev) disk = disk_new(DISK_SIZE, 512);
		g_autoptr(PartitionTable) table = NULL;
		g_autoptr(GError) error = NULL;
		Volume volume = whole(disk);
		const struct partition *last;
		bool code;

		for (size_t j = 0; j < G_N_ELEMENTS(good); j++)
			put_entry(disk, &good[j]);
		put_entry(disk, &mbr_cases[i].wrong);
		assert_int_equal(mbr_classify(&volume, &code, &error), MBR_TABLE);
		table = mbr_read(&volume, 512, &error);
		if (mbr_cases[i].words) {
			assert_null(table);
			assert_error(&error, WHERRY_ERROR_DAMAGED, mbr_cases[i].words);
			continue;
		}
		assert_ok(table, error);
		assert_int_equal(table->partitions->len, 4);
		last = &g_array_index(table->partitions, struct partition, 3);
		assert_int_equal(last->number, 6);
		assert_int_equal(last->offset, 3008 * 512);
		assert_int_equal(last->size, 600 * 512);
		assert_string_equal(last->type, "0x82");
		assert_int_equal(table->structures->len, 3); /* the MBR and two links */
	}
}

/* A second extended partition: its logical ones are counted behind those of the first. */
static void test_two_extended(void **state)
{
	static const struct entry second[] = {
		{ 0, 2, 0, 0x05, 10000, 2000 },
		{ 10000, 0, 0, 0x83, 8, 100 },
	};
	g_autoptr(Blkdev) disk = disk_new(DISK_SIZE, 512);
	g_autoptr(PartitionTable) table = NULL;
	Volume volume = whole(disk);
	g_autoptr(GError) error = NULL;

	for (size_t i = 0; i < G_N_ELEMENTS(good); i++)
		put_entry(disk, &good[i]);
	put_entry(disk, &second[0]);
	put_entry(disk, &second[1]);
	table = mbr_read(&volume, 512, &error);
	assert_ok(table, error);
	assert_int_equal(table->partitions->len, 4);
	assert_int_equal(g_array_index(table->partitions, struct partition, 2).number, 6);
	assert_int_equal(g_array_index(table->partitions, struct partition, 3).number, 7);
}

static void test_classify(void **state)
{
	static const struct {
		struct entry entry;
		uint8_t code;
		int want;
	} cases[] = {
		{ { 0, 0, 0, 0x83, 1, 1 }, 0, MBR_TABLE },
		{ { 0, 3, 0, 0xee, 1, 1 }, 0xeb, MBR_PROTECTIVE },
		{ { 0, 0, 0, 0, 1, 1 }, 0xeb, MBR_NONE },       /* no entry in use */
		{ { 0, 0, 0x12, 0x83, 1, 1 }, 0xeb, MBR_NONE }, /* code, not a boot flag */
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(Blkdev) disk = disk_new(DISK_SIZE, 512);
		Volume volume = whole(disk);
		g_autoptr(GError) error = NULL;
		bool code;

		disk_write(disk, 0, &cases[i].code, 1);
		assert_int_equal(mbr_classify(&volume, &code, &error), MBR_NONE);
		put_entry(disk, &cases[i].entry);
		assert_int_equal(mbr_classify(&volume, &code, &error), cases[i].want);
		assert_int_equal(code, cases[i].code != 0);
	}
}

/* A partition of the MBR alone, beside one of both tables. */
static void test_hybrid(void **state)
{
	static const struct entry entries[] = {
		{ 0, 0, 0, 0xee, 1, 63 },
		{ 0, 1, 0x80, 0x83, 64, 100 },
		{ 0, 2, 0, 0x83, 1000, 8000 },
	};
	g_autoptr(PartitionTable) table = partition_table_new("gpt", 512);
	const struct partition both = { .number = 1, .offset = 64 * 512, .size = 100 * 512 };
	g_autoptr(Blkdev) disk = disk_new(DISK_SIZE, 512);
	Volume volume = whole(disk);
	g_autoptr(GError) error = NULL;
	const struct extent *found;

	g_array_append_val(table->partitions, both);
	put_entry(disk, &entries[0]);
	put_entry(disk, &entries[1]);
	assert_ok(mbr_add_hybrid(table, &volume, &error), error);
	assert_int_equal(table->structures->len, 0);
	assert_null(table->warning);

	put_entry(disk, &entries[2]);
	assert_ok(mbr_add_hybrid(table, &volume, &error), error);
	assert_int_equal(table->structures->len, 1);
	found = &g_array_index(table->structures, struct extent, 0);
	assert_int_equal(found->offset, 1000 * 512);
	assert_int_equal(found->length, 8000 * 512);
	assert_non_null(strstr(table->warning, "partition 3 of the MBR is not in the GPT"));
}

/* --- GPT --- */

static uint32_t crc32_of(const uint8_t *data, size_t len)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++)
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ ((crc ^ data[i] >> bit) & 1 ? 0xedb88320u : 0);
	return ~crc;
}

struct gpt {
	uint64_t my_lba, other_lba, first, last, entries_lba;
	uint32_t n_entries, entry_size, revision, header_size;
	uint64_t part_first, part_last;
};

static const struct gpt good_gpt = {
	.my_lba = 1,
	.other_lba = SECTORS - 1,
	.first = 34,
	.last = SECTORS - 34,
	.entries_lba = 2,
	.n_entries = 128,
	.entry_size = 128,
	.revision = 0x10000,
	.header_size = 92,
	.part_first = 2048,
	.part_last = 4095,
};

static void put32(uint8_t *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, 4);
}

static void put64(uint8_t *at, uint64_t value)
{
	value = htole64(value);
	memcpy(at, &value, 8);
}

/* Write one copy at sector @lba, with right checksums. */
static void put_gpt(Blkdev *disk, uint64_t lba, const struct gpt *gpt)
{
	g_autofree uint8_t *entries = g_malloc0(128 * 128);
	uint8_t header[92] = "EFI PART";

	memset(entries, 0xaf, 32); /* type and own GUID */
	put64(entries + 32, gpt->part_first);
	put64(entries + 40, gpt->part_last);
	entries[56] = 'r';
	entries[58] = 'o';
	disk_write(disk, gpt->entries_lba * 512, entries, 128 * 128);

	put32(header + 8, gpt->revision);
	put32(header + 12, gpt->header_size);
	put64(header + 24, gpt->my_lba);
	put64(header + 32, gpt->other_lba);
	put64(header + 40, gpt->first);
	put64(header + 48, gpt->last);
	put64(header + 72, gpt->entries_lba);
	put32(header + 80, gpt->n_entries);
	put32(header + 84, gpt->entry_size);
	put32(header + 88, crc32_of(entries, 128 * 128));
	put32(header + 16, crc32_of(header, sizeof(header)));
	disk_write(disk, lba * 512, header, sizeof(header));
}

static void test_gpt(void **state)
{
	g_autoptr(Blkdev) disk = disk_new(DISK_SIZE, 512);
	g_autoptr(PartitionTable) table = NULL;
	Volume volume = whole(disk);
	g_autoptr(GError) error = NULL;
	const struct partition *p;

	assert_int_equal(gpt_read(&volume, 512, &table, &error), 0);
	put_gpt(disk, 1, &good_gpt);
	assert_ok(gpt_read(&volume, 512, &table, &error) == 1, error);
	assert_null(table->warning);
	assert_int_equal(table->partitions->len, 1);
	p = &g_array_index(table->partitions, struct partition, 0);
	assert_int_equal(p->number, 1);
	assert_int_equal(p->offset, 2048 * 512);
	assert_int_equal(p->size, 2048 * 512);
	assert_string_equal(p->type, "afafafaf-afaf-afaf-afaf-afafafafafaf");
	assert_string_equal(p->label, "ro");
	assert_int_equal(gpt_read(&volume, 4096, &table, &error), 0); /* other sectors: not there */
}

static void test_gpt_wrong(void **state)
{
	static const struct {
		size_t at; /* of a field of struct gpt */
		uint64_t value;
		const char *words;
	} cases[] = {
		{ offsetof(struct gpt, my_lba), 2, "has the number of another sector" },
		{ offsetof(struct gpt, last), SECTORS, "numbers beyond the end of the disk" },
		{ offsetof(struct gpt, entries_lba), SECTORS - 1, "lie beyond the 8388608 bytes" },
		{ offsetof(struct gpt, part_first), 33, "has sectors 33 to 4095 of 34 to 16350" },
		{ offsetof(struct gpt, part_last), 16351, "has sectors 2048 to 16351 of 34" },
		{ offsetof(struct gpt, part_last), 2046, "has sectors 2048 to 2046" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(Blkdev) disk = disk_new(DISK_SIZE + 128 * 128, 512);
		g_autoptr(PartitionTable) table = NULL;
		Volume volume = { .disk = disk, .size = DISK_SIZE };
		g_autoptr(GError) error = NULL;
		struct gpt gpt = good_gpt;

		memcpy((uint8_t *)&gpt + cases[i].at, &cases[i].value, sizeof(uint64_t));
		put_gpt(disk, 1, &gpt);
		assert_int_equal(gpt_read(&volume, 512, &table, &error), -1);
		assert_error(&error, WHERRY_ERROR_DAMAGED, cases[i].words);
	}
}

static void test_gpt_checksums(void **state)
{
	static const uint64_t flips[] = { 512 + 60,
					  1024 + 300 }; /* in the header, in the entries */

	for (size_t i = 0; i < G_N_ELEMENTS(flips); i++) {
		g_autoptr(Blkdev) disk = disk_new(DISK_SIZE, 512);
		g_autoptr(PartitionTable) table = NULL;
		Volume volume = whole(disk);
		g_autoptr(GError) error = NULL;
		struct gpt backup = good_gpt;

		put_gpt(disk, 1, &good_gpt);
		disk_write(disk, flips[i], "x", 1);
		assert_int_equal(gpt_read(&volume, 512, &table, &error), -1);
		assert_error(&error, WHERRY_ERROR_DAMAGED, "wrong checksum");

		backup.my_lba = SECTORS - 1;
		backup.other_lba = 1;
		backup.entries_lba = SECTORS - 33;
		put_gpt(disk, SECTORS - 1, &backup);
		assert_ok(gpt_read(&volume, 512, &table, &error) == 1, error);
		assert_non_null(
		    strstr(table->warning, "the backup at the end of the disk is used"));
		assert_int_equal(table->partitions->len, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mbr),          cmocka_unit_test(test_classify),
		cmocka_unit_test(test_hybrid),       cmocka_unit_test(test_gpt),
		cmocka_unit_test(test_gpt_wrong),    cmocka_unit_test(test_gpt_checksums),
		cmocka_unit_test(test_two_extended),
	};

	return cmocka_run_group_tests_name("partitions", tests, NULL, NULL);
}
