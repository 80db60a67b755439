/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls that come back, too late, or not at all while somebody waits. */
#include "unit.h"

#include "cloud/call.h"

#include <signal.h>

/* What a call is given: it ends when it may.  Its own lock, as the caller may have gone. */
struct work {
	GMutex lock;
	GCond changed;
	bool may_end, begun, signals_blocked;
	int *frees; /* counts; borrowed */
};

static struct work *new_work(bool may_end, int *frees)
{
	struct work *work = g_new0(struct work, 1);

	g_mutex_init(&work->lock);
	g_cond_init(&work->changed);
	work->may_end = may_end;
	work->frees = frees;
	return work;
}

static void free_work(void *data)
{
	struct work *work = data;

	g_mutex_clear(&work->lock);
	g_cond_clear(&work->changed);
	g_atomic_int_inc(work->frees);
	g_free(work);
}

static void run(void *data)
{
	struct work *work = data;
	sigset_t mask;

	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	g_mutex_lock(&work->lock);
	work->signals_blocked = sigismember(&mask, SIGINT) && sigismember(&mask, SIGPIPE);
	work->begun = true;
	while (!work->may_end)
		g_cond_wait(&work->changed, &work->lock);
	g_mutex_unlock(&work->lock);
}

static void let_end(struct work *work)
{
	g_mutex_lock(&work->lock);
	work->may_end = true;
	g_cond_broadcast(&work->changed);
	g_mutex_unlock(&work->lock);
}

static void test_comes_back(void **state)
{
	g_autoptr(CallGroup) group = call_group_new();
	g_autoptr(GError) error = NULL;
	int frees = 0;
	struct work *work = new_work(true, &frees);
	Call *call = call_start(group, run, work, free_work, &error);

	assert_ok(call, error);
	assert_ok(call_wait(call, "working", call_deadline(60000), NULL, &error), error);
	assert_true(work->begun);
	assert_true(work->signals_blocked);
	assert_int_equal(g_atomic_int_get(&frees), 0); /* it is ours again */
	free_work(work);
	assert_ok(call_group_wait(group, "more", call_deadline(0), NULL, &error), error);
}

static void test_left_behind(void **state)
{
	g_autoptr(CallGroup) group = call_group_new();
	g_autoptr(GError) error = NULL;
	int frees = 0;
	struct work *work = new_work(false, &frees);
	Call *call = call_start(group, run, work, free_work, &error);

	assert_ok(call, error);
	assert_false(call_wait(call, "working", call_deadline(20), NULL, &error));
	assert_error(&error, WHERRY_ERROR_IO, "working: no answer after ");

	assert_false(call_group_wait(group, "more", call_deadline(20), NULL, &error));
	assert_error(&error, WHERRY_ERROR_IO, "more: an earlier call has not come back");
	assert_int_equal(g_atomic_int_get(&frees), 0); /* its thread still has it */

	let_end(work);
	assert_ok(call_group_wait(group, "more", call_deadline(60000), NULL, &error), error);
	assert_int_equal(g_atomic_int_get(&frees), 1);
}

static void test_cancelled(void **state)
{
	g_autoptr(CallGroup) group = call_group_new();
	g_autoptr(GCancellable) cancellable = g_cancellable_new();
	g_autoptr(GError) error = NULL;
	int frees = 0;
	struct work *work = new_work(false, &frees);
	Call *call = call_start(group, run, work, free_work, &error);

	assert_ok(call, error);
	g_cancellable_cancel(cancellable);
	assert_false(call_wait(call, "working", call_deadline(60000), cancellable, &error));
	assert_error(&error, WHERRY_ERROR_CANCELLED, "working: cancelled");
	let_end(work);
	assert_ok(call_group_wait(group, "more", call_deadline(60000), NULL, &error), error);
	assert_int_equal(g_atomic_int_get(&frees), 1);
}

/* The group's owner goes first, the thread later. */
static void test_outlives_group(void **state)
{
	g_autoptr(GError) error = NULL;
	CallGroup *group = call_group_new();
	int frees = 0;
	struct work *work = new_work(false, &frees);
	Call *call = call_start(group, run, work, free_work, &error);

	assert_ok(call, error);
	assert_false(call_wait(call, "working", call_deadline(0), NULL, &error));
	g_clear_error(&error);
	call_group_free(group);
	let_end(work);
	while (g_atomic_int_get(&frees) == 0)
		g_usleep(1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comes_back),
		cmocka_unit_test(test_left_behind),
		cmocka_unit_test(test_cancelled),
		cmocka_unit_test(test_outlives_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
