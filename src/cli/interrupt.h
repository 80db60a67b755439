/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SIGINT and SIGTERM ask the work to end; the second one ends the program at once. */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

void interrupt_catch(void);
bool interrupt_asked(void);

/* A thread that cancels a GCancellable soon after one of these signals, as long as it lives. */
typedef struct interrupt_relay InterruptRelay;

InterruptRelay *interrupt_relay_new(void);
GCancellable *interrupt_relay_cancellable(InterruptRelay *relay); /* borrowed */
void interrupt_relay_free(InterruptRelay *relay);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(InterruptRelay, interrupt_relay_free)

/*
 * A thread that ends the program soon after one of these signals, within 2 s, when the work does
 * not: it may wait for a device that gives no answer.  Only for work that a kill at any instant
 * does no harm, of which @message says how to go on.
 */
typedef struct interrupt_guard InterruptGuard;

InterruptGuard *interrupt_guard_new(const char *message);
void interrupt_guard_free(InterruptGuard *guard);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(InterruptGuard, interrupt_guard_free)
