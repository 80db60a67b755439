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
