/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The deadline is kept by the clock that nobody sets: only what is left of it at the start is taken
 * from the time of day.
 */
#include "job/watch.h"

#include "job/journal.h"

#define STEP_US (100 * 1000)

struct watch {
	const char *path;
	int64_t id;
	const struct job_runner *runner;
	GCancellable *cancellable;
	GThread *thread;

	GMutex mutex; /* of all below */
	GCond changed;
	bool end;
	enum watch_reason reason;
	int64_t deadline; /* of g_get_monotonic_time(); 0: none */
};

static int64_t to_monotonic(int64_t deadline)
{
	if (deadline == 0)
		return 0;
	return MAX(1, g_get_monotonic_time() + (deadline - g_get_real_time()));
}

/* The first reason stays. */
static void give_reason(Watch *watch, enum watch_reason reason)
{
	bool first;

	g_mutex_lock(&watch->mutex);
	first = watch->reason == WATCH_NONE;
	if (first)
		watch->reason = reason;
	g_cond_broadcast(&watch->changed);
	g_mutex_unlock(&watch->mutex);
	if (first)
		g_cancellable_cancel(watch->cancellable);
}

static bool is_late(Watch *watch)
{
	bool late;

	g_mutex_lock(&watch->mutex);
	late = watch->deadline != 0 && g_get_monotonic_time() >= watch->deadline;
	g_mutex_unlock(&watch->mutex);
	return late;
}

/* @store is of the calling thread; NULL if it could not be opened. */
static void look(Watch *watch, Store *store)
{
	g_autoptr(GError) cause = NULL;

	if (watch->runner->stop && watch->runner->stop(watch->runner->userdata))
		give_reason(watch, WATCH_USER);
	else if (store && journal_cancel_asked(store, watch->id, &cause) > 0)
		give_reason(watch, WATCH_CANCEL);
	else if (is_late(watch))
		give_reason(watch, WATCH_TIME);
	if (cause)
		g_debug("%s, ignoring: it is asked again", cause->message);
}

/* So that a recovery knows it, too, if the process is killed before its task has come back. */
static void remember_user(Watch *watch, Store *store)
{
	g_autoptr(GError) cause = NULL;

	if (store && !journal_ask_cancel(store, watch->id, &cause))
		g_debug("%s, ignoring: the job itself goes back", cause->message);
}

static void *watch_thread(void *p)
{
	Watch *watch = p;
	g_autoptr(GError) cause = NULL;
	g_autoptr(Store) store = store_open(watch->path, &cause);
	enum watch_reason reason = WATCH_NONE;
	bool end = false;

	if (!store)
		g_debug("%s: no cancel by another process", cause->message);
	while (!end) {
		look(watch, store);
		g_mutex_lock(&watch->mutex);
		if (!watch->end)
			g_cond_wait_until(&watch->changed, &watch->mutex,
					  g_get_monotonic_time() + STEP_US);
		reason = watch->reason;
		end = watch->end || reason != WATCH_NONE;
		g_mutex_unlock(&watch->mutex);
	}
	if (reason == WATCH_USER)
		remember_user(watch, store);
	return NULL;
}

Watch *watch_start(const char *path, int64_t id, int64_t deadline, const struct job_runner *runner)
{
	Watch *watch = g_new0(Watch, 1);

	watch->path = path;
	watch->id = id;
	watch->runner = runner;
	watch->deadline = to_monotonic(deadline);
	watch->cancellable = g_cancellable_new();
	g_mutex_init(&watch->mutex);
	g_cond_init(&watch->changed);
	watch->thread = g_thread_new("job-watch", watch_thread, watch);
	return watch;
}

void watch_set_deadline(Watch *watch, int64_t deadline)
{
	g_mutex_lock(&watch->mutex);
	watch->deadline = to_monotonic(deadline);
	g_mutex_unlock(&watch->mutex);
}

void watch_stop(Watch *watch)
{
	give_reason(watch, WATCH_USER);
}

enum watch_reason watch_ask(Watch *watch, Store *store)
{
	enum watch_reason reason;

	look(watch, store);
	g_mutex_lock(&watch->mutex);
	reason = watch->reason;
	g_mutex_unlock(&watch->mutex);
	return reason;
}

GCancellable *watch_cancellable(Watch *watch)
{
	return watch->cancellable;
}

void watch_pause(Watch *watch, unsigned int ms)
{
	int64_t end = g_get_monotonic_time() + ms * (int64_t)1000;

	g_mutex_lock(&watch->mutex);
	while (watch->reason == WATCH_NONE &&
	       g_cond_wait_until(&watch->changed, &watch->mutex, end))
		;
	g_mutex_unlock(&watch->mutex);
}

void watch_free(Watch *watch)
{
	if (!watch)
		return;
	g_mutex_lock(&watch->mutex);
	watch->end = true;
	g_cond_broadcast(&watch->changed);
	g_mutex_unlock(&watch->mutex);
	g_thread_join(watch->thread);
	g_mutex_clear(&watch->mutex);
	g_cond_clear(&watch->changed);
	g_object_unref(watch->cancellable);
	g_free(watch);
}
