/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The write-intent bitmap beside the superblock of a member: a head, and then a bit for each chunk
 * of the array, set while its mirrors may differ.
 */
#include "map/layer-md-super.h"

#include "base/error.h"
#include "base/le.h"
#include "map/layer-md-priv.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#define SECTOR         512u
#define BITMAP_MAGIC   0x6d746962u
#define BITMAP_VERSION 4u /* others: of a cluster, or of a machine of any byte order */
#define PIECE          65536u

struct bitmap_head {
	le32 magic;
	le32 version;
	uint8_t set_id[16];
	le64 events;
	le64 events_cleared;
	le64 sync_size; /* sectors */
	le32 state;
	le32 chunk; /* bytes */
	le32 delay;
	le32 write_behind;
	le32 reserved;
	le32 nodes;
	uint8_t pad[184];
};
static_assert(offsetof(struct bitmap_head, state) == 48, "md-bitmap.h, bitmap_super_t");
static_assert(sizeof(struct bitmap_head) == MD_BITMAP_HEAD, "md-bitmap.h, bitmap_super_t");

/* Whether it is one that speaks of this array as it now is. */
static bool is_current(const struct bitmap_head *head, const struct md_super *super)
{
	uint32_t chunk = le32_get(head->chunk);

	return le32_get(head->magic) == BITMAP_MAGIC && le32_get(head->version) == BITMAP_VERSION &&
	       memcmp(head->set_id, super->set_id, sizeof(head->set_id)) == 0 &&
	       le64_get(head->events) == super->events && le32_get(head->state) == 0 &&
	       le64_get(head->sync_size) == super->data_size / SECTOR && chunk >= SECTOR &&
	       (chunk & (chunk - 1)) == 0;
}

/* As md_bitmap_is_clean(), of @n bits behind the head. */
static int bits_are_clear(const Volume *member, uint64_t offset, uint64_t n, GError **error)
{
	g_autofree uint8_t *buf = g_malloc(PIECE);

	for (uint64_t done = 0; done < n; done += PIECE * 8) {
		uint64_t bits = MIN(n - done, PIECE * 8);

		if (!volume_read(member, offset + done / 8, buf, (size_t)(bits + 7) / 8, error))
			return -1;
		if (bits % 8) /* what is behind the last bit may be set */
			buf[bits / 8] &= (uint8_t)((1u << bits % 8) - 1);
		for (uint64_t i = 0; i < (bits + 7) / 8; i++)
			if (buf[i])
				return 0;
	}
	return 1;
}

int md_bitmap_is_clean(const Volume *member, const struct md_super *super, GError **error)
{
	uint64_t n, end, chunk, data_end = super->data_offset + super->data_size;
	struct bitmap_head head;

	if (!super->has_bitmap)
		return 1;
	if (!volume_read(member, super->bitmap_offset, &head, sizeof(head), error))
		return -1;
	if (!is_current(&head, super))
		return 0;
	chunk = le32_get(head.chunk);
	n = (super->data_size + chunk - 1) / chunk;
	end = super->bitmap_offset + MD_BITMAP_HEAD + (n + 7) / 8;
	if (end > member->size || (end > super->data_offset && super->bitmap_offset < data_end)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "md with a bitmap from %" PRIu64 " to %" PRIu64
			    ", the data from %" PRIu64 " to %" PRIu64 ", on %" PRIu64 " bytes",
			    super->bitmap_offset, end, super->data_offset, data_end, member->size);
		return -1;
	}
	return bits_are_clear(member, super->bitmap_offset + MD_BITMAP_HEAD, n, error);
}
