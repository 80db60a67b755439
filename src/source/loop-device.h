/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file as a block device. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
	int fd; /* owned; the device goes away when it and all else that has it open are closed */
	dev_t id;
} LoopDevice;

/* @file is borrowed, and may be closed at once.  @sector_size: bytes; 0: what loop devices have. */
LoopDevice *loop_device_new(int file, uint32_t sector_size, bool read_only, GError **error);

void loop_device_free(LoopDevice *device);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LoopDevice, loop_device_free)
