/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wherry vm: the VMs of all hosts, as the last refresh found them. */
#include "cli/commands.h"

#include "base/error.h"
#include "cli/fleet-print.h"
#include "cli/jobs.h"
#include "fleet/fleet.h"

#include <string.h>

static bool list_vms(Store *store, const char *host, bool json, GError **error)
{
	g_autoptr(FleetHost) known = host ? fleet_host_find(store, host, error) : NULL;
	g_autoptr(GPtrArray) vms = NULL;

	if (host && !known)
		return false;
	vms = fleet_vm_list(store, host, error);
	if (!vms)
		return false;
	fleet_print_vms(vms, json);
	return true;
}

static bool show_vm(Store *store, const char *which, const char *host, bool json, GError **error)
{
	g_autoptr(FleetVm) vm = fleet_vm_find(store, which, host, error);

	if (!vm)
		return false;
	fleet_print_vm(vm, json);
	return true;
}

static bool check_args(char **args, GError **error)
{
	bool list = strcmp(args[0], "list") == 0, show = strcmp(args[0], "show") == 0;

	if ((list && !args[1]) || (show && args[1]))
		return true;
	if (list)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_USAGE,
			    "'wherry vm list' takes no VM, got '%s'", args[1]);
	else if (show)
		g_set_error_literal(error, WHERRY_ERROR, WHERRY_ERROR_USAGE,
				    "which VM? 'wherry vm show' needs a name or UUID; 'wherry vm "
				    "list' shows them");
	else
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_USAGE,
			    "no action '%s'; there are list and show", args[0]);
	return false;
}

static bool run_vm(int argc, char **argv, GError **error)
{
	struct common_options common = { 0 };
	g_autofree char *state = NULL, *host = NULL;
	g_autoptr(Store) store = NULL;
	g_auto(GStrv) args = NULL;
	const GOptionEntry entries[] = {
		option_value("host", &host, "only of this host: its name or address", "NAME"),
		option_state(&state),
		G_OPTION_ENTRY_NULL,
	};
	int r = command_parse(&cmd_vm, entries, argc, argv, &common, &args, error);

	if (r <= 0)
		return r == 0;
	if (!check_args(args, error))
		return false;
	store = jobs_open(state, error);
	if (!store || !fleet_prepare(store, error))
		return false;
	return args[1] ? show_vm(store, args[1], host, common.json, error)
		       : list_vms(store, host, common.json, error);
}

const struct command cmd_vm = {
	.name = "vm",
	.args = "list|show [VM]",
	.min_args = 1,
	.max_args = 2,
	.summary = "Show the VMs of all hosts.",
	.description =
	    "list      all VMs: name, UUID, host, state, memory, vCPUs\n"
	    "show VM   one, by its full name or UUID, with every disk\n"
	    "\n"
	    "They are shown as the last 'wherry host refresh' found them.  A name that several\n"
	    "VMs have is refused, with their hosts and UUIDs.\n"
	    "\n"
	    "Exit status: 0 done, 1 failed, 2 wrong usage.\n"
	    "\n"
	    "Examples:\n"
	    "  wherry vm list --host 10.0.0.1\n"
	    "  wherry vm show web1 --json",
	.run = run_vm,
};
