/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every kind of job that this program can run and recover. */
#pragma once

#include "job/job.h"

extern const struct job_kind *const job_kinds[]; /* NULL at the end */
