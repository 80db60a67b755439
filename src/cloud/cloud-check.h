/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What names and paths of a cloud may be, checked before anything is sent there. */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * What is wrong is WHERRY_ERROR_INVALID_INPUT.  @what is for the message: "the pool's name".
 *
 * A name: 1 to 200 bytes of UTF-8 without control characters, '/' and leading '.' or '-'.
 * A path: absolute, at most 1024 bytes of UTF-8 without control characters, no empty, "." or ".."
 * component, not "/".  A UUID: 36 characters, lower case.
 */
bool cloud_check_name(const char *what, const char *name, GError **error);
bool cloud_check_path(const char *what, const char *path, GError **error);
bool cloud_check_uuid(const char *what, const char *uuid, GError **error);
