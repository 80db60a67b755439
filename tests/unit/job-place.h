/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A new directory for each test, in which it stands, and which is empty of ours again after it. */
#pragma once

#include "unit.h"

#include <glib/gstdio.h>
#include <unistd.h>

/* Everything below @path, and @path. */
static inline void remove_tree(const char *path)
{
	g_autoptr(GDir) dir = NULL;
	const char *name;

	if (!g_file_test(path, G_FILE_TEST_IS_SYMLINK))
		dir = g_dir_open(path, 0, NULL);
	while (dir && (name = g_dir_read_name(dir))) {
		g_autofree char *below = g_build_filename(path, name, NULL);

		remove_tree(below);
	}
	(void)g_remove(path); /* what stays is seen by who looks into /tmp */
}

static inline int enter_place(void **state)
{
	*state = g_dir_make_tmp(NULL, NULL);
	return chdir(*state);
}

static inline int leave_place(void **state)
{
	g_autofree char *place = *state;

	if (chdir("/") < 0)
		return -1;
	remove_tree(place);
	return 0;
}
