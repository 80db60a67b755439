/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A room that makes jobs adds its table here. */
#include "cli/job-kinds.h"

#include "import/import.h"
#include "migrate/migrate.h"

#include <stddef.h>

const struct job_kind *const job_kinds[] = {
	&import_job_kind,
	&migrate_job_kind,
	NULL,
};
