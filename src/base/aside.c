/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Both sides hold one reference; the last one frees. */
#include "base/aside.h"

#include <stdint.h>

struct aside {
	int refs; /* atomic */
	GMutex lock;
	GCond changed;
	bool ended; /* by the lock */
	void (*work)(void *data);
	void *data;
	GDestroyNotify data_free;
};

static void aside_unref(Aside *aside)
{
	if (!g_atomic_int_dec_and_test(&aside->refs))
		return;
	aside->data_free(aside->data);
	g_cond_clear(&aside->changed);
	g_mutex_clear(&aside->lock);
	g_free(aside);
}

static void *aside_thread(void *userdata)
{
	Aside *aside = userdata;

	aside->work(aside->data);
	g_mutex_lock(&aside->lock);
	aside->ended = true;
	g_cond_broadcast(&aside->changed);
	g_mutex_unlock(&aside->lock);
	aside_unref(aside);
	return NULL;
}

Aside *aside_start(const char *name, void (*work)(void *data), void *data, GDestroyNotify data_free)
{
	Aside *aside = g_new0(Aside, 1);

	aside->refs = 2;
	aside->work = work;
	aside->data = data;
	aside->data_free = data_free;
	g_mutex_init(&aside->lock);
	g_cond_init(&aside->changed);
	g_thread_unref(g_thread_new(name, aside_thread, aside));
	return aside;
}

bool aside_wait(Aside *aside, unsigned int timeout_ms)
{
	int64_t until = g_get_monotonic_time() + timeout_ms * INT64_C(1000);
	bool ended;

	g_mutex_lock(&aside->lock);
	while (!aside->ended && g_cond_wait_until(&aside->changed, &aside->lock, until))
		; /* ends: by the time */
	ended = aside->ended;
	g_mutex_unlock(&aside->lock);
	return ended;
}

void aside_free(Aside *aside)
{
	if (aside)
		aside_unref(aside);
}
