/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * src/image for scripts: a raw disk into an image, an image into a raw disk, a check.  `write`
 * prints the digest of each leaf, a line each, and asserts the bound of the size.
 */
#include "base/autofd.h"
#include "base/error.h"
#include "base/io.h"
#include "image/compress.h"
#include "image/image-reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint8_t zeros[IMAGE_CLUSTER_SIZE];

/* -1: failed. */
static int open_file(const char *path, int flags, GError **error)
{
	int fd = open(path, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		wherry_error_sys(error, errno, "cannot open '%s'", path);
	return fd;
}

static bool put_cluster(ImageWriter *writer, Compressor *compressor, uint64_t index,
			const uint8_t *data, GError **error)
{
	uint8_t frame[IMAGE_CLUSTER_SIZE];
	size_t n = compressor ? compressor_run(compressor, data, frame) : 0;

	return n > 0 ? image_writer_put(writer, index, frame, n, true, error)
		     : image_writer_put(writer, index, data, IMAGE_CLUSTER_SIZE, false, error);
}

/* Every cluster of @fd that is not zero; @ret_n: how many. */
static bool put_all(ImageWriter *writer, Compressor *compressor, int fd, uint64_t size,
		    uint64_t *ret_n, GError **error)
{
	uint8_t data[IMAGE_CLUSTER_SIZE];
	uint64_t n = 0;

	for (uint64_t at = 0; at < size; at += sizeof(data)) {
		off_t next = lseek(fd, (off_t)at, SEEK_DATA);
		size_t len;

		if (next < 0)
			break; /* ENXIO: nothing but a hole */
		at = (uint64_t)next / sizeof(data) * sizeof(data);
		len = MIN(size - at, sizeof(data));
		memset(data + len, 0, sizeof(data) - len);
		if (!io_pread(fd, "raw", at, data, len, error))
			return false;
		if (memcmp(data, zeros, sizeof(data)) == 0)
			continue;
		if (!put_cluster(writer, compressor, at / sizeof(data), data, error))
			return false;
		n++;
	}
	*ret_n = n;
	return true;
}

static bool run_write(const char *raw, const char *image, bool compress, GError **error)
{
	autofd int in = open_file(raw, O_RDONLY, error);
	autofd int out = in < 0 ? -1 : open_file(image, O_RDWR | O_CREAT | O_TRUNC, error);
	g_autoptr(Compressor) compressor = compress ? compressor_new(1) : NULL;
	g_autoptr(LeafSums) leaves = leaf_sums_new(memfd_create("leaves", MFD_CLOEXEC), "leaves");
	g_autoptr(ImageWriter) writer = NULL;
	uint64_t size, n, file_size;

	if (out < 0)
		return false;
	size = (uint64_t)lseek(in, 0, SEEK_END);
	writer = image_writer_new(out, image, leaves, size, compress, error);
	if (!writer || !put_all(writer, compressor, in, size, &n, error) ||
	    !image_writer_finish(writer, &file_size, error))
		return false;
	g_assert_cmpuint(file_size, ==, image_writer_size(writer));
	g_assert_cmpuint(file_size, ==, lseek(out, 0, SEEK_END));
	g_assert_cmpuint(file_size, <=, image_size_bound(size, n));
	for (uint64_t i = 0; i * IMAGE_LEAF_SIZE < file_size; i++) {
		g_autofree char *hex = NULL;
		struct digest digest;

		if (!leaf_sums_get(leaves, i, &digest, error))
			return false;
		hex = digest_to_hex(&digest);
		puts(hex);
	}
	return true;
}

/* @n clusters of 64 KiB of 'Z', all equal. */
static bool run_repeat(uint64_t n, const char *image, GError **error)
{
	autofd int out = open_file(image, O_RDWR | O_CREAT | O_TRUNC, error);
	g_autoptr(Compressor) compressor = compressor_new(1);
	const struct fingerprint fingerprint = { { 1 } };
	g_autoptr(LeafSums) leaves = leaf_sums_new(memfd_create("leaves", MFD_CLOEXEC), "leaves");
	g_autoptr(ImageWriter) writer = NULL;
	uint8_t data[IMAGE_CLUSTER_SIZE], frame[IMAGE_CLUSTER_SIZE];
	uint64_t file_size;
	size_t len;

	if (out < 0)
		return false;
	memset(data, 'Z', sizeof(data));
	len = compressor_run(compressor, data, frame);
	writer = image_writer_new(out, image, leaves, n * sizeof(data), true, error);
	if (!writer || !image_writer_dedupe(writer, 8, error))
		return false;
	for (uint64_t i = 0; i < n; i++)
		if (!image_writer_put_frame(writer, i, frame, len, &fingerprint, error))
			return false;
	return image_writer_finish(writer, &file_size, error);
}

static bool run_read(const char *image, const char *raw, GError **error)
{
	autofd int in = open_file(image, O_RDONLY, error);
	autofd int out = in < 0 ? -1 : open_file(raw, O_RDWR | O_CREAT | O_TRUNC, error);
	g_autoptr(ImageReader) reader = out < 0 ? NULL : image_reader_new(in, image, error);
	uint8_t data[IMAGE_CLUSTER_SIZE];
	uint64_t size, index = 0;
	int r;

	if (!reader)
		return false;
	size = image_reader_virtual_size(reader);
	g_assert_cmpint(ftruncate(out, (off_t)size), ==, 0);
	for (; (r = image_reader_next(reader, index, &index, error)) > 0; index++) {
		uint64_t at = index * sizeof(data);

		if (image_reader_cluster(reader, index, data, error) < 0 ||
		    !io_pwrite(out, raw, at, data, MIN(size - at, sizeof(data)), error))
			return false;
	}
	return r == 0;
}

static bool run_check(const char *image, GError **error)
{
	autofd int in = open_file(image, O_RDONLY, error);
	g_autoptr(ImageReader) reader = in < 0 ? NULL : image_reader_new(in, image, error);

	return reader && image_reader_check(reader, error);
}

int main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;
	bool done;

	if (argc == 5 && strcmp(argv[1], "write") == 0) {
		done = run_write(argv[2], argv[3], strcmp(argv[4], "zstd") == 0, &error);
	} else if (argc == 4 && strcmp(argv[1], "repeat") == 0) {
		done = run_repeat(g_ascii_strtoull(argv[2], NULL, 10), argv[3], &error);
	} else if (argc == 4 && strcmp(argv[1], "read") == 0) {
		done = run_read(argv[2], argv[3], &error);
	} else if (argc == 3 && strcmp(argv[1], "check") == 0) {
		done = run_check(argv[2], &error);
	} else {
		fprintf(stderr,
			"image-tool write RAW IMG zstd|none|repeat N IMG|read IMG RAW|check IMG\n");
		return 2;
	}
	if (!done)
		fprintf(stderr, "%s\n", error->message);
	return done ? 0 : 1;
}
