/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps of a capture in their order; each of them has a file of its own. */
#include "capture/capture.h"

#include "base/error.h"
#include "base/units.h"
#include "bundle/bundle.h"
#include "bundle/domain-xml.h"
#include "bundle/journal.h"
#include "capture/copy-all.h"
#include "capture/gaps.h"
#include "capture/identity.h"
#include "capture/log.h"
#include "capture/machine.h"
#include "capture/plan.h"
#include "capture/target.h"

#include <inttypes.h>
#include <string.h>

/* machine.json, domain.xml and capture.log, generously. */
#define SMALL_FILES_BOUND (UINT64_C(1) << 20)

static bool report_map(const struct capture_options *options, GError **error)
{
	const struct progress progress = { .phase = "reading the map", .item = "the disks" };

	if (options->progress(&progress, options->userdata))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_CANCELLED,
		    "interrupted before anything was written");
	return false;
}

static StorageMap *map_all(const struct capture_options *options, const GPtrArray *disks,
			   GError **error)
{
	g_autoptr(StorageMap) map = NULL;

	if (!report_map(options, error))
		return NULL;
	map = plan_map(disks, &options->map);
	for (unsigned int i = 0; i < disks->len; i++) {
		const struct plan_disk *disk = g_ptr_array_index(disks, i);

		if (disk->map->failure) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_IO, "cannot read '%s': %s",
				    disk->dev->name, disk->map->failure);
			return NULL;
		}
	}
	return report_map(options, error) ? g_steal_pointer(&map) : NULL;
}

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

static Manifest *start_manifest(const Facts *facts, const struct capture_options *options,
				const GPtrArray *disks, const StorageMap *map)
{
	g_autoptr(GDateTime) now = g_date_time_new_now_utc();
	Manifest *manifest = manifest_new();

	manifest->id = g_uuid_string_random();
	manifest->generation = 1;
	manifest->name = g_strdup(options->name);
	manifest->created = g_date_time_format(now, "%Y-%m-%dT%H:%M:%SZ");
	manifest->tool = g_strdup("wherry " WHERRY_VERSION);
	machine_describe(facts, disks, map, manifest);
	for (size_t i = 0; options->left_out && options->left_out[i]; i++)
		options->warn(options->left_out[i], options->userdata);
	for (unsigned int i = 0; i < manifest->warnings->len; i++)
		options->warn(g_ptr_array_index(manifest->warnings, i), options->userdata);
	return manifest;
}

/*
 * What is written last must be readable: better found now than after hours of copying.  The sizes
 * that are not known yet count as what they are at least.
 */
static bool check_manifest(const Manifest *manifest, GError **error)
{
	g_autoptr(Manifest) again = NULL;
	g_autofree char *text = NULL;
	size_t len;

	text = manifest_serialize(manifest, &len);
	again = manifest_parse(text, len, error);
	if (!again)
		g_prefix_error(error, "this machine cannot be described: ");
	return again != NULL;
}

static void log_plan(CaptureLog *log, const struct capture_options *options,
		     const Manifest *manifest)
{
	capture_log_add(log, "%s captures '%s', %s", manifest->tool, manifest->name, manifest->id);
	for (size_t i = 0; options->left_out && options->left_out[i]; i++)
		capture_log_add(log, "%s", options->left_out[i]);
	for (unsigned int i = 0; i < manifest->disks->len; i++) {
		const struct manifest_disk *disk = g_ptr_array_index(manifest->disks, i);

		capture_log_add(log,
				"%s: %" PRIu64 " bytes, sectors of %" PRIu32 ", table %s, %" PRIu64
				" bytes in use; bus %s (%s)",
				disk->path, disk->size, disk->sector_size, disk->table, disk->used,
				manifest_bus_name(disk->bus), disk->bus_reason);
		for (unsigned int j = 0; j < disk->volumes->len; j++) {
			const struct manifest_volume *v = g_ptr_array_index(disk->volumes, j);

			capture_log_add(log,
					"%s: volume %u, %" PRIu64 " bytes at %" PRIu64 ", %" PRIu64
					" in use: %s",
					disk->path, v->number, v->size, v->offset, v->used, v->how);
		}
	}
	for (unsigned int i = 0; i < manifest->warnings->len; i++)
		capture_log_add(log, "warning: %s",
				(const char *)g_ptr_array_index(manifest->warnings, i));
}

/* What could not be read: into the manifest, the log, and to the user. */
static void note_gaps(const struct capture_options *options, const GArray *gaps,
		      struct manifest_disk *disk, Manifest *manifest, CaptureLog *log)
{
	g_autofree char *text = NULL;

	if (gaps->len == 0)
		return;
	for (unsigned int i = 0; i < gaps->len; i++) {
		const struct extent *e = &g_array_index(gaps, struct extent, i);
		struct manifest_gap *gap = manifest_add_gap(disk);

		gap->offset = e->offset;
		gap->length = e->length;
		capture_log_add(log, "%s: %" PRIu64 " bytes at %" PRIu64 " could not be read",
				disk->path, e->length, e->offset);
	}
	text =
	    g_strdup_printf("%s: %" PRIu64 " bytes in %u ranges could not be read and are zero in "
			    "the image",
			    disk->path, gaps_bytes(gaps), gaps->len);
	capture_log_add(log, "warning: %s", text);
	options->warn(text, options->userdata);
	g_ptr_array_add(manifest->warnings, g_steal_pointer(&text));
}

static bool copy_disks(const struct capture_options *options, const Bundle *bundle, int level,
		       const GPtrArray *disks, Manifest *manifest, CaptureLog *log, GError **error)
{
	const struct copy_all all = {
		.bundle = bundle,
		.disks = disks,
		.manifest = manifest,
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
		note_gaps(options, result->gaps, disk, manifest, log);
		capture_log_add(log, "%s: copied to %s, %" PRIu64 " bytes", disk->path, disk->image,
				disk->image_size);
	}
	return true;
}

static bool write_domain(const Bundle *bundle, Manifest *manifest, GError **error)
{
	g_autofree char *dir = g_canonicalize_filename(bundle->path, NULL);
	const struct domain_place place = {
		.name = manifest->name,
		.uuid = manifest->uuid,
		.type = "kvm",
		.machine = "q35",
		.image_dir = dir,
		.network = "default",
	};
	g_autofree char *xml = domain_xml(manifest, &place);

	return bundle_write_file(bundle, "domain.xml", xml, strlen(xml), manifest, error);
}

static bool fill_bundle(const struct capture_options *options, const Bundle *bundle, int level,
			const GPtrArray *disks, Manifest *manifest, GError **error)
{
	g_autoptr(CaptureLog) log =
	    capture_log_new(bundle, options->resume, options->say, options->userdata, error);

	if (!log)
		return false;
	log_plan(log, options, manifest);
	if (!copy_disks(options, bundle, level, disks, manifest, log, error) ||
	    !bundle_remove_file(bundle, "domain.xml", error) ||
	    !write_domain(bundle, manifest, error))
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
		if (!bundle || !bundle_lock(bundle, error) ||
		    !identity_take_over(bundle, disks, manifest, ret_level, error))
			return NULL;
		return g_steal_pointer(&bundle);
	}
	bundle = bundle_create(options->target, options->name, error);
	if (!bundle || !bundle_lock(bundle, error) ||
	    !identity_write(bundle, manifest, options->level, disks, error))
		return NULL;
	*ret_level = options->level;
	return g_steal_pointer(&bundle);
}

/* The last step of an interrupted capture may be all that was missing, or not even that. */
static Manifest *find_complete(const struct capture_options *options, char **ret_bundle)
{
	g_autoptr(Bundle) bundle = NULL;
	Manifest *manifest;

	if (!options->resume)
		return NULL;
	bundle = bundle_open_unfinished(options->target, options->name, NULL);
	if (!bundle || !bundle_is_complete(bundle))
		return NULL;
	manifest = bundle_read_manifest(bundle, NULL);
	if (!manifest)
		return NULL;
	remove_journals(bundle, manifest);
	*ret_bundle = g_strdup(bundle->path);
	return manifest;
}

bool capture_run(const Facts *facts, const struct capture_options *options, char **ret_bundle,
		 Manifest **ret, GError **error)
{
	g_autoptr(GPtrArray) disks = plan_open(options->disks, error);
	g_autoptr(StorageMap) map = NULL;
	g_autoptr(Manifest) manifest = NULL;
	g_autoptr(Bundle) bundle = NULL;
	int level;

	*ret = find_complete(options, ret_bundle);
	if (*ret)
		return true;
	if (!disks || !target_check(options->target, options->disks, error) ||
	    !plan_check_idle(disks, error))
		return false;
	map = map_all(options, disks, error);
	if (!map || (!options->resume && !check_space(options, disks, error)))
		return false;

	manifest = start_manifest(facts, options, disks, map);
	if (!check_manifest(manifest, error))
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
