/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fleet/side-by-side.h"

#include "base/error.h"

enum { THREADS_MAX = 64 };

struct question {
	void (*ask)(void *item);
};

static void run(void *item, void *data)
{
	const struct question *question = data;

	question->ask(item);
}

bool side_by_side(void (*ask)(void *item), const GPtrArray *items, GError **error)
{
	struct question question = { .ask = ask };
	g_autoptr(GError) cause = NULL;
	GThreadPool *threads = g_thread_pool_new(run, &question, THREADS_MAX, false, &cause);

	for (unsigned int i = 0; threads && i < items->len; i++)
		/* One for which no thread can be started now is done by the next that is free. */
		(void)g_thread_pool_push(threads, items->pdata[i], NULL);
	if (threads)
		g_thread_pool_free(threads, false, true);
	if (cause)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_IO, "cannot start threads: %s",
			    cause->message);
	return !cause;
}
