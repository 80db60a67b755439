/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libzstd with one context for all clusters: making one anew costs more than a small cluster. */
#include "image/compress.h"

#include "image/qcow2-format.h"

#include <zstd.h>

/*
 * Of a frame's hash table at level 1: at 2^12 entries, 16 KiB, it stays in a core's first cache
 * beside the cluster.  That saves 8 % of the time, and costs 1 % of size; 2^11 costs 3 %.
 */
#define FAST_HASH_LOG 12

struct compressor {
	ZSTD_CCtx *context; /* owned */
};

/* All that we set is in the range of every libzstd 1.4, so a refusal is our bug. */
static void set_parameter(Compressor *compressor, ZSTD_cParameter parameter, int value)
{
	size_t r = ZSTD_CCtx_setParameter(compressor->context, parameter, value);

	g_assert(!ZSTD_isError(r));
}

Compressor *compressor_new(int level)
{
	Compressor *compressor = g_new0(Compressor, 1);

	g_assert(level >= COMPRESS_LEVEL_MIN && level <= COMPRESS_LEVEL_MAX);
	compressor->context = ZSTD_createCCtx();
	g_assert(compressor->context);
	set_parameter(compressor, ZSTD_c_compressionLevel, level);
	if (level == 1)
		set_parameter(compressor, ZSTD_c_hashLog, FAST_HASH_LOG);
	set_parameter(compressor, ZSTD_c_contentSizeFlag, 1);
	set_parameter(compressor, ZSTD_c_checksumFlag, 0); /* the file is summed as a whole */
	return compressor;
}

size_t compressor_run(Compressor *compressor, const void *in, void *out)
{
	size_t n = ZSTD_compress2(compressor->context, out, IMAGE_CLUSTER_SIZE - QCOW2_SECTOR_SIZE,
				  in, IMAGE_CLUSTER_SIZE);

	/* Mostly "does not fit", but plain is the way out of lack of memory as well. */
	return ZSTD_isError(n) ? 0 : n;
}

void compressor_free(Compressor *compressor)
{
	if (!compressor)
		return;
	ZSTD_freeCCtx(compressor->context);
	g_free(compressor);
}
