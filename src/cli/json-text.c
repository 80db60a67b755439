/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/json-text.h"

#include <stdio.h>

json_t *json_time(int64_t time)
{
	g_autoptr(GDateTime) when = g_date_time_new_from_unix_utc(time / G_USEC_PER_SEC);
	g_autofree char *text = time > 0 ? g_date_time_format(when, "%Y-%m-%dT%H:%M:%SZ") : NULL;

	return json_text(text);
}

char *time_local(int64_t time)
{
	g_autoptr(GDateTime) when = g_date_time_new_from_unix_local(time / G_USEC_PER_SEC);

	return time > 0 ? g_date_time_format(when, "%Y-%m-%d %H:%M:%S") : g_strdup("-");
}

void json_print(json_t *object)
{
	json_dumpf(object, stdout, JSON_INDENT(2));
	printf("\n");
	json_decref(object);
}
