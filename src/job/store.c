/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SQLite behind our errors and our ways of ownership, and the versions of the rooms' tables. */
#include "job/store.h"

#include "base/autofd.h"
#include "base/error.h"
#include "base/io.h"
#include "job/journal.h"
#include "job/lock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

/* In the database's header, so that neither program takes the other's file for its own: "whry". */
#define APPLICATION_ID 0x77687279
/* Of what this file itself keeps there: the table of the rooms' versions. */
#define LAYOUT_VERSION 1

#define LAYOUT_SQL                                                                           \
	"CREATE TABLE room (name TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID;" \
	"PRAGMA application_id = 2003333753;"                                                \
	"PRAGMA user_version = 1;"
static_assert(APPLICATION_ID == 2003333753, "as LAYOUT_SQL says");
static_assert(LAYOUT_VERSION == 1, "as LAYOUT_SQL says");

struct store {
	char *path;
	sqlite3 *db;
};

struct statement {
	Store *store; /* borrowed */
	sqlite3_stmt *stmt;
};

char *store_default_path(void)
{
	if (geteuid() == 0)
		return g_strdup("/var/lib/wherry/wherry.db");
	return g_build_filename(g_get_user_state_dir(), "wherry", "wherry.db", NULL);
}

const char *store_path(const Store *store)
{
	return store->path;
}

/* What SQLite says (its primary code in @rc) becomes an error of ours. */
static void set_error(const Store *store, int rc, const char *doing, GError **error)
{
	enum wherry_error code = WHERRY_ERROR_IO;

	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_BUSY,
			    "cannot %s '%s': other processes kept it locked for %d seconds", doing,
			    store->path, STORE_BUSY_SECONDS);
		return;
	case SQLITE_FULL:
		code = WHERRY_ERROR_NO_SPACE;
		break;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		code = WHERRY_ERROR_DAMAGED;
		break;
	case SQLITE_PERM:
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
		code = WHERRY_ERROR_DENIED;
		break;
	default:
		break;
	}
	g_set_error(error, WHERRY_ERROR, (int)code, "cannot %s '%s': %s", doing, store->path,
		    store->db ? sqlite3_errmsg(store->db) : sqlite3_errstr(rc));
}

static bool exec(Store *store, const char *sql, const char *doing, GError **error)
{
	int rc = sqlite3_exec(store->db, sql, NULL, NULL, NULL);

	if (rc == SQLITE_OK)
		return true;
	set_error(store, rc, doing, error);
	return false;
}

static int ask_int(Store *store, const char *sql, int64_t *ret, GError **error)
{
	g_autoptr(Statement) query = store_prepare(store, sql, error);
	int r = query ? statement_step(query, error) : -1;

	if (r > 0)
		*ret = statement_int(query, 0);
	return r;
}

/* An empty file is an empty database; SQLite itself would make one that others may read. */
static bool make_file(const char *path, const char *dir, GError **error)
{
	autofd int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	autofd int dirfd = -1;

	if (fd < 0 && errno == EEXIST)
		return true;
	if (fd < 0) {
		wherry_error_sys(error, errno, "cannot create the store '%s'", path);
		return false;
	}
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0) {
		wherry_error_sys(error, errno, "cannot open '%s'", dir);
		return false;
	}
	return io_flush(dirfd, dir, error);
}

/* Whose database is it, and of which version?  Nothing has been changed in it so far. */
static bool check_layout(Store *store, bool *ret_empty, GError **error)
{
	int64_t application = 0, version = 0, tables = 0;

	if (ask_int(store, "PRAGMA application_id", &application, error) < 0 ||
	    ask_int(store, "PRAGMA user_version", &version, error) < 0 ||
	    ask_int(store, "SELECT count(*) FROM sqlite_schema", &tables, error) < 0)
		return false;
	*ret_empty = tables == 0 && application == 0 && version == 0;
	if (*ret_empty)
		return true;
	if (application != APPLICATION_ID) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "'%s' is a database of another program: its application id is 0x%08x, "
			    "that of wherry 0x%08x",
			    store->path, (unsigned int)application, APPLICATION_ID);
		return false;
	}
	if (version > LAYOUT_VERSION) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "the store '%s' has version %" G_GINT64_FORMAT
			    ", this wherry knows versions up to %d; use a newer wherry",
			    store->path, version, LAYOUT_VERSION);
		return false;
	}
	return true;
}

/* WAL is a property of the file, the rest of the connection. */
static bool set_modes(Store *store, GError **error)
{
	g_autoptr(Statement) query = store_prepare(store, "PRAGMA journal_mode = WAL", error);
	int r = query ? statement_step(query, error) : -1;

	if (r < 0)
		return false;
	if (r == 0 || g_strcmp0(statement_text(query, 0), "wal") != 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "the filesystem of '%s' cannot hold a store that several processes "
			    "use: no write-ahead log; name another place with --state",
			    store->path);
		return false;
	}
	return exec(store,
		    "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
		    "PRAGMA trusted_schema = OFF;",
		    "set up", error);
}

static bool make_layout(Store *store, GError **error)
{
	g_auto(Transaction) transaction = { 0 };

	return transaction_begin(&transaction, store, error) &&
	       exec(store, LAYOUT_SQL, "make tables in", error) &&
	       transaction_commit(&transaction, error);
}

/* Alone: SQLite does not wait for others when it turns to WAL. */
static bool open_alone(Store *store, GError **error)
{
	bool empty;
	int rc = sqlite3_open_v2(store->path, &store->db,
				 SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

	if (rc != SQLITE_OK) {
		set_error(store, rc, "open the store", error);
		return false;
	}
	(void)sqlite3_extended_result_codes(store->db, 1); /* cannot fail for an open database */
	(void)sqlite3_busy_timeout(store->db, STORE_BUSY_SECONDS * 1000);
	return check_layout(store, &empty, error) && set_modes(store, error) &&
	       (!empty || make_layout(store, error)) &&
	       store_add_room(store, &journal_schema, error);
}

Store *store_open(const char *path, GError **error)
{
	g_autofree char *full = g_canonicalize_filename(path, NULL);
	g_autofree char *dir = g_path_get_dirname(full);
	g_autoptr(Store) store = NULL;
	autofd int lock = -1;

	if (g_mkdir_with_parents(dir, 0700) < 0) {
		wherry_error_sys(error, errno, "cannot make the directory '%s' for the store", dir);
		return NULL;
	}
	lock = lock_file_open(full, error);
	if (lock < 0 || !lock_wait(lock, LOCK_BYTE_OPEN, STORE_BUSY_SECONDS, error) ||
	    !make_file(full, dir, error))
		return NULL;
	store = g_new0(Store, 1);
	store->path = g_steal_pointer(&full);
	if (!open_alone(store, error))
		return NULL;
	return g_steal_pointer(&store);
}

void store_free(Store *store)
{
	if (!store)
		return;
	g_assert(!store->db || sqlite3_next_stmt(store->db, NULL) == NULL);
	(void)sqlite3_close(store->db); /* fails for open statements only */
	g_free(store->path);
	g_free(store);
}

/* 1 and the version of the room's tables, 0 if it has none, -1 if that cannot be read. */
static int room_version(Store *store, const char *room, int64_t *ret, GError **error)
{
	g_autoptr(Statement) query =
	    store_prepare(store, "SELECT version FROM room WHERE name = ?1", error);
	int r;

	if (!query)
		return -1;
	statement_bind_text(query, 1, room);
	r = statement_step(query, error);
	*ret = r > 0 ? statement_int(query, 0) : 0;
	return r;
}

static bool set_room_version(Store *store, const char *room, int64_t version, GError **error)
{
	g_autoptr(Statement) change =
	    store_prepare(store, "INSERT OR REPLACE INTO room (name, version) VALUES (?1, ?2)",
			  error);

	if (!change)
		return false;
	statement_bind_text(change, 1, room);
	statement_bind_int(change, 2, version);
	return statement_run(change, error);
}

bool store_add_room(Store *store, const struct store_schema *schema, GError **error)
{
	g_auto(Transaction) transaction = { 0 };
	int64_t version, newest = 0;

	while (schema->steps[newest])
		newest++;
	if (room_version(store, schema->room, &version, error) < 0)
		return false;
	if (version == newest)
		return true;
	if (!transaction_begin(&transaction, store, error) ||
	    room_version(store, schema->room, &version, error) < 0)
		return false;
	if (version > newest) {
		g_set_error(
		    error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
		    "the store '%s' has version %" G_GINT64_FORMAT
		    " of the tables of %s, this wherry knows versions up to %" G_GINT64_FORMAT
		    "; use a newer wherry",
		    store->path, version, schema->room, newest);
		return false;
	}
	for (; version < newest; version++)
		if (!exec(store, schema->steps[version], "make tables in", error))
			return false;
	return set_room_version(store, schema->room, newest, error) &&
	       transaction_commit(&transaction, error);
}

Statement *store_prepare(Store *store, const char *sql, GError **error)
{
	g_autoptr(Statement) statement = g_new0(Statement, 1);
	int rc = sqlite3_prepare_v2(store->db, sql, -1, &statement->stmt, NULL);

	statement->store = store;
	if (rc == SQLITE_OK)
		return g_steal_pointer(&statement);
	set_error(store, rc, "read the store", error);
	return NULL;
}

/* Fails for an index that @sql does not have, which is our bug. */
static void check_bind(int rc)
{
	g_assert(rc == SQLITE_OK);
}

void statement_bind_int(Statement *statement, int index, int64_t value)
{
	check_bind(sqlite3_bind_int64(statement->stmt, index, value));
}

void statement_bind_double(Statement *statement, int index, double value)
{
	check_bind(sqlite3_bind_double(statement->stmt, index, value));
}

void statement_bind_text(Statement *statement, int index, const char *text)
{
	check_bind(sqlite3_bind_text(statement->stmt, index, text, -1, SQLITE_TRANSIENT));
}

int statement_step(Statement *statement, GError **error)
{
	sqlite3 *db = statement->store->db;
	int rc;

	/* A change outside of a Transaction is a bug of ours; some PRAGMAs count as one. */
	g_assert(sqlite3_stmt_readonly(statement->stmt) || !sqlite3_get_autocommit(db) ||
		 g_str_has_prefix(sqlite3_sql(statement->stmt), "PRAGMA"));
	rc = sqlite3_step(statement->stmt);
	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		return 0;
	set_error(statement->store, rc,
		  sqlite3_stmt_readonly(statement->stmt) ? "read the store" : "write to the store",
		  error);
	return -1;
}

bool statement_run(Statement *statement, GError **error)
{
	int r = statement_step(statement, error);

	g_assert(r <= 0);
	return r == 0;
}

void statement_reset(Statement *statement)
{
	(void)sqlite3_reset(statement->stmt); /* says again what step() has said */
}

int64_t statement_int(const Statement *statement, int column)
{
	return sqlite3_column_int64(statement->stmt, column);
}

double statement_double(const Statement *statement, int column)
{
	return sqlite3_column_double(statement->stmt, column);
}

const char *statement_text(const Statement *statement, int column)
{
	return (const char *)sqlite3_column_text(statement->stmt, column);
}

char *statement_dup_text(const Statement *statement, int column)
{
	return g_strdup(statement_text(statement, column));
}

bool statement_is_null(const Statement *statement, int column)
{
	return sqlite3_column_type(statement->stmt, column) == SQLITE_NULL;
}

void statement_free(Statement *statement)
{
	if (!statement)
		return;
	(void)sqlite3_finalize(statement->stmt); /* says again what step() has said */
	g_free(statement);
}

int64_t store_last_id(const Store *store)
{
	return sqlite3_last_insert_rowid(store->db);
}

int64_t store_changes(const Store *store)
{
	return sqlite3_changes64(store->db);
}

bool transaction_begin(Transaction *transaction, Store *store, GError **error)
{
	g_assert(sqlite3_get_autocommit(store->db));
	if (!exec(store, "BEGIN IMMEDIATE", "write to the store", error))
		return false;
	transaction->store = store;
	return true;
}

bool transaction_commit(Transaction *transaction, GError **error)
{
	if (!exec(transaction->store, "COMMIT", "write to the store", error))
		return false;
	transaction->store = NULL;
	return true;
}

/* After some errors SQLite has done it already. */
static void roll_back(Store *store)
{
	if (store && !sqlite3_get_autocommit(store->db))
		(void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
}

void transaction_clear(Transaction *transaction)
{
	roll_back(transaction->store);
	transaction->store = NULL;
}

bool snapshot_begin(Snapshot *snapshot, Store *store, GError **error)
{
	g_assert(sqlite3_get_autocommit(store->db));
	if (!exec(store, "BEGIN", "read the store", error))
		return false;
	snapshot->store = store;
	return true;
}

void snapshot_clear(Snapshot *snapshot)
{
	roll_back(snapshot->store);
	snapshot->store = NULL;
}
