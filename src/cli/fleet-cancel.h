/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A GCancellable that is cancelled when the user asks for an end, for calls without a runner. */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

typedef struct {
	GCancellable *cancellable;
	GThread *thread; /* watches the stop flag */
	int done;        /* atomic */
} FleetCancel;

void fleet_cancel_begin(FleetCancel *cancel);
void fleet_cancel_clear(FleetCancel *cancel);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FleetCancel, fleet_cancel_clear)
