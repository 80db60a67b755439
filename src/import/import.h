/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bundle becomes a VM: a job of the kind `import`, whose parameters are a plan.
 *
 *   import_prepare() -> ImportPlan -> import_plan_to_json() -> job_create(&import_job_kind) ->
 * job_run()
 */
#pragma once

#include "import/import-plan.h"
#include "job/job.h"

extern const struct job_kind import_job_kind;

/*
 * Read the bundle at @bundle, ask the cloud at @uri (NULL: as libvirt chooses) what it has, and
 * decide everything.  @state: path of the store that will hold the job.  Nothing is made.  What
 * cannot be is said as by import_plan_new(), bundle_read_manifest() and cloud_connect().
 */
ImportPlan *import_prepare(const char *bundle, const char *uri, const char *state,
			   const struct import_options *options, GCancellable *cancellable,
			   GError **error);
