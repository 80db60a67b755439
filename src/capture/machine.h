/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the facts of a machine and the maps of its disks to the description of a VM. */
#pragma once

#include "bundle/manifest.h"
#include "map/storage-map.h"
#include "source/facts.h"

#include <glib.h>

/*
 * Fill everything of @manifest that describes the machine: firmware, memory, CPUs, NICs, and one
 * disk for each of @disks (of struct plan_disk *, parts of @map), with bus and boot order.  What
 * had to be guessed is added to its warnings.
 */
void machine_describe(const Facts *facts, const GPtrArray *disks, const StorageMap *map,
		      Manifest *manifest);
