/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small files below the root that facts are read from.  A symlink is followed as if the root were
 * "/", so a recorded machine cannot point at files of ours.
 *
 * Nothing here fails: what cannot be had is NULL, empty or false, and why is noted, but for files
 * that may be missing.  Paths are given without the leading slash.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
	int fd;           /* owned */
	bool live;        /* the root is "/": this machine, not a recorded one */
	GPtrArray *notes; /* of char *; borrowed */
} FactsRoot;

enum facts_want {
	FACTS_OPTIONAL, /* many machines have no such file */
	FACTS_EXPECTED, /* every machine should have it: note that it is missing */
};

/* A value of sysfs beyond this is cut. */
#define FACTS_TEXT_MAX 256

bool facts_root_open(FactsRoot *root, const char *path, GPtrArray *notes, GError **error);
void facts_root_clear(FactsRoot *root);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FactsRoot, facts_root_clear)

/* "/PATH: WORDS". */
void facts_note(const FactsRoot *root, const char *path, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

bool facts_root_has(const FactsRoot *root, const char *path);

/* The whole file, at most @max bytes, with a NUL behind them; owned by the caller. */
uint8_t *facts_root_bytes(const FactsRoot *root, const char *path, enum facts_want want, size_t max,
			  size_t *ret_len);

/* A file of one value: trimmed, valid UTF-8, not empty; owned by the caller. */
char *facts_root_text(const FactsRoot *root, const char *path, enum facts_want want);

/* A file of one decimal number from @min to @max. */
bool facts_root_number(const FactsRoot *root, const char *path, enum facts_want want, uint64_t min,
		       uint64_t max, uint64_t *ret);

/* The lines of a text file, trimmed at their end; NULL when there is none; owned by the caller. */
char **facts_root_lines(const FactsRoot *root, const char *path, enum facts_want want);

/* The names in a directory, sorted; never NULL; owned by the caller. */
char **facts_root_list(const FactsRoot *root, const char *path, enum facts_want want);

/* Where a symlink points, as it is written there; NULL when it is none; owned by the caller. */
char *facts_root_link(const FactsRoot *root, const char *path);

/* @bytes as text: valid UTF-8, trimmed, cut; NULL when empty or not text; owned by the caller. */
char *facts_text(const uint8_t *bytes, size_t len);
