/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers as people read them. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* "0 B", "512 B", "1.5 GiB": at most three digits before the point; owned by the caller. */
char *units_bytes(uint64_t bytes);

/* "5 s", "2 min 05 s", "3 h 07 min"; owned by the caller. */
char *units_duration(uint64_t seconds);

/*
 * "512M", "4G": a whole number and K, M, G or T, in powers of 1024, up to @max bytes.  Without a
 * letter it counts in units of 1 << @plain_shift bytes.  False: it is none of that.
 */
bool units_parse_bytes(const char *text, unsigned int plain_shift, uint64_t max, uint64_t *ret);
