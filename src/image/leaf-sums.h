/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The digests of the leaves of an image lie in a file of their own while the image grows: memory
 * does not grow with it.  The file is struct digest after struct digest, in the order of the
 * leaves. That of the first leaf, which is written last, comes last, too.
 */
#pragma once

#include "base/digest.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct leaf_sums LeafSums;

/*
 * @fd: an empty file, or one for leaf_sums_resume(), open for reading and writing; owned by the
 * LeafSums from now on.  @name is for messages.
 */
LeafSums *leaf_sums_new(int fd, const char *name);

/* The digest of the next leaf; the second one of the image comes first. */
bool leaf_sums_put(LeafSums *sums, const struct digest *digest, GError **error);

/*
 * Get all that was put so far to the medium.  @ret_chain: what leaf_sums_resume() knows them by,
 * whatever their number.
 */
bool leaf_sums_checkpoint(LeafSums *sums, struct digest *ret_chain, GError **error);

/*
 * Go on behind the first @n leaves of the file, 1 or more; what lies behind them is cut off.
 * @chain: of the checkpoint that they are from; NULL: they are believed.  WHERRY_ERROR_DAMAGED: the
 * file does not hold them.
 */
bool leaf_sums_resume(LeafSums *sums, uint64_t n, const struct digest *chain, GError **error);

/* The digest of leaf @i, which is in the file. */
bool leaf_sums_get(const LeafSums *sums, uint64_t i, struct digest *ret, GError **error);

/*
 * The last one: that of the first leaf.  All are in the file then, for leaf_sums_fd().
 * WHERRY_ERROR_DAMAGED: it does not hold what was put.
 */
bool leaf_sums_finish(LeafSums *sums, const struct digest *first, GError **error);

/* The file; owned by @sums. */
int leaf_sums_fd(const LeafSums *sums);

void leaf_sums_free(LeafSums *sums);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LeafSums, leaf_sums_free)
