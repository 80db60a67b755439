/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wherry inspect: what is this machine, what do its disks hold, how much must be carried? */
#include "cli/commands.h"

#include "base/error.h"
#include "cli/inspect-print.h"
#include "cli/machine-facts.h"

#include <string.h>

static void inspected_free(void *p)
{
	struct inspected *inspected = p;

	g_free(inspected->path);
	g_free(inspected->failure);
	g_free(inspected);
}

/* Open what is at @path, and close it with @plan. */
static bool open_one(const char *path, GPtrArray *disks, GPtrArray *plan, GError **error)
{
	const char *const paths[] = { path, NULL };
	g_autoptr(GPtrArray) opened = plan_open(paths, error);
	struct inspected *inspected;

	if (!opened)
		return false;
	inspected = g_new0(struct inspected, 1);
	inspected->path = g_strdup(path);
	inspected->plan = g_ptr_array_steal_index(opened, 0);
	g_ptr_array_add(disks, inspected);
	g_ptr_array_add(plan, inspected->plan);
	return true;
}

/* Without names: every disk of the machine, and a word on each that cannot be read. */
static void open_all(const Facts *facts, GPtrArray *disks, GPtrArray *plan)
{
	for (unsigned int i = 0; i < facts->disks->len; i++) {
		const struct facts_disk *disk = g_ptr_array_index(facts->disks, i);
		g_autoptr(GError) cause = NULL;
		struct inspected *inspected;

		if (!disk->path || g_strcmp0(disk->kind, "disk") != 0)
			continue;
		if (!machine_is_recorded() && open_one(disk->path, disks, plan, &cause))
			continue;
		inspected = g_new0(struct inspected, 1);
		inspected->path = g_strdup(disk->path);
		inspected->failure = g_strdup(cause ? cause->message : "a recorded machine");
		g_ptr_array_add(disks, inspected);
	}
}

/* A disk that was named and cannot be read is a failure; one that was found is told of. */
static bool map_disks(Inspection *inspection, const GPtrArray *plan, bool named, GError **error)
{
	inspection->map = plan_map(plan, NULL);
	for (unsigned int i = 0; i < inspection->disks->len; i++) {
		struct inspected *disk = g_ptr_array_index(inspection->disks, i);
		const char *failure = disk->plan ? disk->plan->map->failure : NULL;

		if (!failure)
			continue;
		disk->failure = g_strdup(failure);
		if (named) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_IO, "cannot read '%s': %s",
				    disk->path, failure);
			return false;
		}
	}
	return true;
}

static void inspection_clear(Inspection *inspection)
{
	facts_free(inspection->facts);
	storage_map_free(inspection->map);
	g_clear_pointer(&inspection->disks, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Inspection, inspection_clear)

static bool run_inspect(int argc, char **argv, GError **error)
{
	const GOptionEntry options[] = { G_OPTION_ENTRY_NULL };
	g_autoptr(GPtrArray) plan = plan_new();
	g_auto(Inspection) inspection = { NULL };
	struct common_options common = { 0 };
	g_auto(GStrv) args = NULL;
	int r = command_parse(&cmd_inspect, options, argc, argv, &common, &args, error);

	if (r <= 0)
		return r == 0;
	inspection.facts = machine_facts(error);
	if (!inspection.facts)
		return false;
	inspection.disks = g_ptr_array_new_with_free_func(inspected_free);
	for (size_t i = 0; args[i]; i++)
		if (!open_one(args[i], inspection.disks, plan, error))
			return false;
	if (!args[0])
		open_all(inspection.facts, inspection.disks, plan);
	if (!map_disks(&inspection, plan, args[0] != NULL, error))
		return false;

	if (common.json)
		inspect_print_json(&inspection);
	else
		inspect_print_text(&inspection, common.verbose);
	return true;
}

const struct command cmd_inspect = {
	.name = "inspect",
	.args = "[DISK...]",
	.max_args = G_MAXUINT,
	.summary = "Show what this machine is, what its disks hold and how much must be carried.",
	.description = "DISK is a block device or a raw image file; without any, all disks of the\n"
		       "machine are shown.  Nothing is changed.\n"
		       "\n"
		       "Examples:\n"
		       "  wherry inspect\n"
		       "  wherry inspect --json /dev/sda disk.img",
	.run = run_inspect,
};
