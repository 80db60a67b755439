/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as a volume of this format, whose two checksums are put right first.  test-map-seeds.c
 * sees to it that valid-* are accepted.
 */
#include "fuzz-mend.h"
#include "fuzz-volume.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree uint8_t *mended = g_memdup2(data, size);

	mend_exfat(mended, size);
	return fuzz_driver(&map_exfat, "exfat", mended, size);
}
