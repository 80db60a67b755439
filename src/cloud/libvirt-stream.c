/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bytes of a volume, in and out.  The request's thread speaks to libvirt, the caller's thread
 * to the callback; chunks go round between them:
 *
 *   upload   caller: fill --> to_thread --> send       read    recv --> to_caller --> caller: take
 *                    ^                       |                  ^                          |
 *                    +------ to_caller <-----+                  +------- to_thread <-------+
 *
 * Either side ends it with a marker: the caller (STOP; END, when all is filled), or the thread
 * (END), whose error is in the request.  So a thread that is left behind finds a STOP when libvirt
 * comes back to it.
 */
#include "cloud/libvirt-error.h"
#include "cloud/libvirt-handles.h"

#include <inttypes.h>
#include <libvirt/virterror.h>
#include <string.h>

enum { CHUNK_BYTES = 1 << 20, CHUNKS = 3 };

/* How long an upload that its own caller ends may take to end. */
enum { STOP_MS = 5000 };

enum chunk_kind { CHUNK_DATA, CHUNK_END, CHUNK_STOP };

struct chunk {
	enum chunk_kind kind;
	size_t len;
	char *data; /* CHUNK_BYTES; NULL in markers */
};

struct transfer {
	GAsyncQueue *to_thread, *to_caller; /* of struct chunk, owned by them */
	uint64_t offset, length;            /* bytes */
};

static void free_chunk(void *data)
{
	struct chunk *chunk = data;

	g_free(chunk->data);
	g_free(chunk);
}

static void push_marker(GAsyncQueue *queue, enum chunk_kind kind)
{
	struct chunk *marker = g_new0(struct chunk, 1);

	marker->kind = kind;
	g_async_queue_push(queue, marker);
}

static void free_transfer(void *data)
{
	struct transfer *transfer = data;

	g_async_queue_unref(transfer->to_thread);
	g_async_queue_unref(transfer->to_caller);
	g_free(transfer);
}

static struct transfer *new_transfer(uint64_t offset, uint64_t length, bool upload)
{
	struct transfer *transfer = g_new0(struct transfer, 1);

	transfer->to_thread = g_async_queue_new_full(free_chunk);
	transfer->to_caller = g_async_queue_new_full(free_chunk);
	transfer->offset = offset;
	transfer->length = length;
	for (unsigned int i = 0; i < CHUNKS; i++) {
		struct chunk *chunk = g_new0(struct chunk, 1);

		chunk->data = g_malloc(CHUNK_BYTES);
		g_async_queue_push(upload ? transfer->to_caller : transfer->to_thread, chunk);
	}
	return transfer;
}

/* ---- In the request's thread ---- */

/* 1: all sent; 0: the caller wants to stop; -1: failed, libvirt has the error. */
static int send_chunks(virStreamPtr stream, struct transfer *transfer)
{
	for (;;) { /* until the caller sends a marker, which it always does */
		struct chunk *chunk = g_async_queue_pop(transfer->to_thread);
		size_t sent = 0;

		if (chunk->kind != CHUNK_DATA) {
			bool end = chunk->kind == CHUNK_END;

			free_chunk(chunk);
			return end;
		}
		while (sent < chunk->len) {
			int r = virStreamSend(stream, chunk->data + sent, chunk->len - sent);

			if (r < 0) {
				free_chunk(chunk);
				return -1;
			}
			sent += (size_t)r;
		}
		g_async_queue_push(transfer->to_caller, chunk);
	}
}

/* The same for the other way; 1: all that there was has been received. */
static int receive_chunks(virStreamPtr stream, struct transfer *transfer)
{
	for (;;) { /* until the stream ends */
		struct chunk *chunk = g_async_queue_pop(transfer->to_thread);
		int r;

		if (chunk->kind != CHUNK_DATA) {
			free_chunk(chunk);
			return 0;
		}
		r = virStreamRecv(stream, chunk->data, CHUNK_BYTES);
		if (r <= 0) {
			free_chunk(chunk);
			return r < 0 ? -1 : 1;
		}
		chunk->len = (size_t)r;
		g_async_queue_push(transfer->to_caller, chunk);
	}
}

/*
 * Libvirt has lost the reason of a write that failed, so ask the pool: whether it has less room
 * than one chunk.
 */
static bool is_pool_full(virStorageVolPtr volume)
{
	virStoragePoolPtr pool = virStoragePoolLookupByVolume(volume);
	virStoragePoolInfo info;
	bool full = pool && virStoragePoolRefresh(pool, 0) == 0 &&
		    virStoragePoolGetInfo(pool, &info) == 0 && info.available < CHUNK_BYTES;

	if (pool)
		(void)virStoragePoolFree(pool);
	return full;
}

static void explain(LibvirtRequest *request, virStorageVolPtr volume, bool upload, GError **error)
{
	g_autoptr(GError) cause = NULL;

	libvirt_error(&cause, "%s", request->doing);
	if (upload && g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_IO) && is_pool_full(volume))
		cause->code = WHERRY_ERROR_NO_SPACE;
	g_propagate_error(error, g_steal_pointer(&cause));
}

static bool transfer_over(virStreamPtr stream, virStorageVolPtr volume, LibvirtRequest *request,
			  bool upload, GError **error)
{
	struct transfer *transfer = request->extra;
	int r = upload
		    ? virStorageVolUpload(volume, stream, transfer->offset, transfer->length, 0)
		    : virStorageVolDownload(volume, stream, transfer->offset, transfer->length, 0);

	if (r < 0) {
		libvirt_error(error, "%s", request->doing);
		return false;
	}
	request->once = true; /* chunks are used up from here on */
	r = upload ? send_chunks(stream, transfer) : receive_chunks(stream, transfer);
	if (r > 0 && virStreamFinish(stream) == 0)
		return true;
	if (r != 0)
		explain(request, volume, upload, error);
	(void)virStreamAbort(stream); /* one that has failed needs none */
	return false;
}

static bool transfer_volume(virConnectPtr connection, LibvirtRequest *request, bool upload,
			    GError **error)
{
	g_autoptr(virStorageVol) volume = libvirt_find_volume(connection, request, error);
	virStreamPtr stream = volume ? virStreamNew(connection, 0) : NULL;
	bool ok = false;

	if (stream) {
		ok = transfer_over(stream, volume, request, upload, error);
		(void)virStreamFree(stream);
	} else if (volume) {
		libvirt_error(error, "%s", request->doing);
	}
	return ok;
}

static void end_transfer(LibvirtRequest *request)
{
	push_marker(((struct transfer *)request->extra)->to_caller, CHUNK_END);
}

static bool work_upload(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	return transfer_volume(connection, request, true, error);
}

static bool work_read(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	return transfer_volume(connection, request, false, error);
}

/* ---- In the caller's thread ---- */

/*
 * The last bytes of an upload that are not zero.
 *
 * Libvirt (9.0, virsh vol-upload too) can lose the failure of its last writes without a word: it
 * has taken all bytes, and then the disk was full.  It writes in order and stops at the first
 * failure, into a file that reads as zero where nothing was written, so these bytes tell.
 */
struct tail {
	uint64_t offset;
	size_t len; /* bytes; 0: all was zero */
	char bytes[4096];
};

static void note_tail(struct tail *tail, uint64_t offset, const char *data, size_t len)
{
	while (len > 0 && data[len - 1] == 0)
		len--;
	if (len == 0)
		return;
	tail->len = MIN(len, sizeof(tail->bytes));
	tail->offset = offset + len - tail->len;
	memcpy(tail->bytes, data + len - tail->len, tail->len);
}

/* One upload or read, as its caller sees it. */
struct course {
	Cloud *cloud;
	const char *doing; /* all borrowed */
	struct transfer *transfer;
	GCancellable *cancellable;
	uint64_t done; /* bytes */
	struct tail tail;
};

/* The next chunk or marker; NULL: stalled (IO) or CANCELLED.  Owned. */
static struct chunk *wait_chunk(const struct course *course, GError **error)
{
	int64_t deadline = call_deadline(course->cloud->limits.stall_ms);
	const unsigned int tick_us = 50000;

	for (;;) { /* until the deadline */
		struct chunk *chunk;

		if (course->cancellable && g_cancellable_is_cancelled(course->cancellable)) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_CANCELLED,
				    "%s: cancelled after %" PRIu64 " of %" PRIu64 " bytes",
				    course->doing, course->done, course->transfer->length);
			return NULL;
		}
		chunk = g_async_queue_timeout_pop(course->transfer->to_caller, tick_us);
		if (chunk)
			return chunk;
		if (g_get_monotonic_time() >= deadline) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_IO,
				    "%s: no byte got further for %.1f s, after %" PRIu64
				    " of %" PRIu64 "; its host or the way to it may hang",
				    course->doing, course->cloud->limits.stall_ms / 1000.0,
				    course->done, course->transfer->length);
			return NULL;
		}
	}
}

/* 1: all filled; 0: the thread has ended before; -1: failed here. */
static int fill_chunks(struct course *course, cloud_fill_fn fill, void *userdata, GError **error)
{
	while (course->done < course->transfer->length) {
		struct chunk *chunk = wait_chunk(course, error);
		uint64_t left = course->transfer->length - course->done;

		if (!chunk)
			return -1;
		if (chunk->kind == CHUNK_END) {
			free_chunk(chunk);
			return 0;
		}
		chunk->len = (size_t)MIN(left, (uint64_t)CHUNK_BYTES);
		if (!fill(course->done, chunk->data, chunk->len, userdata, error)) {
			free_chunk(chunk);
			return -1;
		}
		note_tail(&course->tail, course->done, chunk->data, chunk->len);
		course->done += chunk->len;
		g_async_queue_push(course->transfer->to_thread, chunk);
	}
	return 1;
}

/* 1: as many as wanted; 0: the thread has ended before; -1: failed here. */
static int take_chunks(struct course *course, cloud_take_fn take, void *userdata, GError **error)
{
	uint64_t length = course->transfer->length;

	while (course->done < length) {
		struct chunk *chunk = wait_chunk(course, error);

		if (!chunk)
			return -1;
		if (chunk->kind == CHUNK_END) {
			free_chunk(chunk);
			return 0;
		}
		if (chunk->len > length - course->done)
			chunk->len = (size_t)(length - course->done);
		if (!take(course->transfer->offset + course->done, chunk->data, chunk->len,
			  userdata, error)) {
			free_chunk(chunk);
			return -1;
		}
		course->done += chunk->len;
		g_async_queue_push(course->transfer->to_thread, chunk);
	}
	return 1;
}

/*
 * End what fill_chunks() or take_chunks() has left with @r, which has set @error if it is -1.
 * Whether all is well is then for the thread to say.
 */
static bool finish(struct course *course, LibvirtRequest **request, Call *call, int r,
		   GError **error)
{
	struct libvirt_cloud *self = libvirt_cloud_of(course->cloud);

	push_marker(course->transfer->to_thread, r > 0 ? CHUNK_END : CHUNK_STOP);
	if (r < 0) {
		/* The reason is set; orderly or left behind, it ends. */
		(void)request_end(self, request, call, call_deadline(STOP_MS), NULL, NULL);
		return false;
	}
	return request_end(self, request, call, call_deadline(course->cloud->limits.stall_ms),
			   course->cancellable, error);
}

static LibvirtRequest *new_request(Cloud *cloud, const char *pool_uuid, const char *name,
				   uint64_t offset, uint64_t length, bool upload)
{
	LibvirtRequest *request =
	    request_new(libvirt_cloud_of(cloud), upload ? work_upload : work_read,
			"%s the volume '%s' of pool %s of '%s'", upload ? "uploading" : "reading",
			name, pool_uuid, cloud->uri);

	request->uuid = g_strdup(pool_uuid);
	request->name = g_strdup(name);
	request->extra = new_transfer(offset, length, upload);
	request->free_extra = free_transfer;
	request->ended = end_transfer;
	return request;
}

/* Compares with the tail; what differs makes its length 0. */
static bool compare_tail(uint64_t offset, const void *buf, size_t len, void *userdata,
			 GError **error)
{
	struct tail *tail = userdata;

	if (tail->len > 0 && memcmp(tail->bytes + (offset - tail->offset), buf, len) != 0)
		tail->len = 0;
	return true;
}

/* Why the end of an upload is not in the volume: the pool is full, or nobody knows. */
static void explain_loss(const struct course *course, const char *pool_uuid, GError **error)
{
	g_autoptr(CloudPool) pool = NULL, space = NULL;
	int r = cloud_pool_find_uuid(course->cloud, pool_uuid, &pool, course->cancellable, NULL);

	if (r > 0 && pool->active) /* what the pool says is of before the upload, for a moment */
		space = libvirt_space(course->cloud, pool->path, course->cancellable, NULL);
	if (space && space->available < CHUNK_BYTES)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NO_SPACE,
			    "%s: the pool '%s' is full, %" PRIu64 " bytes are left of %" PRIu64
			    "; not all of %" PRIu64 " bytes have arrived",
			    course->doing, pool->name, space->available, space->capacity,
			    course->done);
	else
		g_set_error(
		    error, WHERRY_ERROR, WHERRY_ERROR_IO,
		    "%s: its host took all %" PRIu64
		    " bytes, but the last are not in the volume; see the log of its libvirtd",
		    course->doing, course->done);
}

static bool check_tail(const struct course *course, const char *pool_uuid, const char *name,
		       GError **error)
{
	struct tail tail = course->tail;

	if (tail.len == 0)
		return true;
	if (!libvirt_volume_read(course->cloud, pool_uuid, name, tail.offset, tail.len,
				 compare_tail, &tail, course->cancellable, error))
		return false;
	if (tail.len == 0)
		explain_loss(course, pool_uuid, error);
	return tail.len > 0;
}

bool libvirt_volume_upload(Cloud *cloud, const char *pool_uuid, const char *name, uint64_t length,
			   cloud_fill_fn fill, void *userdata, GCancellable *cancellable,
			   GError **error)
{
	g_autoptr(LibvirtRequest) request = new_request(cloud, pool_uuid, name, 0, length, true);
	g_autofree char *doing = g_strdup(request->doing);
	struct course course = {
		.cloud = cloud,
		.doing = doing,
		.transfer = request->extra,
		.cancellable = cancellable,
	};
	Call *call = request_begin(libvirt_cloud_of(cloud), request, cancellable, error);

	if (!call)
		return false;
	if (!finish(&course, &request, call, fill_chunks(&course, fill, userdata, error), error))
		return false;
	return check_tail(&course, pool_uuid, name, error) &&
	       libvirt_volume_flush(cloud, pool_uuid, name, cancellable, error);
}

bool libvirt_volume_read(Cloud *cloud, const char *pool_uuid, const char *name, uint64_t offset,
			 uint64_t length, cloud_take_fn take, void *userdata,
			 GCancellable *cancellable, GError **error)
{
	g_autoptr(LibvirtRequest) request =
	    new_request(cloud, pool_uuid, name, offset, length, false);
	g_autofree char *doing = g_strdup(request->doing);
	struct course course = {
		.cloud = cloud,
		.doing = doing,
		.transfer = request->extra,
		.cancellable = cancellable,
	};
	Call *call;
	int r;

	if (length == 0)
		return true; /* to libvirt it would mean: to the end */
	call = request_begin(libvirt_cloud_of(cloud), request, cancellable, error);
	if (!call)
		return false;
	r = take_chunks(&course, take, userdata, error);
	if (!finish(&course, &request, call, r, error))
		return false;
	if (r == 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "%s: the file ends after %" PRIu64 " of the %" PRIu64
			    " bytes wanted at %" PRIu64,
			    doing, course.done, length, offset);
		return false;
	}
	return true;
}
