/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which bytes of something are meant: the currency between the rooms. */
#pragma once

#include <stdint.h>

/* Bytes [offset, offset + length); never empty, and never past UINT64_MAX. */
struct extent {
	uint64_t offset;
	uint64_t length;
};
