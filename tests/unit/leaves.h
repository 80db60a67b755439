/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sums of an image's leaves, in memory. */
#pragma once

#include "image/image-writer.h"

#include <sys/mman.h>
#include <unistd.h>

static inline LeafSums *new_leaves(void)
{
	return leaf_sums_new(memfd_create("leaves", MFD_CLOEXEC), "leaves");
}

/* Of the same file, in another process. */
static inline LeafSums *reopen_leaves(const LeafSums *leaves)
{
	return leaf_sums_new(dup(leaf_sums_fd(leaves)), "leaves");
}
