/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The layout is that of linux-ntfs' documentation, "$Boot", and of the kernel's fs/ntfs3/ntfs.h,
 * struct NTFS_BOOT.  The sectors that it counts do not include the last one, which holds a copy of
 * the boot sector.
 */
#include "map/ntfs-boot.h"

#include "base/error.h"
#include "base/le.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#define MIN_SECTOR_SIZE  256u
#define MAX_SECTOR_SIZE  4096u
#define MAX_CLUSTER_SIZE (2u << 20)
#define MIN_RECORD_SIZE  512u
#define MAX_FILE_RECORD  4096u
#define MAX_INDEX_RECORD 65536u

struct boot_sector {
	uint8_t jump[3];
	char oem[8];
	le16 bytes_per_sector;
	uint8_t sectors_per_cluster;
	uint8_t skip_a[26];
	le64 sectors;
	le64 mft_cluster;
	le64 mirror_cluster;
	uint8_t clusters_per_file_record;
	uint8_t skip_b[3];
	uint8_t clusters_per_index_record;
	uint8_t skip_c[443];
};
static_assert(sizeof(struct boot_sector) == 512, "NTFS_BOOT");
static_assert(offsetof(struct boot_sector, sectors) == 40, "NTFS_BOOT.sectors_per_volume");
static_assert(offsetof(struct boot_sector, clusters_per_file_record) == 64,
	      "NTFS_BOOT.record_size");
static_assert(offsetof(struct boot_sector, clusters_per_index_record) == 68,
	      "NTFS_BOOT.index_size");

static bool power_of_two(uint64_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

/* From 0x80 on a number of @unit is the power of two of which it is the negative; 0: too large. */
static uint64_t decode_size(uint8_t n, uint64_t unit)
{
	unsigned int power = 256u - n;

	if (n < 0x80)
		return n * unit;
	return power < 32 ? UINT64_C(1) << power : 0;
}

/* More than 128 sectors of a cluster are such a power, of sectors. */
static uint64_t cluster_size(const struct boot_sector *sector)
{
	uint64_t bytes = le16_get(sector->bytes_per_sector);

	if (sector->sectors_per_cluster <= 0x80)
		return sector->sectors_per_cluster * bytes;
	return decode_size(sector->sectors_per_cluster, 0) * bytes;
}

static bool check_sizes(const struct boot_sector *sector, uint64_t cluster, GError **error)
{
	uint32_t bytes = le16_get(sector->bytes_per_sector);
	uint64_t file = decode_size(sector->clusters_per_file_record, cluster);
	uint64_t index = decode_size(sector->clusters_per_index_record, cluster);

	if (power_of_two(bytes) && bytes >= MIN_SECTOR_SIZE && bytes <= MAX_SECTOR_SIZE &&
	    power_of_two(cluster) && cluster <= MAX_CLUSTER_SIZE && power_of_two(file) &&
	    file >= MIN_RECORD_SIZE && file >= bytes && file <= MAX_FILE_RECORD &&
	    power_of_two(index) && index >= MIN_RECORD_SIZE && index >= bytes &&
	    index <= MAX_INDEX_RECORD)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "NTFS with sectors of %" PRIu32 " bytes, clusters of %" PRIu64
		    ", file records of %" PRIu64 ", index records of %" PRIu64,
		    bytes, cluster, file, index);
	return false;
}

bool ntfs_boot_read(const Volume *volume, struct ntfs_boot *ret, GError **error)
{
	struct boot_sector sector;
	uint64_t bytes, sectors, cluster, n_clusters, mft, mirror;

	if (!volume_read(volume, 0, &sector, sizeof(sector), error))
		return false;
	cluster = cluster_size(&sector);
	if (!check_sizes(&sector, cluster, error))
		return false;

	sectors = le64_get(sector.sectors);
	if (__builtin_mul_overflow(sectors, le16_get(sector.bytes_per_sector), &bytes) ||
	    bytes > volume->size) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "NTFS of %" PRIu64 " sectors of %u bytes on a volume of %" PRIu64
			    " bytes",
			    sectors, le16_get(sector.bytes_per_sector), volume->size);
		return false;
	}
	n_clusters = bytes / cluster;
	mft = le64_get(sector.mft_cluster);
	mirror = le64_get(sector.mirror_cluster);
	if (mft == 0 || mft >= n_clusters || mirror == 0 || mirror >= n_clusters) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "NTFS of %" PRIu64 " clusters with $MFT at %" PRIu64
			    " and $MFTMirr at %" PRIu64,
			    n_clusters, mft, mirror);
		return false;
	}
	*ret = (struct ntfs_boot){ .cluster_size = (uint32_t)cluster, .n_clusters = n_clusters };
	return true;
}
