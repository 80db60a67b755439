/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wherry capture: a machine that stands still becomes a bundle on the medium. */
#include "cli/commands.h"

#include "base/error.h"
#include "base/units.h"
#include "bundle/bundle.h"
#include "capture/update.h"
#include "capture/verify.h"
#include "cli/display.h"
#include "cli/interrupt.h"
#include "cli/json-text.h"
#include "cli/machine-facts.h"
#include "image/compress.h"
#include "source/disk-choice.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* "zstd", "zstd:3" or "none"; NULL is the default. */
static bool parse_compress(const char *text, int *ret_level, GError **error)
{
	g_autoptr(GError) cause = NULL;
	uint64_t level;

	if (!text || strcmp(text, "zstd") == 0) {
		*ret_level = CAPTURE_LEVEL_DEFAULT;
		return true;
	}
	if (strcmp(text, "none") == 0) {
		*ret_level = CAPTURE_LEVEL_NONE;
		return true;
	}
	if (!g_str_has_prefix(text, "zstd:") ||
	    !g_ascii_string_to_unsigned(text + strlen("zstd:"), 10, COMPRESS_LEVEL_MIN,
					COMPRESS_LEVEL_MAX, &level, &cause)) {
		g_set_error(
		    error, WHERRY_ERROR, WHERRY_ERROR_USAGE,
		    "--compress is none, zstd or zstd:LEVEL with a level from %d to %d, not '%s'",
		    COMPRESS_LEVEL_MIN, COMPRESS_LEVEL_MAX, text);
		return false;
	}
	*ret_level = (int)level;
	return true;
}

/* "/dev/sdb is left out: ..."; owned by the caller. */
static char *describe_left_out(const struct disk_choice *choice)
{
	return g_strdup_printf("%s is left out: %s; to carry it, %s", choice->disk->path,
			       choice->reason,
			       choice->is_medium ? "choose a target that lies elsewhere"
						 : "name all disks that you want");
}

/* The disks of the default set and, in @ret_left_out, words on each other one; owned. */
static char **choose_disks(const Facts *facts, const char *target, char ***ret_left_out,
			   GError **error)
{
	g_autoptr(DeviceStack) medium = device_stack_below(target, error);
	g_autoptr(GStrvBuilder) taken = g_strv_builder_new(), left_out = g_strv_builder_new();
	g_autoptr(GString) reasons = g_string_new(NULL);
	g_autoptr(GPtrArray) choices = NULL;
	bool any = false;

	if (!medium)
		return NULL;
	choices = disk_choice_default(facts, medium);
	for (unsigned int i = 0; i < choices->len; i++) {
		const struct disk_choice *choice = g_ptr_array_index(choices, i);
		g_autofree char *text = NULL;

		if (choice->taken) {
			g_strv_builder_add(taken, choice->disk->path);
			any = true;
			continue;
		}
		text = describe_left_out(choice);
		g_strv_builder_add(left_out, text);
		g_string_append_printf(reasons, "%s%s (%s)", reasons->len ? ", " : "",
				       choice->disk->path, choice->reason);
	}
	if (!any) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND,
			    "no disk to capture; left out: %s; name the disks that you want",
			    reasons->len ? reasons->str : "none, for none was found");
		return NULL;
	}
	*ret_left_out = g_strv_builder_end(left_out);
	return g_strv_builder_end(taken);
}

/* The machine's own name, as far as it can name a directory. */
static char *default_name(const Facts *facts)
{
	g_autofree char *name = g_strdup(facts->hostname ? facts->hostname : "");

	g_strcanon(name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "._-", '-');
	return bundle_name_valid(name) ? g_steal_pointer(&name) : g_strdup("machine");
}

static json_t *gaps_to_json(const struct manifest_disk *disk)
{
	json_t *gaps = json_array();

	for (unsigned int i = 0; i < disk->unreadable->len; i++) {
		const struct manifest_gap *gap = g_ptr_array_index(disk->unreadable, i);
		json_t *files = json_array();

		for (unsigned int j = 0; j < gap->files->len; j++)
			json_array_append_new(files, json_text(g_ptr_array_index(gap->files, j)));
		json_array_append_new(gaps, json_pack("{s:I, s:I, s:o}", "offset",
						      (json_int_t)gap->offset, "length",
						      (json_int_t)gap->length, "files", files));
	}
	return gaps;
}

static const struct update_counts *counts_of(const UpdateResult *result, unsigned int i)
{
	return result->counts ? &g_array_index(result->counts, struct update_counts, i) : NULL;
}

static json_t *describe_disk(const UpdateResult *result, unsigned int i)
{
	const struct manifest_disk *disk = g_ptr_array_index(result->manifest->disks, i);
	const struct update_counts *counts = counts_of(result, i);

	return json_pack(
	    "{s:o, s:I, s:I, s:s, s:I, s:s, s:o, s:o, s:I, s:o}", "path", json_text(disk->path),
	    "size", (json_int_t)disk->size, "used", (json_int_t)disk->used, "image", disk->image,
	    "image_size", (json_int_t)disk->image_size, "bus", manifest_bus_name(disk->bus),
	    "shared",
	    result->shared ? json_integer((json_int_t)g_array_index(result->shared, uint64_t, i))
			   : json_null(),
	    "changed", counts ? json_integer((json_int_t)counts->changed) : json_null(), "unused",
	    (json_int_t)(counts ? counts->unused : 0), "unreadable", gaps_to_json(disk));
}

static void print_json(const UpdateResult *result, double seconds)
{
	const Manifest *manifest = result->manifest;
	json_t *disks = json_array(), *warnings = json_array(), *object;

	for (unsigned int i = 0; i < manifest->disks->len; i++)
		json_array_append_new(disks, describe_disk(result, i));
	for (unsigned int i = 0; i < manifest->warnings->len; i++)
		json_array_append_new(warnings,
				      json_text(g_ptr_array_index(manifest->warnings, i)));
	object =
	    json_pack("{s:o, s:s, s:I, s:s, s:o, s:o, s:f}", "bundle", json_text(result->bundle),
		      "id", manifest->id, "generation", (json_int_t)manifest->generation, "name",
		      manifest->name, "disks", disks, "warnings", warnings, "seconds", seconds);
	json_dumpf(object, stdout, JSON_INDENT(2));
	printf("\n");
	json_decref(object);
}

/* What an update found, and what it left behind. */
static void print_counts(const struct manifest_disk *disk, const struct update_counts *counts)
{
	g_autofree char *changed = units_bytes(counts->changed);
	g_autofree char *unused = units_bytes(counts->unused);

	printf("%s: %s differed; %s of %s are not used any more%s\n", disk->path, changed, unused,
	       disk->image,
	       counts->unused > disk->image_size / 2 ? " (to get them back, capture anew)" : "");
}

static void print_shared(const struct manifest_disk *disk, uint64_t shared)
{
	g_autofree char *text = units_bytes(shared);

	printf("%s: %s of equal clusters are stored once\n", disk->path, text);
}

static void print_result(const UpdateResult *result, double seconds)
{
	const Manifest *manifest = result->manifest;

	for (unsigned int i = 0; i < manifest->disks->len; i++) {
		const struct manifest_disk *disk = g_ptr_array_index(manifest->disks, i);
		g_autofree char *size = units_bytes(disk->size), *used = units_bytes(disk->used);
		g_autofree char *image = units_bytes(disk->image_size);
		uint64_t shared = result->shared ? g_array_index(result->shared, uint64_t, i) : 0;

		printf("%s: %s, %s in use -> %s, %s, on %s (%s)\n", disk->path, size, used,
		       disk->image, image, manifest_bus_name(disk->bus), disk->bus_reason);
		if (shared > 0)
			print_shared(disk, shared);
		if (result->counts)
			print_counts(disk, counts_of(result, i));
	}
	if (result->counts)
		printf("%s: generation %u, complete in %.1f s\n", result->bundle,
		       manifest->generation, seconds);
	else
		printf("%s: complete in %.1f s\n", result->bundle, seconds);
}

/* Read back what was written. */
static bool verify(const char *bundle, Display *display, GError **error)
{
	const struct verify_options options = {
		.from_medium = true,
		.progress = display_progress,
		.userdata = display,
	};
	struct verify_result result;

	if (verify_run(bundle, &options, &result, error))
		return true;
	g_prefix_error(error,
		       "the bundle '%s' was written, but is not whole on the medium: ", bundle);
	return false;
}

/* A first capture needs disks and a name; an update has them. */
static bool carry(const Facts *facts, struct capture_options *options, char **disks,
		  const char *name, UpdateResult *ret, GError **error)
{
	g_autofree char *own_name = name ? g_strdup(name) : default_name(facts);
	g_auto(GStrv) chosen = NULL, left_out = NULL;

	options->disks = disks[0] ? (const char *const *)disks : NULL;
	if (options->update)
		return update_run(facts, options, ret, error);
	if (!options->disks) {
		chosen = choose_disks(facts, options->target, &left_out, error);
		if (!chosen)
			return false;
		options->disks = (const char *const *)chosen;
	}
	options->name = own_name;
	options->left_out = (const char *const *)left_out;
	return capture_run(facts, options, &ret->bundle, &ret->manifest, &ret->shared, error);
}

static bool capture(const struct common_options *common, const struct capture_options *wanted,
		    char **disks, const char *name, bool verified, GError **error)
{
	struct capture_options options = *wanted;
	int64_t started = g_get_monotonic_time();
	g_auto(UpdateResult) result = { NULL };
	g_auto(Display) display = { 0 };
	g_autoptr(InterruptGuard) guard = NULL;
	g_autoptr(Facts) facts = NULL;
	double seconds;

	interrupt_catch();
	guard = interrupt_guard_new(
	    options.update ? "interrupted while a device gave no answer; the bundle is left as it "
			     "was, update it again"
			   : "interrupted while a device gave no answer; if the bundle was begun "
			     "it is incomplete, go on with --resume");
	facts = machine_facts(error);
	if (!facts)
		return false;
	display_init(&display, common->quiet);
	options.progress = display_progress;
	options.warn = display_warn;
	options.say = common->verbose ? display_say : NULL;
	options.userdata = &display;
	if (!carry(facts, &options, disks, name, &result, error) ||
	    (verified && !verify(result.bundle, &display, error)))
		return false;
	display_clear(&display);

	seconds = (double)(g_get_monotonic_time() - started) / G_USEC_PER_SEC;
	if (common->json)
		print_json(&result, seconds);
	else
		print_result(&result, seconds);
	return true;
}

/* Options that contradict each other. */
static bool check_usage(const struct capture_options *options, const char *name,
			const char *compress, bool dedupe, GError **error)
{
	bool storage = compress || dedupe || !options->dedupe;
	const char *why = NULL;

	if (options->update && (options->target || name))
		why = "--update BUNDLE names the bundle: leave out --to and --name";
	else if (options->update && options->resume)
		why = "an update that was interrupted is begun anew: leave out --resume";
	else if (options->update && compress)
		why = "--update goes on with the compression of the bundle: leave out --compress";
	else if (options->update && storage)
		why = "--update looks for no equal clusters: leave out --dedupe and --no-dedupe";
	else if (dedupe && !options->dedupe)
		why = "--dedupe and --no-dedupe contradict each other: leave out one";
	else if (!options->update && !options->target)
		why = "where to? --to names a directory on the medium; see --help";
	else if (options->resume && storage)
		why = "--resume goes on with what was begun with: leave out --compress, --dedupe "
		      "and --no-dedupe";
	if (why) {
		g_set_error_literal(error, WHERRY_ERROR, WHERRY_ERROR_USAGE, why);
		return false;
	}
	if (!name || bundle_name_valid(name))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_USAGE,
		    "'%s' cannot name a bundle: 1 to 64 letters, digits, '.', '_' and '-', not "
		    "first '.' or '-'",
		    name);
	return false;
}

static bool run_capture(int argc, char **argv, GError **error)
{
	g_autofree char *target = NULL, *update = NULL, *name = NULL, *compress = NULL;
	struct common_options common = { 0 };
	struct capture_options options = { 0 };
	int dedupe = 0, no_dedupe = 0, resume = 0, allow_bad = 0, keep_pagefile = 0, verified = 0;
	g_auto(GStrv) args = NULL;
	const GOptionEntry entries[] = {
		option_path("to", &target, "a directory on the medium", "DIR"),
		option_path("update", &update,
			    "bring this bundle up to date, instead of a new one --to", "BUNDLE"),
		option_value("name", &name, "of the bundle; else the machine's own name", "NAME"),
		option_value("compress", &compress, "none, zstd or zstd:LEVEL; else zstd:1", "HOW"),
		option_flag("dedupe", 0, &dedupe,
			    "store equal compressed clusters once; the default"),
		option_flag("no-dedupe", 0, &no_dedupe, "store each cluster for itself"),
		option_flag("resume", 0, &resume, "go on with a capture that was interrupted"),
		option_flag("allow-bad-sectors", 0, &allow_bad,
			    "carry what can be read; the rest is zero, and listed"),
		option_flag("keep-pagefile", 0, &keep_pagefile,
			    "carry what Windows' pagefile.sys and swapfile.sys hold, too"),
		option_flag("verify", 0, &verified, "read back what was written, from the medium"),
		G_OPTION_ENTRY_NULL,
	};
	int r = command_parse(&cmd_capture, entries, argc, argv, &common, &args, error);

	if (r <= 0)
		return r == 0;
	options.target = target;
	options.update = update;
	options.dedupe = !no_dedupe;
	options.resume = resume;
	options.allow_bad = allow_bad;
	options.map.keep_pagefile = keep_pagefile;
	return parse_compress(compress, &options.level, error) &&
	       check_usage(&options, name, compress, dedupe, error) &&
	       capture(&common, &options, args, name, verified, error);
}

const struct command cmd_capture = {
	.name = "capture",
	.args = "[DISK...]",
	.max_args = G_MAXUINT,
	.summary = "Carry the disks of this machine into a bundle, which a VM can start from.",
	.description =
	    "DISK is a block device or a raw image file.  Without any, all whole physical\n"
	    "disks are carried that are not removable; which are left out is said.\n"
	    "\n"
	    "The disks are only ever read.  Only the bytes in use are carried; in doubt a\n"
	    "byte is in use.  The bundle is DIR/wherry/NAME/, complete once it holds\n"
	    "machine.json.  A capture that was interrupted, by a full medium or a power cut,\n"
	    "too, goes on with --resume; the disks must not have changed.\n"
	    "\n"
	    "--update reads the disks of a complete bundle once more and writes only what\n"
	    "differs.  Interrupted anywhere, the bundle is the old one or the new one.\n"
	    "\n"
	    "Exit status: 0 done, 1 failed, 2 wrong usage, 3 a disk has changed since its\n"
	    "capture was interrupted or while it was read, or is not the one of the bundle,\n"
	    "130 interrupted; --resume goes on after 1 and 130, and --update is begun anew.\n"
	    "\n"
	    "Examples:\n"
	    "  wherry capture --to /mnt/stick\n"
	    "  wherry capture --to /mnt/stick --resume\n"
	    "  wherry capture --update /mnt/stick/wherry/server1\n"
	    "  wherry capture --to /mnt/stick --name server1 /dev/sda /dev/nvme0n1\n"
	    "  wherry capture --to /tmp --compress zstd:3 disk.img",
	.run = run_capture,
};
