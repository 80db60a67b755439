/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as the start of a disk with a partition table: every partition that comes out lies on
 * the disk.  The checksums of a GPT are put right first, or nothing would be behind them.
 */
#include "fuzz-mend.h"
#include "fuzz-volume.h"

#include "map/partition-table.h"

static void check(const PartitionTable *table)
{
	g_assert_cmpuint(table->partitions->len, <=, PARTITION_MAX);
	for (unsigned int i = 0; i < table->partitions->len; i++) {
		const struct partition *p = &g_array_index(table->partitions, struct partition, i);

		g_assert_cmpuint(p->size, >, 0);
		g_assert_cmpuint(p->offset, <, FUZZ_VOLUME_SIZE);
		g_assert_cmpuint(p->size, <=, FUZZ_VOLUME_SIZE - p->offset);
	}
}

static void read_tables(const Volume *volume, uint32_t sector)
{
	g_autoptr(PartitionTable) gpt = NULL, mbr = NULL;
	g_autoptr(GError) gpt_error = NULL, mbr_error = NULL;
	int r = gpt_read(volume, sector, &gpt, &gpt_error);

	g_assert_true((r == 1) == (gpt != NULL) && (r < 0) == (gpt_error != NULL));
	if (gpt)
		check(gpt);
	mbr = mbr_read(volume, sector, &mbr_error);
	g_assert_true((mbr == NULL) == (mbr_error != NULL));
	if (mbr)
		check(mbr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree uint8_t *mended = g_memdup2(data, size);
	g_autoptr(Blkdev) disk = NULL;
	Volume volume = { .size = FUZZ_VOLUME_SIZE };

	mend_gpt(mended, size, 512);
	mend_gpt(mended, size, 4096);
	disk = fuzz_disk(mended, size);
	volume.disk = disk;
	read_tables(&volume, 512);
	read_tables(&volume, 4096);
	return 0;
}
