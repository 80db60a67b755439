/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opens and reads block devices and the files that stand in for them.
 *
 * Each ioctl has one typed function, here: ioctl() takes anything, and a pointer of the wrong
 * width overwrites the stack without a warning.
 */
#include "base/blkdev.h"

#include "base/autofd.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* The size in bytes and, of a block device, its number and logical sector size. */
static bool examine(int fd, const char *name, Blkdev *ret, GError **error)
{
	struct stat st;
	uint64_t bytes; /* not BLKGETSIZE: that one counts 512-byte units in an unsigned long */
	int sector_size;

	if (fstat(fd, &st) < 0) {
		wherry_error_sys(error, errno, "cannot examine '%s'", name);
		return false;
	}
	if (S_ISREG(st.st_mode)) {
		ret->size = (uint64_t)st.st_size;
		return true;
	}
	if (!S_ISBLK(st.st_mode)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
			    "'%s' is neither a block device nor a regular file", name);
		return false;
	}

	if (ioctl(fd, BLKGETSIZE64, &bytes) < 0 || ioctl(fd, BLKSSZGET, &sector_size) < 0) {
		wherry_error_sys(error, errno, "cannot get the size of '%s'", name);
		return false;
	}
	ret->size = bytes;
	ret->sector_size = (uint32_t)sector_size;
	ret->id = st.st_rdev;
	return true;
}

Blkdev *blkdev_open(const char *path, GError **error)
{
	/* O_NONBLOCK: a fifo must not make us wait for its writer; disks ignore it. */
	autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	Blkdev found = { .fd = -1 };
	Blkdev *dev;

	if (fd < 0) {
		wherry_error_sys(error, errno, "cannot open '%s'", path);
		return NULL;
	}
	if (!examine(fd, path, &found, error))
		return NULL;

	dev = g_new(Blkdev, 1);
	*dev = found;
	dev->name = g_strdup(path);
	dev->path = g_strdup(path);
	dev->fd = g_steal_fd(&fd);
	return dev;
}

bool blkdev_read(const Blkdev *dev, uint64_t offset, void *buf, size_t len, GError **error)
{
	char *to = buf;

	if (offset > dev->size || len > dev->size - offset) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "%s: %zu bytes at %" PRIu64 " lie beyond its %" PRIu64 " bytes",
			    dev->name, len, offset, dev->size);
		return false;
	}

	while (len > 0) {
		ssize_t n = TEMP_FAILURE_RETRY(pread(dev->fd, to, len, (off_t)offset));

		if (n < 0) {
			wherry_error_sys(error, errno, "%s: cannot read at %" PRIu64, dev->name,
					 offset);
			return false;
		}
		if (n == 0) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_IO,
				    "%s: ended at %" PRIu64 " of %" PRIu64
				    " bytes: it has shrunk, or is gone",
				    dev->name, offset, dev->size);
			return false;
		}
		to += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return true;
}

void blkdev_forget(const Blkdev *dev)
{
	if (dev->id != 0)
		(void)posix_fadvise(dev->fd, 0, 0, POSIX_FADV_DONTNEED); /* the most one can do */
}

bool blkdev_is_hole(const Blkdev *dev, uint64_t offset, uint64_t len)
{
	off_t data;

	if (dev->id != 0)
		return false; /* to a block device everything is data */
	data = lseek(dev->fd, (off_t)offset, SEEK_DATA);
	if (data < 0 && errno == ENXIO) /* no data to its end, which may be another by now */
		data = lseek(dev->fd, 0, SEEK_END);
	return data >= 0 && (uint64_t)data >= offset + len;
}

bool blkdev_check_size(const Blkdev *dev, GError **error)
{
	Blkdev now = { .fd = -1 };

	if (!examine(dev->fd, dev->name, &now, error))
		return false;
	if (now.size != dev->size) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_IO,
			    "%s: changed its size from %" PRIu64 " to %" PRIu64
			    " bytes while it was read",
			    dev->name, dev->size, now.size);
		return false;
	}
	return true;
}

int blkdev_is_read_only(const Blkdev *dev, GError **error)
{
	int value = 0;

	if (dev->id != 0 && ioctl(dev->fd, BLKROGET, &value) < 0) {
		wherry_error_sys(error, errno, "%s: cannot tell whether it is read-only",
				 dev->name);
		return -1;
	}
	return value != 0;
}

bool blkdev_set_read_only(const Blkdev *dev, bool read_only, GError **error)
{
	int value = read_only;

	if (ioctl(dev->fd, BLKROSET, &value) == 0)
		return true;
	wherry_error_sys(error, errno, "%s: cannot set it %s in the kernel", dev->name,
			 read_only ? "read-only" : "writable");
	return false;
}

void blkdev_free(Blkdev *dev)
{
	if (!dev)
		return;
	autofd_clear(&dev->fd);
	g_free(dev->name);
	g_free(dev->path);
	g_free(dev);
}
