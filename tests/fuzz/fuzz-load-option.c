/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a Boot#### variable: its strings are texts, or there are words why not. */
#include "source/load-option.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_auto(LoadOption) option = { 0 };
	g_autoptr(GError) error = NULL;

	if (!load_option_parse(data, size, &option, &error)) {
		g_assert_nonnull(error);
		return 0;
	}
	g_assert_null(error);
	g_assert_true(g_utf8_validate(option.description, -1, NULL));
	g_assert_true(!option.loader || g_utf8_validate(option.loader, -1, NULL));
	g_assert_true(!option.partition_uuid || g_uuid_string_is_valid(option.partition_uuid));
	return 0;
}
