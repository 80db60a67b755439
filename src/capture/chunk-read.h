/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One chunk of a disk by itself, slowly: for a look at some of them. */
#pragma once

#include "base/digest.h"
#include "capture/plan.h"

/* The digest of chunk @index as the pipeline would make it. */
bool chunk_digest(const struct plan_disk *disk, uint64_t index, struct digest *ret, GError **error);
