/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names and paths that may and may not go to a cloud. */
#include "unit.h"

#include "cloud/cloud-check.h"

static const struct {
	const char *value;
	const char *words; /* NULL: allowed */
} names[] = {
	{ "web-1", NULL },
	{ "Büro (alt) #2.qcow2", NULL },
	{ "", "is empty" },
	{ "a/b", "contains '/'" },
	{ ".", "begins with" },
	{ "..", "begins with" },
	{ "-rf", "begins with" },
	{ "a\nb", "control characters" },
	{ "a\x7f", "control characters" },
	{ "a\xc2\x85", "control characters" }, /* U+0085 */
	{ "\xff", "not UTF-8" },
};

static const struct {
	const char *value;
	const char *words;
} paths[] = {
	{ "/var/lib/libvirt/images", NULL },
	{ "/a", NULL },
	{ "/.hidden/..more/b", NULL },
	{ "", "is not absolute" },
	{ "a/b", "is not absolute" },
	{ "/", "root directory" },
	{ "//", "has an empty" },
	{ "/a/", "has an empty" },
	{ "/a//b", "has an empty" },
	{ "/a/./b", "has an empty" },
	{ "/a/..", "has an empty" },
	{ "/../a", "has an empty" },
	{ "/a\tb", "control characters" },
	{ "/\xfe", "not UTF-8" },
};

static void check(bool ok, const char *value, const char *words, GError **error)
{
	if (!words) {
		if (!ok)
			fail_msg("'%s': %s", value, (*error)->message);
		return;
	}
	assert_false(ok);
	assert_error(error, WHERRY_ERROR_INVALID_INPUT, words);
}

static void test_names(void **state)
{
	g_autofree char *longest = g_strnfill(200, 'n'), *too_long = g_strnfill(201, 'n');
	g_autoptr(GError) error = NULL;

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		check(cloud_check_name("the name", names[i].value, &error), names[i].value,
		      names[i].words, &error);
	check(cloud_check_name("the name", longest, &error), longest, NULL, &error);
	check(cloud_check_name("the name", too_long, &error), too_long, "201 bytes long, 200",
	      &error);
}

static void test_paths(void **state)
{
	g_autofree char *longest = g_strnfill(1024, 'p'), *too_long = g_strnfill(1025, 'p');
	g_autoptr(GError) error = NULL;

	for (size_t i = 0; i < G_N_ELEMENTS(paths); i++)
		check(cloud_check_path("the path", paths[i].value, &error), paths[i].value,
		      paths[i].words, &error);
	longest[0] = too_long[0] = '/';
	check(cloud_check_path("the path", longest, &error), longest, NULL, &error);
	check(cloud_check_path("the path", too_long, &error), too_long, "1025 bytes long, 1024",
	      &error);
}

static void test_uuids(void **state)
{
	static const char *const wrong[] = {
		"",
		"x",
		"5a1d1c3e00004000800000000000000a",
		"5A1D1C3E-0000-4000-8000-00000000000a",
		"5a1d1c3e-0000-4000-8000-00000000000a\n",
		"{5a1d1c3e-0000-4000-8000-00000000000a}",
	};
	g_autoptr(GError) error = NULL;

	assert_ok(cloud_check_uuid("it", "5a1d1c3e-0000-4000-8000-00000000000a", &error), error);
	for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++)
		check(cloud_check_uuid("it", wrong[i], &error), wrong[i], "is no UUID", &error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_uuids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
