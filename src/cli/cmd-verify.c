/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wherry verify: is every byte of a bundle still what was captured? */
#include "cli/commands.h"

#include "base/units.h"
#include "capture/verify.h"
#include "cli/display.h"
#include "cli/interrupt.h"
#include "cli/json-text.h"

#include <jansson.h>
#include <stdio.h>

static void print_json(const char *path, const struct verify_result *result, double seconds)
{
	json_t *object =
	    json_pack("{s:o, s:b, s:i, s:i, s:I, s:f}", "bundle", json_text(path), "intact", 1,
		      "files", (int)result->files, "disks", (int)result->disks, "bytes",
		      (json_int_t)result->bytes, "seconds", seconds);

	json_dumpf(object, stdout, JSON_INDENT(2));
	printf("\n");
	json_decref(object);
}

static bool run_verify(int argc, char **argv, GError **error)
{
	const GOptionEntry options[] = { G_OPTION_ENTRY_NULL };
	struct common_options common = { 0 };
	g_autofree char *bytes = NULL, *rate = NULL;
	struct verify_options verify_options;
	struct verify_result result;
	g_auto(Display) display = { 0 };
	g_autoptr(InterruptGuard) guard = NULL;
	g_auto(GStrv) args = NULL;
	int64_t started = g_get_monotonic_time();
	double seconds;
	int r = command_parse(&cmd_verify, options, argc, argv, &common, &args, error);

	if (r <= 0)
		return r == 0;
	interrupt_catch();
	guard = interrupt_guard_new("interrupted while the medium gave no answer");
	display_init(&display, common.quiet);
	verify_options = (struct verify_options){
		.progress = display_progress,
		.say = common.verbose ? display_say : NULL,
		.userdata = &display,
	};
	if (!verify_run(args[0], &verify_options, &result, error))
		return false;
	display_clear(&display);

	seconds = (double)(g_get_monotonic_time() - started) / G_USEC_PER_SEC;
	if (common.json) {
		print_json(args[0], &result, seconds);
		return true;
	}
	bytes = units_bytes(result.bytes);
	rate = units_bytes((uint64_t)((double)result.bytes / MAX(seconds, 0.001)));
	printf("%s: intact: %u files, %u disks, %s read in %.1f s (%s/s)\n", args[0], result.files,
	       result.disks, bytes, seconds, rate);
	return true;
}

const struct command cmd_verify = {
	.name = "verify",
	.args = "BUNDLE",
	.min_args = 1,
	.max_args = 1,
	.summary = "Read a bundle back and compare every byte with its sums.",
	.description =
	    "BUNDLE is the directory that holds machine.json.  Nothing in it is changed.\n"
	    "\n"
	    "Exit status: 0 the bundle is intact, 3 something differs (the message names\n"
	    "the file and where in it), 1 it could not be read or is incomplete.\n"
	    "\n"
	    "Example:\n"
	    "  wherry verify /mnt/stick/wherry/server1",
	.run = run_verify,
};
