/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a volume of this format.  test-map-seeds.c sees to it that valid-* are accepted. */
#include "fuzz-volume.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_driver(&map_swap, "swap", data, size);
}
