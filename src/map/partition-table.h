/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Partition tables: where on a disk the volumes lie. */
#pragma once

#include "base/extent.h"
#include "map/volume.h"

/* No disk that was seen has more; MBR chains and GPT arrays end here. */
#define PARTITION_MAX 256

struct partition {
	unsigned int number; /* as the kernel counts: from 1 */
	uint64_t offset;     /* bytes, on the disk */
	uint64_t size;       /* bytes */
	char *type;          /* "0x83", or a GUID in lower case */
	char *uuid;          /* of the partition, in lower case; NULL: the table has none */
	char *label;         /* in the table; NULL: none */
};

typedef struct {
	const char *kind;     /* "gpt", "mbr" */
	char *id;             /* of the disk: a GUID in lower case or "0x1234abcd" */
	uint32_t sector_size; /* bytes: the unit that it was read in */
	GArray *partitions;   /* of struct partition; by number; never NULL */
	GArray *structures;   /* of struct extent: the bytes of the table itself; never NULL */
	char *warning;        /* what the user should know, or NULL */
} PartitionTable;

PartitionTable *partition_table_new(const char *kind, uint32_t sector_size);
void partition_table_free(PartitionTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PartitionTable, partition_table_free)

/* What the first sector says. */
enum mbr_kind {
	MBR_NONE,       /* no signature, no entries, or no table at all (a boot sector) */
	MBR_PROTECTIVE, /* an entry says that a GPT is there */
	MBR_TABLE,
};

/*
 * Look at the first sector only.  -1: it cannot be read.  @ret_boot_code: whether there is a
 * signature, and code that a BIOS could start.
 */
int mbr_classify(const Volume *disk, bool *ret_boot_code, GError **error);

/*
 * Read an MBR with its chain of logical partitions.  What cannot be right fails with
 * WHERRY_ERROR_DAMAGED: then nothing is known of where the volumes are.
 */
PartitionTable *mbr_read(const Volume *disk, uint32_t sector_size, GError **error);

/*
 * Beside its protective entry, the MBR of a GPT disk can have others (a hybrid MBR).  What they
 * name and no partition of @gpt is becomes one of its structures, with a warning.
 */
bool mbr_add_hybrid(PartitionTable *gpt, const Volume *disk, GError **error);

/*
 * Read a GPT; from the backup at the end of the disk, with a warning, when the first one is
 * damaged.  1: @ret is set.  0: there is no trace of one.  -1: failed; WHERRY_ERROR_DAMAGED: there
 * is one, and no whole copy.
 */
int gpt_read(const Volume *disk, uint32_t sector_size, PartitionTable **ret, GError **error);
