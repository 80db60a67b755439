/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of a verb: its own options and the common ones, by GOption. */
#include "cli/command.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

/* What --debug may name: the log domain of each room is "wherry-" and one of these. */
static const char *const topics[] = { "base",    "source", "map",    "image", "bundle",
				      "capture", "cloud",  "import", "fleet", "migrate",
				      "job",     "cli",    "all" };

GOptionEntry option_flag(const char *name, char letter, int *where, const char *text)
{
	return (GOptionEntry){ name, letter, 0, G_OPTION_ARG_NONE, where, text, NULL };
}

GOptionEntry option_value(const char *name, char **where, const char *text, const char *value)
{
	return (GOptionEntry){ name, 0, 0, G_OPTION_ARG_STRING, where, text, value };
}

GOptionEntry option_values(const char *name, char ***where, const char *text, const char *value)
{
	return (GOptionEntry){ name, 0, 0, G_OPTION_ARG_STRING_ARRAY, where, text, value };
}

GOptionEntry option_path(const char *name, char **where, const char *text, const char *value)
{
	return (GOptionEntry){ name, 0, 0, G_OPTION_ARG_FILENAME, where, text, value };
}

GOptionEntry option_state(char **where)
{
	return option_path("state", where, "where jobs are kept; else the system's or user's own",
			   "FILE");
}

/* "map,image" becomes the G_MESSAGES_DEBUG that GLib's log writer obeys. */
static bool set_debug(const char *list, GError **error)
{
	g_auto(GStrv) names = g_strsplit(list, ",", -1);
	g_autoptr(GString) domains = g_string_new(NULL);
	bool all = false;

	for (size_t i = 0; names[i]; i++) {
		bool known = false;

		for (size_t j = 0; j < G_N_ELEMENTS(topics); j++)
			known = known || strcmp(names[i], topics[j]) == 0;
		if (!known) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_USAGE,
				    "no debug topic '%s'; there are base, source, map, image, "
				    "bundle, capture, cloud, import, fleet, job, cli and all",
				    names[i]);
			return false;
		}
		if (strcmp(names[i], "all") == 0) /* GLib knows that word by itself only */
			all = true;
		g_string_append_printf(domains, "wherry-%s ", names[i]);
	}
	g_setenv("G_MESSAGES_DEBUG", all ? "all" : domains->str, true);
	return true;
}

static bool check_count(const struct command *command, unsigned int n, GError **error)
{
	if (n >= command->min_args && n <= command->max_args)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_USAGE,
		    "expected %s, got %u arguments; see --help", command->args, n);
	return false;
}

static void print_help(const struct command *command, GOptionContext *context)
{
	g_autofree char *text = g_option_context_get_help(context, true, NULL);

	fputs(text, stdout);
	if (command->description)
		printf("%s\n", command->description);
}

int command_parse(const struct command *command, const GOptionEntry *options, int argc, char **argv,
		  struct common_options *common, char ***ret_args, GError **error)
{
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);
	g_autoptr(GError) cause = NULL;
	g_auto(GStrv) args = NULL;
	g_autofree char *debug = NULL;
	int help = false;
	const GOptionEntry shared[] = {
		option_flag("json", 0, &common->json, "print the result as one JSON object"),
		option_flag("quiet", 'q', &common->quiet, "no progress, only warnings and errors"),
		option_flag("verbose", 'v', &common->verbose, "say more about each step"),
		option_value("debug", &debug, "trace these parts on stderr: map, image, all ...",
			     "TOPIC,..."),
		option_flag("help", 'h', &help, "show this help"),
		{ G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &args, NULL,
		  command->args },
		G_OPTION_ENTRY_NULL,
	};

	g_option_context_set_summary(context, command->summary);
	g_option_context_add_main_entries(context, options, NULL);
	g_option_context_add_main_entries(context, shared, NULL);
	g_option_context_set_help_enabled(context, false); /* its --help would call exit() */

	if (!g_option_context_parse(context, &argc, &argv, &cause)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_USAGE, "%s; see --help",
			    cause->message);
		return -1;
	}
	if (help) {
		print_help(command, context);
		return 0;
	}
	if (debug && !set_debug(debug, error))
		return -1;
	if (!args)
		args = g_new0(char *, 1);
	if (!check_count(command, g_strv_length(args), error))
		return -1;
	*ret_args = g_steal_pointer(&args);
	return 1;
}
