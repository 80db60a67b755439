/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ext-tool compare DISK REPLAYED BLOCK-SIZE: of an ext filesystem on DISK, compare each block that
 * a replay of its journal writes with the one in REPLAYED, where another program did that.  On
 * stdin are the numbers of the blocks that hold the journal.  Prints how many were compared, and
 * then the numbers of those that differ, one a line.
 */
#include "base/error.h"
#include "map/ext-journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static Volume *read_journal(const Volume *disk, uint32_t block_size, GError **error)
{
	g_autoptr(Volume) journal = volume_new("the journal");
	uint64_t block;

	while (scanf("%" SCNu64, &block) == 1) /* ends with the input */
		if (!volume_add_linear(journal, block_size,
				       (struct volume_place){ disk, block * block_size }, error))
			return NULL;
	return g_steal_pointer(&journal);
}

static bool compare_blocks(const ExtReplay *replay, const Volume *disk, const Volume *replayed,
			   GError **error)
{
	g_autofree uint8_t *ours = g_malloc(replay->block_size);
	g_autofree uint8_t *theirs = g_malloc(replay->block_size);
	const struct block_entry *entry;

	printf("%u blocks\n", replay->blocks->entries->len);
	for (unsigned int i = 0; (entry = block_table_nth(replay->blocks, i)); i++) {
		uint64_t offset = entry->block * replay->block_size;

		if (!ext_replay_read(replay, disk, offset, ours, replay->block_size, error) ||
		    !volume_read(replayed, offset, theirs, replay->block_size, error))
			return false;
		if (memcmp(ours, theirs, replay->block_size) != 0)
			printf("%" PRIu64 "\n", entry->block);
	}
	return true;
}

static bool compare(char **args, GError **error)
{
	g_autoptr(Blkdev) disk = blkdev_open(args[0], error);
	g_autoptr(Blkdev) replayed = disk ? blkdev_open(args[1], error) : NULL;
	g_autoptr(Volume) disk_volume = NULL, replayed_volume = NULL, journal = NULL;
	g_autoptr(ExtReplay) replay = NULL;
	uint64_t block_size;

	if (!replayed || !g_ascii_string_to_unsigned(args[2], 10, 1024, 65536, &block_size, error))
		return false;
	disk_volume = volume_new_disk(disk, NULL);
	replayed_volume = volume_new_disk(replayed, NULL);
	journal = read_journal(disk_volume, (uint32_t)block_size, error);
	if (!journal)
		return false;
	replay = ext_replay_new(journal, (uint32_t)block_size, disk->size / block_size, error);
	return replay && compare_blocks(replay, disk_volume, replayed_volume, error);
}

int main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;

	if (argc != 5 || strcmp(argv[1], "compare") != 0) {
		fprintf(stderr, "usage: ext-tool compare DISK REPLAYED BLOCK-SIZE\n");
		return 2;
	}
	if (!compare(argv + 2, &error)) {
		fprintf(stderr, "ext-tool: %s\n", error->message);
		return 1;
	}
	return 0;
}
