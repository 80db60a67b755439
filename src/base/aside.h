/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Work that may never return, since it asks a device which may never answer: it has a thread of its
 * own, and who waits for it can give up and leave it behind.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct aside Aside;

/* Begin @work.  @data is owned, and freed by @data_free once both sides are done with it. */
Aside *aside_start(const char *name, void (*work)(void *data), void *data,
		   GDestroyNotify data_free);

/* Wait for it to end, for at most @timeout_ms.  Once true, @data is the caller's to look at. */
bool aside_wait(Aside *aside, unsigned int timeout_ms);

/* Does not wait: work that has not ended goes on by itself. */
void aside_free(Aside *aside);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Aside, aside_free)
