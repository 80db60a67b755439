/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chunks are checked when they are added, so that what is in one lies on its devices. */
#include "map/btrfs-chunks.h"

#include "base/error.h"

#include <inttypes.h>
#include <string.h>

#define KINDS (BTRFS_GROUP_DATA | BTRFS_GROUP_SYSTEM | BTRFS_GROUP_METADATA)

/* Of @copies 0, the stripes less @parity are the columns; else the stripes by the copies are. */
struct profile {
	uint64_t type;         /* 0: single */
	unsigned int min, max; /* stripes */
	unsigned int copies, parity;
	bool spread; /* over several columns */
};

static const struct profile profiles[] = {
	{ 0, 1, 1, 1, 0, false },
	{ BTRFS_GROUP_DUP, 2, 2, 2, 0, false },
	{ BTRFS_GROUP_RAID0, 1, UINT16_MAX, 1, 0, true },
	{ BTRFS_GROUP_RAID1, 2, 2, 2, 0, false },
	{ BTRFS_GROUP_RAID1C3, 3, 3, 3, 0, false },
	{ BTRFS_GROUP_RAID1C4, 4, 4, 4, 0, false },
	{ BTRFS_GROUP_RAID10, 2, UINT16_MAX, 2, 0, true },
	{ BTRFS_GROUP_RAID5, 2, UINT16_MAX, 0, 1, true },
	{ BTRFS_GROUP_RAID6, 3, UINT16_MAX, 0, 2, true },
};

BtrfsChunks *btrfs_chunks_new(GArray *devices, uint32_t sector_size)
{
	BtrfsChunks *chunks = g_new0(BtrfsChunks, 1);

	chunks->devices = g_array_ref(devices);
	chunks->chunks = g_array_new(false, false, sizeof(struct btrfs_chunk));
	chunks->stripes = g_array_new(false, false, sizeof(struct btrfs_stripe));
	chunks->sector_size = sector_size;
	return chunks;
}

void btrfs_chunks_free(BtrfsChunks *chunks)
{
	if (!chunks)
		return;
	g_array_unref(chunks->devices);
	g_array_unref(chunks->chunks);
	g_array_unref(chunks->stripes);
	g_free(chunks);
}

int btrfs_chunks_find_device(const BtrfsChunks *chunks, uint64_t id)
{
	for (unsigned int i = 0; i < chunks->devices->len; i++)
		if (g_array_index(chunks->devices, struct btrfs_device, i).id == id)
			return (int)i;
	return -1;
}

static const struct btrfs_device *device_of(const BtrfsChunks *chunks,
					    const struct btrfs_stripe *stripe)
{
	return &g_array_index(chunks->devices, struct btrfs_device, stripe->device);
}

const struct btrfs_stripe *btrfs_chunk_stripe(const BtrfsChunks *chunks,
					      const struct btrfs_chunk *chunk, unsigned int i)
{
	return &g_array_index(chunks->stripes, struct btrfs_stripe, chunk->first_stripe + i);
}

uint64_t btrfs_chunk_stripe_length(const struct btrfs_chunk *chunk)
{
	return chunk->length / chunk->columns;
}

static struct btrfs_chunk *chunk_at(const BtrfsChunks *chunks, unsigned int i)
{
	return &g_array_index(chunks->chunks, struct btrfs_chunk, i);
}

/* How many chunks begin at @logical or before it. */
static unsigned int count_until(const BtrfsChunks *chunks, uint64_t logical)
{
	unsigned int low = 0, high = chunks->chunks->len;

	if (high > 0 && chunk_at(chunks, high - 1)->logical <= logical)
		return high;
	while (low < high) { /* ends: it halves */
		unsigned int middle = low + (high - low) / 2;

		if (chunk_at(chunks, middle)->logical <= logical)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct btrfs_chunk *btrfs_chunks_find(const BtrfsChunks *chunks, uint64_t logical,
					    uint64_t length)
{
	unsigned int n = count_until(chunks, logical);
	const struct btrfs_chunk *chunk;
	uint64_t at;

	if (n == 0)
		return NULL;
	chunk = chunk_at(chunks, n - 1);
	at = logical - chunk->logical;
	return at < chunk->length && length <= chunk->length - at ? chunk : NULL;
}

static const struct profile *find_profile(uint64_t type)
{
	uint64_t raid = type & ~KINDS;

	for (size_t i = 0; i < G_N_ELEMENTS(profiles); i++)
		if (profiles[i].type == raid && (type & KINDS) != 0)
			return &profiles[i];
	return NULL;
}

/* Fills in @ret, but for where its stripes are. */
static bool read_chunk(const BtrfsChunks *chunks, uint64_t logical,
		       const struct btrfs_disk_chunk *disk, size_t size, struct btrfs_chunk *ret,
		       GError **error)
{
	uint64_t length = le64_get(disk->length), type = le64_get(disk->type), end;
	unsigned int n = le16_get(disk->n_stripes);
	const struct profile *profile = find_profile(type);
	uint64_t unit;

	if (!profile) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "btrfs whose chunk at %" PRIu64 " has the type 0x%" PRIx64
			    ", which is not followed",
			    logical, type);
		return false;
	}
	*ret = (struct btrfs_chunk){
		.logical = logical,
		.length = length,
		.type = type,
		.n_stripes = n,
		.copies = profile->copies,
		.columns = profile->copies ? n / profile->copies : n - profile->parity,
	};
	unit = profile->spread ? BTRFS_STRIPE_LEN * MAX(ret->columns, 1) : chunks->sector_size;
	if (n < profile->min || n > profile->max || (profile->copies && n % profile->copies != 0) ||
	    size != sizeof(*disk) + n * sizeof(struct btrfs_disk_stripe) ||
	    le64_get(disk->stripe_len) != BTRFS_STRIPE_LEN || length == 0 || length % unit != 0 ||
	    logical % chunks->sector_size != 0 || __builtin_add_overflow(logical, length, &end) ||
	    (type & BTRFS_GROUP_RAID10 && le16_get(disk->sub_stripes) != profile->copies)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "btrfs whose chunk at %" PRIu64 " has %" PRIu64
			    " bytes in %u stripes of type 0x%" PRIx64,
			    logical, length, n, type);
		return false;
	}
	return true;
}

static bool add_stripe(BtrfsChunks *chunks, const struct btrfs_chunk *chunk,
		       const struct btrfs_disk_stripe *disk, GError **error)
{
	uint64_t id = le64_get(disk->device), offset = le64_get(disk->offset);
	uint64_t length = btrfs_chunk_stripe_length(chunk);
	int i = btrfs_chunks_find_device(chunks, id);
	const struct btrfs_device *device;
	struct btrfs_stripe stripe;

	if (i < 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "btrfs whose chunk at %" PRIu64 " lies on a device %" PRIu64
			    " that it does not have",
			    chunk->logical, id);
		return false;
	}
	device = &g_array_index(chunks->devices, struct btrfs_device, i);
	if (memcmp(disk->uuid, device->uuid, sizeof(device->uuid)) != 0 || offset > device->size ||
	    length > device->size - offset) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "btrfs whose chunk at %" PRIu64 " takes %" PRIu64 " bytes at %" PRIu64
			    " of device %" PRIu64 ", which has %" PRIu64 " or is another",
			    chunk->logical, length, offset, id, device->size);
		return false;
	}
	stripe = (struct btrfs_stripe){ (uint32_t)i, offset };
	g_array_append_val(chunks->stripes, stripe);
	return true;
}

static bool check_place(const BtrfsChunks *chunks, unsigned int index,
			const struct btrfs_chunk *chunk, GError **error)
{
	const struct btrfs_chunk *before = index > 0 ? chunk_at(chunks, index - 1) : NULL;

	if ((!before || before->logical + before->length <= chunk->logical) &&
	    (index >= chunks->chunks->len ||
	     chunk->logical + chunk->length <= chunk_at(chunks, index)->logical))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "btrfs whose chunk at %" PRIu64 ", of %" PRIu64 " bytes, lies over another",
		    chunk->logical, chunk->length);
	return false;
}

bool btrfs_chunks_add(BtrfsChunks *chunks, uint64_t logical, const uint8_t *item, size_t size,
		      GError **error)
{
	unsigned int index = count_until(chunks, logical);
	struct btrfs_disk_stripe stripe;
	struct btrfs_disk_chunk disk;
	struct btrfs_chunk chunk;

	if (size < sizeof(disk)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "btrfs whose chunk at %" PRIu64 " has only %zu bytes", logical, size);
		return false;
	}
	memcpy(&disk, item, sizeof(disk));
	if (!read_chunk(chunks, logical, &disk, size, &chunk, error) ||
	    !check_place(chunks, index, &chunk, error))
		return false;
	if (chunks->stripes->len + chunk.n_stripes > BTRFS_MAX_STRIPES) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "btrfs whose chunks have more than %zu stripes", BTRFS_MAX_STRIPES);
		return false;
	}
	chunk.first_stripe = chunks->stripes->len;
	for (unsigned int i = 0; i < chunk.n_stripes; i++) {
		memcpy(&stripe, item + sizeof(disk) + i * sizeof(stripe), sizeof(stripe));
		if (!add_stripe(chunks, &chunk, &stripe, error))
			return false;
	}
	g_array_insert_val(chunks->chunks, index, chunk);
	return true;
}

bool btrfs_chunks_add_array(BtrfsChunks *chunks, const uint8_t *array, size_t size, GError **error)
{
	struct btrfs_disk_chunk disk;
	struct btrfs_disk_key key;
	size_t at = 0;

	while (at < size) { /* ends: @at grows */
		size_t left = size - at, length;

		if (left < sizeof(key) + sizeof(disk))
			break;
		memcpy(&key, array + at, sizeof(key));
		memcpy(&disk, array + at + sizeof(key), sizeof(disk));
		length = sizeof(disk) + le16_get(disk.n_stripes) * sizeof(struct btrfs_disk_stripe);
		if (key.type != BTRFS_CHUNK_ITEM || length > left - sizeof(key))
			break;
		if (!btrfs_chunks_add(chunks, le64_get(key.offset), array + at + sizeof(key),
				      length, error))
			return false;
		at += sizeof(key) + length;
	}
	if (at == size)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "btrfs whose superblock has no system chunk at %zu of %zu bytes", at, size);
	return false;
}

static bool same_chunk(const BtrfsChunks *a, const struct btrfs_chunk *x, const BtrfsChunks *b,
		       const struct btrfs_chunk *y)
{
	if (x->logical != y->logical || x->length != y->length || x->type != y->type ||
	    x->n_stripes != y->n_stripes)
		return false;
	for (unsigned int i = 0; i < x->n_stripes; i++) {
		const struct btrfs_stripe *s = btrfs_chunk_stripe(a, x, i);
		const struct btrfs_stripe *t = btrfs_chunk_stripe(b, y, i);

		if (s->device != t->device || s->offset != t->offset)
			return false;
	}
	return true;
}

bool btrfs_chunks_contain(const BtrfsChunks *chunks, const BtrfsChunks *some)
{
	for (unsigned int i = 0; i < some->chunks->len; i++) {
		const struct btrfs_chunk *chunk = chunk_at(some, i);
		const struct btrfs_chunk *same =
		    btrfs_chunks_find(chunks, chunk->logical, chunk->length);

		if (!same || !same_chunk(some, chunk, chunks, same))
			return false;
	}
	return true;
}

unsigned int btrfs_chunks_count_copies(const BtrfsChunks *chunks, uint64_t logical)
{
	const struct btrfs_chunk *chunk = btrfs_chunks_find(chunks, logical, 1);

	return chunk ? MAX(chunk->copies, 1) : 0;
}

/* Which stripe holds row @row of column @column: with parity, each row begins one further on. */
static unsigned int stripe_index(const struct btrfs_chunk *chunk, unsigned int column, uint64_t row,
				 unsigned int copy)
{
	if (chunk->copies == 0)
		return (unsigned int)((column + row) % chunk->n_stripes);
	return column * chunk->copies + copy;
}

bool btrfs_chunks_read(const BtrfsChunks *chunks, uint64_t logical, unsigned int copy, uint8_t *buf,
		       size_t len, GError **error)
{
	const struct btrfs_chunk *chunk = btrfs_chunks_find(chunks, logical, len);
	uint64_t at;

	if (!chunk) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "btrfs with %zu bytes at %" PRIu64 ", which are not in one chunk", len,
			    logical);
		return false;
	}
	at = logical - chunk->logical;
	while (len > 0) { /* ends: each piece is not empty */
		uint64_t unit = at / BTRFS_STRIPE_LEN, row = unit / chunk->columns;
		unsigned int column = (unsigned int)(unit % chunk->columns);
		size_t piece = (size_t)MIN(len, BTRFS_STRIPE_LEN - at % BTRFS_STRIPE_LEN);
		const struct btrfs_stripe *stripe =
		    btrfs_chunk_stripe(chunks, chunk, stripe_index(chunk, column, row, copy));

		if (!volume_read(device_of(chunks, stripe)->volume,
				 stripe->offset + row * BTRFS_STRIPE_LEN + at % BTRFS_STRIPE_LEN,
				 buf, piece, error))
			return false;
		buf += piece;
		at += piece;
		len -= piece;
	}
	return true;
}

/*
 * The bytes [@from, @to) of @chunk that are in @column are one run of its stripes: the units of
 * 64 KiB that follow each other there.
 */
static void use_column(const BtrfsChunks *chunks, const struct btrfs_chunk *chunk,
		       unsigned int column, uint64_t from, uint64_t to)
{
	uint64_t first = from / BTRFS_STRIPE_LEN, last = (to - 1) / BTRFS_STRIPE_LEN;
	uint64_t n = chunk->columns, start, end;
	uint64_t head = first + (column + n - first % n) % n; /* the first unit in the column */
	uint64_t tail = last - (last % n + n - column) % n; /* the last; less when there is none */

	if (head > last)
		return;
	start = head / n * BTRFS_STRIPE_LEN + (head == first ? from % BTRFS_STRIPE_LEN : 0);
	end = tail / n * BTRFS_STRIPE_LEN +
	      (tail == last ? (to - 1) % BTRFS_STRIPE_LEN + 1 : BTRFS_STRIPE_LEN);
	for (unsigned int copy = 0; copy < chunk->copies; copy++) {
		const struct btrfs_stripe *stripe =
		    btrfs_chunk_stripe(chunks, chunk, column * chunk->copies + copy);

		volume_use(device_of(chunks, stripe)->volume, stripe->offset + start, end - start);
	}
}

static void use_whole(const BtrfsChunks *chunks, const struct btrfs_chunk *chunk)
{
	for (unsigned int i = 0; i < chunk->n_stripes; i++) {
		const struct btrfs_stripe *stripe = btrfs_chunk_stripe(chunks, chunk, i);

		volume_use(device_of(chunks, stripe)->volume, stripe->offset,
			   btrfs_chunk_stripe_length(chunk));
	}
}

bool btrfs_chunks_use(const BtrfsChunks *chunks, uint64_t logical, uint64_t length, GError **error)
{
	const struct btrfs_chunk *chunk = btrfs_chunks_find(chunks, logical, length);

	if (!chunk || length == 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "btrfs with %" PRIu64 " bytes in use at %" PRIu64
			    ", which are not in one chunk",
			    length, logical);
		return false;
	}
	if (chunk->copies == 0)
		return true; /* see btrfs_chunks_use_parity() */
	for (unsigned int column = 0; column < chunk->columns; column++)
		use_column(chunks, chunk, column, logical - chunk->logical,
			   logical - chunk->logical + length);
	return true;
}

void btrfs_chunks_use_parity(const BtrfsChunks *chunks)
{
	for (unsigned int i = 0; i < chunks->chunks->len; i++)
		if (chunk_at(chunks, i)->copies == 0)
			use_whole(chunks, chunk_at(chunks, i));
}
