/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/config.h"

#include "base/error.h"

#include <unistd.h>

#define GROUP "fleet"

#define KEYS                                                                                      \
	"label, max-age, max-inbound, max-load, min-free-cpus, min-free-memory, min-free-space, " \
	"pool-roots, refresh-timeout"

GOptionEntry option_config(char **where)
{
	return option_path("config", where, "defaults for options; else the system's or user's own",
			   "FILE");
}

static char *default_path(void)
{
	if (geteuid() == 0)
		return g_strdup("/etc/wherry/wherry.conf");
	return g_build_filename(g_get_user_config_dir(), "wherry", "wherry.conf", NULL);
}

static bool check_names(Config *config, const char *path, GError **error)
{
	g_auto(GStrv) groups = g_key_file_get_groups(config, NULL);
	g_auto(GStrv) keys = g_strsplit(KEYS, ", ", -1);

	for (char **group = groups; *group; group++) {
		g_auto(GStrv) names = g_key_file_get_keys(config, *group, NULL, NULL);

		if (g_strcmp0(*group, GROUP) != 0) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
				    "configuration file '%s' has a group [%s]; there is only [%s]",
				    path, *group, GROUP);
			return false;
		}
		for (char **name = names; *name; name++) {
			if (g_strv_contains((const char *const *)keys, *name))
				continue;
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
				    "configuration file '%s' has a key '%s'; there are: %s", path,
				    *name, KEYS);
			return false;
		}
	}
	return true;
}

Config *config_open(const char *path, GError **error)
{
	g_autoptr(Config) config = g_key_file_new();
	g_autofree char *own = path ? NULL : default_path();
	g_autoptr(GError) cause = NULL;

	if (g_key_file_load_from_file(config, path ? path : own, G_KEY_FILE_NONE, &cause))
		return check_names(config, path ? path : own, error) ? g_steal_pointer(&config)
								     : NULL;
	if (!path && g_error_matches(cause, G_FILE_ERROR, G_FILE_ERROR_NOENT))
		return g_steal_pointer(&config);
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
		    "cannot read the configuration file '%s': %s", path ? path : own,
		    cause->message);
	return NULL;
}

char *config_value(Config *config, const char *key, const char *word)
{
	return word ? g_strdup(word) : g_key_file_get_string(config, GROUP, key, NULL);
}

char **config_values(Config *config, const char *key, char **words)
{
	return words ? g_strdupv(words)
		     : g_key_file_get_string_list(config, GROUP, key, NULL, NULL);
}
