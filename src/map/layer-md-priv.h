/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tests and fuzzing need of md's superblocks: to make them, and to put right their checksums.
 */
#pragma once

#include "map/layer-md-super.h"

#include <stddef.h>

#define MD_SUPER_SIZE       4096u
#define MD_SUPER_1_CHECKSUM 216u /* where it lies, bytes */
#define MD_SUPER_0_CHECKSUM 152u
#define MD_BITMAP_HEAD      256u

/* Of @len bytes, without the four at @at: the sum of their little-endian words. */
uint32_t md_checksum(const uint8_t *super, size_t len, size_t at);

/* How many bytes the checksum of a superblock of version 1 covers; 0: more than it can have. */
size_t md_super_1_length(const uint8_t *super);

/* Where the superblock lies on a member of @size bytes; UINT64_MAX: there is no room for it. */
uint64_t md_super_offset(uint64_t size, enum md_version version);
