/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Functions that may never come back, each in a thread of its own.
 *
 *   call_start() --> call_wait() true  --> the arguments are the caller's again
 *                       | false: deadline, or cancelled
 *                       +--> the arguments are the thread's, which frees them when it ends
 *
 * So what a thread can touch belongs to its arguments, and nothing of a caller that gave up.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

/* Counts the threads that were left behind. */
typedef struct call_group CallGroup;

CallGroup *call_group_new(void);

/* Threads left behind keep what they need of it. */
void call_group_free(CallGroup *group);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CallGroup, call_group_free)

/* A moment: g_get_monotonic_time() and so many milliseconds. */
int64_t call_deadline(unsigned int ms);

/*
 * Wait until those that were left behind have ended.  IO: one has not at @deadline.  CANCELLED:
 * also if there is nothing to wait for.  @doing, here and below, is for messages: "listing the
 * pools of qemu:///system".
 */
bool call_group_wait(CallGroup *group, const char *doing, int64_t deadline,
		     GCancellable *cancellable, GError **error);

typedef struct call Call;

/* Run @run(@args) in a thread with all signals blocked.  It owns @args if it is left behind. */
Call *call_start(CallGroup *group, void (*run)(void *args), void *args, GDestroyNotify free_args,
		 GError **error);

/* Whether it has ended, or does so before @deadline.  It stays the caller's. */
bool call_ended(Call *call, int64_t deadline);

/*
 * Wait for its end and free @call.  False: IO (@deadline has passed) or CANCELLED; it is left
 * behind.
 */
bool call_wait(Call *call, const char *doing, int64_t deadline, GCancellable *cancellable,
	       GError **error);
