/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One lock file for all jobs, one byte for each. */
#include "job/lock.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define WAIT_STEP_US (10 * 1000)

int lock_file_open(const char *store_path, GError **error)
{
	g_autofree char *path = g_strdup_printf("%s.lock", store_path);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		wherry_error_sys(error, errno, "cannot open the lock file '%s'", path);
	return fd;
}

static int do_lock(int fd, int command, short type, int64_t byte, struct flock *ret)
{
	*ret = (struct flock){
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = byte,
		.l_len = 1,
	};
	return fcntl(fd, command, ret);
}

int lock_try(int fd, int64_t byte, GError **error)
{
	struct flock lock;

	if (do_lock(fd, F_OFD_SETLK, F_WRLCK, byte, &lock) == 0)
		return 1;
	if (errno == EAGAIN || errno == EACCES)
		return 0;
	wherry_error_sys(error, errno, "cannot lock byte %" G_GINT64_FORMAT " of the lock file",
			 byte);
	return -1;
}

bool lock_wait(int fd, int64_t byte, unsigned int seconds, GError **error)
{
	int64_t end = g_get_monotonic_time() + seconds * (int64_t)G_USEC_PER_SEC;
	int r;

	while ((r = lock_try(fd, byte, error)) == 0 && g_get_monotonic_time() < end)
		g_usleep(WAIT_STEP_US);
	if (r == 0)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_BUSY,
			    "another process has kept byte %" G_GINT64_FORMAT
			    " of the lock file for %u seconds",
			    byte, seconds);
	return r > 0;
}

int lock_is_held(int fd, int64_t byte, GError **error)
{
	struct flock lock;

	if (do_lock(fd, F_OFD_GETLK, F_WRLCK, byte, &lock) == 0)
		return lock.l_type != F_UNLCK;
	wherry_error_sys(error, errno, "cannot ask for byte %" G_GINT64_FORMAT " of the lock file",
			 byte);
	return -1;
}

bool lock_release(int fd, int64_t byte, GError **error)
{
	struct flock lock;

	if (do_lock(fd, F_OFD_SETLK, F_UNLCK, byte, &lock) == 0)
		return true;
	wherry_error_sys(error, errno, "cannot unlock byte %" G_GINT64_FORMAT " of the lock file",
			 byte);
	return false;
}
