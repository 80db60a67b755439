/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state store: one SQLite database that several processes use at the same time, in which job/
 * keeps its journal and each other room its own tables.  Only store.c knows sqlite3.h.
 *
 * What transaction_commit() has said true to is on the disk (WAL, synchronous=FULL).  Every change
 * is made inside a Transaction; a question of one statement needs none.
 *
 * A Store belongs to the thread that opened it; another thread opens its own.  Beside the database
 * FILE stand FILE-wal and FILE-shm (SQLite's) and FILE.lock, of which byte 0 is locked while a
 * store is opened and byte N while a process works on job N (lock.h).  None of them is ever removed
 * by hand while wherry runs.
 *
 * Errors: DAMAGED is no database or a broken one, UNSUPPORTED one of a newer wherry or of another
 * program, BUSY one that others kept locked for STORE_BUSY_SECONDS, NO_SPACE, DENIED, else IO.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define STORE_BUSY_SECONDS 60

typedef struct store Store;
typedef struct statement Statement;

/*
 * The tables of one room.  steps[i] is SQL that makes version i + 1 of them out of version i; once
 * released, a step is never changed, only followed by another.  Names of tables begin with the
 * room's name.
 */
struct store_schema {
	const char *room;         /* "fleet" */
	const char *const *steps; /* NULL at the end */
};

/*
 * /var/lib/wherry/wherry.db, or, for who is not root, wherry/wherry.db below $XDG_STATE_HOME
 * (~/.local/state); owned by the caller.
 */
char *store_default_path(void);

/*
 * Open the store at @path with the tables of job/, and make what is missing: its directory with
 * mode 0700, the files with 0600.
 */
Store *store_open(const char *path, GError **error);

/*
 * Bring the tables of another room up to its newest version; a room calls it before it uses them.
 * A version that is newer than the last step is UNSUPPORTED, with both numbers.
 */
bool store_add_room(Store *store, const struct store_schema *schema, GError **error);

const char *store_path(const Store *store); /* borrowed, absolute */

/* Its Statements and Transactions have ended before. */
void store_free(Store *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Store, store_free)

/*
 * One SQL statement with ?1, ?2 ... for values: never put a value into @sql.  A wrong @sql is a bug
 * of ours, but a database that cannot be read fails here too.
 *
 *     g_autoptr(Statement) query = store_prepare(store, "SELECT name FROM fleet_host"
 *                                                       " WHERE id = ?1", error);
 *     if (!query)
 *             return false;
 *     statement_bind_int(query, 1, id);
 *     while ((r = statement_step(query, error)) > 0)
 *             use(statement_text(query, 0));
 *     if (r < 0)
 *             return false;
 */
Statement *store_prepare(Store *store, const char *sql, GError **error);

/* @index counts from 1, as in ?1.  What is bound is copied; NULL is SQL's NULL. */
void statement_bind_int(Statement *statement, int index, int64_t value);
void statement_bind_double(Statement *statement, int index, double value);
void statement_bind_text(Statement *statement, int index, const char *text);

/* 1: there is a row, 0: there is no more, -1: failed. */
int statement_step(Statement *statement, GError **error);
/* For what gives no rows. */
bool statement_run(Statement *statement, GError **error);
/* Ready for other values and to be run again; what was bound stays. */
void statement_reset(Statement *statement);

/* Of the row; @column counts from 0.  SQL's NULL is 0, and NULL. */
int64_t statement_int(const Statement *statement, int column);
double statement_double(const Statement *statement, int column);
const char *statement_text(const Statement *statement, int column); /* until the next step */
char *statement_dup_text(const Statement *statement, int column);   /* owned by the caller */
bool statement_is_null(const Statement *statement, int column);

void statement_free(Statement *statement);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Statement, statement_free)

/* The rowid of the last INSERT by this Store, and how many rows its last change touched. */
int64_t store_last_id(const Store *store);
int64_t store_changes(const Store *store);

/*
 * All or nothing, and alone: from the begin on no other process writes (BEGIN IMMEDIATE), so what
 * is read inside stays true until the commit.  One at a time, short, and never around anything
 * slow.
 *
 *     g_auto(Transaction) transaction = { 0 };
 *
 *     if (!transaction_begin(&transaction, store, error) || ... ||
 *         !transaction_commit(&transaction, error))
 *             return false;            (what was not committed is taken back)
 */
typedef struct {
	Store *store; /* borrowed; NULL while none is open */
} Transaction;

bool transaction_begin(Transaction *transaction, Store *store, GError **error);
bool transaction_commit(Transaction *transaction, GError **error);
void transaction_clear(Transaction *transaction);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Transaction, transaction_clear)

/* Several questions about one moment; others go on writing meanwhile.  Nothing to commit. */
typedef struct {
	Store *store; /* borrowed; NULL while none is open */
} Snapshot;

bool snapshot_begin(Snapshot *snapshot, Store *store, GError **error);
void snapshot_clear(Snapshot *snapshot);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Snapshot, snapshot_clear)
