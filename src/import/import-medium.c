/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of the bundle are opened by name in its directory, as bundle/ does it, each time anew. */
#include "import/import-medium.h"

#include "base/autofd.h"
#include "base/error.h"
#include "bundle/bundle.h"
#include "bundle/sums.h"

#include <inttypes.h>
#include <string.h>

static const struct manifest_file *find_file(const Manifest *manifest, const char *name)
{
	for (unsigned int i = 0; i < manifest->files->len; i++) {
		const struct manifest_file *file = g_ptr_array_index(manifest->files, i);

		if (strcmp(file->name, name) == 0)
			return file;
	}
	return NULL;
}

/* Whether @manifest has the very disks that the plan was made of. */
static bool same_disks(const ImportPlan *plan, const Manifest *manifest)
{
	if (manifest->disks->len != plan->disks->len)
		return false;
	for (unsigned int i = 0; i < plan->disks->len; i++) {
		const struct import_disk *want = g_ptr_array_index(plan->disks, i);
		const struct manifest_disk *disk = g_ptr_array_index(manifest->disks, i);
		const struct manifest_file *sums = find_file(manifest, want->sums);

		if (!sums || strcmp(disk->image, want->image) != 0 ||
		    disk->image_size != want->image_size || sums->size != want->sums_size ||
		    !digest_equal(&sums->digest, &want->sums_digest))
			return false;
	}
	return true;
}

static bool check_same(const ImportPlan *plan, const Bundle *bundle, GError **error)
{
	g_autoptr(Manifest) manifest = bundle_read_manifest(bundle, error);

	if (!manifest)
		return false;
	if (strcmp(manifest->id, plan->id) == 0 && manifest->generation == plan->generation &&
	    same_disks(plan, manifest))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
		    "'%s' is another bundle now: it was capture %s, generation %u, and is %s, "
		    "generation %u%s",
		    plan->bundle, plan->id, plan->generation, manifest->id, manifest->generation,
		    strcmp(manifest->id, plan->id) == 0 && manifest->generation == plan->generation
			? ", with other images"
			: "");
	return false;
}

int import_medium_present(const ImportPlan *plan, char **ret_reason)
{
	g_autoptr(GError) why = NULL;
	g_autoptr(Bundle) bundle = bundle_open(plan->bundle, &why);

	if (bundle && check_same(plan, bundle, &why))
		return 1;
	*ret_reason = g_strdup_printf("the bundle is not there any more: %s", why->message);
	return 0;
}

BundleImage *import_medium_open_image(const ImportPlan *plan, const struct import_disk *disk,
				      GError **error)
{
	g_autoptr(Bundle) bundle = bundle_open(plan->bundle, error);

	return bundle ? bundle_image_open(bundle, disk->image, disk->image_size, error) : NULL;
}

int import_medium_keep_leaves(const ImportPlan *plan, const struct import_disk *disk,
			      GError **error)
{
	g_autoptr(Bundle) bundle = bundle_open(plan->bundle, error);
	g_autoptr(SumsReader) reader = NULL;
	autofd int fd = -1, kept = -1;

	if (!bundle)
		return -1;
	fd = bundle_open_file(bundle, disk->sums, error);
	if (fd < 0)
		return -1;
	kept = sums_keep_leaves(fd, disk->sums, disk->sums_size, &disk->sums_digest, error);
	if (kept < 0)
		return -1;
	reader = sums_reader_new(kept, disk->sums, error);
	if (!reader)
		return -1;
	if (sums_reader_image_size(reader) != disk->image_size) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
			    "'%s' sums an image of %" PRIu64 " bytes, but %" PRIu64
			    " were recorded",
			    disk->sums, sums_reader_image_size(reader), disk->image_size);
		return -1;
	}
	return g_steal_fd(&kept);
}

bool import_check_image(const struct import_disk *disk, ImageReader *reader, GError **error)
{
	uint64_t size = image_reader_virtual_size(reader);

	if (size != disk->virtual_size) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
			    "'%s' holds a disk of %" PRIu64 " bytes, but %" PRIu64 " were recorded",
			    disk->image, size, disk->virtual_size);
		return false;
	}
	return image_reader_check(reader, error);
}

static bool check_disk(const ImportPlan *plan, const struct import_disk *disk, GError **error)
{
	g_autoptr(BundleImage) image = import_medium_open_image(plan, disk, error);
	const struct image_source source = { disk->image_size, bundle_image_read, image };
	g_autoptr(ImageReader) reader = NULL;
	autofd int kept = -1;

	if (!image)
		return false;
	reader = image_reader_new_from(&source, disk->image, error);
	if (!reader || !import_check_image(disk, reader, error))
		return false;
	kept = import_medium_keep_leaves(plan, disk, error);
	return kept >= 0;
}

bool import_medium_check(const ImportPlan *plan, GError **error)
{
	g_autoptr(Bundle) bundle = bundle_open(plan->bundle, error);

	if (!bundle || !check_same(plan, bundle, error))
		return false;
	for (unsigned int i = 0; i < plan->disks->len; i++)
		if (!check_disk(plan, g_ptr_array_index(plan->disks, i), error))
			return false;
	return true;
}
