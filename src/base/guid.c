/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first three fields are little-endian numbers, the rest are bytes. */
#include "base/guid.h"

#include <glib.h>

char *guid_to_text(const struct guid *guid)
{
	const uint8_t *b = guid->b;

	return g_strdup_printf(
	    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[3], b[2],
	    b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
	    b[15]);
}
