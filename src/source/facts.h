/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of the machine that runs this program: the facts that a VM needs to take its
 * place.  Read from sysfs, procfs, DMI, efivarfs and netlink; no other program is run.
 *
 * Nothing here is certain: a file may be missing, unreadable or nonsense.  What is not known is
 * NULL, 0 or UNKNOWN, and why stands in `notes`; reading facts never fails because of one of them.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define FACTS_SCHEMA 1

enum facts_answer {
	FACTS_UNKNOWN,
	FACTS_NO,
	FACTS_YES,
};

enum facts_firmware {
	FACTS_FIRMWARE_UNKNOWN, /* neither BIOS nor UEFI left a trace */
	FACTS_FIRMWARE_BIOS,
	FACTS_FIRMWARE_UEFI,
};

enum facts_rtc {
	FACTS_RTC_UNKNOWN,
	FACTS_RTC_UTC,
	FACTS_RTC_LOCAL,
};

/* All strings are owned, valid UTF-8 and may be NULL. */
struct facts_boot_entry {
	unsigned int number; /* 0x0003 is Boot0003 */
	bool active;         /* LOAD_OPTION_ACTIVE */
	char *description;
	char *partition_uuid; /* of the HD() node, lower case: the GPT partition it boots from */
	char *loader;         /* the path in the File() node, with its backslashes */
};

struct facts_disk {
	char *name; /* the kernel's: "sda", "nvme0n1", "cciss!c0d0" */
	char *path; /* "/dev/sda", "/dev/cciss/c0d0" */
	char *kind; /* "disk", "dm", "md", "loop", "zram", "optical", "boot-part", "ram" */
	char *wwn;  /* "0x5000c500a1b2c3d4", "eui.0025...", "naa.6..." */
	char *serial;
	char *model;
	char **by_id;             /* names below /dev/disk/by-id, sorted; never NULL */
	uint64_t size;            /* bytes */
	uint32_t logical_sector;  /* bytes */
	uint32_t physical_sector; /* bytes */
	enum facts_answer rotational;
	enum facts_answer removable;
	char *transport; /* "sata", "sas", "scsi", "nvme", "virtio", "usb", "fc", "iscsi", "mmc",
			    "xen", "ide", ... */
	char
	    *driver; /* of the controller: "ahci", "megaraid_sas", "mptsas", "nvme", "virtio_blk" */
};

struct facts_address {
	char *address;       /* "192.0.2.10", "2001:db8::10" */
	unsigned int prefix; /* bits */
};

struct facts_nic {
	char *name;
	char *kind;          /* "ethernet", "bond", "vlan", "bridge", "wireless", "virtual" ... */
	char *mac;           /* in use now, "52:54:00:12:34:56" */
	char *permanent_mac; /* NULL for what has none (bond, VLAN, bridge) */
	char *driver;
	enum facts_answer link;
	unsigned int mtu;
	GPtrArray *addresses; /* of struct facts_address *; without link-local; never NULL */
	char *gateway4, *gateway6;
	char *master;      /* the bond or bridge it belongs to */
	char *parent;      /* of a VLAN: the NIC below it */
	unsigned int vlan; /* its number, 0 = none */
	char *bond_mode;   /* of a bond: "802.3ad", "active-backup" ... */
};

typedef struct {
	char *hostname;
	char *vendor, *product, *serial, *uuid; /* DMI; uuid in lower case */

	enum facts_firmware firmware;
	enum facts_answer secure_boot;
	GPtrArray *boot_entries; /* of struct facts_boot_entry *, BootOrder first; never NULL */

	uint64_t memory_installed; /* bytes; 0 = not known */
	uint64_t memory_usable;    /* bytes */

	char *cpu_model;
	unsigned int sockets, cores, threads; /* cores per socket, threads per core */

	enum facts_rtc rtc;

	GPtrArray *disks; /* of struct facts_disk *, in the kernel's order; never NULL */
	GPtrArray *nics;  /* of struct facts_nic *, by interface index; never NULL */
	char **dns;       /* never NULL */

	GPtrArray *notes; /* of char *: what could not be read or made no sense, and why */
} Facts;

/*
 * @root is "/" or the root of a recorded machine, which holds copies of the files that are read
 * ("sys/...", "proc/...", "etc/...", "dev/disk/by-id") and, for netlink, the kernel's raw answers
 * ("netlink/link", "netlink/addr", "netlink/route").  Fails only if @root is no directory.
 */
Facts *facts_read(const char *root, GError **error);

/* The disk at @path (a device node or a symlink to one), borrowed; NULL: none, or not a disk. */
const struct facts_disk *facts_find_disk(const Facts *facts, const char *path);

void facts_free(Facts *facts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Facts, facts_free)
