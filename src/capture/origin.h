/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bytes of the disks themselves, also while a view of them is what is read. */
#pragma once

#include "capture/plan.h"
#include "map/volume.h"

/* The disk itself; borrowed. */
const Blkdev *origin_of(const struct plan_disk *disk);

/*
 * As volume_read() of a volume that lies on @disks (of struct plan_disk *), but past their views.
 * What lies in so many pieces or copies that it has no view of its own is read as it is.
 */
bool origin_read(const GPtrArray *disks, const Volume *volume, uint64_t offset, void *buf,
		 size_t len, GError **error);
