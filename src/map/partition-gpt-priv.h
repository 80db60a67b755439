/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What fuzzing needs of partition-gpt.c: to put right the checksums of a GPT that it has changed.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* CRC-32 as in IEEE 802.3. */
uint32_t gpt_crc32(const uint8_t *data, size_t len);
