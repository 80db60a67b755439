/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the fuzz targets of this room replay. */
#include "corpus.h"

#include "source/facts-dmi.h"
#include "source/facts-nics.h"
#include "source/load-option.h"

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

static void test_dmi(void **state)
{
	check_corpus("dmi", accept_dmi);
}

static void test_load_option(void **state)
{
	check_corpus("load-option", accept_load_option);
}

static void test_netlink(void **state)
{
	check_corpus("netlink", accept_netlink);
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
