/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as a qcow2 image: what comes out is the disk, or words why not.  Of the files in the
 * corpus, valid-* must be accepted; image-roundtrip.sh sees to that.
 */
#include "base/autofd.h"
#include "image/image-reader.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Clusters that are read of a disk, which may be of petabytes. */
#define READS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/*
 * An image is mostly zeros and data, where a change tells nothing: change numbers that are there,
 * or next to one that is.  Called by libFuzzer.
 */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	uint64_t state = seed + UINT64_C(0x9e3779b97f4a7c15);
	size_t at = 0;

	if (size < 112)
		return size;
	for (int changes = 1 + (int)(next_random(&state) % 3); changes > 0; changes--) {
		at = next_random(&state) % 4 == 0 ? 0 : next_random(&state) % (size / 8) * 8;
		while (at + 8 < size && data[at] == 0 && memcmp(data + at, data + at + 1, 7) == 0)
			at += 8;
		at += next_random(&state) % 16;
		if (at == 0 || next_random(&state) % 3 == 0)
			at = next_random(&state) % 120;
		if (at >= size)
			continue;
		switch (next_random(&state) % 5) {
		case 0:
			data[at] ^= (uint8_t)(1u << (next_random(&state) % 8));
			break;
		case 1:
			data[at] = (uint8_t)next_random(&state);
			break;
		case 2:
			data[at] = (uint8_t)(data[at] + (next_random(&state) % 2 ? 1 : -1));
			break;
		case 3: {
			size_t from = next_random(&state) % (size / 8) * 8;

			at = at / 8 * 8;
			memmove(data + at, data + from, 8);
			break;
		}
		default:
			data[at] = next_random(&state) % 2 ? 0 : 0xff;
			break;
		}
	}
	if (next_random(&state) % 64 == 0)
		size -= next_random(&state) % size;
	return size;
}

static void read_all(ImageReader *reader, GError **error)
{
	uint8_t data[IMAGE_CLUSTER_SIZE];
	uint64_t index = 0;
	int r;

	for (int i = 0; i < READS_MAX; i++, index++) {
		r = image_reader_next(reader, index, &index, error);
		g_assert_true((r < 0) == (*error != NULL));
		if (r <= 0)
			return;
		g_assert_cmpuint(index, <,
				 (image_reader_virtual_size(reader) + IMAGE_CLUSTER_SIZE - 1) /
				     IMAGE_CLUSTER_SIZE);
		r = image_reader_cluster(reader, index, data, error);
		g_assert_true((r < 0) == (*error != NULL));
		g_assert_cmpint(r, !=, 0); /* next() said that there is data */
		g_clear_error(error);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autofd int fd = memfd_create("fuzz", MFD_CLOEXEC);
	g_autoptr(ImageReader) reader = NULL;
	g_autoptr(GError) error = NULL;

	g_assert_cmpint(write(fd, data, size), ==, (ssize_t)size);
	reader = image_reader_new(fd, "fuzz", &error);
	g_assert_true(!reader == (error != NULL));
	if (!reader)
		return 0;
	read_all(reader, &error);
	g_clear_error(&error);
	g_assert_true(image_reader_check(reader, &error) == (error == NULL));
	return 0;
}
