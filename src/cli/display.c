/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rates and the time left are those of the whole phase so far: steadier than those of a moment. */
#include "cli/display.h"

#include "base/units.h"
#include "cli/interrupt.h"

#include <stdio.h>
#include <unistd.h>

#define TERMINAL_INTERVAL (G_USEC_PER_SEC / 4)
#define PLAIN_INTERVAL    (10 * (int64_t)G_USEC_PER_SEC)

void display_init(Display *display, bool quiet)
{
	*display = (Display){ .quiet = quiet, .terminal = isatty(STDERR_FILENO) };
}

/* ", 180.0 MiB/s, 21 s left"; owned by the caller. */
static char *describe_rate(const struct progress *now, int64_t elapsed)
{
	g_autofree char *rate_text = NULL, *left_text = NULL;
	double rate;

	if (elapsed < G_USEC_PER_SEC || now->all_done == 0)
		return g_strdup("");
	rate = (double)now->all_done * G_USEC_PER_SEC / (double)elapsed;
	rate_text = units_bytes((uint64_t)rate);
	if (now->all_done >= now->all_total)
		return g_strdup_printf(", %s/s", rate_text);
	left_text = units_duration((uint64_t)((double)(now->all_total - now->all_done) / rate));
	return g_strdup_printf(", %s/s, %s left", rate_text, left_text);
}

/* "copying /dev/sda: 1.2 GiB of 2.7 GiB; all: 1.2 GiB of 5.0 GiB, 24 %, ..."; owned. */
static char *describe(const struct progress *now, int64_t elapsed)
{
	g_autofree char *done = units_bytes(now->done), *total = units_bytes(now->total);
	g_autofree char *all_done = units_bytes(now->all_done);
	g_autofree char *all_total = units_bytes(now->all_total), *rate = NULL;

	if (now->all_total == 0)
		return g_strdup_printf("%s%s%s", now->phase, now->item ? " of " : "",
				       now->item ? now->item : "");
	rate = describe_rate(now, elapsed);
	return g_strdup_printf("%s %s: %s of %s; all: %s of %s, %.0f %%%s", now->phase,
			       now->item ? now->item : "", done, total, all_done, all_total,
			       100.0 * (double)now->all_done / (double)now->all_total, rate);
}

/* Whether this is another phase or item than in the last call. */
static bool is_new(Display *display, const struct progress *now, int64_t time)
{
	bool new_phase = g_strcmp0(display->phase, now->phase) != 0;

	if (!new_phase && g_strcmp0(display->item, now->item) == 0)
		return false;
	if (new_phase) {
		display->phase_started = time;
		display->ended = false;
		display->next = MAX(display->next, time + (display->terminal ? 0 : PLAIN_INTERVAL));
	}
	g_free(display->phase);
	g_free(display->item);
	display->phase = g_strdup(now->phase);
	display->item = g_strdup(now->item);
	return true;
}

bool display_progress(const struct progress *now, void *userdata)
{
	Display *display = userdata;
	int64_t time = g_get_monotonic_time();
	bool last = !display->ended && now->all_total > 0 && now->all_done == now->all_total;
	g_autofree char *text = NULL;
	bool changed;

	if (interrupt_asked())
		return false;
	changed = is_new(display, now, time) && display->terminal;
	if (display->quiet || (!changed && !last && time < display->next))
		return true;

	text = describe(now, time - display->phase_started);
	if (display->terminal)
		fprintf(stderr, "\r\033[K%s", text);
	else
		fprintf(stderr, "%s\n", text);
	display->drawn = display->terminal;
	display->ended = last;
	display->next = time + (display->terminal ? TERMINAL_INTERVAL : PLAIN_INTERVAL);
	return true;
}

static void end_line(Display *display)
{
	if (display->drawn)
		fputc('\n', stderr);
	display->drawn = false;
}

void display_warn(const char *text, void *userdata)
{
	end_line(userdata);
	fprintf(stderr, "%s: warning: %s\n", g_get_prgname(), text);
}

void display_say(const char *text, void *userdata)
{
	end_line(userdata);
	fprintf(stderr, "%s\n", text);
}

void display_clear(Display *display)
{
	end_line(display);
	g_clear_pointer(&display->phase, g_free);
	g_clear_pointer(&display->item, g_free);
}
