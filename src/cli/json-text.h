/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the verbs' JSON shares.  File names are bytes, JSON is UTF-8: what jansson would refuse, and
 * with it the whole object.  Times are UTC in JSON and local for people.
 */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stdint.h>

/* A string with U+FFFD for what is no UTF-8; null for NULL. */
static inline json_t *json_text(const char *text)
{
	g_autofree char *valid = text ? g_utf8_make_valid(text, -1) : NULL;

	return valid ? json_string(valid) : json_null();
}

/* "2026-11-22T00:02:03Z" of microseconds of g_get_real_time(); null for 0. */
json_t *json_time(int64_t time);

/* The same for people: "2026-11-22 01:02:03", or "-"; owned by the caller. */
char *time_local(int64_t time);

/* Print @object on stdout, and free it. */
void json_print(json_t *object);
