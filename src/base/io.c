/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loops around read() and write() that every caller would need. */
#include "base/io.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

bool io_write(int fd, const char *name, const void *data, size_t len, GError **error)
{
	const char *from = data;

	while (len > 0) {
		ssize_t n = TEMP_FAILURE_RETRY(write(fd, from, len));

		if (n < 0) {
			wherry_error_sys(error, errno, "cannot write the last %zu bytes of '%s'",
					 len, name);
			return false;
		}
		from += n;
		len -= (size_t)n;
	}
	return true;
}

bool io_pwrite(int fd, const char *name, uint64_t offset, const void *data, size_t len,
	       GError **error)
{
	const char *from = data;

	while (len > 0) {
		ssize_t n = TEMP_FAILURE_RETRY(pwrite(fd, from, len, (off_t)offset));

		if (n < 0) {
			wherry_error_sys(error, errno,
					 "cannot write %zu bytes at %" PRIu64 " of '%s'", len,
					 offset, name);
			return false;
		}
		from += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return true;
}

bool io_pread(int fd, const char *name, uint64_t offset, void *buf, size_t len, GError **error)
{
	char *to = buf;

	while (len > 0) {
		ssize_t n = TEMP_FAILURE_RETRY(pread(fd, to, len, (off_t)offset));

		if (n < 0) {
			wherry_error_sys(error, errno,
					 "cannot read %zu bytes at %" PRIu64 " of '%s'", len,
					 offset, name);
			return false;
		}
		if (n == 0) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
				    "'%s' ends at %" PRIu64 ", %zu bytes too early", name, offset,
				    len);
			return false;
		}
		to += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return true;
}

bool io_flush(int fd, const char *name, GError **error)
{
	if (fsync(fd) < 0) {
		wherry_error_sys(error, errno, "cannot flush '%s'", name);
		return false;
	}
	return true;
}
