/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The recorded machines of tests/facts, each compared with the facts beside it. */
#include "unit.h"

#include "source/facts-json.h"

#include <stdio.h>
#include <stdlib.h>

static void check(const char *machine)
{
	const char *top = g_getenv("SOURCE_ROOT");
	g_autofree char *root = g_build_filename(top, "tests/facts", machine, "root", NULL);
	g_autofree char *path =
	    g_build_filename(top, "tests/facts", machine, "expected.json", NULL);
	g_autoptr(GError) error = NULL;
	g_autoptr(Facts) facts = facts_read(root, &error);
	json_error_t where;
	json_t *want, *got;

	assert_ok(facts, error);
	got = facts_to_json(facts);
	want = json_load_file(path, 0, &where);
	if (!json_equal(got, want)) {
		printf("want, %s:\n", want ? path : where.text);
		json_dumpf(want, stdout, JSON_INDENT(2));
		printf("\ngot:\n");
		json_dumpf(got, stdout, JSON_INDENT(2));
		fail_msg("%s: not the facts of %s", machine, path);
	}
	json_decref(got);
	json_decref(want);
}

static void test_bios(void **state)
{
	check("bios");
}

static void test_uefi(void **state)
{
	check("uefi");
}

static void test_holes(void **state)
{
	check("holes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bios),
		cmocka_unit_test(test_uefi),
		cmocka_unit_test(test_holes),
	};

	return cmocka_run_group_tests_name("facts-recorded", tests, NULL, NULL);
}
