/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps of a capture in their order; each of them has a file of its own. */
#include "capture/capture.h"

#include "base/error.h"
#include "base/units.h"
#include "bundle/bundle-update.h"
#include "capture/copy-all.h"
#include "capture/identity.h"
#include "capture/machine.h"
#include "capture/steps.h"
#include "capture/target.h"
#include "capture/traces.h"
#include "capture/update-match.h"
#include "capture/views.h"

#include <inttypes.h>

/* machine.json, domain.xml and capture.log, generously. */
#define SMALL_FILES_BOUND (UINT64_C(1) << 20)

/* What a capture has made on its way. */
typedef struct {
	Survey source;
	Bundle *bundle;
	struct identity_storage storage;
	GArray *shared; /* of uint64_t: bytes that equal clusters share, one for each disk */
} Capture;

static void capture_clear(Capture *capture)
{
	g_clear_pointer(&capture->shared, g_array_unref);
	bundle_free(capture->bundle);
	survey_clear(&capture->source);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Capture, capture_clear)

static uint64_t estimate_all(const struct capture_options *options, const GPtrArray *disks)
{
	uint64_t sum = SMALL_FILES_BOUND;

	for (unsigned int i = 0; i < disks->len; i++)
		sum += plan_estimate(g_ptr_array_index(disks, i), options->level);
	return sum;
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

	estimate = estimate_all(options, disks);
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

static bool copy_disks(const struct capture_options *options, Capture *capture, CaptureLog *log,
		       GError **error)
{
	Manifest *manifest = capture->source.manifest;
	const struct copy_all all = {
		.bundle = capture->bundle,
		.disks = capture->source.disks,
		.manifest = manifest,
		.copy = copy_disk,
		.level = capture->storage.level,
		.dedupe = capture->storage.dedupe,
		.allow_bad = options->allow_bad,
		.resume = options->resume,
		.progress = options->progress,
		.userdata = options->userdata,
	};
	g_autoptr(GPtrArray) results = NULL;

	if (!copy_all(&all, &results, error))
		return false;
	g_clear_pointer(&capture->shared, g_array_unref);
	capture->shared = g_array_new(false, false, sizeof(uint64_t));
	for (unsigned int i = 0; i < results->len; i++) {
		struct manifest_disk *disk = g_ptr_array_index(manifest->disks, i);
		const struct copy_result *result = g_ptr_array_index(results, i);

		disk->image_size = result->image_size;
		g_array_append_val(capture->shared, result->shared);
		if (!bundle_record_file(capture->bundle, disk->sums, manifest, error))
			return false;
		steps_note_gaps(options, g_ptr_array_index(capture->source.disks, i), result->gaps,
				disk, manifest, log);
		capture_log_add(log, "%s: copied to %s, %" PRIu64 " bytes", disk->path, disk->image,
				disk->image_size);
	}
	return true;
}

static bool fill_bundle(const struct capture_options *options, Capture *capture, GError **error)
{
	const Bundle *bundle = capture->bundle;
	Manifest *manifest = capture->source.manifest;
	g_autoptr(CaptureLog) log =
	    capture_log_new(bundle, options->resume ? CAPTURE_LOG_RESUME : CAPTURE_LOG_NEW,
			    options->say, options->userdata, error);

	if (!log)
		return false;
	steps_log(log, options, manifest);
	if (!copy_disks(options, capture, log, error) ||
	    (capture->source.views && !views_check(capture->source.views, error)) ||
	    !traces_check_idle(capture->source.traces, capture->source.disks, error) ||
	    !bundle_remove_file(bundle, "domain.xml", error) ||
	    !steps_write_domain(bundle, manifest, error))
		return false;
	capture_log_add(log, "complete");
	return capture_log_finish(log, bundle, manifest, error) &&
	       bundle_write_manifest(bundle, manifest, error);
}

/* What only a mount brings in order is looked at in snapshots. */
static bool make_views(const struct capture_options *options, const GPtrArray *disks,
		       StorageMap **map, Views **ret, GError **error)
{
	g_autoptr(Bundle) bundle = NULL;

	if (!options->resume) {
		*ret = views_new(disks, &options->map, options->target, map);
		return true;
	}
	bundle = bundle_open_unfinished(options->target, options->name, error);
	return bundle &&
	       views_load(bundle, disks, &options->map, options->target, map, ret, error) >= 0;
}

/* Asked again once nobody else works on it. */
static bool check_unfinished(const Bundle *bundle, GError **error)
{
	if (!bundle_is_complete(bundle))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_BUSY,
		    "'%s' was completed by another capture meanwhile", bundle->path);
	return false;
}

static bool open_unfinished(const struct capture_options *options, Capture *capture, GError **error)
{
	capture->bundle = bundle_open_unfinished(options->target, options->name, error);
	return capture->bundle && bundle_lock(capture->bundle, BUNDLE_LOCK_ALONE, error) &&
	       check_unfinished(capture->bundle, error) &&
	       identity_take_over(capture->bundle, capture->source.disks, capture->source.traces,
				  capture->source.manifest, &capture->storage, error);
}

/* What says how to go on. */
static bool write_journals(const Capture *capture, GError **error)
{
	return (!capture->source.views ||
		views_save(capture->source.views, capture->bundle, error)) &&
	       identity_write(capture->bundle, capture->source.manifest, &capture->storage,
			      capture->source.disks, capture->source.traces, error);
}

static bool make_bundle(const struct capture_options *options, Capture *capture, GError **error)
{
	capture->storage = (struct identity_storage){ options->level, options->dedupe };
	capture->bundle = bundle_create(options->target, options->name, error);
	if (!capture->bundle || !bundle_lock(capture->bundle, BUNDLE_LOCK_ALONE, error))
		return false;
	if (write_journals(capture, error))
		return true;
	g_prefix_error(error, "nothing is in the bundle '%s' yet, remove it and capture anew: ",
		       capture->bundle->path);
	return false;
}

/* Another machine may have the same name: nothing was read of this one then. */
static bool check_same(const Facts *facts, const struct capture_options *options,
		       const Bundle *bundle, const Manifest *then, GError **error)
{
	g_autoptr(GPtrArray) disks = plan_open(options->disks, error);
	g_autoptr(StorageMap) map = NULL;
	g_autoptr(Manifest) now = manifest_new();
	g_autoptr(GError) cause = NULL;

	if (!disks)
		return false;
	if (disks->len == then->disks->len) {
		map = plan_map(disks, &options->map);
		machine_describe(facts, disks, map, now);
		if (update_match_manifests(then, now, &cause))
			return true;
	}
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
		    "'%s' is complete since %s and holds other disks than these: %s; take another "
		    "--name",
		    bundle->path, then->created, cause ? cause->message : "another number of them");
	return false;
}

/*
 * The last step of an interrupted capture may be all that was missing, or not even that.  1: it is
 * complete now, and @ret_bundle and @ret are set; 0: it is not; -1: failed.
 */
static int find_complete(const Facts *facts, const struct capture_options *options,
			 char **ret_bundle, Manifest **ret, GError **error)
{
	g_autoptr(Bundle) bundle = NULL;
	g_autoptr(Manifest) manifest = NULL;
	g_autofree char *warning = NULL;

	if (!options->resume)
		return 0;
	bundle = bundle_open_unfinished(options->target, options->name, NULL);
	if (!bundle || !bundle_is_complete(bundle))
		return 0;
	if (!bundle_lock(bundle, BUNDLE_LOCK_ALONE, error) || !bundle_settle(bundle, error))
		return -1;
	manifest = bundle_read_manifest(bundle, error);
	if (!manifest || !check_same(facts, options, bundle, manifest, error))
		return -1;
	warning = g_strdup_printf("'%s' was complete already, since %s: nothing was read; capture "
				  "--update brings it up to date",
				  bundle->path, manifest->created);
	options->warn(warning, options->userdata);
	steps_remove_journals(bundle, manifest);
	*ret_bundle = g_strdup(bundle->path);
	*ret = g_steal_pointer(&manifest);
	return 1;
}

/* Until the bundle is there. */
static bool begin(Capture *capture, const Facts *facts, const struct capture_options *options,
		  GError **error)
{
	if (!steps_survey(options, options->target, &capture->source, error) ||
	    !make_views(options, capture->source.disks, &capture->source.map,
			&capture->source.views, error) ||
	    (!options->resume && !check_space(options, capture->source.disks, error)))
		return false;
	capture->source.manifest =
	    steps_describe(facts, options, capture->source.disks, capture->source.map, error);
	if (!capture->source.manifest)
		return false;
	capture->source.traces = traces_read(capture->source.disks);
	return options->resume ? open_unfinished(options, capture, error)
			       : make_bundle(options, capture, error);
}

/* The snapshots cannot be believed: the same from the disks themselves, in the same bundle. */
static bool begin_without_views(Capture *capture, const Facts *facts,
				const struct capture_options *options, const char *why,
				GError **error)
{
	Manifest *manifest;

	g_clear_pointer(&capture->source.views, views_free);
	steps_remove_journals(capture->bundle, capture->source.manifest);
	g_clear_pointer(&capture->source.map, storage_map_free);
	capture->source.map = steps_map(options, capture->source.disks, error);
	if (!capture->source.map)
		return false;
	g_ptr_array_add(capture->source.map->warnings,
			g_strdup_printf("all is carried from the disks themselves: %s", why));
	manifest =
	    steps_describe(facts, options, capture->source.disks, capture->source.map, error);
	if (!manifest)
		return false;
	manifest_free(capture->source.manifest);
	capture->source.manifest = manifest;
	return identity_write(capture->bundle, manifest, &capture->storage, capture->source.disks,
			      capture->source.traces, error);
}

static bool fill(Capture *capture, const Facts *facts, const struct capture_options *options,
		 GError **error)
{
	g_autoptr(GError) cause = NULL, why = NULL;
	struct capture_options again = *options;

	if (fill_bundle(options, capture, &cause))
		return true;
	if (!capture->source.views || views_check(capture->source.views, &why)) {
		g_propagate_error(error, g_steal_pointer(&cause));
		return false;
	}
	again.resume = true; /* what is there gives way */
	return begin_without_views(capture, facts, options, why->message, error) &&
	       fill_bundle(&again, capture, error);
}

/* What was written until the last checkpoint does not heal by another try. */
static const char *what_next(const struct capture_options *options, const GError *cause)
{
	if (g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT))
		return "";
	if (options->resume && g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_DAMAGED))
		return " and damaged, remove it and capture anew";
	return ", go on with --resume";
}

bool capture_run(const Facts *facts, const struct capture_options *options, char **ret_bundle,
		 Manifest **ret, GArray **ret_shared, GError **error)
{
	g_auto(Capture) capture = { .bundle = NULL };
	g_autoptr(GError) cause = NULL;
	int r = find_complete(facts, options, ret_bundle, ret, error);

	if (r != 0)
		return r > 0;
	if (!begin(&capture, facts, options, error))
		return false;
	if (!fill(&capture, facts, options, &cause)) {
		g_prefix_error(&cause, "the bundle '%s' is incomplete%s: ", capture.bundle->path,
			       what_next(options, cause));
		g_propagate_error(error, g_steal_pointer(&cause));
		return false;
	}
	steps_remove_journals(capture.bundle, capture.source.manifest);
	*ret_bundle = g_strdup(capture.bundle->path);
	*ret = g_steal_pointer(&capture.source.manifest);
	*ret_shared = g_steal_pointer(&capture.shared);
	return true;
}
