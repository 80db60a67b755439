/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of the files that the fuzz targets replay, valid-* must be accepted, and the others refused. */
#include "unit.h"

#include "source/facts-dmi.h"
#include "source/facts-nics.h"
#include "source/load-option.h"

typedef bool (*accept_fn)(const uint8_t *bytes, size_t len, GError **error);

static bool accept_dmi(const uint8_t *bytes, size_t len, GError **error)
{
	uint64_t size = 0;
	int r = dmi_memory_installed(bytes, len, &size, error);

	if (r == 0)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND, "no size");
	return r > 0;
}

static bool accept_load_option(const uint8_t *bytes, size_t len, GError **error)
{
	g_auto(LoadOption) option = { 0 };

	return load_option_parse(bytes, len, &option, error);
}

static bool accept_netlink(const uint8_t *bytes, size_t len, GError **error)
{
	g_autoptr(Facts) facts = facts_new();
	g_autoptr(NicsReader) reader = nics_reader_new(facts);

	return nics_reader_links(reader, bytes, len, error) &&
	       nics_reader_addresses(reader, bytes, len, error) &&
	       nics_reader_routes(reader, bytes, len, error);
}

static void check(const char *name, accept_fn accept)
{
	g_autofree char *folder =
	    g_build_filename(g_getenv("SOURCE_ROOT"), "tests/fuzz/corpus", name, NULL);
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	const char *file;
	int valid = 0;

	assert_non_null(dir);
	while ((file = g_dir_read_name(dir))) {
		g_autofree char *path = g_build_filename(folder, file, NULL);
		g_autofree char *bytes = NULL;
		g_autoptr(GError) error = NULL;
		size_t len;
		bool want = g_str_has_prefix(file, "valid-");

		assert_true(g_file_get_contents(path, &bytes, &len, NULL));
		if (accept((const uint8_t *)bytes, len, &error) != want)
			fail_msg("%s/%s: %s", name, file, error ? error->message : "accepted");
		valid += want;
	}
	assert_true(valid > 0);
}

static void test_dmi(void **state)
{
	check("dmi", accept_dmi);
}

static void test_load_option(void **state)
{
	check("load-option", accept_load_option);
}

static void test_netlink(void **state)
{
	check("netlink", accept_netlink);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dmi),
		cmocka_unit_test(test_load_option),
		cmocka_unit_test(test_netlink),
	};

	return cmocka_run_group_tests_name("facts-corpus", tests, NULL, NULL);
}
