/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration file: a GKeyFile whose group [fleet] gives defaults for options of the same
 * names, and the directories below which pools may lie.  docs/fleet.md lists the keys.
 */
#pragma once

#include "cli/command.h"

typedef GKeyFile Config;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Config, g_key_file_unref)

/* --config, for the verbs that have defaults. */
GOptionEntry option_config(char **where);

/*
 * Read @path, or, if that is NULL, /etc/wherry/wherry.conf, for who is not root
 * wherry/wherry.conf below $XDG_CONFIG_HOME; that one may be missing.  A group or key that is not
 * known is INVALID_INPUT: it is a typing error that would be found out too late.
 */
Config *config_open(const char *path, GError **error);

/* The value of an option: @word if the command line has it, else the file's, else NULL; owned. */
char *config_value(Config *config, const char *key, const char *word);

/* The same of one that may be given more than once, in the file with ';' between; owned. */
char **config_values(Config *config, const char *key, char **words);
