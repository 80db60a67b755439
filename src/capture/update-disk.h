/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Brings one disk of a bundle up to date: reads all that is in use once more, and appends to the
 * image what is not as the sums have it.  Chunks that have become free are zero from then on.
 */
#pragma once

#include "capture/copy.h"

/*
 * As copy_disk(), into the new state of the image and into new sums.  The old state is not touched;
 * @ret says which head of the image makes the new one count.
 */
bool update_disk(const struct copy_job *job, struct copy_result *ret, GError **error);
