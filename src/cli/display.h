/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Progress and warnings on stderr: one line that is redrawn on a terminal, now and then a plain
 * line elsewhere.
 */
#pragma once

#include "base/progress.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
	bool quiet;
	bool terminal;
	bool drawn;            /* there is a line to be redrawn or ended */
	bool ended;            /* the last line of the phase is out */
	char *phase, *item;    /* of the last call; owned */
	int64_t phase_started; /* of g_get_monotonic_time() */
	int64_t next;          /* when to draw again */
} Display;

void display_init(Display *display, bool quiet);

/* A progress_fn for a Display.  False once SIGINT or SIGTERM came. */
bool display_progress(const struct progress *now, void *display);

/* A warning, which appears even when the display is quiet. */
void display_warn(const char *text, void *display);

/* A line for who wants to know more. */
void display_say(const char *text, void *display);

/* End the line that is being redrawn. */
void display_clear(Display *display);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Display, display_clear)
