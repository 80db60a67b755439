/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bundle/bundle-image.h"

#include "base/autofd.h"
#include "base/error.h"
#include "base/io.h"
#include "bundle/update-record.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

static bool check_size(const Bundle *bundle, const BundleImage *image, GError **error)
{
	bool was_begun = bundle->update && !bundle->update->manifest;
	struct stat st;

	if (fstat(image->fd, &st) < 0) {
		wherry_error_sys(error, errno, "cannot examine '%s'", image->name);
		return false;
	}
	if ((uint64_t)st.st_size == image->size ||
	    (was_begun && (uint64_t)st.st_size > image->size))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
		    "'%s' has %" PRIu64 " bytes, but %" PRIu64 " were recorded", image->name,
		    (uint64_t)st.st_size, image->size);
	return false;
}

BundleImage *bundle_image_open(const Bundle *bundle, const char *name, uint64_t size,
			       GError **error)
{
	g_autoptr(BundleImage) image = g_new0(BundleImage, 1);
	const uint8_t *head = bundle->update ? update_record_head(bundle->update, name) : NULL;

	image->name = g_strdup(name);
	image->size = size;
	image->has_head = head != NULL;
	if (head)
		memcpy(image->head, head, sizeof(image->head));
	image->fd = bundle_open_file(bundle, name, error);
	if (image->fd < 0 || !check_size(bundle, image, error))
		return NULL;
	return g_steal_pointer(&image);
}

bool bundle_image_read(void *userdata, uint64_t offset, void *buf, size_t len, GError **error)
{
	const BundleImage *image = userdata;

	if (!io_pread(image->fd, image->name, offset, buf, len, error))
		return false;
	if (image->has_head && offset < UPDATE_HEAD_SIZE)
		memcpy(buf, image->head + offset, MIN(len, UPDATE_HEAD_SIZE - offset));
	return true;
}

void bundle_image_free(BundleImage *image)
{
	if (!image)
		return;
	autofd_clear(&image->fd);
	g_free(image->name);
	g_free(image);
}
