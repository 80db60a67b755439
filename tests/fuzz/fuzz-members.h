/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two members of what a layer reads as one small input: records of 516 bytes, each a little-endian
 * number of four bytes and a sector of 512.  The number's upper bit says which member, the others
 * which sector of it; all other sectors are zeros.  tests/fuzz/record-md and record-btrfs make such
 * a file of real members.
 */
#pragma once

#include "base/autofd.h"
#include "base/blkdev.h"
#include "base/le.h"
#include "map/map-layer.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define N_MEMBERS   2
#define RECORD_SIZE 516

struct members_input {
	const struct map_layer *layer;
	uint64_t size; /* of each member, bytes */
	Blkdev *disks[N_MEMBERS];
	UsedMap *used[N_MEMBERS];
	Volume *volumes[N_MEMBERS];
	struct layer_member members[N_MEMBERS];
	GPtrArray *found;
	GPtrArray *warnings;
};

static inline void members_input_write(int fd, const void *data, size_t len, uint64_t offset)
{
	g_assert_cmpint(pwrite(fd, data, len, (off_t)offset), ==, (ssize_t)len);
}

/* input->layer and input->size are set. */
static inline void members_input_open(struct members_input *input, const uint8_t *data, size_t size)
{
	int fds[N_MEMBERS];

	for (unsigned int i = 0; i < N_MEMBERS; i++) {
		fds[i] = memfd_create("member", MFD_CLOEXEC);
		g_assert_cmpint(ftruncate(fds[i], (off_t)input->size), ==, 0);
	}
	for (size_t at = 0; at + RECORD_SIZE <= size; at += RECORD_SIZE) {
		uint32_t number = le32_get(*(const le32 *)(data + at));
		uint64_t offset = (number & INT32_MAX) * UINT64_C(512);

		if (offset < input->size)
			members_input_write(fds[number >> 31], data + at + 4, 512, offset);
	}
	input->found = g_ptr_array_new_with_free_func(layer_volume_free);
	input->warnings = g_ptr_array_new_with_free_func(g_free);
	for (unsigned int i = 0; i < N_MEMBERS; i++) {
		g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fds[i]);

		input->disks[i] = blkdev_open(path, NULL);
		close(input->disks[i]->fd);
		input->disks[i]->fd = fds[i]; /* for writing, too */
		input->used[i] = used_map_new(input->size, 1000);
		input->volumes[i] = volume_new_disk(input->disks[i], input->used[i]);
		input->members[i] = (struct layer_member){ .volume = input->volumes[i] };
	}
}

static inline void members_input_assemble(struct members_input *input, bool last)
{
	g_autoptr(GPtrArray) members = g_ptr_array_new();

	for (unsigned int i = 0; i < N_MEMBERS; i++)
		if (!input->members[i].how)
			g_ptr_array_add(members, &input->members[i]);
	input->layer->assemble(members, last, input->found, input->warnings);
}

static inline void members_input_close(struct members_input *input)
{
	g_clear_pointer(&input->found, g_ptr_array_unref);
	g_clear_pointer(&input->warnings, g_ptr_array_unref);
	for (unsigned int i = 0; i < N_MEMBERS; i++) {
		layer_member_clear(&input->members[i]);
		volume_free(input->volumes[i]);
		used_map_free(input->used[i]);
		blkdev_free(input->disks[i]);
	}
}
