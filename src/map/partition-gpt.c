/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * GUID partition tables: UEFI Specification 2.10, section 5.3.  Both checksums of a copy are right
 * or it counts as damaged.
 */
#include "map/partition-table.h"

#include "base/error.h"
#include "base/guid.h"
#include "base/le.h"
#include "map/partition-gpt-priv.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#define GPT_SIGNATURE   "EFI PART"
#define GPT_REVISION    0x00010000
#define GPT_HEADER_SIZE 92
#define ENTRY_SIZE_MIN  128
#define ENTRIES_MAX     1024 /* of any size; the usual number is 128 */
#define ENTRY_SIZE_MAX  4096

struct gpt_header {
	char signature[8];
	le32 revision;
	le32 header_size;
	le32 header_crc;
	le32 reserved;
	le64 my_lba;
	le64 other_lba;
	le64 first_usable;
	le64 last_usable;
	struct guid disk;
	le64 entries_lba;
	le32 n_entries;
	le32 entry_size;
	le32 entries_crc;
};
static_assert(sizeof(struct gpt_header) == GPT_HEADER_SIZE, "UEFI 2.10, table 5-5");

struct gpt_entry {
	struct guid type;
	struct guid unique;
	le64 first_lba;
	le64 last_lba; /* inclusive */
	le64 attributes;
	le16 name[36];
};
static_assert(sizeof(struct gpt_entry) == ENTRY_SIZE_MIN, "UEFI 2.10, table 5-6");

/* Bit by bit: a header and 16 KiB, once a disk. */
uint32_t gpt_crc32(const uint8_t *data, size_t len)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

static char *label_string(const le16 *name, size_t n)
{
	gunichar2 text[36];
	g_autofree char *label = NULL;

	g_assert(n <= G_N_ELEMENTS(text));
	for (size_t i = 0; i < n; i++)
		text[i] = le16_get(name[i]);
	label = g_utf16_to_utf8(text, (glong)n, NULL, NULL, NULL); /* NULL when it is no UTF-16 */
	return label && label[0] ? g_steal_pointer(&label) : NULL;
}

static void damaged(GError **error, const Volume *disk, uint64_t lba, const char *what)
{
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "the GPT header at sector %" PRIu64 " of %s has %s", lba, disk->name, what);
}

/* Everything but the entries themselves. */
static bool check_header(const Volume *disk, uint64_t lba, uint64_t sectors,
			 const struct gpt_header *header, GError **error)
{
	struct gpt_header copy = *header;
	uint32_t entry_size = le32_get(header->entry_size);
	const char *wrong = NULL;

	copy.header_crc = le32_make(0);
	if (le32_get(header->revision) != GPT_REVISION ||
	    le32_get(header->header_size) != GPT_HEADER_SIZE)
		wrong = "an unknown revision or size";
	else if (gpt_crc32((const uint8_t *)&copy, sizeof(copy)) != le32_get(header->header_crc))
		wrong = "a wrong checksum";
	else if (le64_get(header->my_lba) != lba)
		wrong = "the number of another sector";
	else if (entry_size < ENTRY_SIZE_MIN || entry_size > ENTRY_SIZE_MAX ||
		 le32_get(header->n_entries) > ENTRIES_MAX)
		wrong = "too many or too large entries";
	else if (le64_get(header->last_usable) >= sectors ||
		 le64_get(header->entries_lba) >= sectors)
		wrong = "numbers beyond the end of the disk";
	if (wrong)
		damaged(error, disk, lba, wrong);
	return wrong == NULL;
}

static bool add_entry(PartitionTable *table, unsigned int number, const struct gpt_entry *entry,
		      uint64_t first_usable, uint64_t last_usable, GError **error)
{
	static const struct guid unused;
	uint64_t first = le64_get(entry->first_lba), last = le64_get(entry->last_lba);
	struct partition new = { .number = number };

	if (memcmp(&entry->type, &unused, sizeof(unused)) == 0)
		return true;
	if (first < first_usable || last > last_usable || last < first) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "GPT partition %u has sectors %" PRIu64 " to %" PRIu64 " of %" PRIu64
			    " to %" PRIu64,
			    number, first, last, first_usable, last_usable);
		return false;
	}
	if (table->partitions->len >= PARTITION_MAX) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "GPT with more than %d partitions", PARTITION_MAX);
		return false;
	}
	new.offset = first * table->sector_size;
	new.size = (last - first + 1) * table->sector_size;
	new.type = guid_to_text(&entry->type);
	new.uuid = guid_to_text(&entry->unique);
	new.label = label_string(entry->name, G_N_ELEMENTS(entry->name));
	g_array_append_val(table->partitions, new);
	return true;
}

static bool read_entries(PartitionTable *table, const Volume *disk, const struct gpt_header *header,
			 GError **error)
{
	size_t size = le32_get(header->entry_size), n = le32_get(header->n_entries);
	uint64_t lba = le64_get(header->my_lba);
	struct extent where = { le64_get(header->entries_lba) * table->sector_size, n * size };
	g_autofree uint8_t *entries =
	    g_malloc(where.length + 1); /* at most 4 MiB: see the limits */

	if (!volume_read(disk, where.offset, entries, where.length, error))
		return false;
	if (gpt_crc32(entries, where.length) != le32_get(header->entries_crc)) {
		damaged(error, disk, lba, "entries with a wrong checksum");
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		struct gpt_entry entry;

		memcpy(&entry, entries + i * size, sizeof(entry));
		if (!add_entry(table, (unsigned int)i + 1, &entry, le64_get(header->first_usable),
			       le64_get(header->last_usable), error))
			return false;
	}
	if (where.length > 0)
		g_array_append_val(table->structures, where);
	return true;
}

/*
 * The backup lies between the last usable sector and its header: not at the end of the disk, when
 * the disk has grown since.
 */
static void add_other_copy(PartitionTable *table, const struct gpt_header *header, uint64_t sectors)
{
	uint64_t start = le64_get(header->last_usable) + 1, end = le64_get(header->other_lba);
	struct extent where = { start * table->sector_size, 0 };

	if (end < start || end >= sectors)
		return;
	where.length = (end - start + 1) * table->sector_size;
	g_array_append_val(table->structures, where);
}

/* The copy whose header is at @lba; 1, 0 or -1 as in gpt_read(). */
static int read_copy(const Volume *disk, uint32_t sector_size, uint64_t lba, PartitionTable **ret,
		     GError **error)
{
	g_autoptr(PartitionTable) table = partition_table_new("gpt", sector_size);
	struct extent where = { lba * sector_size, sector_size };
	uint64_t sectors = disk->size / sector_size;
	struct gpt_header header;

	if (!volume_read(disk, where.offset, &header, sizeof(header), error))
		return -1;
	if (memcmp(header.signature, GPT_SIGNATURE, sizeof(header.signature)) != 0)
		return 0;
	g_array_append_val(table->structures, where);
	if (!check_header(disk, lba, sectors, &header, error) ||
	    !read_entries(table, disk, &header, error))
		return -1;
	add_other_copy(table, &header, sectors);
	table->id = guid_to_text(&header.disk);
	*ret = g_steal_pointer(&table);
	return 1;
}

int gpt_read(const Volume *disk, uint32_t sector_size, PartitionTable **ret, GError **error)
{
	uint64_t sectors = disk->size / sector_size;
	g_autoptr(GError) first_cause = NULL, second_cause = NULL;
	int first, second;

	if (sectors < 3)
		return 0;
	first = read_copy(disk, sector_size, 1, ret, &first_cause);
	if (first == 1)
		return 1;
	second = read_copy(disk, sector_size, sectors - 1, ret, &second_cause);
	if (second == 1) {
		(*ret)->warning =
		    g_strdup_printf("%s: the first GPT is damaged (%s); the backup at "
				    "the end of the disk is used",
				    disk->name, first_cause ? first_cause->message : "missing");
		return 1;
	}
	if (first == 0 && second == 0)
		return 0;
	g_propagate_error(error, first_cause ? g_steal_pointer(&first_cause)
					     : g_steal_pointer(&second_cause));
	return -1;
}
