/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of 'wherry migrate', as typed and as meant. */
#pragma once

#include "cli/choose-options.h"
#include "job/job.h"
#include "migrate/migrate.h"

/* As typed; all owned. */
typedef struct {
	ChooseOptions choose;
	char *to, *from, *attempts, *alternates, *timeout, *stall, *on_timeout, *commit, *bandwidth;
	char *parallel, *disks, *delete_after, *state, *config;
	int tls, force, dry_run, detach, accept_postcopy;
} MigrateWords;

void migrate_words_clear(MigrateWords *words);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MigrateWords, migrate_words_clear)

/* What they mean; owned what @options borrows, beside the words. */
typedef struct {
	struct migrate_options options;
	struct job_spec spec; /* attempts only */
	uint64_t alternates;
	char **disks;
} MigrateMeaning;

void migrate_meaning_clear(MigrateMeaning *meaning);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MigrateMeaning, migrate_meaning_clear)

/* USAGE. */
bool migrate_words_parse(MigrateWords *words, const char *vm, MigrateMeaning *ret, GError **error);
