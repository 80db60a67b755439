/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/fleet-cancel.h"

#include "cli/interrupt.h"

#define STEP_US (50 * 1000)

static void *watch(void *data)
{
	FleetCancel *cancel = data;

	while (!g_atomic_int_get(&cancel->done) && !interrupt_asked())
		g_usleep(STEP_US);
	if (interrupt_asked())
		g_cancellable_cancel(cancel->cancellable);
	return NULL;
}

void fleet_cancel_begin(FleetCancel *cancel)
{
	cancel->cancellable = g_cancellable_new();
	/* Without the thread a signal waits until the deadline. */
	cancel->thread = g_thread_try_new("cancel", watch, cancel, NULL);
}

void fleet_cancel_clear(FleetCancel *cancel)
{
	g_atomic_int_set(&cancel->done, true);
	if (cancel->thread)
		(void)g_thread_join(cancel->thread);
	g_clear_object(&cancel->cancellable);
}
