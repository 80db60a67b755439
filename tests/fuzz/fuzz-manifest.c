/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as machine.json: as they are, and with the digest that belongs to them, for no fuzzer
 * finds one.  What is accepted is written back, and that is accepted, too.
 */
#include "bundle/manifest.h"

#include <string.h>

#include "../unit/manifest-sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(Manifest) manifest = manifest_parse((const char *)data, size, NULL);
	g_autoptr(Manifest) sealed = NULL, again = NULL;
	g_autofree char *text = NULL, *written = NULL, *twice = NULL;
	size_t len;

	if (size < TRAILER_SIZE)
		return 0;
	text = sample_seal((const char *)data, size - TRAILER_SIZE, &len);
	sealed = manifest_parse(text, len, NULL);
	g_assert_true(sealed || !manifest);
	if (!sealed)
		return 0;

	written = manifest_serialize(sealed, &len);
	if (len > MANIFEST_MAX_BYTES)
		return 0;
	again = manifest_parse(written, len, NULL);
	g_assert_nonnull(again);
	twice = manifest_serialize(again, &len);
	g_assert_cmpstr(written, ==, twice);
	return 0;
}
