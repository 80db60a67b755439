/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Jobs on stdout, for people and as docs/json.md says. */
#pragma once

#include "job/recover.h"

#include <stdbool.h>

struct job_view {
	const JobRecord *record; /* borrowed */
	bool owned;              /* a process works on it */
};

/* @views: of struct job_view, without their tasks. */
void job_print_list(const GArray *views, bool json);
void job_print_one(const struct job_view *view, bool json);
/* @done: of struct job_recovery. */
void job_print_recovered(const GPtrArray *done, bool json);
