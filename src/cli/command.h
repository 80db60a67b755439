/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One verb of the program: one file cmd-<name>.c that exports one table. */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* The options that every verb has; ints, as GOption stores them. */
struct common_options {
	int json;
	int quiet;
	int verbose;
};

struct command {
	const char *name;
	const char *args; /* as --help shows them: "BUNDLE", "[DISK...]" */
	unsigned int min_args;
	unsigned int max_args;   /* G_MAXUINT: any number */
	const char *summary;     /* one line, imperative */
	const char *description; /* what --help adds below the options: how to use it, examples */

	/* argv[0] is the verb.  Results go to stdout; main() prints the error. */
	bool (*run)(int argc, char **argv, GError **error);
};

/*
 * Options for the GOptionEntry table of a verb.  Functions, so that the type of @where is checked:
 * GOption stores an int, and in a bool would overwrite its neighbours.  What lands in the string of
 * option_value() or option_path(), and the list of option_values(), is owned by the verb; a path
 * stays the bytes that it is, whatever the locale says.
 */
GOptionEntry option_flag(const char *name, char letter, int *where, const char *text);
GOptionEntry option_value(const char *name, char **where, const char *text, const char *value);
/* One that may be given more than once; the list ends with NULL, and is NULL if it was not. */
GOptionEntry option_values(const char *name, char ***where, const char *text, const char *value);
GOptionEntry option_path(const char *name, char **where, const char *text, const char *value);

/* --state, for the verbs that keep or read state; jobs_open() takes what it stored. */
GOptionEntry option_state(char **where);

/*
 * Parse the command line of @command: the values of @options are stored where they say, those of
 * the common ones in @common.
 * 1: go on; @ret_args holds min_args to max_args strings, owned, never NULL.
 * 0: --help was answered.  -1: failed, with WHERRY_ERROR_USAGE.
 */
int command_parse(const struct command *command, const GOptionEntry *options, int argc, char **argv,
		  struct common_options *common, char ***ret_args, GError **error);
