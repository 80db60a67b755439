/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first handle is another one of the descriptor that the disk was mapped by.  Later ones come
 * by its path, where after a reset of its bus another device may be.
 */
#include "capture/disk-source.h"

#include "base/aside.h"
#include "base/autofd.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Of these bytes, which tell disks of one size apart: partition tables have identifiers. */
#define HEAD_SIZE 4096u

/* So much memory may be with reads that never ended. */
#define MAX_LEFT_BYTES (64 << 20)

struct disk_source {
	const Blkdev *disk; /* borrowed */
	unsigned int stall_ms;
	bool may_block;
	uint8_t head[HEAD_SIZE];
	size_t head_len;                                /* bytes; 0: they could not be read */
	int n_opened, n_stalls, left_bytes, n_renewals; /* atomic */
};

/* ---- Handles ---- */

DiskHandle *disk_handle_ref(DiskHandle *handle)
{
	g_atomic_int_inc(&handle->refs);
	return handle;
}

void disk_handle_unref(DiskHandle *handle)
{
	if (!handle || !g_atomic_int_dec_and_test(&handle->refs))
		return;
	autofd_clear(&handle->fd);
	g_free(handle);
}

/* Those of FUSE have a queue of their own, and who submits to it waits when it is full. */
static bool reads_may_block(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == FUSE_SUPER_MAGIC;
}

/* A file's system may have no O_DIRECT. */
static DiskHandle *open_past_cache(int fd, const char *name, GError **error)
{
	g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
	g_autoptr(DiskHandle) handle = g_new0(DiskHandle, 1);

	handle->refs = 1;
	handle->fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECT);
	handle->direct = handle->fd >= 0;
	if (!handle->direct)
		handle->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (handle->fd >= 0) {
		handle->may_block = reads_may_block(handle->fd);
		return g_steal_pointer(&handle);
	}
	wherry_error_sys(error, errno, "cannot open '%s' once more", name);
	return NULL;
}

/* ---- Opening, which a device may not answer ---- */

struct opening {
	char *path; /* owned */
	uint64_t size;
	uint8_t head[HEAD_SIZE];
	size_t head_len;
	DiskHandle *handle; /* owned */
	GError *error;      /* owned */
};

static void opening_free(void *p)
{
	struct opening *opening = p;

	disk_handle_unref(opening->handle);
	g_clear_error(&opening->error);
	g_free(opening->path);
	g_free(opening);
}

static bool check_same(const struct opening *opening, const Blkdev *disk, GError **error)
{
	uint8_t head[HEAD_SIZE];
	ssize_t n;

	if (disk->size == 0) { /* as one without its medium, which may come back */
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_IO, "'%s' has no bytes any more",
			    disk->name);
		return false;
	}
	if (disk->size != opening->size) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
			    "%s: changed its size from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
			    " bytes while it was read",
			    disk->name, opening->size, disk->size);
		return false;
	}
	if (opening->head_len == 0)
		return true;
	n = TEMP_FAILURE_RETRY(pread(disk->fd, head, opening->head_len, 0));
	if (n < 0 && errno != EIO) {
		wherry_error_sys(error, errno, "%s: cannot read at 0", disk->path);
		return false;
	}
	if (n < (ssize_t)opening->head_len) /* a sector that has gone bad proves nothing */
		return true;
	if (memcmp(head, opening->head, opening->head_len) == 0)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
		    "'%s' is another disk now: its first %zu bytes differ", disk->name,
		    opening->head_len);
	return false;
}

static void open_by_path(void *data)
{
	struct opening *opening = data;
	g_autoptr(Blkdev) disk = blkdev_open(opening->path, &opening->error);

	if (disk && check_same(opening, disk, &opening->error))
		opening->handle = open_past_cache(disk->fd, opening->path, &opening->error);
}

static DiskHandle *open_again(DiskSource *source, GError **error)
{
	struct opening *opening = g_new0(struct opening, 1);
	g_autoptr(Aside) aside = NULL;

	opening->path = g_strdup(source->disk->path);
	opening->size = source->disk->size;
	opening->head_len = source->head_len;
	memcpy(opening->head, source->head, source->head_len);
	aside = aside_start("open", open_by_path, opening, opening_free);
	if (!aside_wait(aside, source->stall_ms)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_TIMED_OUT,
			    "'%s' cannot be opened anew: it gives no answer for %u ms",
			    source->disk->name, source->stall_ms);
		return NULL;
	}
	if (opening->error)
		g_propagate_error(error, g_steal_pointer(&opening->error));
	return g_steal_pointer(&opening->handle);
}

DiskHandle *disk_source_open(DiskSource *source, GError **error)
{
	if (g_atomic_int_add(&source->n_opened, 1) == 0)
		return open_past_cache(source->disk->fd, source->disk->name, error);
	return open_again(source, error);
}

bool disk_source_check(DiskSource *source, GError **error)
{
	g_autoptr(DiskHandle) handle = NULL;

	if (g_atomic_int_get(&source->n_opened) <= 1)
		return blkdev_check_size(source->disk, error);
	handle = open_again(source, error); /* the first one may be of a disk that is gone */
	return handle != NULL;
}

/* ---- The state ---- */

DiskSource *disk_source_new(const Blkdev *disk, unsigned int stall_ms)
{
	DiskSource *source = g_new0(DiskSource, 1);

	source->disk = disk;
	source->stall_ms = stall_ms;
	source->may_block = reads_may_block(disk->fd);
	if (blkdev_read(disk, 0, source->head, MIN(HEAD_SIZE, disk->size), NULL))
		source->head_len = MIN(HEAD_SIZE, disk->size);
	return source;
}

bool disk_source_is_hole(const DiskSource *source, uint64_t offset, uint64_t length)
{
	return !source->may_block && blkdev_is_hole(source->disk, offset, length);
}

const Blkdev *disk_source_disk(const DiskSource *source)
{
	return source->disk;
}

unsigned int disk_source_stall_ms(const DiskSource *source)
{
	return source->stall_ms;
}

void disk_source_note_stall(DiskSource *source, size_t bytes)
{
	g_atomic_int_inc(&source->n_stalls);
	g_atomic_int_add(&source->left_bytes, (int)bytes);
}

void disk_source_note_success(DiskSource *source)
{
	g_atomic_int_set(&source->n_stalls, 0);
}

bool disk_source_is_dead(DiskSource *source)
{
	return g_atomic_int_get(&source->n_stalls) >= DISK_MAX_STALLS ||
	       g_atomic_int_get(&source->left_bytes) > MAX_LEFT_BYTES;
}

bool disk_source_has_left(DiskSource *source)
{
	return g_atomic_int_get(&source->left_bytes) > 0;
}

void disk_source_ask_renewal(DiskSource *source)
{
	g_atomic_int_inc(&source->n_renewals);
}

int disk_source_renewals(DiskSource *source)
{
	return g_atomic_int_get(&source->n_renewals);
}

void disk_source_free(DiskSource *source)
{
	g_free(source);
}
