/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds the verb, runs it, and says in one line why it failed.  Nothing else in the program turns
 * an error into output and an exit status.
 */
#include "cli/commands.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct command *const commands[] = {
	&cmd_inspect, &cmd_capture, &cmd_verify, &cmd_import, &cmd_host,
	&cmd_vm,      &cmd_migrate, &cmd_job,    NULL,
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; commands[i]; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static void print_help(void)
{
	printf("Usage: wherry COMMAND [OPTION...] [ARG...]\n\n"
	       "Moves machines: a physical one becomes a VM through a removable medium.\n\n");
	for (size_t i = 0; commands[i]; i++)
		printf("  %-9s %-30s %s\n", commands[i]->name, commands[i]->args,
		       commands[i]->summary);
	printf("\n'wherry COMMAND --help' tells more about one of them, and so does its man page,\n"
	       "wherry-COMMAND(1).  'wherry --version' prints the version.\n");
}

/* Output that never reached its file is a failure, however well the rest went. */
static bool flush_stdout(GError **error)
{
	bool lost = ferror(stdout); /* in a printf() whose errno is long gone */

	if (fflush(stdout) != 0 || lost) {
		wherry_error_sys(error, lost ? EIO : errno, "cannot write the output");
		return false;
	}
	return true;
}

static bool run(int argc, char **argv, GError **error)
{
	const char *name = argc > 1 ? argv[1] : "--help";
	const struct command *command = find_command(name);
	g_autofree char *prgname = NULL;

	if (command) {
		prgname = g_strdup_printf("wherry %s", name);
		g_set_prgname(prgname);
		return command->run(argc - 1, argv + 1, error) && flush_stdout(error);
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		print_help();
		return flush_stdout(error);
	}
	if (strcmp(name, "--version") == 0) {
		printf("wherry %s\n", WHERRY_VERSION);
		return flush_stdout(error);
	}
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_USAGE, "no command '%s'; see --help", name);
	return false;
}

static int exit_status(const GError *error)
{
	if (g_error_matches(error, WHERRY_ERROR, WHERRY_ERROR_USAGE))
		return 2;
	if (g_error_matches(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT))
		return 3;
	if (g_error_matches(error, WHERRY_ERROR, WHERRY_ERROR_ROLLED_BACK))
		return 4;
	if (g_error_matches(error, WHERRY_ERROR, WHERRY_ERROR_LEFT_BEHIND))
		return 5;
	if (g_error_matches(error, WHERRY_ERROR, WHERRY_ERROR_CANCELLED))
		return 130;
	return EXIT_FAILURE;
}

/*
 * Started without stdin, stdout or stderr, the next file opened would be in their place, and words
 * meant for people would be written into an image.  Read-only, so that output still fails.
 */
static bool fill_standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	return fd >= 0 && close(fd) == 0;
}

int main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;

	if (!fill_standard_fds())
		return EXIT_FAILURE; /* and nowhere to say so */
	setlocale(LC_ALL, "");
	g_set_prgname("wherry");
	g_log_writer_default_set_use_stderr(true); /* g_debug() would speak on stdout */

	if (!run(argc, argv, &error)) {
		fprintf(stderr, "%s: %s\n", g_get_prgname(), error->message);
		return exit_status(error);
	}
	return EXIT_SUCCESS;
}
