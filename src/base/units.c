/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Binary prefixes (IEC 80000-13), since disks, images and memory are counted so everywhere here. */
#include "base/units.h"

#include <inttypes.h>
#include <string.h>

char *units_bytes(uint64_t bytes)
{
	static const char *const prefixes[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes / 1024;
	size_t i = 0;

	if (bytes < 1024)
		return g_strdup_printf("%" PRIu64 " B", bytes);
	for (; value >= 999.95 && i + 1 < G_N_ELEMENTS(prefixes); i++)
		value /= 1024;
	return g_strdup_printf("%.1f %s", value, prefixes[i]);
}

char *units_duration(uint64_t seconds)
{
	if (seconds < 60)
		return g_strdup_printf("%" PRIu64 " s", seconds);
	if (seconds < 3600)
		return g_strdup_printf("%" PRIu64 " min %02" PRIu64 " s", seconds / 60,
				       seconds % 60);
	return g_strdup_printf("%" PRIu64 " h %02" PRIu64 " min", seconds / 3600,
			       seconds / 60 % 60);
}

bool units_parse_bytes(const char *text, unsigned int plain_shift, uint64_t max, uint64_t *ret)
{
	static const char letters[] = "KMGT";
	g_autofree char *digits = g_strdup(text);
	size_t len = strlen(text);
	const char *letter = len > 0 ? strchr(letters, text[len - 1]) : NULL;
	unsigned int shift = letter ? 10 * ((unsigned int)(letter - letters) + 1) : plain_shift;
	uint64_t value;

	if (letter)
		digits[len - 1] = '\0';
	if (!g_ascii_string_to_unsigned(digits, 10, 0, max >> shift, &value, NULL))
		return false;
	*ret = value << shift;
	return true;
}
