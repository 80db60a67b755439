/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Room for what a snapshot keeps. */
#pragma once

#include <glib.h>

/*
 * An empty file without a name, as large as one of @n may get: in memory, or, when that is short,
 * on the medium, in the directory @target.  -1: failed.  What is not written takes no room.
 */
int snapshot_store_open(const char *target, unsigned int n, GError **error);
