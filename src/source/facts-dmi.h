/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the firmware says of the machine in its SMBIOS tables (DMTF DSP0134). */
#pragma once

#include "source/facts-root.h"
#include "source/facts.h"

/* vendor, product, serial, uuid and memory_installed. */
void facts_read_dmi(const FactsRoot *root, Facts *facts);

/*
 * The bytes of memory plugged in, by the memory devices (type 17) in an SMBIOS structure table.
 * 1: *ret is set; 0: no device is listed, or one does not know its size; -1: the table is damaged.
 */
int dmi_memory_installed(const uint8_t *table, size_t len, uint64_t *ret, GError **error);
