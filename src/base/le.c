/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Byte by byte, so the same on every host; compilers turn that into one load. */
#include "base/le.h"

uint16_t le16_get(le16 v)
{
	return (uint16_t)(v.b[0] | v.b[1] << 8);
}

uint32_t le32_get(le32 v)
{
	return v.b[0] | (uint32_t)v.b[1] << 8 | (uint32_t)v.b[2] << 16 | (uint32_t)v.b[3] << 24;
}

uint64_t le64_get(le64 v)
{
	uint64_t r = 0;

	for (unsigned int i = 0; i < 8; i++)
		r |= (uint64_t)v.b[i] << (8 * i);
	return r;
}

le32 le32_make(uint32_t v)
{
	return (le32){ { (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24) } };
}

le64 le64_make(uint64_t v)
{
	le64 r;

	for (unsigned int i = 0; i < 8; i++)
		r.b[i] = (uint8_t)(v >> (8 * i));
	return r;
}
