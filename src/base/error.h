/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a function here says why it failed.
 *
 * What can fail takes `GError **error` last and returns bool (false = failed), a pointer (NULL)
 * or an int (-1).  It has failed if and only if it has set the error, once, in our domain.  The
 * message is one line without a full stop: what we tried, on what, with the numbers compared.
 */
#pragma once

#include <glib.h>

#define WHERRY_ERROR (wherry_error_quark())
GQuark wherry_error_quark(void);

/* Only what some caller branches on; what happened in full is in the message. */
enum wherry_error {
	WHERRY_ERROR_IO = 0,        /* a device, a medium or the network let us down */
	WHERRY_ERROR_NOT_FOUND,     /* no such thing */
	WHERRY_ERROR_USAGE,         /* the command line is wrong */
	WHERRY_ERROR_INVALID_INPUT, /* what the user asked for makes no sense */
	WHERRY_ERROR_UNSUPPORTED,   /* it makes sense, but we cannot do it */
	WHERRY_ERROR_DAMAGED,       /* bytes on a disk or a medium that cannot be right */
	WHERRY_ERROR_DIFFERENT,     /* verification found other bytes than were recorded */
	WHERRY_ERROR_NO_SPACE,
	WHERRY_ERROR_CANCELLED,
	WHERRY_ERROR_BUSY,
	WHERRY_ERROR_DENIED,
	WHERRY_ERROR_EXISTS,      /* something is in the way, and is not ours */
	WHERRY_ERROR_TIMED_OUT,   /* it took longer than it was given */
	WHERRY_ERROR_ROLLED_BACK, /* a job failed; nothing of ours is left */
	WHERRY_ERROR_LEFT_BEHIND, /* a job failed; what the message names is left */
	WHERRY_ERROR_DIRTY,       /* a filesystem that only a mount brings in order */
};

/*
 * Fail with the code for @errnum, and ": " and the system's words for it after the message.
 * Any other failure is a plain g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED, ...).
 *
 * It returns nothing, so that the caller writes the false, NULL or -1 that fits its own type.
 */
void wherry_error_sys(GError **error, int errnum, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* The code that wherry_error_sys() gives, for who brings other words. */
enum wherry_error wherry_error_code(int errnum);
