/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of fleet/. */
#include "fleet/fleet.h"

/* clang-format off */
static const char *const steps[] = {
	"CREATE TABLE fleet_host ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT," /* never used again: reservations name it */
	" name TEXT NOT NULL UNIQUE,"
	" uri TEXT NOT NULL UNIQUE,"
	" address TEXT NOT NULL UNIQUE,"
	" insecure INTEGER NOT NULL,"
	" maintenance INTEGER NOT NULL DEFAULT 0,"
	" read INTEGER NOT NULL DEFAULT 0,"
	" tried INTEGER NOT NULL DEFAULT 0,"
	" failure TEXT,"
	" uuid TEXT,"
	" host_name TEXT,"
	" arch TEXT,"
	" cpu_model TEXT,"
	" cpus INTEGER NOT NULL DEFAULT 0,"
	" busy REAL NOT NULL DEFAULT 0,"
	" memory INTEGER NOT NULL DEFAULT 0,"
	" memory_free INTEGER NOT NULL DEFAULT 0,"
	" libvirt_version INTEGER NOT NULL DEFAULT 0,"
	" qemu_version INTEGER NOT NULL DEFAULT 0);"
	/* Lists of words: labels, machine types, bridges. */
	"CREATE TABLE fleet_word ("
	" host INTEGER NOT NULL REFERENCES fleet_host (id) ON DELETE CASCADE,"
	" kind TEXT NOT NULL,"
	" word TEXT NOT NULL,"
	" PRIMARY KEY (host, kind, word)) WITHOUT ROWID;"
	/* Where migrations may put disks. */
	"CREATE TABLE fleet_place ("
	" host INTEGER NOT NULL REFERENCES fleet_host (id) ON DELETE CASCADE,"
	" position INTEGER NOT NULL,"
	" name TEXT NOT NULL,"
	" path TEXT NOT NULL,"
	" problem TEXT DEFAULT 'it was not read yet',"
	" capacity INTEGER NOT NULL DEFAULT 0,"
	" available INTEGER NOT NULL DEFAULT 0,"
	" PRIMARY KEY (host, position)) WITHOUT ROWID;"
	/* What is there. */
	"CREATE TABLE fleet_pool ("
	" host INTEGER NOT NULL REFERENCES fleet_host (id) ON DELETE CASCADE,"
	" name TEXT NOT NULL,"
	" uuid TEXT NOT NULL,"
	" path TEXT,"
	" active INTEGER NOT NULL,"
	" capacity INTEGER NOT NULL,"
	" available INTEGER NOT NULL,"
	" PRIMARY KEY (host, name)) WITHOUT ROWID;"
	"CREATE TABLE fleet_network ("
	" host INTEGER NOT NULL REFERENCES fleet_host (id) ON DELETE CASCADE,"
	" name TEXT NOT NULL,"
	" bridge TEXT,"
	" active INTEGER NOT NULL,"
	" PRIMARY KEY (host, name)) WITHOUT ROWID;"
	"CREATE TABLE fleet_vm ("
	" host INTEGER NOT NULL REFERENCES fleet_host (id) ON DELETE CASCADE,"
	" uuid TEXT NOT NULL,"
	" name TEXT NOT NULL,"
	" state TEXT NOT NULL,"
	" memory INTEGER NOT NULL,"
	" vcpus INTEGER NOT NULL,"
	" busy REAL NOT NULL,"
	" read INTEGER NOT NULL,"
	" PRIMARY KEY (host, uuid)) WITHOUT ROWID;"
	"CREATE TABLE fleet_disk ("
	" host INTEGER NOT NULL,"
	" vm TEXT NOT NULL,"
	" target TEXT NOT NULL,"
	" type TEXT NOT NULL,"
	" device TEXT NOT NULL,"
	" source TEXT,"
	" format TEXT,"
	" read_only INTEGER NOT NULL,"
	" shareable INTEGER NOT NULL,"
	" capacity INTEGER NOT NULL,"
	" allocation INTEGER NOT NULL,"
	" PRIMARY KEY (host, vm, target),"
	" FOREIGN KEY (host, vm) REFERENCES fleet_vm (host, uuid) ON DELETE CASCADE)"
	" WITHOUT ROWID;"
	/* A host that is named here cannot be removed, so no reference is left dangling. */
	"CREATE TABLE fleet_reservation ("
	" job TEXT PRIMARY KEY,"
	" job_id INTEGER NOT NULL,"
	" vm TEXT NOT NULL UNIQUE,"
	" vm_name TEXT NOT NULL,"
	" source INTEGER NOT NULL REFERENCES fleet_host (id),"
	" target INTEGER NOT NULL REFERENCES fleet_host (id),"
	" place_name TEXT NOT NULL,"
	" place_path TEXT NOT NULL,"
	" memory INTEGER NOT NULL,"
	" space INTEGER NOT NULL,"
	" vcpus INTEGER NOT NULL,"
	" busy REAL NOT NULL,"
	" made INTEGER NOT NULL) WITHOUT ROWID;",
	/* What the next look counts from, and how fast guests change their memory. */
	"ALTER TABLE fleet_host ADD COLUMN cpu_ns INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE fleet_host ADD COLUMN cpu_busy_ns INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE fleet_vm ADD COLUMN cpu_ns INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE fleet_vm ADD COLUMN dirty_rate INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE fleet_vm ADD COLUMN dirty_read INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE fleet_vm ADD COLUMN dirty_begun INTEGER NOT NULL DEFAULT 0;",
	NULL,
};
/* clang-format on */

static const struct store_schema schema = { .room = "fleet", .steps = steps };

bool fleet_prepare(Store *store, GError **error)
{
	return store_add_room(store, &schema, error);
}
