/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/steps.h"

#include "base/error.h"
#include "bundle/domain-xml.h"
#include "bundle/journal.h"
#include "capture/copy-all.h"
#include "capture/gaps.h"
#include "capture/identity.h"
#include "capture/machine.h"
#include "capture/target.h"
#include "map/range-files.h"

#include <inttypes.h>
#include <string.h>

static bool report_map(const struct capture_options *options, GError **error)
{
	const struct progress progress = { .phase = "reading the map", .item = "the disks" };

	if (options->progress(&progress, options->userdata))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_CANCELLED,
		    "interrupted before anything was written");
	return false;
}

StorageMap *steps_map(const struct capture_options *options, const GPtrArray *disks, GError **error)
{
	g_autoptr(StorageMap) map = NULL;

	if (!report_map(options, error))
		return NULL;
	map = plan_map(disks, &options->map);
	for (unsigned int i = 0; i < disks->len; i++) {
		struct plan_disk *disk = g_ptr_array_index(disks, i);

		if (disk->map->failure && options->allow_bad) {
			plan_carry_whole(disk);
		} else if (disk->map->failure) { /* it may be read the next time: another map */
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_IO,
				    "cannot read the partition table of '%s': %s "
				    "(--allow-bad-sectors carries what can be read)",
				    disk->dev->name, disk->map->failure);
			return NULL;
		}
	}
	return report_map(options, error) ? g_steal_pointer(&map) : NULL;
}

static Manifest *describe(const Facts *facts, const struct capture_options *options,
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
static bool check(const Manifest *manifest, GError **error)
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

void survey_clear(Survey *survey)
{
	manifest_free(survey->manifest);
	json_decref(survey->traces);
	g_clear_pointer(&survey->views, views_free); /* the disks are theirs no more */
	storage_map_free(survey->map);
	g_clear_pointer(&survey->disks, g_ptr_array_unref);
}

bool steps_survey(const struct capture_options *options, const char *target, Survey *survey,
		  GError **error)
{
	survey->disks = plan_open(options->disks, error);
	if (!survey->disks || !target_check(target, options->disks, error) ||
	    !plan_check_idle(survey->disks, error))
		return false;
	survey->map = steps_map(options, survey->disks, error);
	return survey->map != NULL;
}

Manifest *steps_describe(const Facts *facts, const struct capture_options *options,
			 const GPtrArray *disks, const StorageMap *map, GError **error)
{
	g_autoptr(Manifest) manifest = describe(facts, options, disks, map);

	return check(manifest, error) ? g_steal_pointer(&manifest) : NULL;
}

void steps_log(CaptureLog *log, const struct capture_options *options, const Manifest *manifest)
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

static void note_files(const GPtrArray *files, const char *path, struct manifest_gap *gap,
		       CaptureLog *log)
{
	for (unsigned int i = 0; files && i < files->len; i++) {
		const char *file = g_ptr_array_index(files, i);

		g_ptr_array_add(gap->files, g_strdup(file));
		capture_log_add(log, "%s: at %" PRIu64 " lies %s", path, gap->offset, file);
	}
}

static void warn_of_gaps(const struct capture_options *options, const GArray *gaps,
			 unsigned int n_files, const char *path, Manifest *manifest,
			 CaptureLog *log)
{
	g_autofree char *files = n_files > 0 ? g_strdup_printf("; %u files are concerned, see "
							       "capture.log",
							       n_files)
					     : g_strdup("");
	g_autofree char *text =
	    g_strdup_printf("%s: %" PRIu64 " bytes in %u ranges could not be read and are zero in "
			    "the image%s",
			    path, gaps_bytes(gaps), gaps->len, files);

	capture_log_add(log, "warning: %s", text);
	options->warn(text, options->userdata);
	g_ptr_array_add(manifest->warnings, g_steal_pointer(&text));
}

void steps_note_gaps(const struct capture_options *options, const struct plan_disk *plan,
		     const GArray *gaps, struct manifest_disk *disk, Manifest *manifest,
		     CaptureLog *log)
{
	g_autoptr(GPtrArray) files = NULL;
	unsigned int n_files = 0;

	if (gaps->len == 0)
		return;
	files = range_files(plan->storage, plan->dev, gaps);
	for (unsigned int i = 0; i < gaps->len; i++) {
		const struct extent *e = &g_array_index(gaps, struct extent, i);
		struct manifest_gap *gap = manifest_add_gap(disk);

		gap->offset = e->offset;
		gap->length = e->length;
		capture_log_add(log, "%s: %" PRIu64 " bytes at %" PRIu64 " could not be read",
				disk->path, e->length, e->offset);
		note_files(g_ptr_array_index(files, i), disk->path, gap, log);
		n_files += gap->files->len;
	}
	warn_of_gaps(options, gaps, n_files, disk->path, manifest, log);
}

bool steps_write_domain(const Bundle *bundle, Manifest *manifest, GError **error)
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

void steps_remove_journals(const Bundle *bundle, const Manifest *manifest)
{
	for (unsigned int i = 0; i < manifest->disks->len; i++) {
		g_autofree char *journal = copy_journal_name(i), *leaves = copy_leaves_name(i);

		journal_remove(bundle, journal);
		journal_remove(bundle, leaves);
	}
	views_remove(bundle, manifest->disks->len);
	journal_remove(bundle, IDENTITY_FILE);
}
