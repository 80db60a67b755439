/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The facts as a whole: each topic is read by its own file, this one puts them together. */
#include "source/facts.h"

#include "source/facts-cpu-memory.h"
#include "source/facts-disks.h"
#include "source/facts-dmi.h"
#include "source/facts-firmware.h"
#include "source/facts-nics.h"
#include "source/facts-root.h"
#include "source/facts-rtc.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static void boot_entry_free(void *data)
{
	struct facts_boot_entry *entry = data;

	g_free(entry->description);
	g_free(entry->partition_uuid);
	g_free(entry->loader);
	g_free(entry);
}

static void disk_free(void *data)
{
	struct facts_disk *disk = data;

	g_free(disk->name);
	g_free(disk->path);
	g_free(disk->kind);
	g_free(disk->wwn);
	g_free(disk->serial);
	g_free(disk->model);
	g_strfreev(disk->by_id);
	g_free(disk->transport);
	g_free(disk->driver);
	g_free(disk);
}

static void address_free(void *data)
{
	struct facts_address *address = data;

	g_free(address->address);
	g_free(address);
}

static void nic_free(void *data)
{
	struct facts_nic *nic = data;

	g_free(nic->name);
	g_free(nic->kind);
	g_free(nic->mac);
	g_free(nic->permanent_mac);
	g_free(nic->driver);
	g_ptr_array_unref(nic->addresses);
	g_free(nic->gateway4);
	g_free(nic->gateway6);
	g_free(nic->master);
	g_free(nic->parent);
	g_free(nic->bond_mode);
	g_free(nic);
}

Facts *facts_new(void)
{
	Facts *facts = g_new0(Facts, 1);

	facts->boot_entries = g_ptr_array_new_with_free_func(boot_entry_free);
	facts->disks = g_ptr_array_new_with_free_func(disk_free);
	facts->nics = g_ptr_array_new_with_free_func(nic_free);
	facts->dns = g_new0(char *, 1);
	facts->notes = g_ptr_array_new_with_free_func(g_free);
	return facts;
}

void facts_free(Facts *facts)
{
	if (!facts)
		return;
	g_free(facts->hostname);
	g_free(facts->vendor);
	g_free(facts->product);
	g_free(facts->serial);
	g_free(facts->uuid);
	g_ptr_array_unref(facts->boot_entries);
	g_free(facts->cpu_model);
	g_ptr_array_unref(facts->disks);
	g_ptr_array_unref(facts->nics);
	g_strfreev(facts->dns);
	g_ptr_array_unref(facts->notes);
	g_free(facts);
}

struct facts_boot_entry *facts_add_boot_entry(Facts *facts)
{
	struct facts_boot_entry *entry = g_new0(struct facts_boot_entry, 1);

	g_ptr_array_add(facts->boot_entries, entry);
	return entry;
}

struct facts_disk *facts_add_disk(Facts *facts)
{
	struct facts_disk *disk = g_new0(struct facts_disk, 1);

	disk->by_id = g_new0(char *, 1);
	g_ptr_array_add(facts->disks, disk);
	return disk;
}

struct facts_nic *facts_add_nic(Facts *facts)
{
	struct facts_nic *nic = g_new0(struct facts_nic, 1);

	nic->addresses = g_ptr_array_new_with_free_func(address_free);
	g_ptr_array_add(facts->nics, nic);
	return nic;
}

struct facts_address *facts_nic_add_address(struct facts_nic *nic)
{
	struct facts_address *address = g_new0(struct facts_address, 1);

	g_ptr_array_add(nic->addresses, address);
	return address;
}

Facts *facts_read(const char *root_path, GError **error)
{
	g_autoptr(Facts) facts = facts_new();
	g_auto(FactsRoot) root = { .fd = -1 };

	if (!facts_root_open(&root, root_path, facts->notes, error))
		return NULL;

	facts->hostname = facts_root_text(&root, "proc/sys/kernel/hostname", FACTS_EXPECTED);
	if (g_strcmp0(facts->hostname, "(none)") ==
	    0) /* the kernel's word while nobody has set it */
		g_clear_pointer(&facts->hostname, g_free);
	facts_read_dmi(&root, facts);
	facts_read_firmware(&root, facts);
	facts_read_memory(&root, facts);
	facts_read_cpus(&root, facts);
	facts_read_rtc(&root, facts);
	facts_read_disks(&root, facts);
	facts_read_nics(&root, facts);
	facts_read_dns(&root, facts);
	return g_steal_pointer(&facts);
}

const struct facts_disk *facts_find_disk(const Facts *facts, const char *path)
{
	char real[PATH_MAX];

	/* A path that does not exist here may still be one of a recorded machine. */
	if (realpath(path, real))
		path = real;
	for (unsigned int i = 0; i < facts->disks->len; i++) {
		const struct facts_disk *disk = g_ptr_array_index(facts->disks, i);

		if (strcmp(disk->path, path) == 0)
			return disk;
	}
	return NULL;
}
