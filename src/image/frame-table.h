/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where in the file a compressed frame lies that was written before, by its fingerprint.  Of a
 * bounded size, whatever the disk: when it is full, others are forgotten.
 */
#pragma once

#include "base/fingerprint.h"

typedef struct frame_table FrameTable;

/* @n: how many frames are known at a time, of 24 bytes of memory each; NULL: there is none. */
FrameTable *frame_table_new(size_t n);

/* The frame that was put last with @fingerprint: its @ret_offset; false: it is not known. */
bool frame_table_find(const FrameTable *table, const struct fingerprint *fingerprint,
		      uint64_t *ret_offset);

/* A frame lies at @offset, which is not 0. */
void frame_table_put(FrameTable *table, const struct fingerprint *fingerprint, uint64_t offset);

void frame_table_free(FrameTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FrameTable, frame_table_free)
