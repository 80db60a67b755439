/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Many hosts at a time: each is waited for, not worked on.  Inside of fleet/. */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Call @ask with each of @items, each in a thread of its own as far as there are threads, and
 * return when all have come back.
 */
bool side_by_side(void (*ask)(void *item), const GPtrArray *items, GError **error);
