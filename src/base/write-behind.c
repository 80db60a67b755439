/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nobody can end a process while one of its calls waits for a device, so each call here waits for
 * little.
 */
#include "base/write-behind.h"

#include "base/autofd.h"
#include "base/error.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define ALLOWED_MIN (UINT64_C(256) << 10)
#define ALLOWED_MAX (UINT64_C(16) << 20)

/* In one call, in each direction. */
#define PIECE_MIN (UINT64_C(256) << 10)
#define PIECE_MAX (UINT64_C(1) << 20)

void write_behind_init(struct write_behind *behind, int fd, uint64_t from)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	*behind = (struct write_behind){
		.direct = open(path, O_WRONLY | O_DIRECT | O_CLOEXEC),
		.waited = from,
		.sent = from,
		.allowed = ALLOWED_MIN,
	};
}

/* A call past the page cache returns when its bytes are there, so it may be all that is allowed. */
static uint64_t piece_size(const struct write_behind *behind)
{
	return behind->direct >= 0 ? behind->allowed / 2
				   : CLAMP(behind->allowed / 4, PIECE_MIN, PIECE_MAX);
}

/* The kernel or the filesystem does not know the call: it is a wish, then. */
static bool is_unknown(int errnum)
{
	return errnum == ENOSYS || errnum == EINVAL || errnum == EOPNOTSUPP || errnum == ESPIPE;
}

/*
 * Until no more than @left bytes are on their way.  What the kernel could not write it says once:
 * here, and not in the fsync() that follows.
 */
static bool wait_for_pieces(struct write_behind *behind, int fd, const char *name, uint64_t left,
			    GError **error)
{
	const unsigned int all =
	    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;

	while (behind->sent - behind->waited > left) {
		uint64_t n = MIN(piece_size(behind), behind->sent - behind->waited);

		if (sync_file_range(fd, (off_t)behind->waited, (off_t)n, all) < 0 &&
		    !is_unknown(errno)) {
			wherry_error_sys(error, errno,
					 "cannot write %" PRIu64 " bytes at %" PRIu64 " of '%s'", n,
					 behind->waited, name);
			return false;
		}
		(void)posix_fadvise(fd, (off_t)behind->waited, (off_t)n, POSIX_FADV_DONTNEED);
		behind->waited += n;
	}
	return true;
}

/* What the medium takes in half a second, as far as that is known; not much more than before. */
static void adapt(struct write_behind *behind, uint64_t bytes, int64_t took)
{
	uint64_t can = bytes * (G_USEC_PER_SEC / 2) / (uint64_t)MAX(took, 1);

	if (bytes > 0)
		behind->allowed = CLAMP(can, ALLOWED_MIN, MIN(2 * behind->allowed, ALLOWED_MAX)) /
				  ALLOWED_MIN * ALLOWED_MIN;
}

static bool is_aligned(uint64_t offset, const void *data, size_t len)
{
	return ((uintptr_t)data | offset | len) % WRITE_BEHIND_ALIGN == 0;
}

/*
 * Past the page cache.  1: *@ret of the bytes are written; 0: the filesystem does not do that;
 * -1: failed.
 */
static int put_direct(struct write_behind *behind, const char *name, const void *data, size_t len,
		      size_t *ret, GError **error)
{
	ssize_t n = TEMP_FAILURE_RETRY(pwrite(behind->direct, data, len, (off_t)behind->sent));

	if (n > 0) {
		*ret = (size_t)n;
		behind->sent += (uint64_t)n;
		behind->waited = behind->sent;
		return 1;
	}
	if (n == 0 || errno == EINVAL || errno == EOPNOTSUPP) {
		autofd_clear(&behind->direct);
		return 0;
	}
	wherry_error_sys(error, errno, "cannot write %zu bytes at %" PRIu64 " of '%s'", len,
			 behind->sent, name);
	return -1;
}

/* Dirty pages count as on their way: the kernel may write them at any time. */
static bool put_piece(struct write_behind *behind, int fd, const char *name, const void *data,
		      size_t len, size_t *ret, GError **error)
{
	if (behind->direct >= 0 && is_aligned(behind->sent, data, len)) {
		int r;

		if (!wait_for_pieces(behind, fd, name, 0, error))
			return false;
		r = put_direct(behind, name, data, len, ret, error);
		if (r != 0)
			return r > 0;
	}
	if (!io_pwrite(fd, name, behind->sent, data, len, error))
		return false;
	(void)sync_file_range(fd, (off_t)behind->sent, (off_t)len, SYNC_FILE_RANGE_WRITE);
	behind->sent += len;
	*ret = len;
	return wait_for_pieces(behind, fd, name, behind->allowed, error);
}

bool write_behind_put(struct write_behind *behind, int fd, const char *name, uint64_t offset,
		      const void *data, size_t len, GError **error)
{
	int64_t began = g_get_monotonic_time();
	const uint8_t *from = data;
	uint64_t waited;

	if (behind->sent != offset)
		behind->sent = behind->waited = offset;
	waited = behind->waited;
	while (len > 0) {
		size_t n;

		if (!put_piece(behind, fd, name, from, (size_t)MIN(len, piece_size(behind)), &n,
			       error))
			return false;
		from += n;
		len -= n;
	}
	adapt(behind, behind->waited - waited, g_get_monotonic_time() - began);
	return true;
}

bool write_behind_drain(struct write_behind *behind, int fd, const char *name, GError **error)
{
	return wait_for_pieces(behind, fd, name, 0, error);
}

void write_behind_clear(struct write_behind *behind)
{
	autofd_clear(&behind->direct);
}
