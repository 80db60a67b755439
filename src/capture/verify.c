/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each file is read from its first to its last byte and summed.  An image is summed by its leaves;
 * then its metadata is checked, and every guest chunk read through it is compared with its digest:
 * so the bytes are those that were written, and they mean what was captured.
 */
#include "capture/verify.h"

#include "base/autofd.h"
#include "base/error.h"
#include "base/io.h"
#include "base/zero.h"
#include "bundle/bundle.h"
#include "capture/chunk.h"
#include "image/image-reader.h"

#include <inttypes.h>
#include <string.h>
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
	return g_steal_fd(&fd);
}

static void differs(GError **error, const char *name, const char *where, const struct digest *got,
		    const struct digest *want)
{
	g_autofree char *got_hex = digest_to_hex(got), *want_hex = digest_to_hex(want);

	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
		    "'%s' was altered%s: its SHA-256 is %s, but %s was recorded", name, where,
		    got_hex, want_hex);
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
		differs(error, file->name, "", &got, &file->digest);
		return false;
	}
	say_intact(verify, file->name);
	return true;
}

/* The bytes of the image file. */
static bool verify_leaves(Verify *verify, const struct manifest_disk *disk, int fd,
			  SumsReader *sums, GError **error)
{
	start_item(verify, disk->image, disk->image_size);
	for (uint64_t at = 0, i = 0; at < disk->image_size; i++) {
		size_t len = (size_t)MIN(IMAGE_LEAF_SIZE, disk->image_size - at);
		struct digest got, want;

		if (!io_pread(fd, disk->image, at, verify->buf, len, error) ||
		    !sums_reader_leaf(sums, i, &want, error) || !advance(verify, len, error))
			return false;
		got = digest_of(verify->buf, len);
		if (!digest_equal(&got, &want)) {
			g_autofree char *where =
			    g_strdup_printf(" between bytes %" PRIu64 " and %" PRIu64, at,
					    at + len);

			differs(error, disk->image, where, &got, &want);
			return false;
		}
		at += len;
	}
	return true;
}

/* The digest of guest chunk @index as the image has it. */
static bool digest_chunk(Verify *verify, const struct manifest_disk *disk, ImageReader *image,
			 uint64_t index, struct digest *ret, GError **error)
{
	uint64_t start = index * SUMS_CHUNK_SIZE;
	size_t len = (size_t)MIN(SUMS_CHUNK_SIZE, disk->size - start);

	memset(verify->buf, 0, SUMS_CHUNK_SIZE);
	for (uint64_t i = 0; i * IMAGE_CLUSTER_SIZE < len; i++)
		if (image_reader_cluster(image, index * CLUSTERS_PER_CHUNK + i,
					 verify->buf + i * IMAGE_CLUSTER_SIZE, error) < 0)
			return false;
	*ret = digest_of(verify->buf, len);
	return true;
}

/* No cluster in chunks [@from, @to) may hold data: they have no digest, so they are zero. */
static bool check_hole(const struct manifest_disk *disk, ImageReader *image, uint64_t from,
		       uint64_t to, GError **error)
{
	uint64_t cluster;
	int r = image_reader_next(image, from * CLUSTERS_PER_CHUNK, &cluster, error);

	if (r < 0)
		return false;
	if (r == 1 && cluster / CLUSTERS_PER_CHUNK < to) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
			    "'%s' has data at byte %" PRIu64 " of the disk, where '%s' has none",
			    disk->image, cluster * IMAGE_CLUSTER_SIZE, disk->sums);
		return false;
	}
	return true;
}

/* What the guest will read.  Its bytes are those in use, rounded up to whole chunks. */
static bool verify_chunks(Verify *verify, const struct manifest_disk *disk, ImageReader *image,
			  SumsReader *sums, GError **error)
{
	uint64_t index, next = 0; /* @next: the first chunk that was not looked at */
	struct digest want, got;
	int r;

	start_item(verify, disk->path, disk->used);
	while ((r = sums_reader_next(sums, &index, &want, error)) > 0) {
		if (!check_hole(disk, image, next, index, error) ||
		    !digest_chunk(verify, disk, image, index, &got, error) ||
		    !advance(verify, MIN(SUMS_CHUNK_SIZE, verify->now.total - verify->now.done),
			     error))
			return false;
		if (!digest_equal(&got, &want)) {
			g_autofree char *where =
			    g_strdup_printf(" where it holds byte %" PRIu64 " and on of the disk",
					    index * SUMS_CHUNK_SIZE);

			differs(error, disk->image, where, &got, &want);
			return false;
		}
		next = index + 1;
	}
	return r == 0 && check_hole(disk, image, next, UINT64_MAX, error) &&
	       advance(verify, verify->now.total - verify->now.done, error);
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

static bool verify_disk(Verify *verify, const struct manifest_disk *disk, GError **error)
{
	autofd int image_fd = open_sized(verify, disk->image, disk->image_size, error);
	autofd int sums_fd = -1;
	g_autoptr(ImageReader) image = NULL;
	g_autoptr(SumsReader) sums = NULL;

	if (image_fd < 0)
		return false;
	sums_fd = bundle_open_file(verify->bundle, disk->sums, error);
	if (sums_fd < 0)
		return false;
	/* The header first: "a backing file" tells more than "altered". */
	image = image_reader_new(image_fd, disk->image, error);
	if (!image)
		return false;
	sums = sums_reader_new(sums_fd, disk->sums, error);
	return sums && verify_leaves(verify, disk, image_fd, sums, error) &&
	       check_sizes(disk, sums, image, error) && image_reader_check(image, error) &&
	       verify_chunks(verify, disk, image, sums, error);
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

	verify.bundle = bundle_open(path, error);
	if (!verify.bundle)
		return false;
	verify.buf = g_malloc(READ_SIZE);
	verify.manifest = bundle_read_manifest(verify.bundle, &cause);
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
