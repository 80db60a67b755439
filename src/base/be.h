/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Big-endian integers as they lie on a disk: the like of base/le.h, for qcow2 and others. */
#pragma once

#include <stdint.h>

typedef struct {
	uint8_t b[2];
} be16;

typedef struct {
	uint8_t b[4];
} be32;

typedef struct {
	uint8_t b[8];
} be64;

uint16_t be16_get(be16 v);
uint32_t be32_get(be32 v);
uint64_t be64_get(be64 v);
be16 be16_make(uint16_t v);
be32 be32_make(uint32_t v);
be64 be64_make(uint64_t v);
