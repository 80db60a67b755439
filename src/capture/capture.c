/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps of a capture in their order; each of them has a file of its own. */
#include "capture/capture.h"

#include "base/error.h"
#include "base/units.h"
#include "bundle/bundle-update.h"
#include "bundle/journal.h"
#include "capture/copy-all.h"
#include "capture/identity.h"
#include "capture/steps.h"
#include "capture/target.h"

#include <inttypes.h>

/* machine.json, domain.xml and capture.log, generously. */
#define SMALL_FILES_BOUND (UINT64_C(1) << 20)

static bool estimate_all(const struct capture_options *options, const GPtrArray *disks,
			 uint64_t *ret, GError **error)
{
	uint64_t sum = SMALL_FILES_BOUND;

	for (unsigned int i = 0; i < disks->len; i++) {
		uint64_t bytes;

		if (!plan_estimate(g_ptr_array_index(disks, i), options->level, &bytes, error))
			return false;
		sum += bytes;
	}
	*ret = sum;
	return true;
}

/* Refused when even the estimate does not fit; a warning when only the estimate does. */
static bool check_space(const struct capture_options *options, const GPtrArray *disks,
			GError **error)
{
	g_autofree char *bound_text = NULL, *free_text = NULL, *estimate_text = NULL;
	g_autofree char *warning = NULL;
	uint64_t bound = SMALL_FILES_BOUND, room, estimate;

	for (unsigned int i = 0; i < disks->len; i++)
		bound += ((const struct plan_disk *)g_ptr_array_index(disks, i))->bytes_bound;
	if (!target_free(options->target, &room, error))
		return false;
	g_debug("'%s' has %" PRIu64 " bytes free; at most %" PRIu64 " are needed", options->target,
		room, bound);
	if (room >= bound)
		return true;

	if (!estimate_all(options, disks, &estimate, error))
		return false;
	bound_text = units_bytes(bound);
	free_text = units_bytes(room);
	estimate_text = units_bytes(estimate);
	if (room < estimate) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NO_SPACE,
			    "'%s' has %s free (%" PRIu64 " bytes), but the bundle needs about %s "
			    "(%" PRIu64 " bytes) and at most %s",
			    options->target, free_text, room, estimate_text, estimate, bound_text);
		return false;
	}
	warning = g_strdup_printf("'%s' has %s free; the bundle needs about %s, but may need up to "
				  "%s: it may not fit",
				  options->target, free_text, estimate_text, bound_text);
	options->warn(warning, options->userdata);
	return true;
}

static bool copy_disks(const struct capture_options *options, const Bundle *bundle, int level,
		       const GPtrArray *disks, Manifest *manifest, CaptureLog *log, GError **error)
{
	const struct copy_all all = {
		.bundle = bundle,
		.disks = disks,
		.manifest = manifest,
		.copy = copy_disk,
		.level = level,
		.dedupe = options->dedupe,
		.allow_bad = options->allow_bad,
		.resume = options->resume,
		.progress = options->progress,
		.userdata = options->userdata,
	};
	g_autoptr(GPtrArray) results = NULL;

	if (!copy_all(&all, &results, error))
		return false;
	for (unsigned int i = 0; i < disks->len; i++) {
		struct manifest_disk *disk = g_ptr_array_index(manifest->disks, i);
		const struct copy_result *result = g_ptr_array_index(results, i);

		disk->image_size = result->image_size;
		if (!bundle_record_file(bundle, disk->sums, manifest, error))
			return false;
		steps_note_gaps(options, result->gaps, disk, manifest, log);
		capture_log_add(log, "%s: copied to %s, %" PRIu64 " bytes", disk->path, disk->image,
				disk->image_size);
	}
	return true;
}

static bool fill_bundle(const struct capture_options *options, const Bundle *bundle, int level,
			const GPtrArray *disks, Manifest *manifest, GError **error)
{
	g_autoptr(CaptureLog) log =
	    capture_log_new(bundle, options->resume ? CAPTURE_LOG_RESUME : CAPTURE_LOG_NEW,
			    options->say, options->userdata, error);

	if (!log)
		return false;
	steps_log(log, options, manifest);
	if (!copy_disks(options, bundle, level, disks, manifest, log, error) ||
	    !bundle_remove_file(bundle, "domain.xml", error) ||
	    !steps_write_domain(bundle, manifest, error))
		return false;
	capture_log_add(log, "complete");
	return capture_log_finish(log, bundle, manifest, error) &&
	       bundle_write_manifest(bundle, manifest, error);
}

static void remove_journals(const Bundle *bundle, const Manifest *manifest)
{
	for (unsigned int i = 0; i < manifest->disks->len; i++) {
		g_autofree char *name = copy_journal_name(i);

		journal_remove(bundle, name);
	}
	journal_remove(bundle, IDENTITY_FILE);
}

/* @ret_level: what the clusters are compressed with. */
static Bundle *open_bundle(const struct capture_options *options, const GPtrArray *disks,
			   Manifest *manifest, int *ret_level, GError **error)
{
	g_autoptr(Bundle) bundle = NULL;

	if (options->resume) {
		bundle = bundle_open_unfinished(options->target, options->name, error);
		if (!bundle || !bundle_lock(bundle, BUNDLE_LOCK_ALONE, error) ||
		    !identity_take_over(bundle, disks, manifest, ret_level, error))
			return NULL;
		return g_steal_pointer(&bundle);
	}
	bundle = bundle_create(options->target, options->name, error);
	if (!bundle || !bundle_lock(bundle, BUNDLE_LOCK_ALONE, error) ||
	    !identity_write(bundle, manifest, options->level, disks, error))
		return NULL;
	*ret_level = options->level;
	return g_steal_pointer(&bundle);
}

/*
 * The last step of an interrupted capture may be all that was missing, or not even that.  1: it is
 * complete now, and @ret_bundle and @ret are set; 0: it is not; -1: failed.
 */
static int find_complete(const struct capture_options *options, char **ret_bundle, Manifest **ret,
			 GError **error)
{
	g_autoptr(Bundle) bundle = NULL;

	if (!options->resume)
		return 0;
	bundle = bundle_open_unfinished(options->target, options->name, NULL);
	if (!bundle || !bundle_is_complete(bundle))
		return 0;
	if (!bundle_lock(bundle, BUNDLE_LOCK_ALONE, error) || !bundle_settle(bundle, error))
		return -1;
	*ret = bundle_read_manifest(bundle, NULL);
	if (!*ret)
		return 0;
	remove_journals(bundle, *ret);
	*ret_bundle = g_strdup(bundle->path);
	return 1;
}

bool capture_run(const Facts *facts, const struct capture_options *options, char **ret_bundle,
		 Manifest **ret, GError **error)
{
	g_autoptr(GPtrArray) disks = NULL;
	g_autoptr(StorageMap) map = NULL;
	g_autoptr(Manifest) manifest = NULL;
	g_autoptr(Bundle) bundle = NULL;
	int level, r = find_complete(options, ret_bundle, ret, error);

	if (r != 0)
		return r > 0;
	disks = plan_open(options->disks, error);
	if (!disks || !target_check(options->target, options->disks, error) ||
	    !plan_check_idle(disks, error))
		return false;
	map = steps_map(options, disks, error);
	if (!map || (!options->resume && !check_space(options, disks, error)))
		return false;

	manifest = steps_describe(facts, options, disks, map, error);
	if (!manifest)
		return false;
	bundle = open_bundle(options, disks, manifest, &level, error);
	if (!bundle)
		return false;
	if (!fill_bundle(options, bundle, level, disks, manifest, error)) {
		g_prefix_error(error, "the bundle '%s' is incomplete, go on with --resume: ",
			       bundle->path);
		return false;
	}
	remove_journals(bundle, manifest);
	*ret_bundle = g_strdup(bundle->path);
	*ret = g_steal_pointer(&manifest);
	return true;
}
