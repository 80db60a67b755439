/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a file lies on: the block devices below its filesystem, down through partitions, RAID, LVM
 * and loop devices to the disks and image files at the bottom.  From sysfs and
 * /proc/self/mountinfo.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

typedef struct device_stack DeviceStack;

/*
 * All that lies below the file or directory @path.  Empty for what is on no block device (tmpfs,
 * NFS).  Fails only if @path itself cannot be examined.
 */
DeviceStack *device_stack_below(const char *path, GError **error);

/* Whether the stack has the block device or the regular file that @path names. */
bool device_stack_has(const DeviceStack *stack, const char *path);

/*
 * The mount point of a filesystem that is mounted for writing and lies on the block device or image
 * file @path, or on a part of it; NULL: none; owned by the caller.
 */
char *device_stack_writer(const char *path);

void device_stack_free(DeviceStack *stack);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DeviceStack, device_stack_free)
