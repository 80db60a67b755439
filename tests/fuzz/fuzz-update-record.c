/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as the data of update.journal: as they are, and with the digest that belongs to the
 * machine.json in them.  What is taken has a head for each of its disks.
 */
#include "bundle/update-record.h"

#include "base/le.h"

#include <string.h>

#include "../unit/manifest-sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try(const void *data, size_t size)
{
	g_autoptr(UpdateRecord) record = update_record_parse(data, size, NULL);
	g_autoptr(Digester) digester = digester_new();

	for (unsigned int i = 0; record && record->manifest && i < record->manifest->disks->len;
	     i++) {
		const struct manifest_disk *disk = g_ptr_array_index(record->manifest->disks, i);
		const uint8_t *head = update_record_head(record, disk->image);

		g_assert_nonnull(head);
		digester_add(digester, head, UPDATE_HEAD_SIZE); /* all of it is there, says ASan */
		g_assert_true(update_record_has_file(record, disk->sums));
	}
	(void)digester_finish(digester);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(GByteArray) sealed = g_byte_array_new();
	g_autofree char *text = NULL;
	size_t head = 8, len;
	le32 n_disks;

	try(data, size);
	if (size < head)
		return 0;
	memcpy(&n_disks, data + 4, sizeof(n_disks));
	head += (size_t)le32_get(n_disks) * UPDATE_HEAD_SIZE;
	if (size < head + TRAILER_SIZE)
		return 0;
	text = sample_seal((const char *)data + head, size - head - TRAILER_SIZE, &len);
	g_byte_array_append(sealed, data, (unsigned int)head);
	g_byte_array_append(sealed, (const uint8_t *)text, (unsigned int)len);
	try(sealed->data, sealed->len);
	return 0;
}
