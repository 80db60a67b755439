/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Libvirt checks, too, but each version something else; and a path goes into XML and logs. */
#include "cloud/cloud-check.h"

#include "base/error.h"

#include <stdint.h>
#include <string.h>

enum { NAME_BYTES_MAX = 200, PATH_BYTES_MAX = 1024 };

static bool refuse(const char *what, const char *value, const char *why, GError **error)
{
	g_autofree char *printable = g_strescape(value, NULL);

	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT, "%s '%.100s' %s", what,
		    printable, why);
	return false;
}

static bool is_text(const char *value)
{
	if (!g_utf8_validate(value, -1, NULL))
		return false;
	for (const char *c = value; *c; c += g_utf8_skip[(uint8_t)*c])
		if (g_unichar_iscntrl(g_utf8_get_char(c)))
			return false;
	return true;
}

bool cloud_check_name(const char *what, const char *name, GError **error)
{
	size_t len = strlen(name);

	if (len == 0)
		return refuse(what, name, "is empty", error);
	if (len > NAME_BYTES_MAX) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
			    "%s is %zu bytes long, %d are allowed", what, len, NAME_BYTES_MAX);
		return false;
	}
	if (!is_text(name))
		return refuse(what, name, "is not UTF-8, or has control characters", error);
	if (strchr(name, '/'))
		return refuse(what, name, "contains '/'", error);
	if (*name == '.' || *name == '-')
		return refuse(what, name, "begins with '.' or '-'", error);
	return true;
}

bool cloud_check_path(const char *what, const char *path, GError **error)
{
	g_auto(GStrv) parts = NULL;

	if (*path != '/')
		return refuse(what, path, "is not absolute", error);
	if (path[1] == '\0')
		return refuse(what, path, "is the root directory", error);
	if (strlen(path) > PATH_BYTES_MAX) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
			    "%s is %zu bytes long, %d are allowed", what, strlen(path),
			    PATH_BYTES_MAX);
		return false;
	}
	if (!is_text(path))
		return refuse(what, path, "is not UTF-8, or has control characters", error);
	parts = g_strsplit(path + 1, "/", -1);
	for (char **part = parts; *part; part++)
		if (**part == '\0' || strcmp(*part, ".") == 0 || strcmp(*part, "..") == 0)
			return refuse(what, path, "has an empty, '.' or '..' part", error);
	return true;
}

bool cloud_check_uuid(const char *what, const char *uuid, GError **error)
{
	if (!g_uuid_string_is_valid(uuid) || strpbrk(uuid, "ABCDEF"))
		return refuse(what, uuid, "is no UUID in lower case", error);
	return true;
}
