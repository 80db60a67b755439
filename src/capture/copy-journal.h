/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How far the copy of one disk is: the content of its journal. */
#pragma once

#include "base/extent.h"

#include "bundle/bundle.h"

typedef struct {
	bool finished;       /* image and sums are complete */
	uint64_t image_size; /* bytes, if it is finished */
	uint64_t shared;     /* bytes of its clusters that are those of equal ones, the same */
	uint64_t done;       /* bytes in use that were copied */
	uint64_t next;       /* bytes: where on the disk it goes on */
	uint64_t chunks;     /* of the sums */
	GArray *gaps;        /* of struct extent: what could not be read; owned; never NULL */
	GByteArray *image;   /* of image_writer_checkpoint(); owned; NULL: finished */
} CopyJournal;

bool copy_journal_write(const Bundle *bundle, const char *name, const CopyJournal *journal,
			GError **error);

/* 1: @ret is set, to be cleared by the caller.  0: there is no journal yet.  -1: failed. */
int copy_journal_read(const Bundle *bundle, const char *name, CopyJournal *ret, GError **error);

void copy_journal_clear(CopyJournal *journal);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CopyJournal, copy_journal_clear)
