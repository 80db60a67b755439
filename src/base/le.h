/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Little-endian integers as they lie on a disk.  Being arrays of bytes they have no alignment,
 * and nobody can add, compare or print them by accident: the compiler asks for le32_get().
 */
#pragma once

#include <stdint.h>

typedef struct {
	uint8_t b[2];
} le16;

typedef struct {
	uint8_t b[4];
} le32;

typedef struct {
	uint8_t b[8];
} le64;

uint16_t le16_get(le16 v);
uint32_t le32_get(le32 v);
uint64_t le64_get(le64 v);
le32 le32_make(uint32_t v);
le64 le64_make(uint64_t v);
