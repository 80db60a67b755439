/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stop flag: with logging, the only global state of the program. */
#include "cli/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#define RELAY_STEP_US (50 * 1000)

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

struct interrupt_relay {
	GCancellable *cancellable;
	GThread *thread;
	int end; /* atomic */
};

static void *relay_thread(void *data)
{
	InterruptRelay *relay = data;

	while (!g_atomic_int_get(&relay->end) && !interrupt_asked())
		g_usleep(RELAY_STEP_US);
	if (interrupt_asked())
		g_cancellable_cancel(relay->cancellable);
	return NULL;
}

InterruptRelay *interrupt_relay_new(void)
{
	InterruptRelay *relay = g_new0(InterruptRelay, 1);

	relay->cancellable = g_cancellable_new();
	relay->thread = g_thread_new("interrupt", relay_thread, relay);
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
	g_atomic_int_set(&relay->end, 1);
	g_thread_join(relay->thread);
	g_object_unref(relay->cancellable);
	g_free(relay);
}

struct interrupt_guard {
	const char *message; /* borrowed */
	GThread *thread;
	int end; /* atomic */
};

static void *guard_thread(void *data)
{
	InterruptGuard *guard = data;
	int left = GUARD_PATIENCE_US / RELAY_STEP_US;

	while (left > 0) { /* ends: with the work, or some steps after a signal */
		if (g_atomic_int_get(&guard->end))
			return NULL;
		g_usleep(RELAY_STEP_US);
		left -= interrupt_asked();
	}
	fprintf(stderr, "%s: %s\n", g_get_prgname(), guard->message);
	_exit(STATUS_INTERRUPTED); /* not exit(): others are at work on what it would free */
}

InterruptGuard *interrupt_guard_new(const char *message)
{
	InterruptGuard *guard = g_new0(InterruptGuard, 1);

	guard->message = message;
	guard->thread = g_thread_new("guard", guard_thread, guard);
	return guard;
}

void interrupt_guard_free(InterruptGuard *guard)
{
	if (!guard)
		return;
	g_atomic_int_set(&guard->end, 1);
	g_thread_join(guard->thread);
	g_free(guard);
}
