/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Byte by byte, so the same on every host; compilers turn that into one load and a swap. */
#include "base/be.h"

uint16_t be16_get(be16 v)
{
	return (uint16_t)(v.b[0] << 8 | v.b[1]);
}

uint32_t be32_get(be32 v)
{
	return (uint32_t)v.b[0] << 24 | (uint32_t)v.b[1] << 16 | (uint32_t)v.b[2] << 8 | v.b[3];
}

uint64_t be64_get(be64 v)
{
	uint64_t r = 0;

	for (unsigned int i = 0; i < 8; i++)
		r = r << 8 | v.b[i];
	return r;
}

be16 be16_make(uint16_t v)
{
	return (be16){ { (uint8_t)(v >> 8), (uint8_t)v } };
}

be32 be32_make(uint32_t v)
{
	return (be32){ { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v } };
}

be64 be64_make(uint64_t v)
{
	be64 r;

	for (unsigned int i = 0; i < 8; i++)
		r.b[i] = (uint8_t)(v >> (56 - 8 * i));
	return r;
}
