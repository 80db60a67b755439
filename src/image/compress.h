/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One guest cluster <-> one zstd frame (RFC 8878), as qcow2's compression type 1 wants it. */
#pragma once

#include "image/image-writer.h"

/* zstd's own range is wider; beyond these nothing is won here. */
#define COMPRESS_LEVEL_MIN 1
#define COMPRESS_LEVEL_MAX 19

typedef struct compressor Compressor;

/* Of one thread each.  @level: COMPRESS_LEVEL_MIN to COMPRESS_LEVEL_MAX. */
Compressor *compressor_new(int level);

/*
 * Compress the IMAGE_CLUSTER_SIZE bytes of @in into @out, which has room for as many.  The length
 * of the frame, or 0 when it would not be smaller by at least one 512-byte sector: store it plain.
 */
size_t compressor_run(Compressor *compressor, const void *in, void *out);

void compressor_free(Compressor *compressor);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Compressor, compressor_free)
