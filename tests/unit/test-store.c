/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One database for many processes: what is committed is there, what is not never was. */
#include "job-place.h"

#include "job/store.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define N_PROCESSES 20
#define N_ROUNDS    10

static const char *const counter_steps[] = {
	"CREATE TABLE test_counter (name TEXT PRIMARY KEY, n INTEGER, share REAL);",
	NULL,
};
static const struct store_schema counters = { .room = "test", .steps = counter_steps };

static Store *open_store(void)
{
	g_autoptr(GError) error = NULL;
	Store *store = store_open("state/wherry.db", &error);

	assert_ok(store && store_add_room(store, &counters, &error), error);
	return store;
}

/* Of a question with one number as answer. */
static int64_t ask(Store *store, const char *sql)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Statement) query = store_prepare(store, sql, &error);

	assert_ok(query && statement_step(query, &error) == 1, error);
	return statement_int(query, 0);
}

static bool change(Store *store, const char *sql, GError **error)
{
	g_autoptr(Statement) statement = store_prepare(store, sql, error);

	return statement && statement_run(statement, error);
}

/* By SQLite itself: what an older or newer program, or another one, may have done. */
static void by_sqlite(const char *path, const char *sql)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void assert_mode(const char *path, mode_t want)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, want);
}

static void test_made_private_and_safe(void **state)
{
	mode_t umask_before = umask(0);
	g_autoptr(Store) store = open_store();

	umask(umask_before);
	assert_mode("state", 0700);
	assert_mode("state/wherry.db", 0600);
	assert_mode("state/wherry.db-wal", 0600);
	assert_mode("state/wherry.db.lock", 0600);
	assert_true(g_path_is_absolute(store_path(store)));
	assert_int_equal(ask(store, "PRAGMA synchronous"), 2);
	assert_int_equal(ask(store, "PRAGMA foreign_keys"), 1);
}

static void test_values(void **state)
{
	static const char *const odd = "o'clock; DROP TABLE test_counter --\n\xc3\xa4";
	g_autoptr(Store) store = open_store();
	g_auto(Transaction) transaction = { 0 };
	g_autoptr(Statement) put = NULL, get = NULL;
	g_autoptr(GError) error = NULL;

	assert_ok(transaction_begin(&transaction, store, &error), error);
	put = store_prepare(store, "INSERT INTO test_counter VALUES (?1, ?2, ?3)", &error);
	statement_bind_text(put, 1, odd);
	statement_bind_int(put, 2, INT64_MIN);
	statement_bind_double(put, 3, 0.25);
	assert_ok(statement_run(put, &error), error);
	statement_reset(put);
	statement_bind_text(put, 1, "");
	statement_bind_text(put, 2, NULL);
	assert_ok(statement_run(put, &error), error);
	assert_int_equal(store_changes(store), 1);
	assert_ok(transaction_commit(&transaction, &error), error);

	get = store_prepare(store, "SELECT name, n, share FROM test_counter ORDER BY name DESC",
			    &error);
	assert_int_equal(statement_step(get, &error), 1);
	assert_string_equal(statement_text(get, 0), odd);
	assert_true(statement_int(get, 1) == INT64_MIN);
	assert_true(statement_double(get, 2) == 0.25);
	assert_int_equal(statement_step(get, &error), 1);
	assert_string_equal(statement_text(get, 0), "");
	assert_true(statement_is_null(get, 1));
	assert_int_equal(statement_step(get, &error), 0);
}

/* What is not committed is seen by nobody, and gone afterwards. */
static void test_all_or_nothing(void **state)
{
	g_autoptr(Store) store = open_store(), other = open_store();
	g_autoptr(GError) error = NULL;

	for (int commit = 0; commit < 2; commit++) {
		g_auto(Transaction) transaction = { 0 };

		assert_ok(transaction_begin(&transaction, store, &error), error);
		assert_ok(change(store, "INSERT INTO test_counter VALUES ('a', 1, 0)", &error),
			  error);
		assert_int_equal(ask(other, "SELECT count(*) FROM test_counter"), 0);
		if (commit)
			assert_ok(transaction_commit(&transaction, &error), error);
	}
	assert_int_equal(ask(other, "SELECT count(*) FROM test_counter"), 1);

	/* A failing statement leaves the transaction to be taken back. */
	{
		g_auto(Transaction) transaction = { 0 };

		assert_ok(transaction_begin(&transaction, store, &error), error);
		assert_ok(change(store, "INSERT INTO test_counter VALUES ('b', 1, 0)", &error),
			  error);
		assert_false(change(store, "INSERT INTO test_counter VALUES ('a', 2, 0)", &error));
		assert_error(&error, WHERRY_ERROR_IO, "cannot write to the store");
	}
	assert_int_equal(ask(other, "SELECT count(*) FROM test_counter"), 1);
}

/* A snapshot stays as it was, while another goes on. */
static void test_snapshot(void **state)
{
	g_autoptr(Store) store = open_store(), other = open_store();
	g_auto(Transaction) transaction = { 0 };
	g_auto(Snapshot) snapshot = { 0 };
	g_autoptr(GError) error = NULL;

	assert_ok(snapshot_begin(&snapshot, other, &error), error);
	assert_int_equal(ask(other, "SELECT count(*) FROM test_counter"), 0);
	assert_ok(transaction_begin(&transaction, store, &error), error);
	assert_ok(change(store, "INSERT INTO test_counter VALUES ('a', 1, 0)", &error), error);
	assert_ok(transaction_commit(&transaction, &error), error);
	assert_int_equal(ask(other, "SELECT count(*) FROM test_counter"), 0);
	snapshot_clear(&snapshot);
	assert_int_equal(ask(other, "SELECT count(*) FROM test_counter"), 1);
}

static void test_full(void **state)
{
	g_autoptr(Store) store = open_store();
	g_auto(Transaction) transaction = { 0 };
	g_autoptr(GError) error = NULL;

	(void)ask(store, "PRAGMA max_page_count = 1"); /* as if the disk were full */
	assert_ok(transaction_begin(&transaction, store, &error), error);
	assert_false(
	    change(store, "INSERT INTO test_counter VALUES (hex(zeroblob(100000)), 1, 0)", &error));
	assert_error(&error, WHERRY_ERROR_NO_SPACE, "cannot write to the store");
}

static void test_steps(void **state)
{
	const char *const two[] = { counter_steps[0], "ALTER TABLE test_counter ADD more TEXT;",
				    NULL };
	const char *const bad[] = { two[0], two[1], "CREATE TABLE test_new (x); no SQL;", NULL };
	const struct store_schema newer = { .room = "test", .steps = two };
	const struct store_schema broken = { .room = "test", .steps = bad };
	g_autoptr(Store) store = open_store(), other = open_store();
	g_autoptr(GError) error = NULL;

	by_sqlite("state/wherry.db", "INSERT INTO test_counter VALUES ('kept', 7, 0)");
	assert_ok(store_add_room(store, &newer, &error), error);
	assert_int_equal(ask(store, "SELECT n FROM test_counter WHERE more IS NULL"), 7);

	/* Half a step is none. */
	assert_false(store_add_room(store, &broken, &error));
	assert_error(&error, WHERRY_ERROR_IO, "syntax error");
	assert_int_equal(ask(store, "SELECT count(*) FROM sqlite_schema WHERE name = 'test_new'"),
			 0);
	assert_int_equal(ask(store, "SELECT version FROM room WHERE name = 'test'"), 2);

	/* A program that does not know version 2. */
	assert_false(store_add_room(other, &counters, &error));
	assert_error(&error, WHERRY_ERROR_UNSUPPORTED,
		     "has version 2 of the tables of test, this wherry knows versions up to 1");
}

static void assert_refused(const char *path, enum wherry_error code, const char *words)
{
	g_autoptr(GError) error = NULL;

	assert_null(store_open(path, &error));
	assert_error(&error, code, words);
}

static void test_refused(void **state)
{
	g_autofree char *before = NULL, *after = NULL;
	size_t before_length, after_length;

	store_free(open_store());
	by_sqlite("state/wherry.db", "PRAGMA user_version = 2");
	assert_refused("state/wherry.db", WHERRY_ERROR_UNSUPPORTED,
		       "has version 2, this wherry knows versions up to 1");

	/* Another program's, which stays the bytes that it was. */
	by_sqlite("other.db", "CREATE TABLE precious (x); INSERT INTO precious VALUES (1)");
	assert_true(g_file_get_contents("other.db", &before, &before_length, NULL));
	assert_refused("other.db", WHERRY_ERROR_UNSUPPORTED, "a database of another program");
	assert_true(g_file_get_contents("other.db", &after, &after_length, NULL));
	assert_int_equal(before_length, after_length);
	assert_memory_equal(before, after, before_length);

	assert_true(
	    g_file_set_contents("text", "Not a database, but quite a long text.\n", -1, NULL));
	assert_refused("text", WHERRY_ERROR_DAMAGED, "file is not a database");
	assert_refused("text/wherry.db", WHERRY_ERROR_IO, "cannot make the directory");
	assert_int_equal(mkdir("directory", 0755), 0);
	assert_refused("directory", WHERRY_ERROR_DENIED, "unable to open database file");
}

/* Read, add one, write: the sum is right only if nobody writes in between. */
static bool count_up(Store *store, GError **error)
{
	g_auto(Transaction) transaction = { 0 };
	g_autoptr(Statement) put = NULL;
	int64_t n;

	if (!transaction_begin(&transaction, store, error))
		return false;
	n = ask(store, "SELECT coalesce(max(n), 0) FROM test_counter");
	put =
	    store_prepare(store, "INSERT OR REPLACE INTO test_counter VALUES ('n', ?1, 0)", error);
	if (!put)
		return false;
	statement_bind_int(put, 1, n + 1);
	return statement_run(put, error) && transaction_commit(&transaction, error);
}

/* Opened anew each time: the file is made, turned to WAL, and ended, by all of them at once. */
static int count_up_often(int start)
{
	char byte;

	if (read(start, &byte, 1) != 0)
		return 1;
	for (int i = 0; i < N_ROUNDS; i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(Store) store = store_open("state/wherry.db", &error);

		if (!store || !store_add_room(store, &counters, &error) ||
		    !count_up(store, &error)) {
			print_error("%s\n", error->message);
			return 1;
		}
	}
	return 0;
}

static void test_many_processes(void **state)
{
	g_autoptr(Store) store = NULL;
	pid_t pids[N_PROCESSES];
	int start[2], failed = 0;

	assert_int_equal(pipe2(start, O_CLOEXEC), 0);
	for (int i = 0; i < N_PROCESSES; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			close(start[1]);
			_exit(count_up_often(start[0]));
		}
	}
	close(start[0]);
	close(start[1]); /* now all of them go */
	for (int i = 0; i < N_PROCESSES; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		failed += status != 0;
	}
	assert_int_equal(failed, 0);
	store = open_store();
	assert_int_equal(ask(store, "SELECT n FROM test_counter"), N_PROCESSES * N_ROUNDS);
}

#define place_test(f) cmocka_unit_test_setup_teardown(f, enter_place, leave_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		place_test(test_made_private_and_safe),
		place_test(test_values),
		place_test(test_all_or_nothing),
		place_test(test_snapshot),
		place_test(test_full),
		place_test(test_steps),
		place_test(test_refused),
		place_test(test_many_processes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
