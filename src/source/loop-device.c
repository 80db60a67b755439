/* SPDX-License-Identifier: GPL-2.0-or-later */
/* By loop(4): a free number is asked for, and may be taken by another before we have it. */
#include "source/loop-device.h"

#include "base/autofd.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define ATTEMPTS 16

static int get_free(int control)
{
	return ioctl(control, LOOP_CTL_GET_FREE);
}

static int configure(int loop, const struct loop_config *config)
{
	return ioctl(loop, LOOP_CONFIGURE, config);
}

/* -1 with errno: EBUSY, another was faster. */
static int attach_once(int control, const struct loop_config *config)
{
	int number = get_free(control), saved;
	g_autofree char *path = g_strdup_printf("/dev/loop%d", number);
	autofd int fd = -1;

	if (number < 0)
		return -1;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (configure(fd, config) == 0)
		return g_steal_fd(&fd);
	saved = errno;
	autofd_clear(&fd);
	errno = saved;
	return -1;
}

LoopDevice *loop_device_new(int file, uint32_t sector_size, bool read_only, GError **error)
{
	autofd int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	const struct loop_config config = {
		.fd = (uint32_t)file,
		.block_size = sector_size,
		.info.lo_flags =
		    LO_FLAGS_AUTOCLEAR | (read_only ? (uint32_t)LO_FLAGS_READ_ONLY : 0),
	};
	LoopDevice *device;
	struct stat st;
	int fd = -1;

	for (int i = 0; control >= 0 && fd < 0 && i < ATTEMPTS; i++) {
		fd = attach_once(control, &config);
		if (fd < 0 && errno != EBUSY)
			break;
	}
	if (fd < 0 || fstat(fd, &st) < 0) {
		wherry_error_sys(error, errno, "cannot make a loop device");
		autofd_clear(&fd);
		return NULL;
	}
	device = g_new0(LoopDevice, 1);
	device->fd = fd;
	device->id = st.st_rdev;
	return device;
}

void loop_device_free(LoopDevice *device)
{
	if (!device)
		return;
	autofd_clear(&device->fd);
	g_free(device);
}
