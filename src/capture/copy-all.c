/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The disks of one device are one queue; some threads each take a queue and work it off.  What they
 * have in common is struct copy_shared.
 */
#include "capture/copy-all.h"

#include "capture/disk-device.h"

/* Each has a pipeline of its own, and all of them together take what one takes. */
#define MAX_THREADS 4u

typedef struct {
	const struct copy_all *all;
	GPtrArray *queues;  /* of GArray * of unsigned int: disks of one device; owned */
	GPtrArray *results; /* of struct copy_result *, or NULL; owned */
	unsigned int n_threads;
	struct copy_shared shared; /* its lock covers what is below, too */
	unsigned int next_queue;
	GError *error; /* the first; owned */
} CopyAll;

static void copy_all_clear(CopyAll *copies)
{
	g_clear_pointer(&copies->queues, g_ptr_array_unref);
	g_clear_pointer(&copies->results, g_ptr_array_unref);
	g_clear_error(&copies->error);
	g_mutex_clear(&copies->shared.lock);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CopyAll, copy_all_clear)

char *copy_journal_name(unsigned int i)
{
	return g_strdup_printf("disk-%u.journal", i);
}

char *copy_leaves_name(unsigned int i)
{
	return g_strdup_printf("disk-%u.leaves", i);
}

static void free_queue(void *queue)
{
	g_array_unref(queue);
}

static void make_queues(CopyAll *copies)
{
	g_autoptr(GHashTable) known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

	copies->queues = g_ptr_array_new_with_free_func(free_queue);
	for (unsigned int i = 0; i < copies->all->disks->len; i++) {
		const struct plan_disk *disk = g_ptr_array_index(copies->all->disks, i);
		g_autofree char *device = disk_device(disk->dev);
		GArray *queue = g_hash_table_lookup(known, device);

		if (!queue) {
			queue = g_array_new(false, false, sizeof(unsigned int));
			g_ptr_array_add(copies->queues, queue);
			g_hash_table_insert(known, g_steal_pointer(&device), queue);
		}
		g_array_append_val(queue, i);
	}
	copies->n_threads = MIN(copies->queues->len, MAX_THREADS);
}

static bool copy_one(CopyAll *copies, unsigned int i, GError **error)
{
	const struct copy_all *all = copies->all;
	const struct manifest_disk *disk = g_ptr_array_index(all->manifest->disks, i);
	g_autofree char *journal = copy_journal_name(i), *leaves = copy_leaves_name(i);
	const struct copy_job job = {
		.bundle = all->bundle,
		.disk = g_ptr_array_index(all->disks, i),
		.image = disk->image,
		.sums = disk->sums,
		.leaves = leaves,
		.journal = journal,
		.level = all->level,
		.dedupe = all->dedupe,
		.allow_bad = all->allow_bad,
		.resume = all->resume,
		.share = copies->n_threads,
		.shared = &copies->shared,
	};

	return all->copy(&job, g_ptr_array_index(copies->results, i), error);
}

/* The next queue, or NULL: there is none, or all are to end. */
static const GArray *take_queue(CopyAll *copies)
{
	const GArray *queue = NULL;

	g_mutex_lock(&copies->shared.lock);
	if (!copies->shared.stop && copies->next_queue < copies->queues->len)
		queue = g_ptr_array_index(copies->queues, copies->next_queue++);
	g_mutex_unlock(&copies->shared.lock);
	return queue;
}

static void *work_off(void *userdata)
{
	CopyAll *copies = userdata;
	GError *error = NULL;
	const GArray *queue;

	while (!error && (queue = take_queue(copies)))
		for (unsigned int i = 0; i < queue->len && !error; i++)
			(void)copy_one(copies, g_array_index(queue, unsigned int, i), &error);
	if (!error)
		return NULL;
	g_mutex_lock(&copies->shared.lock);
	copies->shared.stop = true;
	if (copies->error)
		g_error_free(error); /* mostly that the others were told to end */
	else
		copies->error = error;
	g_mutex_unlock(&copies->shared.lock);
	return NULL;
}

bool copy_all(const struct copy_all *all, GPtrArray **ret, GError **error)
{
	g_auto(CopyAll) copies = { .all = all };
	GThread *threads[MAX_THREADS] = { NULL };

	g_mutex_init(&copies.shared.lock);
	copies.shared.progress = all->progress;
	copies.shared.userdata = all->userdata;
	copies.results = g_ptr_array_new_with_free_func(copy_result_free);
	for (unsigned int i = 0; i < all->disks->len; i++) {
		copies.shared.total +=
		    ((const struct plan_disk *)g_ptr_array_index(all->disks, i))->used;
		g_ptr_array_add(copies.results, g_new0(struct copy_result, 1));
	}
	make_queues(&copies);
	for (unsigned int i = 1; i < copies.n_threads; i++)
		threads[i] = g_thread_new("copy", work_off, &copies);
	work_off(&copies);
	for (unsigned int i = 1; i < copies.n_threads; i++)
		g_thread_join(threads[i]);
	if (copies.error) {
		g_propagate_error(error, g_steal_pointer(&copies.error));
		return false;
	}
	*ret = g_steal_pointer(&copies.results);
	return true;
}
