/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Follows a range of a volume down to the disks.  Nothing reaches beyond the volume that it was
 * asked of: a neighbour's bytes would be taken for its own.
 */
#include "map/volume.h"

#include "base/error.h"

#include <inttypes.h>

enum segment_kind {
	SEGMENT_LINEAR,
	SEGMENT_STRIPED,
	SEGMENT_MIRRORED,
	SEGMENT_HIDDEN,
};

struct segment {
	enum segment_kind kind;
	uint64_t start;              /* bytes, in the volume */
	uint64_t length;             /* bytes */
	uint64_t stripe;             /* bytes; only of SEGMENT_STRIPED */
	struct volume_place *places; /* NULL: SEGMENT_HIDDEN */
	unsigned int n_places;
	unsigned int read_from; /* only of SEGMENT_MIRRORED */
};

/* A part of a request that lies on one volume below, or, mirrored, alike on several, or nowhere. */
struct piece {
	const struct segment *segment;
	unsigned int place;
	uint64_t offset; /* bytes, from the offset of the place */
	uint64_t length; /* bytes */
};

static void segment_clear(void *p)
{
	g_free(((struct segment *)p)->places);
}

Volume *volume_new(const char *name)
{
	Volume *volume = g_new0(Volume, 1);

	volume->name = g_strdup(name);
	volume->segments = g_array_new(false, false, sizeof(struct segment));
	g_array_set_clear_func(volume->segments, segment_clear);
	return volume;
}

Volume *volume_new_disk(const Blkdev *disk, UsedMap *used)
{
	Volume *volume = g_new0(Volume, 1);

	volume->name = g_strdup(disk->name);
	volume->size = disk->size;
	volume->disk = disk;
	volume->used = used;
	return volume;
}

/* @share: how many bytes of the segment each place holds. */
static bool add_segment(Volume *volume, struct segment segment, uint64_t share,
			const struct volume_place *places, GError **error)
{
	unsigned int depth = 0, copy = 0;
	uint64_t end;

	if (__builtin_add_overflow(volume->size, segment.length, &end)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "%s would have more than 2^64 bytes", volume->name);
		return false;
	}
	for (unsigned int i = 0; i < segment.n_places; i++) {
		const Volume *below = places[i].volume;

		depth = MAX(depth, below->depth + 1);
		copy = MAX(copy, below->copy);
		if (places[i].offset > below->size || share > below->size - places[i].offset) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
				    "%s has %" PRIu64 " bytes at %" PRIu64
				    " of %s, which ends at %" PRIu64,
				    volume->name, share, places[i].offset, below->name,
				    below->size);
			return false;
		}
	}
	segment.start = volume->size;
	segment.places = g_memdup2(places, segment.n_places * sizeof(*places));
	g_array_append_val(volume->segments, segment);
	volume->size = end;
	volume->depth = MAX(volume->depth, depth);
	volume->copy = MAX(volume->copy, copy);
	return true;
}

bool volume_add_linear(Volume *volume, uint64_t length, struct volume_place place, GError **error)
{
	const struct segment segment = {
		.kind = SEGMENT_LINEAR,
		.length = length,
		.n_places = 1,
	};

	return add_segment(volume, segment, length, &place, error);
}

bool volume_add_striped(Volume *volume, uint64_t length, uint64_t stripe,
			const struct volume_place *places, unsigned int n_places, GError **error)
{
	const struct segment segment = {
		.kind = SEGMENT_STRIPED,
		.length = length,
		.stripe = stripe,
		.n_places = n_places,
	};

	if (stripe == 0 || n_places == 0 || length % stripe != 0 ||
	    length / stripe % n_places != 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "%s has %" PRIu64 " bytes in stripes of %" PRIu64 " on %u volumes",
			    volume->name, length, stripe, n_places);
		return false;
	}
	return add_segment(volume, segment, length / n_places, places, error);
}

bool volume_add_mirrored(Volume *volume, uint64_t length, const struct volume_place *places,
			 unsigned int n_places, unsigned int read_from, GError **error)
{
	const struct segment segment = {
		.kind = SEGMENT_MIRRORED,
		.length = length,
		.n_places = n_places,
		.read_from = read_from,
	};

	g_assert(read_from < n_places);
	return add_segment(volume, segment, length, places, error);
}

bool volume_add_hidden(Volume *volume, uint64_t length, GError **error)
{
	const struct segment segment = {
		.kind = SEGMENT_HIDDEN,
		.length = length,
	};

	return add_segment(volume, segment, 0, NULL, error);
}

Volume *volume_new_part(const char *name, const Volume *below, uint64_t offset, uint64_t size,
			GError **error)
{
	g_autoptr(Volume) volume = volume_new(name);

	if (!volume_add_linear(volume, size, (struct volume_place){ below, offset }, error))
		return NULL;
	return g_steal_pointer(&volume);
}

/* The segment that holds byte @offset of @volume; there is one. */
static const struct segment *find_segment(const Volume *volume, uint64_t offset)
{
	unsigned int low = 0, high = volume->segments->len;

	while (high - low > 1) { /* ends: it halves */
		unsigned int middle = low + (high - low) / 2;

		if (g_array_index(volume->segments, struct segment, middle).start <= offset)
			low = middle;
		else
			high = middle;
	}
	return &g_array_index(volume->segments, struct segment, low);
}

/* The first piece of [@offset, @offset + @length), which lies in @volume and is not empty. */
static struct piece first_piece(const Volume *volume, uint64_t offset, uint64_t length)
{
	const struct segment *segment = find_segment(volume, offset);
	uint64_t at = offset - segment->start, row;
	struct piece piece = {
		.segment = segment,
		.place = segment->read_from,
		.offset = at,
		.length = MIN(length, segment->length - at),
	};

	if (segment->kind == SEGMENT_STRIPED) {
		row = at / segment->stripe;
		piece.place = (unsigned int)(row % segment->n_places);
		piece.offset = row / segment->n_places * segment->stripe + at % segment->stripe;
		piece.length = MIN(length, segment->stripe - at % segment->stripe);
	}
	return piece;
}

bool volume_read(const Volume *volume, uint64_t offset, void *buf, size_t len, GError **error)
{
	uint8_t *to = buf;

	if (offset > volume->size || len > volume->size - offset) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "%zu bytes at %" PRIu64 " lie beyond the %" PRIu64 " bytes of %s", len,
			    offset, volume->size, volume->name);
		return false;
	}
	if (volume->disk)
		return blkdev_read(volume->disk, offset, buf, len, error);
	while (len > 0) { /* ends: a piece is not empty */
		struct piece piece = first_piece(volume, offset, len);
		const struct volume_place *place;

		if (piece.segment->kind == SEGMENT_HIDDEN) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
				    "nobody knows where byte %" PRIu64 " of %s lies", offset,
				    volume->name);
			return false;
		}
		place = &piece.segment->places[piece.place];
		if (!volume_read(place->volume, place->offset + piece.offset, to,
				 (size_t)piece.length, error))
			return false;
		to += piece.length;
		offset += piece.length;
		len -= (size_t)piece.length;
	}
	return true;
}

/* Whole rows of a striped segment are one run on each of its places. */
static uint64_t use_rows(const struct segment *segment, uint64_t at, uint64_t length)
{
	uint64_t row = segment->stripe * segment->n_places, rows = length / row;

	if (at % row != 0 || rows == 0)
		return 0;
	for (unsigned int i = 0; i < segment->n_places; i++)
		volume_use(segment->places[i].volume,
			   segment->places[i].offset + at / segment->n_places,
			   rows * segment->stripe);
	return rows * row;
}

static void use_piece(const struct piece *piece)
{
	const struct segment *segment = piece->segment;

	if (segment->kind == SEGMENT_LINEAR || segment->kind == SEGMENT_STRIPED) {
		volume_use(segment->places[piece->place].volume,
			   segment->places[piece->place].offset + piece->offset, piece->length);
		return;
	}
	for (unsigned int i = 0; i < segment->n_places; i++)
		volume_use(segment->places[i].volume, segment->places[i].offset + piece->offset,
			   piece->length);
}

void volume_use(const Volume *volume, uint64_t offset, uint64_t length)
{
	if (offset >= volume->size)
		return;
	length = MIN(length, volume->size - offset);
	if (volume->disk) {
		used_map_add(volume->used, offset, length);
		return;
	}
	while (length > 0) { /* ends: neither rows nor pieces are empty */
		const struct segment *segment = find_segment(volume, offset);
		uint64_t at = offset - segment->start, done = 0;

		if (segment->kind == SEGMENT_STRIPED)
			done = use_rows(segment, at, MIN(length, segment->length - at));
		if (done == 0) {
			struct piece piece = first_piece(volume, offset, length);

			use_piece(&piece);
			done = piece.length;
		}
		offset += done;
		length -= done;
	}
}

/* As use_rows(): those of @done bytes, which are set, are counted. */
static uint64_t count_rows(const struct segment *segment, uint64_t at, uint64_t length,
			   uint64_t *done)
{
	uint64_t row = segment->stripe * segment->n_places, rows = length / row, sum = 0;

	*done = at % row == 0 ? rows * row : 0;
	for (unsigned int i = 0; *done > 0 && i < segment->n_places; i++)
		sum += volume_count_used(segment->places[i].volume,
					 segment->places[i].offset + at / segment->n_places,
					 rows * segment->stripe);
	return sum;
}

static uint64_t count_piece(const struct piece *piece)
{
	const struct volume_place *place = piece->segment->places + piece->place;

	if (piece->segment->kind == SEGMENT_HIDDEN)
		return 0;
	return volume_count_used(place->volume, place->offset + piece->offset, piece->length);
}

uint64_t volume_count_used(const Volume *volume, uint64_t offset, uint64_t length)
{
	uint64_t sum = 0;

	if (offset >= volume->size)
		return 0;
	length = MIN(length, volume->size - offset);
	if (volume->disk)
		return used_map_count(volume->used, offset, length);
	while (length > 0) { /* ends: neither rows nor pieces are empty */
		const struct segment *segment = find_segment(volume, offset);
		uint64_t at = offset - segment->start, done = 0;

		if (segment->kind == SEGMENT_STRIPED)
			sum += count_rows(segment, at, MIN(length, segment->length - at), &done);
		if (done == 0) {
			struct piece piece = first_piece(volume, offset, length);

			sum += count_piece(&piece);
			done = piece.length;
		}
		offset += done;
		length -= done;
	}
	return sum;
}

static void add_piece(GArray *pieces, const struct volume_piece *new)
{
	struct volume_piece *last;

	if (pieces->len > 0) {
		last = &g_array_index(pieces, struct volume_piece, pieces->len - 1);
		if (last->disk == new->disk && last->offset + last->length == new->offset) {
			last->length += new->length;
			return;
		}
	}
	g_array_append_vals(pieces, new, 1);
}

static bool list_pieces(const Volume *volume, uint64_t offset, uint64_t length, unsigned int max,
			GArray *pieces, GError **error)
{
	const char *why = NULL;

	if (volume->disk) {
		add_piece(pieces, &(struct volume_piece){ volume->disk, offset, length });
		return true;
	}
	while (length > 0) { /* ends: a piece is not empty */
		struct piece piece = first_piece(volume, offset, length);
		const struct segment *segment = piece.segment;
		const struct volume_place *place = segment->places + piece.place;

		if (segment->kind == SEGMENT_HIDDEN)
			why = "lies where nobody knows";
		else if (segment->kind == SEGMENT_MIRRORED && segment->n_places > 1)
			why = "has more than one copy";
		else if (pieces->len > max)
			why = "lies in too many pieces";
		if (why) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED, "%s %s",
				    volume->name, why);
			return false;
		}
		if (!list_pieces(place->volume, place->offset + piece.offset, piece.length, max,
				 pieces, error))
			return false;
		offset += piece.length;
		length -= piece.length;
	}
	return true;
}

GArray *volume_list_pieces(const Volume *volume, unsigned int max, GError **error)
{
	g_autoptr(GArray) pieces = g_array_new(false, false, sizeof(struct volume_piece));

	if (!list_pieces(volume, 0, volume->size, max, pieces, error))
		return NULL;
	return g_steal_pointer(&pieces);
}

/* ---- From the disk upward ---- */

static bool add_found(GArray *found, uint64_t offset, uint64_t length, unsigned int max)
{
	const struct extent extent = { offset, length };

	if (found->len >= max)
		return false;
	g_array_append_val(found, extent);
	return true;
}

/* @from: bytes of the place with number @i of @segment, counted from its start. */
static bool find_in_segment(const struct segment *segment, unsigned int i,
			    const struct extent *from, unsigned int max, GArray *found)
{
	uint64_t at = from->offset, end = from->offset + from->length;

	if (segment->kind != SEGMENT_STRIPED)
		return add_found(found, segment->start + at, end - at, max);
	while (at < end) { /* ends: a stripe is not empty */
		uint64_t row = at / segment->stripe, in_stripe = at % segment->stripe;
		uint64_t n = MIN(segment->stripe - in_stripe, end - at);

		if (!add_found(found,
			       segment->start + (row * segment->n_places + i) * segment->stripe +
				   in_stripe,
			       n, max))
			return false;
		at += n;
	}
	return true;
}

static bool find_by_place(const struct segment *segment, unsigned int i, const Blkdev *disk,
			  const struct extent *where, unsigned int max, GArray *found)
{
	const struct volume_place *place = &segment->places[i];
	uint64_t share = segment->length;
	g_autoptr(GArray) below = g_array_new(false, false, sizeof(struct extent));
	bool all = volume_find(place->volume, disk, where, max, below);

	if (segment->kind == SEGMENT_STRIPED)
		share /= segment->n_places;
	for (unsigned int j = 0; j < below->len; j++) {
		const struct extent *e = &g_array_index(below, struct extent, j);
		uint64_t from = MAX(e->offset, place->offset);
		uint64_t to = MIN(e->offset + e->length, place->offset + share);
		const struct extent inside = { from - place->offset, to - from };

		if (from < to && !find_in_segment(segment, i, &inside, max, found))
			return false;
	}
	return all;
}

bool volume_find(const Volume *volume, const Blkdev *disk, const struct extent *where,
		 unsigned int max, GArray *ret)
{
	bool all = true;

	if (volume->disk)
		return volume->disk != disk || add_found(ret, where->offset, where->length, max);
	for (unsigned int i = 0; all && i < volume->segments->len; i++) {
		const struct segment *segment = &g_array_index(volume->segments, struct segment, i);

		for (unsigned int j = 0; all && j < segment->n_places; j++)
			all = find_by_place(segment, j, disk, where, max, ret);
	}
	return all;
}

bool volume_is_run(const Volume *volume, const Blkdev **ret_disk, uint64_t *ret_offset)
{
	const struct segment *segment;
	uint64_t offset = 0;

	while (!volume->disk) { /* ends: what is below is less deep */
		if (volume->segments->len != 1)
			return false;
		segment = &g_array_index(volume->segments, struct segment, 0);
		if (segment->kind == SEGMENT_STRIPED || segment->kind == SEGMENT_HIDDEN)
			return false;
		offset += segment->places[segment->read_from].offset;
		volume = segment->places[segment->read_from].volume;
	}
	*ret_disk = volume->disk;
	*ret_offset = offset;
	return true;
}

void volume_free(Volume *volume)
{
	if (!volume)
		return;
	g_clear_pointer(&volume->segments, g_array_unref);
	g_free(volume->name);
	g_free(volume);
}
