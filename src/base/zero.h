/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether bytes are all zero. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* @len is at least 1. */
static inline bool is_zero(const void *data, size_t len)
{
	const char *bytes = data;

	/* Each byte equals the one before it, and the first is 0: at the speed of memcmp(). */
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}
