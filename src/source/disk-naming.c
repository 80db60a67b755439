/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables: a new kind of disk is a line. */
#include "source/disk-naming.h"

#include <glib.h>
#include <stdbool.h>
#include <string.h>

const char *disk_kind(const char *name)
{
	/* A '#' stands for a number; what follows the pattern does not matter. */
	static const struct {
		const char *pattern, *kind;
	} kinds[] = {
		{ "dm-#", "dm" },     { "md#", "md" },       { "md_", "md" },
		{ "loop#", "loop" },  { "zram#", "zram" },   { "ram#", "ram" },
		{ "sr#", "optical" }, { "scd#", "optical" }, { "fd#", "floppy" },
		{ "nbd#", "nbd" },    { "rbd#", "nbd" },     { "drbd#", "nbd" },
		{ "bcache#", "nbd" }, { "zd#", "nbd" },
	};

	if (g_str_has_prefix(name, "mmcblk") && (strstr(name, "boot") || strstr(name, "rpmb")))
		return "boot-part";
	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
		size_t len = strcspn(kinds[i].pattern, "#");

		if (strncmp(name, kinds[i].pattern, len) == 0 &&
		    (!kinds[i].pattern[len] || g_ascii_isdigit(name[len])))
			return kinds[i].kind;
	}
	return "disk";
}

char *disk_path(const char *name)
{
	char *path = g_strdup_printf("/dev/%s", name);

	return g_strdelimit(path, "!", '/');
}

/* @device has a directory of the name @pattern, in which a '#' at the end stands for a number. */
static bool passes(const char *device, const char *pattern)
{
	size_t len = strcspn(pattern, "#");

	for (const char *at = strchr(device, '/'); at; at = strchr(at + 1, '/')) {
		if (strncmp(at + 1, pattern, len) != 0)
			continue;
		if (!pattern[len] || g_ascii_isdigit(at[1 + len]))
			return true;
	}
	return false;
}

/* libata calls every disk ATA; which drivers are for parallel cables, only their names tell. */
static bool is_parallel_ata(const char *driver)
{
	return driver && (g_str_has_prefix(driver, "pata_") || strcmp(driver, "ata_piix") == 0 ||
			  strcmp(driver, "ata_generic") == 0);
}

const char *disk_transport(const char *device, const char *driver)
{
	/* The first that fits: what leads out of the machine, then the more special. */
	static const struct {
		const char *pattern, *transport;
	} rules[] = {
		{ "usb#", "usb" },     { "fw#", "firewire" },    { "session#", "iscsi" },
		{ "rport-", "fc" },    { "virtio#", "virtio" },  { "vbd-", "xen" },
		{ "mmc_host", "mmc" }, { "end_device-", "sas" }, { "ata#", "sata" },
		{ "ide#", "ide" },     { "ndbus#", "pmem" },     { "nvme", "nvme" },
		{ "cciss#", "raid" },  { "host#", "scsi" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rules); i++) {
		if (!passes(device, rules[i].pattern))
			continue;
		if (strcmp(rules[i].transport, "sata") == 0 && is_parallel_ata(driver))
			return "ide";
		return rules[i].transport;
	}
	return NULL;
}
