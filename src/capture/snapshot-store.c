/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A replay writes what is in the log, 2 GiB at most, and what follows from it; mostly it is a few
 * MiB.
 */
#include "capture/snapshot-store.h"

#include "base/autofd.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MEMORY_MIN (UINT64_C(256) << 20) /* less of it is short */
#define STORE_MAX  (UINT64_C(8) << 30)
#define ALIGN      (UINT64_C(1) << 20)

/* Bytes that can be had without anybody suffering (proc(5), meminfo); 0: the kernel does not say.
 */
static uint64_t memory_available(void)
{
	static const char key[] = "\nMemAvailable:";
	g_autofree char *text = NULL;
	const char *at = NULL;

	if (g_file_get_contents("/proc/meminfo", &text, NULL, NULL))
		at = strstr(text, key);
	return at ? g_ascii_strtoull(at + strlen(key), NULL, 10) << 10 : 0;
}

static uint64_t medium_free(const char *target)
{
	struct statvfs st;

	return statvfs(target, &st) == 0 ? (uint64_t)st.f_bavail * st.f_frsize : 0;
}

static bool set_size(int fd, uint64_t size)
{
	size = MIN(size, STORE_MAX);
	return ftruncate(fd, (off_t)(size - size % ALIGN)) == 0;
}

int snapshot_store_open(const char *target, unsigned int n, GError **error)
{
	/* Half of either, of which the capture itself needs more. */
	uint64_t memory = memory_available() / 2 / n, medium = medium_free(target) / 2 / n;
	autofd int fd = -1;

	if (memory < MEMORY_MIN && medium > memory)
		fd = open(target, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0 && set_size(fd, medium))
		return g_steal_fd(&fd);
	autofd_clear(&fd);
	fd = memfd_create("store of a snapshot", MFD_CLOEXEC);
	if (fd >= 0 && set_size(fd, memory))
		return g_steal_fd(&fd);
	wherry_error_sys(error, errno,
			 "cannot make room for a snapshot: %" PRIu64 " bytes of memory, %" PRIu64
			 " on '%s'",
			 memory, medium, target);
	return -1;
}
