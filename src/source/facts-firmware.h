/* SPDX-License-Identifier: GPL-2.0-or-later */
/* BIOS or UEFI, and what UEFI keeps in its variables. */
#pragma once

#include "source/facts-root.h"
#include "source/facts.h"

/* firmware, secure_boot and boot_entries. */
void facts_read_firmware(const FactsRoot *root, Facts *facts);
