/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Libvirt's errors as ours: in the thread of the failed call, on the line after it. */
#pragma once

#include "base/error.h"

#include <stdbool.h>

/*
 * Fail with what libvirt said last in this thread, after our own words and ": ", in one line.  The
 * code comes from libvirt's, and from the errno that comes with its system errors.
 */
void libvirt_error(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* The same with a code that only the caller can know. */
void libvirt_error_as(GError **error, enum wherry_error code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* What the last failed call would be as ours. */
enum wherry_error libvirt_error_code(void);

/* The errno of the last failed call; 0: it had none. */
int libvirt_error_errno(void);

/*
 * Whether the last call was refused, and so did nothing, because the host is still at work on
 * something short: the look at a pool after an upload into it, say.
 */
bool libvirt_error_is_momentary(void);
/* The same of what libvirt_error() made, when handles were freed since, which forgets the call. */
bool libvirt_error_was_momentary(const GError *error);

/* Whether the last failed call was refused because a pool or VM of that name, UUID or path is
 * there. */
bool libvirt_error_is_clash(void);
