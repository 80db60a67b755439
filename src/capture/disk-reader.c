/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A read that fails or ends early is not tried again here: who asked reads it once more, in smaller
 * pieces.
 *
 * The kernel may write into a buffer as long as its read has not ended, so what is left behind
 * keeps its memory, and is freed when it ends after all, or never.
 */
#include "capture/disk-reader.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>
#include <unistd.h>

/* More do not make a disk faster, where there is no io_uring. */
#define MAX_THREADS 8u

/* What is under way when all ends may take this long. */
#define END_PATIENCE_MS 500u

/* Who frees a request: the reader once it has ended, its thread where the reader has left it. */
enum {
	REQUEST_UNDER_WAY,
	REQUEST_ENDED,
	REQUEST_LEFT,
};

/* What the kernel or a thread works on. */
struct request {
	int state;              /* atomic; of a thread's */
	struct disk_read *read; /* borrowed; NULL: left behind */
	DiskHandle *handle;     /* owned */
	uint64_t start;         /* bytes, aligned as is the length */
	size_t len;
	uint8_t *buf;
	uint8_t *memory;    /* owned, once left behind */
	ssize_t n;          /* that were read, or -errno */
	GAsyncQueue *ended; /* owned; NULL: by io_uring */
};

struct disk_reader {
	DiskSource *source; /* borrowed */
	DiskHandle *handle; /* owned */
	struct disk_reader_options options;
	int renewals;
	GPtrArray *under_way; /* of struct request * */
	GQueue *left;         /* of struct disk_read *: to be returned as failed; owned */
	int64_t last_end;     /* of g_get_monotonic_time(): when a read ended, or the first began */
	unsigned int n_behind; /* in the ring; threads free what is left to them */

	bool has_ring;
	struct io_uring ring;
	GThreadPool *threads; /* NULL: the ring is used; owned */
	GAsyncQueue *ended;   /* of struct request *, from the threads; owned */
};

static void request_free(struct request *request)
{
	disk_handle_unref(request->handle);
	g_clear_pointer(&request->ended, g_async_queue_unref);
	free(request->memory);
	g_free(request);
}

static struct request *request_new(const DiskReader *reader, struct disk_read *read)
{
	struct request *request = g_new0(struct request, 1);
	uint64_t align = reader->options.align, end = read->offset + read->len + align - 1;

	request->read = read;
	request->handle = disk_handle_ref(reader->handle);
	request->start = read->offset - read->offset % align;
	request->len = (size_t)(end - end % align - request->start);
	request->buf = read->buf;
	if (reader->ended)
		request->ended = g_async_queue_ref(reader->ended);
	return request;
}

static void read_in_thread(void *item, void *userdata)
{
	struct request *request = item;
	ssize_t n = TEMP_FAILURE_RETRY(
	    pread(request->handle->fd, request->buf, request->len, (off_t)request->start));

	request->n = n < 0 ? -errno : n;
	if (g_atomic_int_compare_and_exchange(&request->state, REQUEST_UNDER_WAY, REQUEST_ENDED)) {
		g_autoptr(GAsyncQueue) ended = g_steal_pointer(&request->ended);

		g_async_queue_push(ended, request);
	} else {
		request_free(request);
	}
}

/* Not exclusive: then it cannot fail, and starts threads only as they are needed. */
static void start_threads(DiskReader *reader)
{
	reader->threads =
	    g_thread_pool_new(read_in_thread, NULL, (int)MIN(reader->options.depth, MAX_THREADS),
			      false, NULL);
}

DiskReader *disk_reader_new(DiskSource *source, const struct disk_reader_options *options,
			    GError **error)
{
	g_autoptr(DiskReader) reader = g_new0(DiskReader, 1);
	int r = -ENOSYS;

	reader->source = source;
	reader->options = *options;
	reader->under_way = g_ptr_array_new();
	reader->left = g_queue_new();
	if (!disk_reader_renew(reader, error))
		return NULL;
	if (options->way == DISK_READER_BEST)
		r = io_uring_queue_init(options->depth, &reader->ring, 0);
	reader->has_ring = r == 0;
	if (!reader->has_ring) {
		g_debug("%s: read by threads: %s", disk_source_disk(source)->name, g_strerror(-r));
		reader->ended = g_async_queue_new_full((GDestroyNotify)request_free);
		start_threads(reader);
	}
	return g_steal_pointer(&reader);
}

const char *disk_reader_way_name(const DiskReader *reader)
{
	return reader->has_ring ? "io_uring" : "threads";
}

unsigned int disk_reader_count(const DiskReader *reader)
{
	return reader->under_way->len + reader->left->length;
}

void disk_reader_submit(DiskReader *reader, struct disk_read *read)
{
	struct request *request = request_new(reader, read);
	struct io_uring_sqe *sqe;

	g_assert(disk_reader_count(reader) < reader->options.depth);
	if (reader->under_way->len == 0)
		reader->last_end = g_get_monotonic_time();
	g_ptr_array_add(reader->under_way, request);
	if (reader->threads) {
		(void)g_thread_pool_push(reader->threads, request,
					 NULL); /* its threads are there */
		return;
	}
	sqe = io_uring_get_sqe(&reader->ring);
	g_assert(sqe); /* all before were submitted */
	io_uring_prep_read(sqe, request->handle->fd, request->buf, (unsigned int)request->len,
			   request->start);
	io_uring_sqe_set_data(sqe, request);
	if (request->handle->may_block)
		io_uring_sqe_set_flags(sqe, IOSQE_ASYNC); /* threads of the kernel's wait for it */
	(void)io_uring_submit(&reader->ring); /* what it left is submitted while waiting */
}

/* The next request that has ended, left behind or not; NULL: none does within @timeout_ms. */
static struct request *next_ended(DiskReader *reader, unsigned int timeout_ms)
{
	struct __kernel_timespec patience = {
		.tv_sec = timeout_ms / 1000,
		.tv_nsec = timeout_ms % 1000 * 1000000LL,
	};
	struct io_uring_cqe *cqe = NULL;
	struct request *request;

	if (reader->threads)
		return g_async_queue_timeout_pop(reader->ended, timeout_ms * UINT64_C(1000));
	if (io_uring_submit_and_wait_timeout(&reader->ring, &cqe, 1, &patience, NULL) < 0 &&
	    io_uring_peek_cqe(&reader->ring, &cqe) != 0)
		return NULL;
	if (!cqe)
		return NULL;
	request = io_uring_cqe_get_data(cqe);
	request->n = cqe->res;
	io_uring_cqe_seen(&reader->ring, cqe);
	return request;
}

static int judge(const struct request *request)
{
	const struct disk_read *read = request->read;

	if (request->n < 0)
		return (int)-request->n;
	return (size_t)request->n >= read->offset - request->start + read->len ? 0 : ENODATA;
}

static struct disk_read *end_request(DiskReader *reader, struct request *request)
{
	struct disk_read *read = request->read;

	read->errnum = judge(request);
	if (read->errnum == 0)
		disk_source_note_success(reader->source);
	if (read->errnum == 0 && !request->handle->direct)
		(void)posix_fadvise(request->handle->fd, (off_t)request->start, request->n,
				    POSIX_FADV_DONTNEED); /* a wish */
	(void)g_ptr_array_remove_fast(reader->under_way, request);
	reader->last_end = g_get_monotonic_time();
	request_free(request);
	return read;
}

struct disk_read *disk_reader_wait(DiskReader *reader, unsigned int timeout_ms)
{
	int64_t until = g_get_monotonic_time() + timeout_ms * INT64_C(1000);
	struct request *request;

	if (!g_queue_is_empty(reader->left))
		return g_queue_pop_head(reader->left);
	for (;;) { /* ends: by the time */
		int64_t rest = MAX(until - g_get_monotonic_time(), 0) / 1000;

		request = next_ended(reader, (unsigned int)rest);
		if (request && request->read)
			return end_request(reader, request);
		if (request) {
			if (!reader->threads)
				reader->n_behind--;
			request_free(request);
		} else if (rest == 0) {
			return NULL;
		}
	}
}

bool disk_reader_has_stalled(const DiskReader *reader)
{
	return reader->under_way->len > 0 &&
	       g_get_monotonic_time() - reader->last_end >=
		   disk_source_stall_ms(reader->source) * INT64_C(1000);
}

void disk_reader_leave_behind(DiskReader *reader)
{
	size_t bytes = 0;

	for (unsigned int i = 0; i < reader->under_way->len; i++) {
		struct request *request = g_ptr_array_index(reader->under_way, i);

		struct disk_read *read = g_steal_pointer(&request->read);

		request->memory = g_steal_pointer(&read->memory);
		read->errnum = ETIMEDOUT;
		bytes += request->len;
		g_queue_push_tail(reader->left, read);
		if (!reader->threads)
			reader->n_behind++;
		else /* that has ended meanwhile is in the queue */
			(void)g_atomic_int_compare_and_exchange(&request->state, REQUEST_UNDER_WAY,
								REQUEST_LEFT);
	}
	g_ptr_array_set_size(reader->under_way, 0);
	disk_source_note_stall(reader->source, bytes);
	if (!reader->threads)
		return;
	/* Its threads hang, too: others take their place. */
	g_thread_pool_free(reader->threads, false, false);
	start_threads(reader);
}

bool disk_reader_renew(DiskReader *reader, GError **error)
{
	int renewals = disk_source_renewals(reader->source);
	DiskHandle *handle = disk_source_open(reader->source, error);

	if (!handle)
		return false;
	disk_handle_unref(reader->handle);
	reader->handle = handle;
	reader->renewals = renewals;
	return true;
}

int disk_reader_renewals(const DiskReader *reader)
{
	return reader->renewals;
}

/* Wait for what is under way; false: some of it will never end. */
static bool settle(DiskReader *reader)
{
	int64_t until = g_get_monotonic_time() + END_PATIENCE_MS * INT64_C(1000);

	while (reader->under_way->len > 0) { /* ends: each turn ends one, or all */
		int64_t rest = (until - g_get_monotonic_time()) / 1000;

		if (!disk_reader_wait(reader, (unsigned int)MAX(rest, 0)) && rest <= 0)
			disk_reader_leave_behind(reader);
	}
	return reader->n_behind == 0;
}

void disk_reader_free(DiskReader *reader)
{
	if (!reader)
		return;
	if (reader->under_way && !settle(reader)) {
		g_debug("%s: %u reads are left behind", disk_source_disk(reader->source)->name,
			reader->n_behind);
		return; /* the ring is theirs */
	}
	if (reader->threads)
		g_thread_pool_free(reader->threads, false, true);
	g_clear_pointer(&reader->ended, g_async_queue_unref);
	if (reader->has_ring)
		io_uring_queue_exit(&reader->ring);
	g_clear_pointer(&reader->under_way, g_ptr_array_unref);
	g_clear_pointer(&reader->left, g_queue_free);
	disk_handle_unref(reader->handle);
	g_free(reader);
}
