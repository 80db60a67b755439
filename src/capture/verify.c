/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each file is read from its first to its last byte and summed.  An image is summed by its leaves,
 * its metadata is checked, and every guest chunk read through it is compared with its digest: so
 * the bytes are those that were written, and they mean what was captured.
 */
#include "capture/verify.h"

#include "base/autofd.h"
#include "base/error.h"
#include "base/io.h"
#include "bundle/bundle.h"
#include "capture/chunk.h"
#include "capture/verify-image.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#define READ_SIZE IMAGE_LEAF_SIZE

typedef struct {
	Bundle *bundle;     /* owned */
	Manifest *manifest; /* owned */
	uint8_t *buf;       /* READ_SIZE bytes; owned */
	const struct verify_options *options;
	struct progress now;
} Verify;

static void verify_clear(Verify *verify)
{
	bundle_free(verify->bundle);
	manifest_free(verify->manifest);
	g_free(verify->buf);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Verify, verify_clear)

static bool advance(Verify *verify, uint64_t bytes, GError **error)
{
	verify->now.done += bytes;
	verify->now.all_done += bytes;
	if (verify->options->progress(&verify->now, verify->options->userdata))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_CANCELLED, "interrupted");
	return false;
}

static void say_intact(const Verify *verify, const char *name)
{
	g_autofree char *text = g_strdup_printf("%s: intact", name);

	if (verify->options->say)
		verify->options->say(text, verify->options->userdata);
}

static void start_item(Verify *verify, const char *name, uint64_t bytes)
{
	verify->now.item = name;
	verify->now.done = 0;
	verify->now.total = bytes;
}

/* What is flushed leaves the page cache, if that is wanted. */
static void forget(const Verify *verify, int fd)
{
	if (verify->options->from_medium)
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

/* Open @name, which must have @size bytes. */
static int open_sized(const Verify *verify, const char *name, uint64_t size, GError **error)
{
	autofd int fd = bundle_open_file(verify->bundle, name, error);
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0) {
		wherry_error_sys(error, errno, "cannot examine '%s'", name);
		return -1;
	}
	if ((uint64_t)st.st_size != size) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
			    "'%s' has %" PRIu64 " bytes, but %" PRIu64 " were recorded", name,
			    (uint64_t)st.st_size, size);
		return -1;
	}
	forget(verify, fd);
	return g_steal_fd(&fd);
}

static bool verify_file(Verify *verify, const struct manifest_file *file, GError **error)
{
	autofd int fd = open_sized(verify, file->name, file->size, error);
	g_autoptr(Digester) digester = digester_new();
	struct digest got;

	if (fd < 0)
		return false;
	start_item(verify, file->name, file->size);
	for (uint64_t at = 0; at < file->size;) {
		size_t len = (size_t)MIN(READ_SIZE, file->size - at);

		if (!io_pread(fd, file->name, at, verify->buf, len, error) ||
		    !advance(verify, len, error))
			return false;
		digester_add(digester, verify->buf, len);
		at += len;
	}
	got = digester_finish(digester);
	if (!digest_equal(&got, &file->digest)) {
		g_autofree char *got_hex = digest_to_hex(&got);
		g_autofree char *want_hex = digest_to_hex(&file->digest);

		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
			    "'%s' was altered: its SHA-256 is %s, but %s was recorded", file->name,
			    got_hex, want_hex);
		return false;
	}
	say_intact(verify, file->name);
	return true;
}

static bool check_sizes(const struct manifest_disk *disk, const SumsReader *sums,
			const ImageReader *image, GError **error)
{
	uint64_t virtual_size = image_reader_virtual_size(image);

	if (virtual_size == chunk_virtual_size(disk->size) &&
	    sums_reader_disk_size(sums) == disk->size &&
	    sums_reader_image_size(sums) == disk->image_size)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
		    "'%s' holds a disk of %" PRIu64 " bytes, '%s' sums one of %" PRIu64
		    " in an image of %" PRIu64 "; recorded are %" PRIu64 " in %" PRIu64,
		    disk->image, virtual_size, disk->sums, sums_reader_disk_size(sums),
		    sums_reader_image_size(sums), disk->size, disk->image_size);
	return false;
}

static bool advance_image(uint64_t bytes, void *userdata)
{
	Verify *verify = userdata;
	uint64_t left = verify->now.total - verify->now.done;

	return advance(verify, MIN(bytes, left), NULL); /* chunks are counted whole */
}

/* The bytes of the image first: "altered" explains what is wrong with the tables, too. */
static bool verify_disk(Verify *verify, const struct manifest_disk *disk, GError **error)
{
	g_autoptr(BundleImage) file =
	    bundle_image_open(verify->bundle, disk->image, disk->image_size, error);
	autofd int sums_fd = -1;
	g_autoptr(ImageReader) image = NULL;
	g_autoptr(SumsReader) sums = NULL;
	g_autoptr(GError) cause = NULL;
	struct verify_image job = {
		.disk = disk,
		.file = file,
		.advance = advance_image,
		.userdata = verify,
	};

	if (!file)
		return false;
	forget(verify, file->fd);
	sums_fd = bundle_open_file(verify->bundle, disk->sums, error);
	if (sums_fd < 0)
		return false;
	/* The header before all: "a backing file" tells more than "altered". */
	image = verify_image_reader(file, error);
	if (!image)
		return false;
	sums = sums_reader_new(sums_fd, disk->sums, error);
	if (!sums)
		return false;
	job.image = image;
	job.sums = sums;
	job.leaves_only =
	    !check_sizes(disk, sums, image, &cause) || !image_reader_check(image, &cause);
	start_item(verify, disk->image, disk->image_size + disk->used);
	if (!verify_image(&job, error))
		return false;
	if (cause) {
		g_propagate_error(error, g_steal_pointer(&cause));
		return false;
	}
	return advance(verify, verify->now.total - verify->now.done, error);
}

static bool verify_all(Verify *verify, GError **error)
{
	const Manifest *manifest = verify->manifest;

	for (unsigned int i = 0; i < manifest->files->len; i++)
		if (!verify_file(verify, g_ptr_array_index(manifest->files, i), error))
			return false;
	for (unsigned int i = 0; i < manifest->disks->len; i++) {
		const struct manifest_disk *disk = g_ptr_array_index(manifest->disks, i);

		if (!verify_disk(verify, disk, error))
			return false;
		say_intact(verify, disk->image);
	}
	return true;
}

/* The bytes of all files, and what is still to be read through the images. */
static uint64_t count(Verify *verify)
{
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < verify->manifest->files->len; i++) {
		const struct manifest_file *file = g_ptr_array_index(verify->manifest->files, i);

		bytes += file->size;
	}
	verify->now.all_total = bytes;
	for (unsigned int i = 0; i < verify->manifest->disks->len; i++) {
		const struct manifest_disk *disk = g_ptr_array_index(verify->manifest->disks, i);

		bytes += disk->image_size;
		verify->now.all_total += disk->image_size + disk->used;
	}
	return bytes;
}

bool verify_run(const char *path, const struct verify_options *options, struct verify_result *ret,
		GError **error)
{
	g_auto(Verify) verify = {
		.options = options,
		.now.phase = "verifying",
	};
	g_autoptr(GError) cause = NULL;
	uint64_t bytes;

	verify.bundle = bundle_open(path, &cause);
	if (verify.bundle && bundle_lock(verify.bundle, BUNDLE_LOCK_SHARED, &cause))
		verify.manifest = bundle_read_manifest(verify.bundle, &cause);
	verify.buf = g_malloc(READ_SIZE);
	if (!verify.manifest) {
		if (g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_DAMAGED))
			cause->code = WHERRY_ERROR_DIFFERENT;
		g_propagate_error(error, g_steal_pointer(&cause));
		return false;
	}
	bytes = count(&verify);
	if (!verify_all(&verify, &cause)) {
		/* Damage, a format that we do not write, nothing at all: not what was recorded. */
		if (g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_DAMAGED) ||
		    g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED) ||
		    g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND))
			cause->code = WHERRY_ERROR_DIFFERENT;
		g_propagate_error(error, g_steal_pointer(&cause));
		return false;
	}
	*ret = (struct verify_result){
		.files = verify.manifest->files->len + verify.manifest->disks->len + 1,
		.disks = verify.manifest->disks->len,
		.bytes = bytes,
	};
	return true;
}
