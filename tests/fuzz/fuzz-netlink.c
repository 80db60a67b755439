/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as the kernel's answers to all three dumps, one after the other. */
#include "source/facts-nics.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef bool (*read_fn)(NicsReader *reader, const uint8_t *bytes, size_t len, GError **error);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const read_fn reads[] = { nics_reader_links, nics_reader_addresses,
					 nics_reader_routes };
	g_autoptr(Facts) facts = facts_new();
	g_autoptr(NicsReader) reader = nics_reader_new(facts);

	for (size_t i = 0; i < G_N_ELEMENTS(reads); i++) {
		g_autoptr(GError) error = NULL;

		g_assert_true(reads[i](reader, data, size, &error) == (error == NULL));
	}
	for (unsigned int i = 0; i < facts->nics->len; i++) {
		const struct facts_nic *nic = g_ptr_array_index(facts->nics, i);

		g_assert_true(!nic->name || g_utf8_validate(nic->name, -1, NULL));
		g_assert_true(!nic->kind || g_utf8_validate(nic->kind, -1, NULL));
	}
	return 0;
}
