/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "image/leaf-writer.h"

#include "base/error.h"
#include "base/write-behind.h"
#include "image/image-writer.h"

#include <errno.h>
#include <stdlib.h>

#define QUEUE_DEFAULT (UINT64_C(16) << 20)

/* What goes to the medium in one call is of half a second at most, what waits is of two. */
#define QUEUED_CALLS 4u

struct leaf {
	uint64_t offset;
	size_t skip, len;
	uint8_t *data; /* from leaf_alloc(); owned */
};

struct leaf_writer {
	int fd;           /* borrowed */
	const char *name; /* borrowed */
	GThread *thread;  /* NULL: nothing was put so far */
	GMutex lock;      /* covers what follows */
	GCond changed;
	GQueue waiting;   /* of struct leaf *; owned */
	uint64_t bytes;   /* of them, and of the one that is being written */
	uint64_t allowed; /* of these, by the medium's speed */
	uint64_t queue;   /* of these, by our memory */
	GQueue spare;     /* from leaf_alloc(), as many as ever waited; owned */
	GError *error;    /* the first; owned */
	bool stop;
	/* Of the thread while there are bytes to write, then of who waited for that. */
	struct write_behind behind;
};

LeafWriter *leaf_writer_new(int fd, const char *name)
{
	LeafWriter *writer = g_new0(LeafWriter, 1);

	writer->fd = fd;
	writer->name = name;
	writer->queue = QUEUE_DEFAULT;
	write_behind_init(&writer->behind, fd, 0);
	g_queue_init(&writer->waiting);
	g_queue_init(&writer->spare);
	g_mutex_init(&writer->lock);
	g_cond_init(&writer->changed);
	return writer;
}

void leaf_writer_set_queue(LeafWriter *writer, uint64_t bytes)
{
	writer->queue = bytes;
}

static void free_leaf(void *p)
{
	struct leaf *leaf = p;

	free(leaf->data);
	g_free(leaf);
}

/* ---- The thread ---- */

static bool write_leaf(LeafWriter *writer, const struct leaf *leaf, GError **error)
{
	return write_behind_put(&writer->behind, writer->fd, writer->name,
				leaf->offset + leaf->skip, leaf->data + leaf->skip,
				leaf->len - leaf->skip, error);
}

/* NULL: it is time to end. */
static struct leaf *take_leaf(LeafWriter *writer)
{
	struct leaf *leaf = NULL;

	g_mutex_lock(&writer->lock);
	while (!writer->stop && !(leaf = g_queue_pop_head(&writer->waiting)))
		g_cond_wait(&writer->changed, &writer->lock);
	g_mutex_unlock(&writer->lock);
	return leaf;
}

/* @error: it failed; taken over. */
static void give_back(LeafWriter *writer, struct leaf *leaf, GError *error)
{
	g_mutex_lock(&writer->lock);
	writer->bytes -= leaf->len;
	writer->allowed = MIN(QUEUED_CALLS * writer->behind.allowed, writer->queue);
	g_queue_push_head(&writer->spare, g_steal_pointer(&leaf->data));
	if (writer->error)
		g_clear_error(&error);
	else
		writer->error = error;
	g_cond_broadcast(&writer->changed);
	g_mutex_unlock(&writer->lock);
	free_leaf(leaf);
}

/* Behind a leaf that failed nothing is written. */
static void *writer_thread(void *userdata)
{
	LeafWriter *writer = userdata;
	bool failed = false;
	struct leaf *leaf;

	while ((leaf = take_leaf(writer))) {
		GError *error = NULL;

		failed = failed || !write_leaf(writer, leaf, &error);
		give_back(writer, leaf, error);
	}
	return NULL;
}

/* ---- Who fills the leaves ---- */

uint8_t *leaf_alloc(GError **error)
{
	uint8_t *leaf = aligned_alloc(WRITE_BEHIND_ALIGN, IMAGE_LEAF_SIZE);

	if (!leaf)
		wherry_error_sys(error, ENOMEM, "cannot hold a leaf of an image");
	return leaf;
}

static bool has_failed(const LeafWriter *writer, GError **error)
{
	if (writer->error && error)
		*error = g_error_copy(writer->error);
	return writer->error != NULL;
}

bool leaf_writer_put(LeafWriter *writer, uint64_t offset, size_t skip, size_t len, uint8_t **buffer,
		     GError **error)
{
	struct leaf *leaf = g_new(struct leaf, 1);
	bool ok;

	*leaf = (struct leaf){ offset, skip, len, g_steal_pointer(buffer) };
	if (!writer->thread)
		writer->thread = g_thread_new("write", writer_thread, writer);
	g_mutex_lock(&writer->lock);
	g_queue_push_tail(&writer->waiting, leaf);
	writer->bytes += len;
	g_cond_broadcast(&writer->changed);
	while (!writer->error && writer->bytes > MAX(writer->allowed, IMAGE_LEAF_SIZE))
		g_cond_wait(&writer->changed, &writer->lock);
	ok = !has_failed(writer, error);
	*buffer = g_queue_pop_head(&writer->spare);
	g_mutex_unlock(&writer->lock);
	if (ok && !*buffer)
		*buffer = leaf_alloc(error);
	return ok && *buffer;
}

bool leaf_writer_wait(LeafWriter *writer, GError **error)
{
	bool ok;

	g_mutex_lock(&writer->lock);
	while (writer->bytes > 0)
		g_cond_wait(&writer->changed, &writer->lock);
	ok = !has_failed(writer, error);
	g_mutex_unlock(&writer->lock);
	return ok && write_behind_drain(&writer->behind, writer->fd, writer->name, error);
}

bool leaf_writer_write(LeafWriter *writer, uint64_t offset, const void *data, size_t len,
		       GError **error)
{
	struct write_behind behind = writer->behind; /* the leaves go on where they were */
	bool ok = write_behind_put(&behind, writer->fd, writer->name, offset, data, len, error) &&
		  write_behind_drain(&behind, writer->fd, writer->name, error);

	writer->behind.direct = behind.direct; /* closed, where the filesystem refused it */
	return ok;
}

void leaf_writer_free(LeafWriter *writer)
{
	if (!writer)
		return;
	if (writer->thread) {
		g_mutex_lock(&writer->lock);
		writer->stop = true;
		g_cond_broadcast(&writer->changed);
		g_mutex_unlock(&writer->lock);
		g_thread_join(writer->thread);
	}
	g_queue_clear_full(&writer->waiting, free_leaf);
	write_behind_clear(&writer->behind);
	g_clear_error(&writer->error);
	g_queue_clear_full(&writer->spare, free);
	g_cond_clear(&writer->changed);
	g_mutex_clear(&writer->lock);
	g_free(writer);
}
