/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Only for the files that make a plan. */
#pragma once

#include "base/error.h"
#include "import/import-plan.h"

/* One with its arrays, and nothing in it. */
ImportPlan *import_plan_empty(void);

void import_refuse(GError **error, enum wherry_error code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* Fill the plan's NICs, each with its network. */
bool import_choose_networks(ImportPlan *plan, const struct import_options *options,
			    const Manifest *manifest, const GPtrArray *networks, GError **error);

/* Fill the plan's pool; its disks are there already. */
bool import_choose_pool(ImportPlan *plan, const struct import_options *options,
			const GPtrArray *pools, GError **error);
