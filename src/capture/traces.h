/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where somebody who mounts a filesystem for writing, assembles an array or makes partitions leaves
 * a trace: the first and the last bytes of each disk and of each volume, by their digests.
 */
#pragma once

#include "capture/plan.h"

#include <jansson.h>

/*
 * Of @disks (struct plan_disk *, mapped), from the disks themselves, not from a view of them. Owned
 * by the caller.
 */
json_t *traces_read(const GPtrArray *disks);

/*
 * What has changed between @then and @now, in words; owned by the caller.  NULL: nothing, as far
 * as it could be read both times.
 */
char *traces_compare(const json_t *then, const json_t *now, const GPtrArray *disks);

/*
 * Asked after the last read: no filesystem on @disks is mounted for writing (WHERRY_ERROR_BUSY),
 * and none was since @then (WHERRY_ERROR_DIFFERENT).
 */
bool traces_check_idle(const json_t *then, const GPtrArray *disks, GError **error);
