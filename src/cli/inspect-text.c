/* SPDX-License-Identifier: GPL-2.0-or-later */
/* inspect for people: the machine, its NICs, its disks with their volumes. */
#include "cli/inspect-print.h"

#include "base/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *or_unknown(const char *text)
{
	return text ? text : "unknown";
}

static const char *answer_text(enum facts_answer answer, const char *yes, const char *no)
{
	switch (answer) {
	case FACTS_YES:
		return yes;
	case FACTS_NO:
		return no;
	case FACTS_UNKNOWN:
		break;
	}
	return "unknown";
}

static const char *firmware_text(enum facts_firmware firmware)
{
	switch (firmware) {
	case FACTS_FIRMWARE_BIOS:
		return "BIOS";
	case FACTS_FIRMWARE_UEFI:
		return "UEFI";
	case FACTS_FIRMWARE_UNKNOWN:
		break;
	}
	return "unknown";
}

static const char *rtc_text(enum facts_rtc rtc)
{
	switch (rtc) {
	case FACTS_RTC_UTC:
		return "UTC";
	case FACTS_RTC_LOCAL:
		return "local time";
	case FACTS_RTC_UNKNOWN:
		break;
	}
	return "unknown, UTC is taken";
}

static void print_machine(const Facts *facts, bool verbose)
{
	g_autofree char *installed = units_bytes(facts->memory_installed);
	g_autofree char *usable = units_bytes(facts->memory_usable);

	printf("machine   %s%s%s, serial %s, UUID %s\n", facts->vendor ? facts->vendor : "",
	       facts->vendor ? " " : "", facts->product ? facts->product : "unknown product",
	       or_unknown(facts->serial), or_unknown(facts->uuid));
	printf("name      %s\n", or_unknown(facts->hostname));
	printf("firmware  %s", firmware_text(facts->firmware));
	if (facts->firmware == FACTS_FIRMWARE_UEFI)
		printf(", Secure Boot %s", answer_text(facts->secure_boot, "on", "off"));
	printf("\n");
	for (unsigned int i = 0; i < facts->boot_entries->len; i++) {
		const struct facts_boot_entry *entry = g_ptr_array_index(facts->boot_entries, i);

		printf("          Boot%04X %s%s%s\n", entry->number, or_unknown(entry->description),
		       entry->active ? "" : " (not active)",
		       entry->partition_uuid ? ", from a disk" : "");
		if (verbose && entry->partition_uuid)
			printf("                   partition %s, %s\n", entry->partition_uuid,
			       or_unknown(entry->loader));
	}
	printf("CPU       %s, %u CPUs: %u (sockets) x %u (cores) x %u (threads)\n",
	       or_unknown(facts->cpu_model), facts->sockets * facts->cores * facts->threads,
	       facts->sockets, facts->cores, facts->threads);
	printf("memory    %s usable, %s installed\n", facts->memory_usable ? usable : "unknown",
	       facts->memory_installed ? installed : "unknown");
	printf("clock     %s\n", rtc_text(facts->rtc));
}

static void print_nic(const struct facts_nic *nic)
{
	printf("NIC       %s: %s, %s, driver %s, link %s", nic->name, or_unknown(nic->kind),
	       or_unknown(nic->permanent_mac ? nic->permanent_mac : nic->mac),
	       or_unknown(nic->driver), answer_text(nic->link, "up", "down"));
	if (nic->master)
		printf(", in %s", nic->master);
	if (nic->vlan)
		printf(", VLAN %u on %s", nic->vlan, or_unknown(nic->parent));
	if (nic->bond_mode)
		printf(", mode %s", nic->bond_mode);
	for (unsigned int i = 0; i < nic->addresses->len; i++) {
		const struct facts_address *address = g_ptr_array_index(nic->addresses, i);

		printf(", %s/%u", address->address, address->prefix);
	}
	if (nic->gateway4)
		printf(", gateway %s", nic->gateway4);
	if (nic->gateway6)
		printf(", gateway %s", nic->gateway6);
	printf("\n");
}

/* Of the usual partition types a name for people; UEFI 2.10, 5.3.3, and systemd's list of them. */
static const char *type_text(const char *type)
{
	static const struct {
		const char *type, *name;
	} names[] = {
		{ "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "EFI system" },
		{ "21686148-6449-6e6f-744e-656564454649", "BIOS boot" },
		{ "0fc63daf-8483-4772-8e79-3d69d8477de4", "Linux" },
		{ "4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "Linux root" },
		{ "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f", "Linux swap" },
		{ "e6d6d379-f507-44c2-a23c-238f2a3df928", "Linux LVM" },
		{ "a19d880f-05fc-4d3b-a006-743f0f84911e", "Linux RAID" },
		{ "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7", "Windows data" },
		{ "e3c9e316-0b5c-4db8-817d-f92df00215ae", "Windows reserved" },
		{ "de94bba4-06d1-4d40-a16a-bfd50179d6ac", "Windows recovery" },
	};

	for (size_t i = 0; type && i < G_N_ELEMENTS(names); i++)
		if (strcmp(names[i].type, type) == 0)
			return names[i].name;
	return type ? type : "no table";
}

static void print_volume(const struct map_volume *volume)
{
	g_autofree char *size = units_bytes(volume->size), *used = units_bytes(volume->used);

	if (volume->number)
		printf("          %3u", volume->number);
	else
		printf("            -");
	printf("  %10s  %10s in use  %s: %s%s%s\n", size, used, type_text(volume->type),
	       volume->how, volume->label ? ", " : "", volume->label ? volume->label : "");
}

/* What the facts know of the disk behind @path; nothing for a file. */
static void print_hardware(const struct facts_disk *disk, bool verbose)
{
	if (!disk)
		return;
	printf(", %s, %s, driver %s, %s", or_unknown(disk->model), or_unknown(disk->transport),
	       or_unknown(disk->driver), answer_text(disk->rotational, "rotating", "not rotating"));
	if (disk->removable == FACTS_YES)
		printf(", removable");
	printf("\n          WWN %s, serial %s, sectors %u/%u", or_unknown(disk->wwn),
	       or_unknown(disk->serial), disk->logical_sector, disk->physical_sector);
	for (size_t i = 0; verbose && disk->by_id[i]; i++)
		printf("\n          /dev/disk/by-id/%s", disk->by_id[i]);
}

static void print_disk(const Facts *facts, const struct inspected *inspected, bool verbose)
{
	const struct plan_disk *plan = inspected->plan;
	g_autofree char *size = NULL, *used = NULL, *bound = NULL;

	printf("disk      %s", inspected->path);
	if (inspected->failure) {
		print_hardware(facts_find_disk(facts, inspected->path), verbose);
		printf("\n          not read: %s\n", inspected->failure);
		return;
	}
	size = units_bytes(plan->dev->size);
	used = units_bytes(plan->used);
	bound = units_bytes(plan->bytes_bound);
	printf(": %s", size);
	print_hardware(facts_find_disk(facts, inspected->path), verbose);
	printf("\n          table %s, sectors of %" PRIu32
	       " bytes, %s in use; a bundle of it takes at "
	       "most %s\n",
	       plan->map->table, plan->map->sector_size, used, bound);
	for (unsigned int i = 0; i < plan->map->volumes->len; i++)
		print_volume(g_ptr_array_index(plan->map->volumes, i));
	for (unsigned int i = 0; i < plan->map->warnings->len; i++)
		printf("          warning: %s\n",
		       (const char *)g_ptr_array_index(plan->map->warnings, i));
}

static void print_layers(const StorageMap *map)
{
	for (unsigned int i = 0; i < map->volumes->len; i++) {
		const struct map_volume *volume = g_ptr_array_index(map->volumes, i);
		g_autofree char *size = units_bytes(volume->size);
		g_autofree char *used = units_bytes(volume->used);

		/* Of those whose bytes lie in other volumes of the layer nothing is counted. */
		printf("%-9s %-20s  %10s  %10s%s  %s\n", volume->layer, volume->name, size,
		       volume->used ? used : "", volume->used ? " in use" : "       ", volume->how);
	}
	for (unsigned int i = 0; i < map->warnings->len; i++)
		printf("warning   %s\n", (const char *)g_ptr_array_index(map->warnings, i));
}

void inspect_print_text(const Inspection *inspection, bool verbose)
{
	const Facts *facts = inspection->facts;
	const GPtrArray *disks = inspection->disks;

	print_machine(facts, verbose);
	for (unsigned int i = 0; i < facts->nics->len; i++)
		print_nic(g_ptr_array_index(facts->nics, i));
	for (size_t i = 0; facts->dns[i]; i++)
		printf("DNS       %s\n", facts->dns[i]);
	for (unsigned int i = 0; i < disks->len; i++)
		print_disk(facts, g_ptr_array_index(disks, i), verbose);
	print_layers(inspection->map);
	for (unsigned int i = 0; i < facts->notes->len; i++)
		printf("note      %s\n", (const char *)g_ptr_array_index(facts->notes, i));
}
