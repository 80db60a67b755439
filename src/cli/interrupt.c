/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stop flag: with logging, the only global state of the program. */
#include "cli/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

/* Between two looks of a thread at the flag. */
#define STEP_US (50 * 1000)

/* So long work may take to end by itself. */
#define GUARD_PATIENCE_US (600 * 1000)

#define STATUS_INTERRUPTED 130

static volatile sig_atomic_t asked;

static void on_signal(int number)
{
	asked = 1;
}

void interrupt_catch(void)
{
	/* SA_RESETHAND: who asks twice means it. */
	const struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESETHAND };

	(void)sigaction(SIGINT, &action, NULL); /* cannot fail for these numbers */
	(void)sigaction(SIGTERM, &action, NULL);
}

bool interrupt_asked(void)
{
	return asked != 0;
}

/* ---- Threads that look at the flag ---- */

/* The thread's, and how its end is told: who ends it does not wait for its next look. */
struct looker {
	GMutex lock;
	GCond changed;
	bool end;
	GThread *thread;
};

static void looker_start(struct looker *looker, const char *name, void *(*run)(void *data),
			 void *data)
{
	g_mutex_init(&looker->lock);
	g_cond_init(&looker->changed);
	looker->thread = g_thread_new(name, run, data);
}

/* Until the next look is due.  False: the thread has to end. */
static bool looker_wait(struct looker *looker)
{
	int64_t next = g_get_monotonic_time() + STEP_US;
	bool end;

	g_mutex_lock(&looker->lock);
	while (!looker->end && g_cond_wait_until(&looker->changed, &looker->lock, next))
		;
	end = looker->end;
	g_mutex_unlock(&looker->lock);
	return !end;
}

static void looker_stop(struct looker *looker)
{
	g_mutex_lock(&looker->lock);
	looker->end = true;
	g_cond_signal(&looker->changed);
	g_mutex_unlock(&looker->lock);
	g_thread_join(looker->thread);
	g_cond_clear(&looker->changed);
	g_mutex_clear(&looker->lock);
}

struct interrupt_relay {
	GCancellable *cancellable;
	struct looker looker;
};

static void *relay_thread(void *data)
{
	InterruptRelay *relay = data;

	while (!interrupt_asked())
		if (!looker_wait(&relay->looker))
			return NULL;
	g_cancellable_cancel(relay->cancellable);
	return NULL;
}

InterruptRelay *interrupt_relay_new(void)
{
	InterruptRelay *relay = g_new0(InterruptRelay, 1);

	relay->cancellable = g_cancellable_new();
	looker_start(&relay->looker, "interrupt", relay_thread, relay);
	return relay;
}

GCancellable *interrupt_relay_cancellable(InterruptRelay *relay)
{
	return relay->cancellable;
}

void interrupt_relay_free(InterruptRelay *relay)
{
	if (!relay)
		return;
	looker_stop(&relay->looker);
	g_object_unref(relay->cancellable);
	g_free(relay);
}

struct interrupt_guard {
	const char *message; /* borrowed */
	struct looker looker;
};

static void *guard_thread(void *data)
{
	InterruptGuard *guard = data;

	/* Ends: with the work, or some steps after a signal. */
	for (int left = GUARD_PATIENCE_US / STEP_US; left > 0; left -= interrupt_asked())
		if (!looker_wait(&guard->looker))
			return NULL;
	fprintf(stderr, "%s: %s\n", g_get_prgname(), guard->message);
	_exit(STATUS_INTERRUPTED); /* not exit(): others are at work on what it would free */
}

InterruptGuard *interrupt_guard_new(const char *message)
{
	InterruptGuard *guard = g_new0(InterruptGuard, 1);

	guard->message = message;
	looker_start(&guard->looker, "guard", guard_thread, guard);
	return guard;
}

void interrupt_guard_free(InterruptGuard *guard)
{
	if (!guard)
		return;
	looker_stop(&guard->looker);
	g_free(guard);
}
