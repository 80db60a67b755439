/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nobody can end a process while one of its calls waits for a device, so each call here waits for
 * little.
 */
#include "base/write-behind.h"

#include "base/io.h"

#include <fcntl.h>

#define ALLOWED_MIN (UINT64_C(256) << 10)
#define ALLOWED_MAX (UINT64_C(16) << 20)

/* In one call, in each direction. */
#define PIECE_MIN (UINT64_C(256) << 10)
#define PIECE_MAX (UINT64_C(1) << 20)

void write_behind_init(struct write_behind *behind, uint64_t from)
{
	*behind = (struct write_behind){ from, from, ALLOWED_MIN };
}

static uint64_t piece_size(const struct write_behind *behind)
{
	return CLAMP(behind->allowed / 4, PIECE_MIN, PIECE_MAX);
}

/* Until no more than @left bytes are on their way. */
static void wait_for_pieces(struct write_behind *behind, int fd, uint64_t left)
{
	const unsigned int all =
	    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;

	while (behind->sent - behind->waited > left) {
		uint64_t n = MIN(piece_size(behind), behind->sent - behind->waited);

		(void)sync_file_range(fd, (off_t)behind->waited, (off_t)n, all);
		(void)posix_fadvise(fd, (off_t)behind->waited, (off_t)n, POSIX_FADV_DONTNEED);
		behind->waited += n;
	}
}

/* What the medium takes in half a second, as far as that is known; not much more than before. */
static void adapt(struct write_behind *behind, uint64_t bytes, int64_t took)
{
	uint64_t can = bytes * (G_USEC_PER_SEC / 2) / (uint64_t)MAX(took, 1);

	if (bytes > 0)
		behind->allowed = CLAMP(can, ALLOWED_MIN, MIN(2 * behind->allowed, ALLOWED_MAX));
}

/* Dirty pages count as on their way: the kernel may write them at any time. */
bool write_behind_put(struct write_behind *behind, int fd, const char *name, uint64_t offset,
		      const void *data, size_t len, GError **error)
{
	int64_t began = g_get_monotonic_time();
	const uint8_t *from = data;
	uint64_t waited;

	if (behind->sent != offset)
		*behind = (struct write_behind){ offset, offset, behind->allowed };
	waited = behind->waited;
	while (len > 0) {
		size_t n = (size_t)MIN(len, piece_size(behind));

		if (!io_pwrite(fd, name, behind->sent, from, n, error))
			return false;
		(void)sync_file_range(fd, (off_t)behind->sent, (off_t)n, SYNC_FILE_RANGE_WRITE);
		behind->sent += n;
		from += n;
		len -= n;
		wait_for_pieces(behind, fd, behind->allowed);
	}
	adapt(behind, behind->waited - waited, g_get_monotonic_time() - began);
	return true;
}

void write_behind_drain(struct write_behind *behind, int fd)
{
	wait_for_pieces(behind, fd, 0);
}
