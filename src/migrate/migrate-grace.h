/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The copies that a migration leaves at its source: kept for a while, for whoever finds the VM
 * broken on its new host, then removed by whatever comes first, `job recover` or the next
 * migration.  Table migrate_grace: docs/migrate.md.
 */
#pragma once

#include "cloud/cloud-connections.h"
#include "job/store.h"

#include <gio/gio.h>

/* Bring the table up to date; before all else here. */
bool migrate_grace_prepare(Store *store, GError **error);

/*
 * Remember the @count files @paths of the VM @vm on the host at @uri, all of them or none, until
 * @due (g_get_real_time()).
 */
bool migrate_grace_add(Store *store, const char *uri, const char *const *paths, size_t count,
		       const char *vm, int64_t due, GError **error);

/* 1: such a file lies at @path, 0: no, -1: failed. */
int migrate_grace_has(Store *store, const char *uri, const char *path, GError **error);

/*
 * Remove what is due: a file only if nobody on its host needs it (cloud_volume_find_user()); one
 * that is in use by now is forgotten.  What cannot be done now (a host that is away) is said by
 * @warn, and stays for the next time; only the store can fail.  @connections (NULL: none are kept)
 * are used.
 */
bool migrate_grace_purge(Store *store, int64_t now, CloudConnections *connections,
			 void (*warn)(const char *text, void *userdata), void *userdata,
			 GCancellable *cancellable, GError **error);
