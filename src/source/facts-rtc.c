/* SPDX-License-Identifier: GPL-2.0-or-later */
/* adjtime_config(5): the third line is "UTC" or "LOCAL". */
#include "source/facts-rtc.h"

#include <string.h>

#define ADJTIME "etc/adjtime"

void facts_read_rtc(const FactsRoot *root, Facts *facts)
{
	g_auto(GStrv) lines = facts_root_lines(root, ADJTIME, FACTS_OPTIONAL);

	if (!lines || g_strv_length(lines) < 3 || !*lines[2])
		return; /* hwclock never ran: nobody wrote down which it is */
	if (strcmp(lines[2], "UTC") == 0)
		facts->rtc = FACTS_RTC_UTC;
	else if (strcmp(lines[2], "LOCAL") == 0)
		facts->rtc = FACTS_RTC_LOCAL;
	else
		facts_note(root, ADJTIME, "its third line is neither UTC nor LOCAL");
}
