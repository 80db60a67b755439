/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wherry inspect: what is this machine, what do its disks hold, how much must be carried? */
#include "cli/commands.h"

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

/* @owner keeps what was opened. */
static bool inspect_one(const char *path, GPtrArray *disks, GPtrArray *owner, GError **error)
{
	const char *const paths[] = { path, NULL };
	struct inspected *inspected;
	g_autoptr(GPtrArray) opened = plan_open(paths, error);
	struct plan_disk *plan;

	if (!opened)
		return false;
	plan = g_ptr_array_index(opened, 0);
	if (!plan_map(plan, error))
		return false;
	inspected = g_new0(struct inspected, 1);
	inspected->path = g_strdup(path);
	inspected->plan = plan;
	g_ptr_array_add(disks, inspected);
	g_ptr_array_add(owner, g_steal_pointer(&opened));
	return true;
}

/* Without names: every disk of the machine, and a word on each that cannot be read. */
static void inspect_all(const Facts *facts, GPtrArray *disks, GPtrArray *owner)
{
	for (unsigned int i = 0; i < facts->disks->len; i++) {
		const struct facts_disk *disk = g_ptr_array_index(facts->disks, i);
		g_autoptr(GError) cause = NULL;
		struct inspected *inspected;

		if (!disk->path || g_strcmp0(disk->kind, "disk") != 0)
			continue;
		if (!machine_is_recorded() && inspect_one(disk->path, disks, owner, &cause))
			continue;
		inspected = g_new0(struct inspected, 1);
		inspected->path = g_strdup(disk->path);
		inspected->failure = g_strdup(cause ? cause->message : "a recorded machine");
		g_ptr_array_add(disks, inspected);
	}
}

static bool run_inspect(int argc, char **argv, GError **error)
{
	const GOptionEntry options[] = { G_OPTION_ENTRY_NULL };
	g_autoptr(GPtrArray) owner =
	    g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
	g_autoptr(GPtrArray) disks = g_ptr_array_new_with_free_func(inspected_free);
	struct common_options common = { 0 };
	g_autoptr(Facts) facts = NULL;
	g_auto(GStrv) args = NULL;
	int r = command_parse(&cmd_inspect, options, argc, argv, &common, &args, error);

	if (r <= 0)
		return r == 0;
	facts = machine_facts(error);
	if (!facts)
		return false;
	for (size_t i = 0; args[i]; i++)
		if (!inspect_one(args[i], disks, owner, error))
			return false;
	if (!args[0])
		inspect_all(facts, disks, owner);

	if (common.json)
		inspect_print_json(facts, disks);
	else
		inspect_print_text(facts, disks, common.verbose);
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
