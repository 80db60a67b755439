/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel of a mounted filesystem is asked; one typed wrapper for each ioctl. */
#pragma once

#include <glib.h>
#include <linux/btrfs.h>
#include <linux/fsmap.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * @fd: anything on the filesystem.  All of them fail with the words of errno; a filesystem that
 * does not know the question gives WHERRY_ERROR_UNSUPPORTED.
 */

/* FS_IOC_GETFSMAP: @head has room for fmh_count records, which follow it. */
bool mounted_ioctl_fsmap(int fd, struct fsmap_head *head, GError **error);

bool mounted_ioctl_btrfs_info(int fd, struct btrfs_ioctl_fs_info_args *ret, GError **error);

/* BTRFS_IOC_TREE_SEARCH_V2: @args has room for buf_size bytes, which follow it. */
bool mounted_ioctl_btrfs_search(int fd, struct btrfs_ioctl_search_args_v2 *args, GError **error);
