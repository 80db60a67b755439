/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files of an unfinished bundle that say how far it is, so that the work can go on after a
 * crash.  Each is replaced as a whole, carries its own digest, and is gone once the bundle is
 * complete.  Layout: docs/bundle.md.
 */
#pragma once

#include "bundle/bundle.h"

/* More is no state of ours. */
#define JOURNAL_MAX_BYTES (UINT64_C(64) << 20)

/*
 * Make @data the content of @name, and get it to the medium: the old one or this one is there.
 * WHERRY_ERROR_UNSUPPORTED: it is too long, and the old one is.
 */
bool journal_write(const Bundle *bundle, const char *name, const void *data, size_t len,
		   GError **error);

/*
 * 1: @ret is set, owned by the caller.  0: there is no such file.  -1: failed;
 * WHERRY_ERROR_DAMAGED: what is there was not written by journal_write().
 */
int journal_read(const Bundle *bundle, const char *name, GByteArray **ret, GError **error);

/* Remove it, if it is there.  What fails is left: a complete bundle does not need it. */
void journal_remove(const Bundle *bundle, const char *name);
