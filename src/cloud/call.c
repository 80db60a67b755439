/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A call is shared by the thread that runs it and the caller that waits; who is done last frees it.
 * Waiting looks at the GCancellable every 50 ms: it has no way of waking a condition without a lock
 * order of its own.
 */
#include "cloud/call.h"

#include "base/error.h"

#include <pthread.h>
#include <signal.h>

struct call_group {
	GMutex lock;
	GCond changed;
	unsigned int left; /* behind, and running */
};

struct call {
	struct call_group *group; /* a reference */
	GCond ended_now;          /* with the group's lock */
	GThread *thread;          /* owned by who waits */
	bool ended, left;
	void (*run)(void *args);
	void *args;
	GDestroyNotify free_args;
};

static const int64_t tick = 50 * G_TIME_SPAN_MILLISECOND;

static void group_clear(void *data)
{
	struct call_group *group = data;

	g_mutex_clear(&group->lock);
	g_cond_clear(&group->changed);
}

CallGroup *call_group_new(void)
{
	struct call_group *group = g_atomic_rc_box_new0(struct call_group);

	g_mutex_init(&group->lock);
	g_cond_init(&group->changed);
	return group;
}

void call_group_free(CallGroup *group)
{
	if (group)
		g_atomic_rc_box_release_full(group, group_clear);
}

static void call_clear(void *data)
{
	struct call *call = data;

	g_cond_clear(&call->ended_now);
	call_group_free(call->group);
}

static void call_unref(struct call *call)
{
	g_atomic_rc_box_release_full(call, call_clear);
}

int64_t call_deadline(unsigned int ms)
{
	return g_get_monotonic_time() + (int64_t)ms * G_TIME_SPAN_MILLISECOND;
}

static bool is_cancelled(GCancellable *cancellable, const char *doing, GError **error)
{
	if (!cancellable || !g_cancellable_is_cancelled(cancellable))
		return false;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_CANCELLED, "%s: cancelled", doing);
	return true;
}

/* Wait until @reached(@data), under @group's lock.  @what is what has not happened at the deadline.
 */
static bool wait_for(struct call_group *group, GCond *cond, bool (*reached)(const void *data),
		     const void *data, const char *doing, const char *what, int64_t deadline,
		     GCancellable *cancellable, GError **error)
{
	int64_t begin = g_get_monotonic_time();

	while (!reached(data)) {
		int64_t now = g_get_monotonic_time();

		if (is_cancelled(cancellable, doing, error))
			return false;
		if (now >= deadline) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_IO,
				    "%s: %s after %.1f s; its host or the way to it may hang",
				    doing, what, (double)(now - begin) / G_TIME_SPAN_SECOND);
			return false;
		}
		(void)g_cond_wait_until(cond, &group->lock, MIN(deadline, now + tick));
	}
	return true;
}

static bool none_left(const void *data)
{
	return ((const struct call_group *)data)->left == 0;
}

bool call_group_wait(CallGroup *group, const char *doing, int64_t deadline,
		     GCancellable *cancellable, GError **error)
{
	bool ok;

	if (is_cancelled(cancellable, doing, error))
		return false;
	g_mutex_lock(&group->lock);
	ok = wait_for(group, &group->changed, none_left, group, doing,
		      "an earlier call has not come back", deadline, cancellable, error);
	g_mutex_unlock(&group->lock);
	return ok;
}

static void *run_thread(void *data)
{
	struct call *call = data;
	sigset_t all;
	bool left;

	/* Ctrl-C is for the main thread; and libvirt writes to sockets that may be dead. */
	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, NULL); /* can only fail on a wrong argument */

	call->run(call->args);

	g_mutex_lock(&call->group->lock);
	call->ended = true;
	left = call->left;
	g_cond_broadcast(&call->ended_now);
	g_mutex_unlock(&call->group->lock);
	if (left) {
		call->free_args(call->args);
		g_mutex_lock(&call->group->lock);
		call->group->left--;
		g_cond_broadcast(&call->group->changed);
		g_mutex_unlock(&call->group->lock);
	}
	call_unref(call);
	return NULL;
}

Call *call_start(CallGroup *group, void (*run)(void *args), void *args, GDestroyNotify free_args,
		 GError **error)
{
	struct call *call = g_atomic_rc_box_new0(struct call);
	g_autoptr(GError) cause = NULL;

	call->group = g_atomic_rc_box_acquire(group);
	g_cond_init(&call->ended_now);
	call->run = run;
	call->args = args;
	call->free_args = free_args;

	call->thread =
	    g_thread_try_new("cloud-call", run_thread, g_atomic_rc_box_acquire(call), &cause);
	if (!call->thread) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_IO, "cannot start a thread: %s",
			    cause->message);
		call_unref(call);
		call_unref(call);
		return NULL;
	}
	return call;
}

static bool has_ended(const void *data)
{
	return ((const struct call *)data)->ended;
}

bool call_ended(Call *call, int64_t deadline)
{
	bool ended;

	g_mutex_lock(&call->group->lock);
	while (!call->ended && g_cond_wait_until(&call->ended_now, &call->group->lock, deadline))
		;
	ended = call->ended;
	g_mutex_unlock(&call->group->lock);
	return ended;
}

bool call_wait(Call *call, const char *doing, int64_t deadline, GCancellable *cancellable,
	       GError **error)
{
	bool ok;

	g_mutex_lock(&call->group->lock);
	ok = wait_for(call->group, &call->ended_now, has_ended, call, doing, "no answer", deadline,
		      cancellable, error);
	if (!ok) {
		call->left = true;
		call->group->left++;
	}
	g_mutex_unlock(&call->group->lock);
	/* One that has ended is on its last lines; without it libraries would lose what they keep
	 * by thread if the process ended now. */
	if (ok)
		(void)g_thread_join(call->thread);
	else
		g_thread_unref(call->thread);
	call_unref(call);
	return ok;
}
