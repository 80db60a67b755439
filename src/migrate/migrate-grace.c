/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files are deleted through the pool that lies on their directory; if there is none, one is made.
 */
#include "migrate/migrate-grace.h"

#include "base/error.h"
#include "cloud/cloud.h"

#include <string.h>

static const char *const steps[] = {
	"CREATE TABLE migrate_grace ("
	" uri TEXT NOT NULL,"  /* of the host */
	" path TEXT NOT NULL," /* on it */
	" vm TEXT NOT NULL,"   /* UUID of the VM whose disk it was */
	" due INTEGER NOT NULL,"
	" PRIMARY KEY (uri, path)) STRICT",
	NULL,
};
static const struct store_schema schema = { "migrate", steps };

/* A row. */
struct file {
	char *uri, *path;
};

static void free_file(void *p)
{
	struct file *file = p;

	g_free(file->uri);
	g_free(file->path);
	g_free(file);
}

bool migrate_grace_prepare(Store *store, GError **error)
{
	return store_add_room(store, &schema, error);
}

static bool add_file(Store *store, const char *uri, const char *path, const char *vm, int64_t due,
		     GError **error)
{
	g_autoptr(Statement) insert =
	    store_prepare(store, "INSERT OR REPLACE INTO migrate_grace VALUES (?1, ?2, ?3, ?4)",
			  error);

	if (!insert)
		return false;
	statement_bind_text(insert, 1, uri);
	statement_bind_text(insert, 2, path);
	statement_bind_text(insert, 3, vm);
	statement_bind_int(insert, 4, due);
	return statement_run(insert, error);
}

bool migrate_grace_add(Store *store, const char *uri, const char *const *paths, size_t count,
		       const char *vm, int64_t due, GError **error)
{
	g_auto(Transaction) transaction = { 0 };

	if (!transaction_begin(&transaction, store, error))
		return false;
	for (size_t i = 0; i < count; i++)
		if (!add_file(store, uri, paths[i], vm, due, error))
			return false;
	return transaction_commit(&transaction, error);
}

int migrate_grace_has(Store *store, const char *uri, const char *path, GError **error)
{
	g_autoptr(Statement) query =
	    store_prepare(store, "SELECT 1 FROM migrate_grace WHERE uri = ?1 AND path = ?2", error);

	if (!query)
		return -1;
	statement_bind_text(query, 1, uri);
	statement_bind_text(query, 2, path);
	return statement_step(query, error);
}

static bool forget(Store *store, const struct file *file, GError **error)
{
	g_auto(Transaction) transaction = { 0 };
	g_autoptr(Statement) delete =
	    store_prepare(store, "DELETE FROM migrate_grace WHERE uri = ?1 AND path = ?2", error);

	if (!delete)
		return false;
	statement_bind_text(delete, 1, file->uri);
	statement_bind_text(delete, 2, file->path);
	return transaction_begin(&transaction, store, error) && statement_run(delete, error) &&
	       transaction_commit(&transaction, error);
}

static GPtrArray *read_due(Store *store, int64_t now, GError **error)
{
	g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(free_file);
	g_autoptr(Statement) query =
	    store_prepare(store,
			  "SELECT uri, path FROM migrate_grace WHERE due <= ?1 ORDER BY uri, path",
			  error);
	int r;

	if (!query)
		return NULL;
	statement_bind_int(query, 1, now);
	while ((r = statement_step(query, error)) > 0) {
		struct file *file = g_new0(struct file, 1);

		file->uri = statement_dup_text(query, 0);
		file->path = statement_dup_text(query, 1);
		g_ptr_array_add(files, file);
	}
	return r == 0 ? g_steal_pointer(&files) : NULL;
}

/* 1: gone; 0: it is in use, so it stays for good, and by whom is in @ret_who; -1: not now. */
static int remove_in(Cloud *cloud, const char *pool, const char *path, char **ret_who,
		     GCancellable *cancellable, GError **error)
{
	g_autofree char *name = g_path_get_basename(path);
	int r = cloud_volume_find_user(cloud, pool, name, ret_who, cancellable, error);

	if (r != 0)
		return r > 0 ? 0 : -1;
	return cloud_volume_delete(cloud, pool, name, cancellable, error) ? 1 : -1;
}

/* Where no pool lies on the directory one does for a moment. */
static int remove_without_pool(Cloud *cloud, const char *directory, const char *path,
			       char **ret_who, GCancellable *cancellable, GError **error)
{
	g_autofree char *uuid = g_uuid_string_random();
	g_autofree char *name = g_strdup_printf("wherry-grace-%s", uuid);
	g_autoptr(GError) cause = NULL;
	int r = -1;

	if (cloud_pool_define(cloud, uuid, name, directory, cancellable, error) &&
	    cloud_pool_start(cloud, uuid, cancellable, error))
		r = remove_in(cloud, uuid, path, ret_who, cancellable, error);
	if (!cloud_pool_remove(cloud, uuid, NULL, &cause))
		g_debug("%s, ignoring", cause->message);
	return r;
}

static int remove_file(Cloud *cloud, const struct file *file, char **ret_who,
		       GCancellable *cancellable, GError **error)
{
	g_autofree char *directory = g_path_get_dirname(file->path);
	g_autoptr(CloudPool) pool = NULL;
	int r = cloud_pool_find_path(cloud, directory, &pool, cancellable, error);

	if (r < 0)
		return -1;
	if (r == 0)
		return remove_without_pool(cloud, directory, file->path, ret_who, cancellable,
					   error);
	if (!pool->active && !cloud_pool_activate(cloud, pool->uuid, cancellable, error))
		return -1;
	return remove_in(cloud, pool->uuid, file->path, ret_who, cancellable, error);
}

/* Over a connection of its own. */
static int remove_apart(const struct file *file, CloudConnections *connections, char **ret_who,
			GCancellable *cancellable, GError **error)
{
	g_autoptr(Cloud) cloud =
	    cloud_connections_take(connections, file->uri, NULL, cancellable, error);
	int r = cloud ? remove_file(cloud, file, ret_who, cancellable, error) : -1;

	if (r >= 0)
		cloud_connections_give(connections, g_steal_pointer(&cloud));
	return r;
}

bool migrate_grace_purge(Store *store, int64_t now, CloudConnections *connections,
			 void (*warn)(const char *text, void *userdata), void *userdata,
			 GCancellable *cancellable, GError **error)
{
	g_autoptr(GPtrArray) files = read_due(store, now, error);

	for (unsigned int i = 0; files && i < files->len; i++) {
		const struct file *file = g_ptr_array_index(files, i);
		g_autoptr(GError) cause = NULL;
		g_autofree char *text = NULL, *who = NULL;
		int r = remove_apart(file, connections, &who, cancellable, &cause);

		if (r < 0)
			text = g_strdup_printf("the old copy '%s' stays for now: %s", file->path,
					       cause->message);
		else if (r == 0)
			text = g_strdup_printf("the old copy '%s' on '%s' is kept: %s", file->path,
					       file->uri, who);
		if (text)
			warn(text, userdata);
		if (r >= 0 && !forget(store, file, error))
			return false;
	}
	return files != NULL;
}
