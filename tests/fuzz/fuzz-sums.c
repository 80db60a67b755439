/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a sums file: read to its end, and one leaf too far. */
#include "base/autofd.h"
#include "bundle/sums.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autofd int fd = memfd_create("sums", MFD_CLOEXEC);
	g_autoptr(SumsReader) reader = NULL;
	struct digest digest;
	uint64_t index, last = 0, leaves;
	bool first = true;

	g_assert_true(write(fd, data, size) == (ssize_t)size);
	reader = sums_reader_new(fd, "sums", NULL);
	if (!reader)
		return 0;

	while (sums_reader_next(reader, &index, &digest, NULL) == 1) {
		g_assert_true(first || index > last);
		g_assert_true(index < sums_reader_disk_size(reader)); /* chunks are larger */
		last = index;
		first = false;
	}
	leaves = (sums_reader_image_size(reader) + SUMS_LEAF_SIZE - 1) / SUMS_LEAF_SIZE;
	for (uint64_t i = 0; i <= leaves; i++)
		g_assert_true(sums_reader_leaf(reader, i, &digest, NULL) == (i < leaves));
	return 0;
}
