/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as an SMBIOS table: an amount of memory, none, or words why not. */
#include "source/facts-dmi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(GError) error = NULL;
	uint64_t bytes = 0;
	int r = dmi_memory_installed(data, size, &bytes, &error);

	g_assert_true((r < 0) == (error != NULL));
	g_assert_true((r > 0) == (bytes != 0));
	return 0;
}
