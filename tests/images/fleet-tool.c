/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A controller of migrations that gets no further than its reservation, for scripts:
 *
 *   fleet-tool reserve STATE VM JOB   choose and reserve for the job with the UUID JOB; prints the
 *                                     target and its pool.  Exit status 3: no host can take the
 *                                     VM, 4: another job has it, 1: anything else
 *   fleet-tool release STATE JOB
 *   fleet-tool moved STATE JOB TARGET=SOURCE...   the VM has arrived, with these disks
 *
 * reserve waits for the end of its stdin before it begins, so that many can begin at once.
 */
#include "fleet/choose.h"
#include "fleet/fleet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool print_reserved(const FleetChoice *choice, GError **error)
{
	if (!fleet_choice_check(choice, error))
		return false;
	printf("%s\t%s\t%s\n", choice->reservation->target, choice->reservation->place_name,
	       choice->reservation->place_path);
	return true;
}

static bool reserve(Store *store, char **args, GError **error)
{
	g_autoptr(FleetVm) vm = fleet_vm_find(store, args[0], NULL, error);
	const struct fleet_request request = {
		.vm = vm,
		.limits = &fleet_default_limits,
		.timeout_ms = 30000,
	};
	g_autoptr(FleetChoice) choice = NULL;
	char byte;

	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	if (vm)
		choice = fleet_choose_and_reserve(store, &request, args[1], getpid(), NULL, error);
	return choice && print_reserved(choice, error);
}

static bool moved(Store *store, char **args, GError **error)
{
	g_autoptr(GArray) disks = g_array_new(false, false, sizeof(struct fleet_moved_disk));

	for (char **arg = args + 1; *arg; arg++) {
		struct fleet_moved_disk disk = { .target = *arg };
		char *equals = strchr(*arg, '=');

		g_assert(equals);
		*equals = '\0';
		disk.source = equals + 1;
		g_array_append_val(disks, disk);
	}
	return fleet_moved(store, args[0], "running",
			   &g_array_index(disks, struct fleet_moved_disk, 0), disks->len, error);
}

static bool run(const char *action, const char *state, char **args, GError **error)
{
	g_autoptr(Store) store = store_open(state, error);

	if (!store || !fleet_prepare(store, error))
		return false;
	if (strcmp(action, "reserve") == 0)
		return reserve(store, args, error);
	if (strcmp(action, "moved") == 0)
		return moved(store, args, error);
	return fleet_release(store, args[0], error);
}

int main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;

	if (argc < 4)
		return EXIT_FAILURE;
	if (run(argv[1], argv[2], argv + 3, &error))
		return EXIT_SUCCESS;
	fprintf(stderr, "fleet-tool: %s\n", error->message);
	if (g_error_matches(error, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND))
		return 3;
	return g_error_matches(error, WHERRY_ERROR, WHERRY_ERROR_BUSY) ? 4 : EXIT_FAILURE;
}
