/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libext2fs on a volume, through an io_manager that knows no way to write. */
#pragma once

#include "map/ext-journal.h"

#include <ext2fs/ext2fs.h>

typedef struct struct_ext2_filsys ExtFilesystem;

/* What it reads. */
struct ext_source {
	const Volume *volume;
	const ExtReplay *replay; /* NULL: the volume as it is */
	uint64_t n_reads_left;   /* then reading fails, so that no damage keeps it busy for ever */
};

/*
 * @source is borrowed and stays in use.  Before the library allocates by what the superblock says
 * of sizes, that is checked here.  Then it refuses unknown incompatible features, and a wrong
 * checksum of the superblock; the group descriptors are read, but not looked at.
 */
ExtFilesystem *ext_open(struct ext_source *source, GError **error);

/* "ext filesystem ", then @what, and the library's words for @code. */
void ext_set_error(GError **error, errcode_t code, const char *what);

void ext_filesystem_free(ExtFilesystem *fs);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ExtFilesystem, ext_filesystem_free)
