/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a directory can take a bundle. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * @target is a directory that can be written, with a path that is text, on a filesystem that takes
 * large files, and on none of @disks (NULL ends).
 */
bool target_check(const char *target, const char *const *disks, GError **error);

/* Bytes that can be written below @target. */
bool target_free(const char *target, uint64_t *ret, GError **error);
