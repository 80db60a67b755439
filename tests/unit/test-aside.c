/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Work that ends is waited for, work that does not is left behind, and all memory is freed once. */
#include "unit.h"

#include "base/aside.h"

struct work {
	GMutex lock; /* held by who does not want it to end */
	bool ended;
	int *n_freed;
};

static void run(void *data)
{
	struct work *work = data;

	g_mutex_lock(&work->lock);
	work->ended = true;
	g_mutex_unlock(&work->lock);
}

static void free_work(void *data)
{
	struct work *work = data;

	g_atomic_int_inc(work->n_freed);
	g_free(work);
}

static struct work *work_new(int *n_freed)
{
	struct work *work = g_new0(struct work, 1);

	g_mutex_init(&work->lock);
	work->n_freed = n_freed;
	return work;
}

static void test_ends(void **state)
{
	int n_freed = 0;
	struct work *work = work_new(&n_freed);
	Aside *aside = aside_start("test", run, work, free_work);

	assert_true(aside_wait(aside, 60000));
	assert_true(work->ended);
	assert_true(aside_wait(aside, 0)); /* still */
	aside_free(aside);
	while (g_atomic_int_get(&n_freed) == 0) /* ends: the thread lets go of it, too */
		g_usleep(1000);
	assert_int_equal(n_freed, 1);
}

static void test_left_behind(void **state)
{
	int n_freed = 0;
	struct work *work = work_new(&n_freed);
	Aside *aside;

	g_mutex_lock(&work->lock);
	aside = aside_start("test", run, work, free_work);
	assert_false(aside_wait(aside, 50));
	aside_free(aside);
	assert_int_equal(g_atomic_int_get(&n_freed), 0);
	g_mutex_unlock(&work->lock);
	while (g_atomic_int_get(&n_freed) == 0) /* ends: now it goes on, and frees */
		g_usleep(1000);
	assert_int_equal(n_freed, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_left_behind),
	};

	return cmocka_run_group_tests_name("aside", tests, NULL, NULL);
}
