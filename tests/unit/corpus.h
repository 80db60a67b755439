/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files that a fuzz target replays: valid-* must be accepted, and the others refused.  Were the
 * valid ones refused, the fuzzer, which starts from them, would only test refusals.
 */
#pragma once

#include "unit.h"

#include <glib.h>

/* Whether the parser takes @bytes; if not, @error may say why. */
typedef bool (*accept_fn)(const uint8_t *bytes, size_t len, GError **error);

/* @name: of the folder in tests/fuzz/corpus. */
static inline void check_corpus(const char *name, accept_fn accept)
{
	g_autofree char *folder =
	    g_build_filename(g_getenv("SOURCE_ROOT"), "tests/fuzz/corpus", name, NULL);
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	const char *file;
	int n_valid = 0;

	assert_non_null(dir);
	while ((file = g_dir_read_name(dir))) {
		g_autofree char *path = g_build_filename(folder, file, NULL), *bytes = NULL;
		bool want = g_str_has_prefix(file, "valid-");
		g_autoptr(GError) error = NULL;
		size_t len;

		assert_true(g_file_get_contents(path, &bytes, &len, NULL));
		if (accept((const uint8_t *)bytes, len, &error) != want)
			fail_msg("%s/%s: %s", name, file, error ? error->message : "accepted");
		n_valid += want;
	}
	assert_true(n_valid > 0);
}
