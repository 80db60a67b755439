/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps of an update in their order.  Until the commit nothing of the old state is touched. */
#include "capture/update.h"

#include "base/error.h"
#include "bundle/bundle-update.h"
#include "capture/copy-all.h"
#include "capture/steps.h"
#include "capture/traces.h"
#include "capture/update-disk.h"
#include "capture/update-match.h"
#include "capture/views.h"

#include <inttypes.h>
#include <string.h>

/* The bundle, alone and settled; @ret: its manifest. */
static Bundle *open_bundle(const char *path, Manifest **ret, GError **error)
{
	g_autoptr(Bundle) bundle = bundle_open(path, error);

	if (!bundle || !bundle_lock(bundle, BUNDLE_LOCK_ALONE, error) ||
	    !bundle_settle(bundle, error))
		return NULL;
	*ret = bundle_read_manifest(bundle, error);
	if (!*ret)
		return NULL;
	for (unsigned int i = 0; i < (*ret)->files->len; i++)
		if (!bundle_check_file(bundle, g_ptr_array_index((*ret)->files, i), error))
			return NULL;
	steps_remove_journals(bundle, *ret);
	return g_steal_pointer(&bundle);
}

/* From here on @manifest names what is there, one generation later. */
static void take_over(const Manifest *old, Manifest *manifest)
{
	g_free(manifest->id);
	g_free(manifest->name);
	manifest->id = g_strdup(old->id);
	manifest->name = g_strdup(old->name);
	manifest->generation = old->generation + 1;
	g_ptr_array_set_size(manifest->files, 0);
	for (unsigned int i = 0; i < manifest->disks->len; i++) {
		const struct manifest_disk *then = g_ptr_array_index(old->disks, i);
		struct manifest_disk *now = g_ptr_array_index(manifest->disks, i);

		g_free(now->image);
		g_free(now->sums);
		now->image = g_strdup(then->image);
		now->sums = g_strdup(then->sums);
		(void)manifest_set_file(manifest, now->sums);
	}
}

/* What was found of each disk; @ret_heads: the heads of their images, one behind the other. */
static bool note_results(const struct capture_options *options, const Bundle *bundle,
			 const GPtrArray *disks, const GPtrArray *results, Manifest *manifest,
			 CaptureLog *log, GByteArray *ret_heads, GArray *ret_counts, GError **error)
{
	for (unsigned int i = 0; i < results->len; i++) {
		struct manifest_disk *disk = g_ptr_array_index(manifest->disks, i);
		const struct copy_result *result = g_ptr_array_index(results, i);
		const struct update_counts counts = { result->changed, result->unused };

		disk->image_size = result->image_size;
		if (!bundle_record_file(bundle, disk->sums, manifest, error))
			return false;
		steps_note_gaps(options, g_ptr_array_index(disks, i), result->gaps, disk, manifest,
				log);
		capture_log_add(log,
				"%s: %" PRIu64 " bytes differed; %s has %" PRIu64 " bytes, %" PRIu64
				" of them unused",
				disk->path, counts.changed, disk->image, disk->image_size,
				counts.unused);
		g_byte_array_append(ret_heads, result->head, sizeof(result->head));
		g_array_append_val(ret_counts, counts);
	}
	return true;
}

/* Make all files of the next state. */
static bool make_next(const struct capture_options *options, const Bundle *bundle,
		      const GPtrArray *disks, Manifest *manifest, GByteArray *ret_heads,
		      GArray *ret_counts, GError **error)
{
	const struct copy_all all = {
		.bundle = bundle,
		.disks = disks,
		.manifest = manifest,
		.copy = update_disk,
		.level = CAPTURE_LEVEL_DEFAULT,
		.allow_bad = options->allow_bad,
		.progress = options->progress,
		.userdata = options->userdata,
	};
	g_autoptr(GPtrArray) results = NULL;
	g_autoptr(CaptureLog) log =
	    capture_log_new(bundle, CAPTURE_LOG_UPDATE, options->say, options->userdata, error);

	if (!log)
		return false;
	capture_log_add(log, "an update to generation %u", manifest->generation);
	steps_log(log, options, manifest);
	if (!copy_all(&all, &results, error) ||
	    !note_results(options, bundle, disks, results, manifest, log, ret_heads, ret_counts,
			  error) ||
	    !steps_write_domain(bundle, manifest, error))
		return false;
	capture_log_add(log, "complete");
	return capture_log_finish(log, bundle, manifest, error);
}

/* The old state stays, and what was made beside it goes. */
static void give_up(Bundle *bundle, const Manifest *old, GError **error)
{
	g_autoptr(GError) cause = NULL;

	g_prefix_error(error, "the bundle '%s' is left as generation %u: ", bundle->path,
		       old->generation);
	if (!bundle_settle(bundle, &cause)) /* the next one to write does it */
		g_debug("%s", cause->message);
}

/* What is made of the disks on the way to the next state. */
typedef struct {
	Survey source;
	GArray *counts; /* of struct update_counts */
} Next;

static void next_clear(Next *next)
{
	g_clear_pointer(&next->counts, g_array_unref);
	survey_clear(&next->source);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Next, next_clear)

static bool bring_up_to_date(const struct capture_options *options, Bundle *bundle,
			     const Manifest *old, Next *next, GError **error)
{
	g_autoptr(GByteArray) heads = g_byte_array_new();
	bool committed = false;

	if (bundle_update_begin(bundle, error) &&
	    make_next(options, bundle, next->source.disks, next->source.manifest, heads,
		      next->counts, error) &&
	    (!next->source.views || views_check(next->source.views, error)) &&
	    traces_check_idle(next->source.traces, next->source.disks, error) &&
	    bundle_update_commit(bundle, next->source.manifest, heads->data, &committed, error))
		return true;
	if (committed)
		g_prefix_error(error,
			       "generation %u of the bundle '%s' is committed, but not all of it "
			       "is in its place yet (the next --update does the rest): ",
			       next->source.manifest->generation, bundle->path);
	else
		give_up(bundle, old, error);
	return false;
}

/* What may be said before anything is written.  @why: NULL, or no snapshots, and why. */
static bool describe(const Facts *facts, const struct capture_options *options,
		     const Bundle *bundle, const Manifest *old, const char *why, Next *next,
		     GError **error)
{
	next->counts = g_array_new(false, false, sizeof(struct update_counts));
	if (!steps_survey(options, bundle->path, &next->source, error))
		return false;
	if (why)
		g_ptr_array_add(next->source.map->warnings,
				g_strdup_printf("all is carried from the disks themselves: %s",
						why));
	else
		next->source.views =
		    views_new(next->source.disks, &options->map, bundle->path, &next->source.map);
	next->source.manifest =
	    steps_describe(facts, options, next->source.disks, next->source.map, error);
	if (!next->source.manifest || !update_match_manifests(old, next->source.manifest, error))
		return false;
	next->source.traces = traces_read(next->source.disks);
	take_over(old, next->source.manifest);
	return true;
}

static void give_result(const Bundle *bundle, Next *next, UpdateResult *ret)
{
	*ret = (UpdateResult){
		.bundle = g_strdup(bundle->path),
		.manifest = g_steal_pointer(&next->source.manifest),
		.counts = g_steal_pointer(&next->counts),
	};
}

/* 1: done; 0: by snapshots that cannot be believed, @ret_why (owned) says why; -1: failed. */
static int try(const Facts *facts, const struct capture_options *options, Bundle *bundle,
	       const Manifest *old, const char *why_none, UpdateResult *ret, char **ret_why,
	       GError **error)
{
	g_auto(Next) next = { .counts = NULL };
	g_autoptr(GError) cause = NULL, why = NULL;

	if (!describe(facts, options, bundle, old, why_none, &next, error))
		return -1;
	if (bring_up_to_date(options, bundle, old, &next, &cause)) {
		give_result(bundle, &next, ret);
		return 1;
	}
	if (ret_why && !bundle->update && next.source.views &&
	    !views_check(next.source.views, &why)) {
		*ret_why = g_strdup(why->message);
		return 0;
	}
	g_propagate_error(error, g_steal_pointer(&cause));
	return -1;
}

bool update_run(const Facts *facts, const struct capture_options *options, UpdateResult *ret,
		GError **error)
{
	g_autoptr(Manifest) old = NULL;
	g_autoptr(Bundle) bundle = open_bundle(options->update, &old, error);
	struct capture_options named = *options;
	g_autofree char *why = NULL;
	g_auto(GStrv) paths = NULL;
	int r;

	if (!bundle)
		return false;
	paths = update_match_disks(facts, old, options->disks, error);
	if (!paths)
		return false;
	named.disks = (const char *const *)paths;
	named.name = old->name;
	r = try(facts, &named, bundle, old, NULL, ret, &why, error);
	if (r == 0)
		r = try(facts, &named, bundle, old, why, ret, NULL, error);
	return r > 0;
}

void update_result_clear(UpdateResult *result)
{
	g_free(result->bundle);
	manifest_free(result->manifest);
	g_clear_pointer(&result->counts, g_array_unref);
	g_clear_pointer(&result->shared, g_array_unref);
}
