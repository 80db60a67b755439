/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as the start of a volume, with zeros behind them, so that seeds can be small. */
#pragma once

#include "base/autofd.h"
#include "base/blkdev.h"
#include "base/le.h"
#include "map/map-driver.h"

#include <sys/mman.h>
#include <unistd.h>

#define FUZZ_VOLUME_SIZE (UINT64_C(64) << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline Blkdev *fuzz_disk(const uint8_t *data, size_t size)
{
	autofd int fd = memfd_create("fuzz", MFD_CLOEXEC);
	g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);

	g_assert_cmpint(write(fd, data, size), ==, (ssize_t)size);
	g_assert_cmpint(ftruncate(fd, FUZZ_VOLUME_SIZE), ==, 0);
	return blkdev_open(path, NULL);
}

/*
 * A volume whose structures lie far apart, as a small input: records, each a little-endian number
 * of four bytes and the sector of 512 that has it; all others are zeros.
 */
#define FUZZ_RECORD_SIZE 516u

static inline void fuzz_lay_out(int fd, const uint8_t *data, size_t size)
{
	for (size_t at = 0; at + FUZZ_RECORD_SIZE <= size; at += FUZZ_RECORD_SIZE) {
		uint64_t offset = le32_get(*(const le32 *)(data + at)) * UINT64_C(512);

		if (offset < FUZZ_VOLUME_SIZE)
			g_assert_cmpint(pwrite(fd, data + at + 4, 512, (off_t)offset), ==, 512);
	}
}

/* What comes out is a map that fits the volume, or words why not. */
static inline int fuzz_try(const struct map_driver *driver, const char *content, const Blkdev *disk)
{
	g_autoptr(UsedMap) used = used_map_new(FUZZ_VOLUME_SIZE, 1000);
	g_autoptr(Volume) volume = volume_new_disk(disk, used);
	const struct map_options options = { false };
	struct map_found found = { NULL };
	g_autoptr(GError) error = NULL;
	bool ok = driver->map(volume, content, &options, &found, &error);

	g_assert_true(ok == (error == NULL));
	g_assert_true(ok == (found.how != NULL));
	if (ok) /* the boot sector is never free */
		g_assert_cmpuint(used_map_count(used, 0, 512), ==, 512);
	g_free(found.how);
	g_free(found.warning);
	return 0;
}

static inline int fuzz_driver(const struct map_driver *driver, const char *content,
			      const uint8_t *data, size_t size)
{
	g_autoptr(Blkdev) disk = fuzz_disk(data, size);

	return fuzz_try(driver, content, disk);
}
