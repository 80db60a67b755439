/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A read that fails or ends early is not tried again here: who asked reads it once more, in smaller
 * pieces, and learns why.
 */
#include "capture/disk-reader.h"

#include "base/autofd.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <unistd.h>

/* More do not make a disk faster, where there is no io_uring. */
#define MAX_THREADS 8u

/* Bytes: no disk has smaller sectors. */
#define SECTOR_MIN 512u

struct disk_reader {
	int fd;      /* a second one, for it has O_DIRECT where that can be; owned */
	bool direct; /* whether it has */
	unsigned int depth, count;

	bool has_ring;
	struct io_uring ring;
	GThreadPool *threads; /* NULL: the ring is used; owned */
	GAsyncQueue *ended;   /* of struct disk_read *, from the threads; owned */
};

static uint64_t aligned_start(const struct disk_read *read)
{
	return read->offset - read->offset % DISK_READER_ALIGN;
}

/* At the end of a file less is there than whole pages; that is no failure. */
static size_t aligned_len(const struct disk_read *read)
{
	uint64_t end = read->offset + read->len + DISK_READER_ALIGN - 1;

	return (size_t)(end - end % DISK_READER_ALIGN - aligned_start(read));
}

static bool is_enough(const struct disk_read *read, ssize_t n)
{
	return n >= 0 && (size_t)n >= read->offset - aligned_start(read) + read->len;
}

static void read_in_thread(void *item, void *userdata)
{
	struct disk_read *read = item;
	DiskReader *reader = userdata;
	uint64_t start = aligned_start(read);
	ssize_t n =
	    TEMP_FAILURE_RETRY(pread(reader->fd, read->buf, aligned_len(read), (off_t)start));

	if (!reader->direct)
		(void)posix_fadvise(reader->fd, (off_t)start, n, POSIX_FADV_DONTNEED); /* a wish */
	read->ok = is_enough(read, n);
	g_async_queue_push(reader->ended, read);
}

static bool start_threads(DiskReader *reader, GError **error)
{
	g_autoptr(GError) cause = NULL;

	reader->ended = g_async_queue_new();
	reader->threads = g_thread_pool_new(read_in_thread, reader,
					    (int)MIN(reader->depth, MAX_THREADS), true, &cause);
	if (reader->threads)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_IO, "cannot start threads: %s",
		    cause->message);
	return false;
}

/* A file's system may have no O_DIRECT. */
static bool open_again(DiskReader *reader, const Blkdev *disk, GError **error)
{
	g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", disk->fd);

	reader->fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECT);
	reader->direct = reader->fd >= 0;
	if (!reader->direct)
		reader->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (reader->fd >= 0)
		return true;
	wherry_error_sys(error, errno, "cannot open '%s' once more", disk->name);
	return false;
}

DiskReader *disk_reader_new(const Blkdev *disk, unsigned int depth, enum disk_reader_way way,
			    GError **error)
{
	g_autoptr(DiskReader) reader = g_new0(DiskReader, 1);
	int r = -ENOSYS;

	reader->fd = -1;
	reader->depth = depth;
	if (!open_again(reader, disk, error))
		return NULL;
	if (way == DISK_READER_BEST)
		r = io_uring_queue_init(depth, &reader->ring, 0);
	reader->has_ring = r == 0;
	if (!reader->has_ring) {
		g_debug("%s: read by threads: %s", disk->name, g_strerror(-r));
		if (!start_threads(reader, error))
			return NULL;
	}
	return g_steal_pointer(&reader);
}

const char *disk_reader_way_name(const DiskReader *reader)
{
	return reader->has_ring ? "io_uring" : "threads";
}

unsigned int disk_reader_count(const DiskReader *reader)
{
	return reader->count;
}

void disk_reader_submit(DiskReader *reader, struct disk_read *read)
{
	struct io_uring_sqe *sqe;

	g_assert(reader->count < reader->depth);
	reader->count++;
	if (reader->threads) {
		(void)g_thread_pool_push(reader->threads, read, NULL); /* its threads are there */
		return;
	}
	sqe = io_uring_get_sqe(&reader->ring);
	g_assert(sqe); /* as many as may be under way */
	io_uring_prep_read(sqe, reader->fd, read->buf, (unsigned int)aligned_len(read),
			   aligned_start(read));
	io_uring_sqe_set_data(sqe, read);
	(void)io_uring_submit(&reader->ring); /* what it left is submitted while waiting */
}

struct disk_read *disk_reader_wait(DiskReader *reader)
{
	struct io_uring_cqe *cqe = NULL;
	struct disk_read *read;

	g_assert(reader->count > 0);
	reader->count--;
	if (reader->threads)
		return g_async_queue_pop(reader->ended);
	do /* ends: what goes wrong here passes, as an EINTR does */
		(void)io_uring_submit_and_wait(&reader->ring, 1);
	while (io_uring_peek_cqe(&reader->ring, &cqe) != 0);
	read = io_uring_cqe_get_data(cqe);
	read->ok = is_enough(read, cqe->res);
	if (read->ok && !reader->direct)
		(void)posix_fadvise(reader->fd, (off_t)aligned_start(read), cqe->res,
				    POSIX_FADV_DONTNEED); /* a wish */
	io_uring_cqe_seen(&reader->ring, cqe);
	return read;
}

int disk_reader_read_now(const DiskReader *reader, uint64_t offset, size_t len, void *buf)
{
	/* The last sector of a file may be a part of one: less comes than was asked for. */
	size_t want = (len + SECTOR_MIN - 1) / SECTOR_MIN * SECTOR_MIN;
	ssize_t n = TEMP_FAILURE_RETRY(pread(reader->fd, buf, want, (off_t)offset));

	if (n < 0)
		return errno;
	return (size_t)n >= len ? 0 : ENODATA;
}

void disk_reader_free(DiskReader *reader)
{
	if (!reader)
		return;
	while (reader->count > 0)
		(void)disk_reader_wait(reader); /* nobody needs it any more */
	if (reader->threads)
		g_thread_pool_free(reader->threads, false, true);
	g_clear_pointer(&reader->ended, g_async_queue_unref);
	if (reader->has_ring)
		io_uring_queue_exit(&reader->ring);
	autofd_clear(&reader->fd);
	g_free(reader);
}
