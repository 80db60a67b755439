/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asked before anything is made, so that each of these failures changes nothing. */
#include "capture/target.h"

#include "base/error.h"
#include "source/device-stack.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

static bool check_disks(const char *target, const char *const *disks, GError **error)
{
	g_autoptr(DeviceStack) stack = device_stack_below(target, error);

	if (!stack)
		return false;
	for (size_t i = 0; disks[i]; i++)
		if (device_stack_has(stack, disks[i])) {
			g_set_error(
			    error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
			    "the target '%s' lies on '%s', which is to be captured; choose a "
			    "target on another disk",
			    target, disks[i]);
			return false;
		}
	return true;
}

/* domain.xml names the images by their path, and XML holds no bytes but those of text. */
static bool check_name(const char *target, GError **error)
{
	g_autofree char *path = g_canonicalize_filename(target, NULL);
	bool ok = g_utf8_validate(path, -1, NULL);

	for (char *at = path; ok && *at; at = g_utf8_next_char(at))
		ok = !g_unichar_iscntrl(g_utf8_get_char(at));
	if (ok)
		return true;
	g_clear_pointer(&path, g_free);
	path = g_strescape(target, NULL);
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
		    "the path of the target '%s' is no UTF-8 or has control characters, so no "
		    "domain.xml can name what lies there; reach it by another name",
		    path);
	return false;
}

bool target_check(const char *target, const char *const *disks, GError **error)
{
	struct statfs fs;
	struct stat st;

	if (stat(target, &st) < 0 || statfs(target, &fs) < 0) {
		wherry_error_sys(error, errno, "cannot use the target '%s'", target);
		return false;
	}
	if (!S_ISDIR(st.st_mode)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
			    "the target '%s' is no directory", target);
		return false;
	}
	if (access(target, W_OK | X_OK) < 0) {
		wherry_error_sys(error, errno, "cannot write to the target '%s'", target);
		return false;
	}
	if (fs.f_type == MSDOS_SUPER_MAGIC) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "the target '%s' is on a FAT filesystem, whose files end at 4 GiB "
			    "(4294967295 bytes); use one with ext4, XFS, btrfs or exFAT",
			    target);
		return false;
	}
	return check_name(target, error) && check_disks(target, disks, error);
}

bool target_free(const char *target, uint64_t *ret, GError **error)
{
	struct statvfs vfs;

	if (statvfs(target, &vfs) < 0) {
		wherry_error_sys(error, errno, "cannot ask '%s' for its free space", target);
		return false;
	}
	*ret = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	return true;
}
