/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps of an update in their order.  Until the commit nothing of the old state is touched. */
#include "capture/update.h"

#include "base/error.h"
#include "bundle/bundle-update.h"
#include "capture/copy-all.h"
#include "capture/steps.h"
#include "capture/target.h"
#include "capture/update-disk.h"
#include "capture/update-match.h"

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
			 const GPtrArray *results, Manifest *manifest, CaptureLog *log,
			 GByteArray *ret_heads, GArray *ret_counts, GError **error)
{
	for (unsigned int i = 0; i < results->len; i++) {
		struct manifest_disk *disk = g_ptr_array_index(manifest->disks, i);
		const struct copy_result *result = g_ptr_array_index(results, i);
		const struct update_counts counts = { result->changed, result->unused };

		disk->image_size = result->image_size;
		if (!bundle_record_file(bundle, disk->sums, manifest, error))
			return false;
		steps_note_gaps(options, result->gaps, disk, manifest, log);
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
	    !note_results(options, bundle, results, manifest, log, ret_heads, ret_counts, error) ||
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

static bool bring_up_to_date(const struct capture_options *options, Bundle *bundle,
			     const Manifest *old, const GPtrArray *disks, Manifest *manifest,
			     GArray *ret_counts, GError **error)
{
	g_autoptr(GByteArray) heads = g_byte_array_new();
	bool committed = false;

	if (bundle_update_begin(bundle, error) &&
	    make_next(options, bundle, disks, manifest, heads, ret_counts, error) &&
	    bundle_update_commit(bundle, manifest, heads->data, &committed, error))
		return true;
	if (committed)
		g_prefix_error(error,
			       "generation %u of the bundle '%s' is committed, but not all of it "
			       "is in its place yet (the next --update does the rest): ",
			       manifest->generation, bundle->path);
	else
		give_up(bundle, old, error);
	return false;
}

/* What may be said before anything is written. */
static Manifest *describe(const Facts *facts, const struct capture_options *options,
			  const Manifest *old, const GPtrArray *disks, StorageMap **ret_map,
			  GError **error)
{
	g_autoptr(Manifest) manifest = NULL;

	*ret_map = steps_map(options, disks, error);
	if (!*ret_map)
		return NULL;
	manifest = steps_describe(facts, options, disks, *ret_map, error);
	if (!manifest || !update_match_manifests(old, manifest, error))
		return NULL;
	take_over(old, manifest);
	return g_steal_pointer(&manifest);
}

bool update_run(const Facts *facts, const struct capture_options *options, UpdateResult *ret,
		GError **error)
{
	g_autoptr(Manifest) old = NULL, manifest = NULL;
	g_autoptr(Bundle) bundle = open_bundle(options->update, &old, error);
	struct capture_options named = *options;
	g_auto(GStrv) paths = NULL;
	g_autoptr(GPtrArray) disks = NULL;
	g_autoptr(StorageMap) map = NULL;
	g_autoptr(GArray) counts = g_array_new(false, false, sizeof(struct update_counts));

	if (!bundle)
		return false;
	paths = update_match_disks(facts, old, options->disks, error);
	disks = paths ? plan_open((const char *const *)paths, error) : NULL;
	if (!disks || !target_check(bundle->path, (const char *const *)paths, error) ||
	    !plan_check_idle(disks, error))
		return false;
	named.disks = (const char *const *)paths;
	named.name = old->name;
	manifest = describe(facts, &named, old, disks, &map, error);
	if (!manifest || !bring_up_to_date(&named, bundle, old, disks, manifest, counts, error))
		return false;
	*ret = (UpdateResult){
		.bundle = g_strdup(bundle->path),
		.manifest = g_steal_pointer(&manifest),
		.counts = g_steal_pointer(&counts),
	};
	return true;
}

void update_result_clear(UpdateResult *result)
{
	g_free(result->bundle);
	manifest_free(result->manifest);
	g_clear_pointer(&result->counts, g_array_unref);
}
