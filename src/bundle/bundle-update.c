/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each step is flushed before the one that relies on it, and done again it changes nothing: so it
 * does not matter how often, and where, settling is cut off.
 */
#include "bundle/bundle-update.h"

#include "base/atomic-file.h"
#include "base/autofd.h"
#include "base/error.h"
#include "base/io.h"
#include "bundle/journal.h"
#include "bundle/update-record.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* The last step of both ways. */
static bool remove_record(Bundle *bundle, GError **error)
{
	if (!io_flush(bundle->fd, bundle->path, error) ||
	    !bundle_remove_file(bundle, UPDATE_FILE, error) ||
	    !io_flush(bundle->fd, bundle->path, error))
		return false;
	g_clear_pointer(&bundle->update, update_record_free);
	bundle->updating = false;
	return true;
}

/* ---- Bring in ---- */

static bool put_head(const Bundle *bundle, const char *image, GError **error)
{
	autofd int fd = bundle_open_to_write(bundle, image, error);

	return fd >= 0 &&
	       io_pwrite(fd, image, 0, update_record_head(bundle->update, image), UPDATE_HEAD_SIZE,
			 error) &&
	       io_flush(fd, image, error);
}

/* Where there is no NAME.next, it was renamed before. */
static bool put_file(const Bundle *bundle, const char *name, GError **error)
{
	g_autofree char *next = g_strconcat(name, UPDATE_SUFFIX, NULL);

	if (renameat(bundle->fd, next, bundle->fd, name) == 0 || errno == ENOENT)
		return true;
	wherry_error_sys(error, errno, "cannot rename '%s' to '%s'", next, name);
	return false;
}

/* The record itself may have been seen before it was on the medium. */
static bool bring_in(Bundle *bundle, GError **error)
{
	const UpdateRecord *record = bundle->update;
	const Manifest *manifest = record->manifest;

	if (!io_flush(bundle->fd, bundle->path, error))
		return false;
	for (unsigned int i = 0; i < manifest->disks->len; i++) {
		const struct manifest_disk *disk = g_ptr_array_index(manifest->disks, i);

		if (!put_head(bundle, disk->image, error))
			return false;
	}
	for (unsigned int i = 0; i < manifest->files->len; i++) {
		const struct manifest_file *file = g_ptr_array_index(manifest->files, i);

		if (!put_file(bundle, file->name, error))
			return false;
	}
	return io_flush(bundle->fd, bundle->path, error) &&
	       atomic_file_write(bundle->fd, MANIFEST_FILE, record->text, record->len, error) &&
	       remove_record(bundle, error);
}

/* ---- Take out ---- */

static bool cut_image(const Bundle *bundle, const struct manifest_disk *disk, GError **error)
{
	autofd int fd = bundle_open_to_write(bundle, disk->image, error);
	struct stat st;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) < 0) {
		wherry_error_sys(error, errno, "cannot examine '%s'", disk->image);
		return false;
	}
	if ((uint64_t)st.st_size <= disk->image_size)
		return true;
	if (ftruncate(fd, (off_t)disk->image_size) < 0) {
		wherry_error_sys(error, errno, "cannot cut '%s'", disk->image);
		return false;
	}
	return io_flush(fd, disk->image, error);
}

static bool take_out(Bundle *bundle, GError **error)
{
	g_autoptr(Manifest) manifest = bundle_read_manifest(bundle, error);

	if (!manifest)
		return false;
	for (unsigned int i = 0; i < manifest->disks->len; i++)
		if (!cut_image(bundle, g_ptr_array_index(manifest->disks, i), error))
			return false;
	for (unsigned int i = 0; i < manifest->files->len; i++) {
		const struct manifest_file *file = g_ptr_array_index(manifest->files, i);
		g_autofree char *next = g_strconcat(file->name, UPDATE_SUFFIX, NULL);

		if (!bundle_remove_file(bundle, next, error))
			return false;
	}
	return remove_record(bundle, error);
}

bool bundle_settle(Bundle *bundle, GError **error)
{
	bool ok;

	if (!bundle->update)
		return true;
	ok = bundle->update->manifest ? bring_in(bundle, error) : take_out(bundle, error);
	if (!ok)
		g_prefix_error(error, "'%s': ", bundle->path);
	return ok;
}

/* ---- An update ---- */

/* Write a record; @bundle has it if it is what is there now, even if it may not last. */
static bool write_record(Bundle *bundle, const GByteArray *data, GError **error)
{
	bool ok = journal_write(bundle, UPDATE_FILE, data->data, data->len, error);

	return bundle_read_update(bundle, ok ? error : NULL) && ok;
}

bool bundle_update_begin(Bundle *bundle, GError **error)
{
	g_autoptr(GByteArray) data = update_record_begun();

	g_assert(!bundle->update);
	bundle->updating = true;
	return write_record(bundle, data, error);
}

bool bundle_update_commit(Bundle *bundle, const Manifest *manifest, const uint8_t *heads,
			  bool *ret_committed, GError **error)
{
	g_autoptr(GByteArray) data = update_record_committed(manifest, heads, error);
	bool ok;

	*ret_committed = false;
	if (!data) {
		g_prefix_error(error, "'%s' would not be readable: ", bundle->path);
		return false;
	}
	/* First the names of the files that it speaks of, then its own. */
	if (!io_flush(bundle->fd, bundle->path, error))
		return false;
	ok = write_record(bundle, data, error);
	*ret_committed = bundle->update && bundle->update->manifest;
	return ok && bundle_settle(bundle, error);
}
