/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exFAT: a cluster is free when its bit is 0 in the one allocation bitmap, which the root directory
 * names.  Everything before the first cluster and behind the last one is carried, and so are
 * clusters marked bad: only the table names those, and of most files its entries mean nothing.
 *
 * The layout is that of Microsoft's "exFAT file system specification", revision 1.00 of 2019;
 * numbers of sections below are its.
 */
#include "map/map-driver.h"

#include "base/error.h"
#include "base/le.h"
#include "base/zero.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#define REVISION             0x0100
#define FLAG_ACTIVE_FAT      0x0001u
#define FLAG_VOLUME_DIRTY    0x0002u
#define FLAG_MEDIA_FAILURE   0x0004u
#define FLAGS_RESERVED       0xfff0u
#define PERCENT_UNKNOWN      0xff
#define REGION_SECTORS       12u /* the boot region; its backup is of the same size, behind it */
#define FIRST_FAT_SECTOR     24u
#define CLUSTERS_MAX         0xfffffff5u
#define CHAIN_END            0xffffffffu
#define DIRECTORY_MAX        (256u << 20) /* bytes */
#define UPCASE_MAX           (128u << 10) /* bytes: a character each for all 65536 */
#define BITMAP_CHUNK         (256u << 10)
#define ENTRY_SIZE           32u
#define ENTRY_END            0x00
#define ENTRY_IN_USE         0x80
#define ENTRY_BENIGN         0x20
#define ENTRY_SECONDARY      0x40
#define ENTRY_BITMAP         0x81
#define ENTRY_UPCASE         0x82
#define ENTRY_LABEL          0x83
#define ENTRY_FILE           0x85
#define ENTRY_TEXFAT_PADDING 0xa1

struct exfat_boot_sector {
	uint8_t jump[3];
	char name[8];
	uint8_t zero[53];
	le64 partition_offset;
	le64 volume_sectors;
	le32 fat_sector;
	le32 fat_sectors;
	le32 heap_sector;
	le32 clusters;
	le32 root_cluster;
	le32 serial;
	le16 revision;
	le16 flags;
	uint8_t sector_shift;
	uint8_t cluster_shift;
	uint8_t fats;
	uint8_t drive;
	uint8_t percent;
	uint8_t reserved[7];
	uint8_t code[390];
	le16 signature;
};
static_assert(sizeof(struct exfat_boot_sector) == 512, "exFAT 1.00, table 4");
static_assert(offsetof(struct exfat_boot_sector, flags) == 106, "exFAT 1.00, table 4");
static_assert(offsetof(struct exfat_boot_sector, percent) == 112, "exFAT 1.00, table 4");

struct exfat_entry {
	uint8_t type;
	uint8_t flags; /* of a bitmap */
	uint8_t skip[18];
	le32 first_cluster;
	le64 size;
};
static_assert(sizeof(struct exfat_entry) == ENTRY_SIZE, "exFAT 1.00, table 14");

/* What the rest may believe, after the checks. */
struct exfat {
	const Volume *volume;
	uint32_t sector_size;  /* bytes */
	uint32_t cluster_size; /* bytes */
	uint32_t clusters;     /* numbered from 2 */
	uint32_t root_cluster;
	uint64_t fat_offset;  /* bytes; of the first table */
	uint64_t heap_offset; /* bytes; of cluster 2 */
	uint8_t percent;      /* of clusters in use, or PERCENT_UNKNOWN */
};

/* What the root directory names. */
struct found_entries {
	unsigned int n_bitmaps, n_upcases;
	struct exfat_entry bitmap, upcase;
};

static void damaged(GError **error, const char *what, uint64_t a, uint64_t b)
{
	g_autofree char *words = g_strdup_printf("%s (%" PRIu64 ", %" PRIu64 ")", what, a, b);

	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED, "exFAT %s", words);
}

/* Sections 3.1.12, 3.1.13 and 3.1.16: what says that we must not read it, or not believe it. */
static bool check_flags(const struct exfat_boot_sector *boot, GError **error)
{
	unsigned int revision = le16_get(boot->revision), flags = le16_get(boot->flags);

	if (revision != REVISION || flags & FLAGS_RESERVED || boot->fats != 1 ||
	    flags & FLAG_ACTIVE_FAT) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "exFAT revision %u.%02u with flags 0x%x and %u tables (TexFAT has two)",
			    revision >> 8, revision & 0xff, flags, boot->fats);
		return false;
	}
	if (flags & (FLAG_VOLUME_DIRTY | FLAG_MEDIA_FAILURE)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED, "exFAT that %s",
			    flags & FLAG_VOLUME_DIRTY ? "was not cleanly unmounted"
						      : "reports failures of its medium");
		return false;
	}
	return true;
}

/* Section 3.1: what no exFAT can have, before anything is calculated from it. */
static bool check_fields(const struct exfat_boot_sector *boot, GError **error)
{
	static const uint8_t jump[] = { 0xeb, 0x76, 0x90 };

	if (memcmp(boot->jump, jump, sizeof(jump)) != 0 || memcmp(boot->name, "EXFAT   ", 8) != 0 ||
	    !is_zero(boot->zero, sizeof(boot->zero)) || le16_get(boot->signature) != 0xaa55) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "exFAT whose boot sector is none");
		return false;
	}
	if (boot->sector_shift < 9 || boot->sector_shift > 12 ||
	    boot->cluster_shift > 25 - boot->sector_shift) {
		damaged(error, "with sectors and clusters of impossible sizes, as powers of two",
			boot->sector_shift, boot->cluster_shift);
		return false;
	}
	if (boot->percent > 100 && boot->percent != PERCENT_UNKNOWN) {
		damaged(error, "with more than all clusters in use, in percent", boot->percent,
			100);
		return false;
	}
	return check_flags(boot, error);
}

/* Sections 3.1.5 to 3.1.10.  Nothing overflows: 32 bits of clusters of at most 2^25 bytes. */
static bool check_places(const Volume *volume, const struct exfat_boot_sector *boot,
			 struct exfat *ret, GError **error)
{
	uint64_t sector = UINT64_C(1) << boot->sector_shift, total = le64_get(boot->volume_sectors);
	uint64_t fat = le32_get(boot->fat_sector), fat_length = le32_get(boot->fat_sectors);
	uint64_t heap = le32_get(boot->heap_sector), clusters = le32_get(boot->clusters);
	uint32_t root = le32_get(boot->root_cluster);

	if (total > volume->size / sector || total < (1 << 20) / sector)
		damaged(error, "of more sectors than its volume, or fewer than an MiB", total,
			volume->size / sector);
	else if (clusters == 0 || clusters > CLUSTERS_MAX || heap > total ||
		 clusters << boot->cluster_shift > total - heap)
		damaged(error, "whose clusters end beyond its last sector", clusters, total);
	else if (fat < FIRST_FAT_SECTOR || fat + fat_length > heap)
		damaged(error, "whose table is not between boot region and clusters", fat,
			fat_length);
	else if (fat_length * sector / 4 < clusters + 2)
		damaged(error, "whose table is too small, by its sectors and clusters", fat_length,
			clusters);
	else if (root < 2 || root - 2 >= clusters)
		damaged(error, "whose root directory is in none of its clusters", root, clusters);
	else {
		*ret = (struct exfat){
			.volume = volume,
			.sector_size = (uint32_t)sector,
			.cluster_size = (uint32_t)sector << boot->cluster_shift,
			.clusters = (uint32_t)clusters,
			.root_cluster = root,
			.fat_offset = fat * sector,
			.heap_offset = heap * sector,
			.percent = boot->percent,
		};
		return true;
	}
	return false;
}

/* Section 3.4, of the sectors before the one that holds it. */
static uint32_t region_checksum(const uint8_t *region, uint32_t sector_size)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < (REGION_SECTORS - 1) * sector_size; i++) {
		bool varies = i == offsetof(struct exfat_boot_sector, flags) ||
			      i == offsetof(struct exfat_boot_sector, flags) + 1 ||
			      i == offsetof(struct exfat_boot_sector, percent);

		if (!varies)
			sum = (sum << 31 | sum >> 1) + region[i];
	}
	return sum;
}

static bool check_region(const uint8_t *region, uint32_t sector_size, const char *name,
			 GError **error)
{
	const uint8_t *sums = region + (REGION_SECTORS - 1) * sector_size;
	uint32_t want = region_checksum(region, sector_size);

	for (uint32_t i = 0; i < sector_size; i += sizeof(le32)) {
		le32 got;

		memcpy(&got, sums + i, sizeof(got));
		if (le32_get(got) == want)
			continue;
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "exFAT whose %s has checksum 0x%08" PRIx32 " and not 0x%08" PRIx32,
			    name, want, le32_get(got));
		return false;
	}
	return true;
}

/* Both regions are whole and say the same of the places; boot code and flags may differ. */
static bool check_regions(const struct exfat *exfat, GError **error)
{
	const size_t from = offsetof(struct exfat_boot_sector, volume_sectors),
		     flags = offsetof(struct exfat_boot_sector, flags),
		     shifts = offsetof(struct exfat_boot_sector, sector_shift);
	size_t size = REGION_SECTORS * exfat->sector_size;
	g_autofree uint8_t *first = g_malloc(2 * size);
	const uint8_t *backup = first + size;

	if (!volume_read(exfat->volume, 0, first, 2 * size, error) ||
	    !check_region(first, exfat->sector_size, "boot region", error) ||
	    !check_region(backup, exfat->sector_size, "backup boot region", error))
		return false;
	if (memcmp(first + from, backup + from, flags - from) != 0 ||
	    memcmp(first + shifts, backup + shifts, 3) != 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "exFAT whose boot region differs from its backup");
		return false;
	}
	return true;
}

static uint64_t cluster_offset(const struct exfat *exfat, uint32_t cluster)
{
	return exfat->heap_offset + (uint64_t)(cluster - 2) * exfat->cluster_size;
}

/*
 * Add the clusters of the chain from @cluster on to @chain (of uint32_t).  It ends: after
 * @most clusters it fails.
 */
static bool walk_chain(const struct exfat *exfat, const char *what, uint32_t cluster, uint64_t most,
		       GArray *chain, GError **error)
{
	le32 next;

	for (uint64_t n = 0; cluster != CHAIN_END; n++) {
		if (n >= most || cluster < 2 || cluster - 2 >= exfat->clusters) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
				    "exFAT whose %s goes on to cluster %" PRIu32 " after %" PRIu64
				    " of at most %" PRIu64,
				    what, cluster, n, most);
			return false;
		}
		g_array_append_val(chain, cluster);
		if (!volume_read(exfat->volume, exfat->fat_offset + UINT64_C(4) * cluster, &next,
				 sizeof(next), error))
			return false;
		cluster = le32_get(next);
	}
	return true;
}

/* Sections 6.2 and 7.  A primary entry that is not benign and not known is a new feature. */
static bool take_entry(const struct exfat_entry *entry, struct found_entries *found, GError **error)
{
	switch (entry->type) {
	case ENTRY_BITMAP:
		found->n_bitmaps++;
		found->bitmap = *entry;
		return true;
	case ENTRY_UPCASE:
		found->n_upcases++;
		found->upcase = *entry;
		return true;
	case ENTRY_LABEL:
	case ENTRY_FILE:
		return true;
	}
	if (!(entry->type & ENTRY_IN_USE) || entry->type & ENTRY_SECONDARY ||
	    (entry->type & ENTRY_BENIGN && entry->type != ENTRY_TEXFAT_PADDING))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
		    "exFAT with an entry of type 0x%02x in its root directory", entry->type);
	return false;
}

/* The entries of one cluster; @ret_end when the directory ends in it. */
static bool read_entries(const struct exfat *exfat, uint32_t cluster, struct found_entries *found,
			 bool *ret_end, GError **error)
{
	uint64_t offset = cluster_offset(exfat, cluster);
	struct exfat_entry entries[512 / ENTRY_SIZE];

	for (uint32_t at = 0; at < exfat->cluster_size; at += sizeof(entries)) {
		if (!volume_read(exfat->volume, offset + at, entries, sizeof(entries), error))
			return false;
		for (size_t i = 0; i < G_N_ELEMENTS(entries); i++) {
			*ret_end = entries[i].type == ENTRY_END;
			if (*ret_end)
				return true;
			if (!take_entry(&entries[i], found, error))
				return false;
		}
	}
	return true;
}

/* @clusters takes those of the root directory itself. */
static bool read_root(const struct exfat *exfat, GArray *clusters, struct found_entries *ret,
		      GError **error)
{
	struct found_entries found = { 0 };
	bool end = false;

	if (!walk_chain(exfat, "root directory", exfat->root_cluster,
			MAX(DIRECTORY_MAX / exfat->cluster_size, 1u), clusters, error))
		return false;
	for (unsigned int i = 0; i < clusters->len && !end; i++)
		if (!read_entries(exfat, g_array_index(clusters, uint32_t, i), &found, &end, error))
			return false;
	if (found.n_bitmaps != 1 || found.n_upcases != 1) {
		damaged(error, "with other than one bitmap and one up-case table", found.n_bitmaps,
			found.n_upcases);
		return false;
	}
	*ret = found;
	return true;
}

/* As walk_chain(), of what an entry names: it has as many clusters as its bytes need. */
static bool walk_entry(const struct exfat *exfat, const char *what, const struct exfat_entry *entry,
		       GArray *chain, GError **error)
{
	uint64_t size = le64_get(entry->size), want = size / exfat->cluster_size;
	unsigned int before = chain->len;

	want += size % exfat->cluster_size != 0;
	if (!walk_chain(exfat, what, le32_get(entry->first_cluster), want, chain, error))
		return false;
	if (chain->len - before == want)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "exFAT whose %s of %" PRIu64 " bytes has %u clusters of %" PRIu32, what, size,
		    chain->len - before, exfat->cluster_size);
	return false;
}

/*
 * Section 7.1.  By the specification the bitmap may lie anywhere, as the table says; but systems
 * take it for one piece, so that of another they would have used other bits.
 */
static bool check_bitmap(const struct exfat *exfat, const struct exfat_entry *entry,
			 GArray *clusters, GError **error)
{
	uint64_t size = le64_get(entry->size), want = (exfat->clusters + UINT64_C(7)) / 8;
	uint32_t first = le32_get(entry->first_cluster);
	unsigned int start = clusters->len;

	if (size != want || entry->flags != 0) {
		damaged(error, "with a bitmap of more or fewer bytes than its clusters need", size,
			want);
		return false;
	}
	if (!walk_entry(exfat, "bitmap", entry, clusters, error))
		return false;
	for (unsigned int i = start; i < clusters->len; i++)
		if (g_array_index(clusters, uint32_t, i) != first + (i - start)) {
			damaged(error, "with a bitmap in more than one piece", first, i - start);
			return false;
		}
	return true;
}

/* Section 7.2. */
static bool check_upcase(const struct exfat *exfat, const struct exfat_entry *entry,
			 GArray *clusters, GError **error)
{
	uint64_t size = le64_get(entry->size);

	if (size == 0 || size > UPCASE_MAX) {
		damaged(error, "with an up-case table of no or too many bytes", size, UPCASE_MAX);
		return false;
	}
	return walk_entry(exfat, "up-case table", entry, clusters, error);
}

static int compare_clusters(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static bool check_distinct(const GArray *sorted, GError **error)
{
	for (unsigned int i = 1; i < sorted->len; i++) {
		uint32_t cluster = g_array_index(sorted, uint32_t, i);

		if (cluster == g_array_index(sorted, uint32_t, i - 1)) {
			damaged(error, "that uses a cluster twice", cluster, i);
			return false;
		}
	}
	return true;
}

static bool bit(const uint8_t *bitmap, uint32_t i)
{
	return bitmap[i / 8] >> i % 8 & 1;
}

/* The clusters from @first on, of which @bitmap has @n bits; returns how many are in use. */
static uint32_t use_clusters(const struct exfat *exfat, const uint8_t *bitmap, uint32_t first,
			     uint32_t n)
{
	uint32_t sum = 0;

	for (uint32_t i = 0, end; i < n; i = end) {
		end = i + 1;
		if (!bit(bitmap, i))
			continue;
		while (end < n && bit(bitmap, end))
			end++;
		volume_use(exfat->volume, cluster_offset(exfat, first + i),
			   (uint64_t)(end - i) * exfat->cluster_size);
		sum += end - i;
	}
	return sum;
}

/* @known, sorted, are clusters that must be in use. */
static bool read_bitmap(const struct exfat *exfat, uint32_t bitmap_cluster, const GArray *known,
			uint64_t *ret_used, GError **error)
{
	uint64_t offset = cluster_offset(exfat, bitmap_cluster), used = 0;
	g_autofree uint8_t *bits = g_malloc(BITMAP_CHUNK);
	unsigned int next_known = 0;

	for (uint64_t done = 0; done < exfat->clusters; done += BITMAP_CHUNK * 8) {
		uint32_t n = (uint32_t)MIN(exfat->clusters - done, BITMAP_CHUNK * 8);
		uint32_t first = (uint32_t)done + 2;

		if (!volume_read(exfat->volume, offset + done / 8, bits, (n + 7) / 8, error))
			return false;
		for (; next_known < known->len; next_known++) {
			uint32_t cluster = g_array_index(known, uint32_t, next_known);

			if (cluster - first >= n)
				break;
			if (!bit(bits, cluster - first)) {
				damaged(error, "whose own structures are free in its bitmap",
					cluster, exfat->clusters);
				return false;
			}
		}
		used += use_clusters(exfat, bits, first, n);
	}
	*ret_used = used;
	return true;
}

/*
 * Section 3.1.18; some round to the nearest.  Linux does not keep it: a smaller one says nothing,
 * but a larger one that the bitmap may have lost clusters.
 */
static bool check_percent(const struct exfat *exfat, uint64_t used, GError **error)
{
	if (exfat->percent == PERCENT_UNKNOWN || exfat->percent <= used * 100 / exfat->clusters + 1)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "exFAT with %u%% of its clusters in use, but %" PRIu64 " of %" PRIu32
		    " by its bitmap",
		    exfat->percent, used, exfat->clusters);
	return false;
}

static bool exfat_map(const Volume *volume, const char *content, const struct map_options *options,
		      struct map_found *ret, GError **error)
{
	g_autoptr(GArray) known = g_array_new(false, false, sizeof(uint32_t));
	struct exfat_boot_sector boot;
	struct found_entries found;
	uint64_t used, end;
	struct exfat exfat;

	if (!volume_read(volume, 0, &boot, sizeof(boot), error) || !check_fields(&boot, error) ||
	    !check_places(volume, &boot, &exfat, error) || !check_regions(&exfat, error) ||
	    !read_root(&exfat, known, &found, error) ||
	    !check_bitmap(&exfat, &found.bitmap, known, error) ||
	    !check_upcase(&exfat, &found.upcase, known, error))
		return false;
	g_array_sort(known, compare_clusters);
	if (!check_distinct(known, error) ||
	    !read_bitmap(&exfat, le32_get(found.bitmap.first_cluster), known, &used, error) ||
	    !check_percent(&exfat, used, error))
		return false;

	end = exfat.heap_offset + (uint64_t)exfat.clusters * exfat.cluster_size;
	volume_use(volume, 0, exfat.heap_offset);
	volume_use(volume, end, volume->size - end);
	ret->how = g_strdup("exFAT, clean");
	return true;
}

static const char *const exfat_contents[] = { "exfat", NULL };

const struct map_driver map_exfat = {
	.contents = exfat_contents,
	.map = exfat_map,
};
