/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two members of an array as one small input: records of 516 bytes, each a little-endian number of
 * four bytes and a sector of 512.  The number's upper bit says which member, the others which
 * sector of it; all other sectors are zeros.  tests/fuzz/record-md makes such a file of real
 * members.
 */
#pragma once

#include "base/autofd.h"
#include "base/blkdev.h"
#include "base/le.h"
#include "map/layer-md-priv.h"
#include "map/map-layer.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MD_MEMBERS     2
#define MD_MEMBER_SIZE (UINT64_C(40) << 20)
#define MD_RECORD_SIZE 516

struct md_input {
	Blkdev *disks[MD_MEMBERS];
	UsedMap *used[MD_MEMBERS];
	Volume *volumes[MD_MEMBERS];
	struct layer_member members[MD_MEMBERS];
	GPtrArray *found;
	GPtrArray *warnings;
};

static inline void md_input_write(int fd, const void *data, size_t len, uint64_t offset)
{
	g_assert_cmpint(pwrite(fd, data, len, (off_t)offset), ==, (ssize_t)len);
}

static inline void md_input_open(struct md_input *input, const uint8_t *data, size_t size)
{
	int fds[MD_MEMBERS];

	for (unsigned int i = 0; i < MD_MEMBERS; i++) {
		fds[i] = memfd_create("member", MFD_CLOEXEC);
		g_assert_cmpint(ftruncate(fds[i], MD_MEMBER_SIZE), ==, 0);
	}
	for (size_t at = 0; at + MD_RECORD_SIZE <= size; at += MD_RECORD_SIZE) {
		uint32_t number = le32_get(*(const le32 *)(data + at));
		uint64_t offset = (number & INT32_MAX) * UINT64_C(512);

		if (offset < MD_MEMBER_SIZE)
			md_input_write(fds[number >> 31], data + at + 4, 512, offset);
	}
	input->found = g_ptr_array_new_with_free_func(layer_volume_free);
	input->warnings = g_ptr_array_new_with_free_func(g_free);
	for (unsigned int i = 0; i < MD_MEMBERS; i++) {
		g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fds[i]);

		input->disks[i] = blkdev_open(path, NULL);
		close(input->disks[i]->fd);
		input->disks[i]->fd = fds[i]; /* for writing, too */
		input->used[i] = used_map_new(MD_MEMBER_SIZE, 1000);
		input->volumes[i] = volume_new_disk(input->disks[i], input->used[i]);
		input->members[i] = (struct layer_member){ .volume = input->volumes[i] };
	}
}

static inline void md_input_assemble(struct md_input *input, bool last)
{
	g_autoptr(GPtrArray) members = g_ptr_array_new();

	for (unsigned int i = 0; i < MD_MEMBERS; i++)
		if (!input->members[i].how)
			g_ptr_array_add(members, &input->members[i]);
	map_layer_md.assemble(members, last, input->found, input->warnings);
}

static inline void md_input_close(struct md_input *input)
{
	g_clear_pointer(&input->found, g_ptr_array_unref);
	g_clear_pointer(&input->warnings, g_ptr_array_unref);
	for (unsigned int i = 0; i < MD_MEMBERS; i++) {
		layer_member_clear(&input->members[i]);
		volume_free(input->volumes[i]);
		used_map_free(input->used[i]);
		blkdev_free(input->disks[i]);
	}
}
