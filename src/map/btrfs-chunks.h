/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the logical bytes of a btrfs lie on its devices.
 *
 *	logical   [---- chunk ----][-------- chunk, RAID10 --------]
 *	                |             column 0       column 1          64 KiB each in turn
 *	stripes        one           copy  copy     copy  copy
 *	                |               |     |        |     |
 *	devices    [....XXXX....] [..XXXX..] [XXXX..] [..XX..] [..XX..]
 *
 * "Volume management" and "On-disk Format" of the btrfs documentation; the turns are those of
 * btrfs_map_block() in the kernel's fs/btrfs/volumes.c.
 */
#pragma once

#include "map/btrfs-disk.h"
#include "map/volume.h"

/* 64 MiB of memory for chunks and stripes; 1 TiB has about 1,000 of them. */
#define BTRFS_MAX_STRIPES ((size_t)1 << 19)

struct btrfs_device {
	const Volume *volume; /* borrowed */
	uint64_t id;
	uint8_t uuid[16];
	uint64_t size; /* bytes of the volume that the filesystem may use */
};

struct btrfs_stripe {
	uint32_t device; /* the index of it */
	uint64_t offset; /* bytes, on the device */
};

struct btrfs_chunk {
	uint64_t logical, length; /* bytes */
	uint64_t type;            /* BTRFS_GROUP_* */
	uint32_t first_stripe, n_stripes;
	uint32_t columns; /* over which the bytes are dealt out */
	uint32_t copies;  /* of each; 0: there is parity, and the stripes take turns in it */
};

typedef struct {
	GArray *devices; /* of struct btrfs_device */
	GArray *chunks;  /* of struct btrfs_chunk, ascending, none over another */
	GArray *stripes; /* of struct btrfs_stripe */
	uint32_t sector_size;
} BtrfsChunks;

/* No chunks yet.  @devices (of struct btrfs_device) get a reference; their ids differ. */
BtrfsChunks *btrfs_chunks_new(GArray *devices, uint32_t sector_size);

/* The index of the device with this id; -1: there is none. */
int btrfs_chunks_find_device(const BtrfsChunks *chunks, uint64_t id);

/*
 * Add the chunk at @logical.  @item, of @size bytes, is a CHUNK_ITEM; they come in any order, and
 * ascending ones are fast.  WHERRY_ERROR_DAMAGED, or _UNSUPPORTED for a profile that is not known.
 */
bool btrfs_chunks_add(BtrfsChunks *chunks, uint64_t logical, const uint8_t *item, size_t size,
		      GError **error);

/* Those of a superblock's sys_chunk_array. */
bool btrfs_chunks_add_array(BtrfsChunks *chunks, const uint8_t *array, size_t size, GError **error);

/* The chunk that all of [@logical, @logical + @length) lies in, or NULL. */
const struct btrfs_chunk *btrfs_chunks_find(const BtrfsChunks *chunks, uint64_t logical,
					    uint64_t length);

const struct btrfs_stripe *btrfs_chunk_stripe(const BtrfsChunks *chunks,
					      const struct btrfs_chunk *chunk, unsigned int i);

/* How many bytes of each of its stripes' devices it takes. */
uint64_t btrfs_chunk_stripe_length(const struct btrfs_chunk *chunk);

/* Whether every chunk of @some is in @chunks, too, and the same. */
bool btrfs_chunks_contain(const BtrfsChunks *chunks, const BtrfsChunks *some);

/* How many copies of what is at @logical can be read; 0: it is in no chunk. */
unsigned int btrfs_chunks_count_copies(const BtrfsChunks *chunks, uint64_t logical);

/* Read from the copy @copy, counted from 0. */
bool btrfs_chunks_read(const BtrfsChunks *chunks, uint64_t logical, unsigned int copy, uint8_t *buf,
		       size_t len, GError **error);

/*
 * All copies of [@logical, @logical + @length) are in use; WHERRY_ERROR_DAMAGED when it is not in
 * one chunk.  Of a chunk with parity, all is in use.
 */
bool btrfs_chunks_use(const BtrfsChunks *chunks, uint64_t logical, uint64_t length, GError **error);

/* All of the stripes of those chunks that have parity is in use. */
void btrfs_chunks_use_parity(const BtrfsChunks *chunks);

void btrfs_chunks_free(BtrfsChunks *chunks);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BtrfsChunks, btrfs_chunks_free)
