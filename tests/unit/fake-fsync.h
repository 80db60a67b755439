/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An fsync() that can fail.  The linker puts it in place of the real one: `wrap` in meson.build. */
#pragma once

#include <errno.h>

static int n_fsync, failing_fsync; /* counted from 1; 0: none fails */

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fsync(int fd)
{
	if (++n_fsync != failing_fsync)
		return __real_fsync(fd);
	errno = EIO;
	return -1;
}
