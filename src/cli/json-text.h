/* SPDX-License-Identifier: GPL-2.0-or-later */
/* File names are bytes, JSON is UTF-8: what jansson would refuse, and with it the whole object. */
#pragma once

#include <glib.h>
#include <jansson.h>

/* A string with U+FFFD for what is no UTF-8; null for NULL. */
static inline json_t *json_text(const char *text)
{
	g_autofree char *valid = text ? g_utf8_make_valid(text, -1) : NULL;

	return valid ? json_string(valid) : json_null();
}
