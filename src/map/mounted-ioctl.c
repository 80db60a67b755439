/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "map/mounted-ioctl.h"

#include "base/error.h"

#include <errno.h>
#include <sys/ioctl.h>

/* A signal may interrupt a long answer, which is then asked for again from its start. */
static bool ask(int fd, unsigned long request, const char *question, void *args, GError **error)
{
	int r;

	do
		r = ioctl(fd, request, args);
	while (r < 0 && errno == EINTR);
	if (r < 0) {
		wherry_error_sys(error, errno == ENOTTY ? EOPNOTSUPP : errno,
				 "the kernel does not answer %s", question);
		return false;
	}
	return true;
}

bool mounted_ioctl_fsmap(int fd, struct fsmap_head *head, GError **error)
{
	return ask(fd, FS_IOC_GETFSMAP, "FS_IOC_GETFSMAP", head, error);
}

bool mounted_ioctl_btrfs_info(int fd, struct btrfs_ioctl_fs_info_args *ret, GError **error)
{
	return ask(fd, BTRFS_IOC_FS_INFO, "BTRFS_IOC_FS_INFO", ret, error);
}

bool mounted_ioctl_btrfs_search(int fd, struct btrfs_ioctl_search_args_v2 *args, GError **error)
{
	return ask(fd, BTRFS_IOC_TREE_SEARCH_V2, "BTRFS_IOC_TREE_SEARCH_V2", args, error);
}
