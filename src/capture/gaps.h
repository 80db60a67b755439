/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ranges of a disk that could not be read: an array of struct extent, which ascend. */
#pragma once

#include "base/extent.h"

#include <glib.h>
#include <stdbool.h>

/*
 * Add @gap, which lies behind all that are there; where it touches the last one that one grows, and
 * so it does once there are as many as a manifest may have.
 */
void gaps_add(GArray *gaps, const struct extent *gap);

/* Whether any of them has a byte of [@offset, @offset + @length). */
bool gaps_touch(const GArray *gaps, uint64_t offset, uint64_t length);

uint64_t gaps_bytes(const GArray *gaps);
