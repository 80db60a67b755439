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
	char *kind; /* "disk", "dm", "md", "loop", "zram", "optical", "boot-part", "ram", "floppy",
		       "nbd"; see disk-naming.h */
	char *wwn;  /* "0x5000c500a1b2c3d4" (NAA), "eui.0025...", "uuid...", "nvme..." */
	char *serial;
	char *model;
	char **by_id;             /* names below /dev/disk/by-id, sorted; never NULL */
	uint64_t size;            /* bytes; 0: no medium in the drive, or not known */
	uint32_t logical_sector;  /* bytes */
	uint32_t physical_sector; /* bytes */
	enum facts_answer rotational;
	enum facts_answer removable;
	char *transport; /* "sata", "ide", "sas", "scsi", "nvme", "nvme-tcp", "virtio", "usb", "fc",
			    "iscsi", "mmc", "xen", ...; see disk-naming.h */
	char *driver; /* the controller's: "ahci", "megaraid_sas", "mptsas", "nvme", "virtio_blk" */
};

struct facts_address {
	char *address;       /* "192.0.2.10", "2001:db8::10" */
	unsigned int prefix; /* bits */
};

struct facts_nic {
	char *name;
	char *kind;          /* "ethernet", "wireless", "infiniband"; what is made in software: the
				kernel's word ("bond", "vlan", "bridge", "veth"), else "virtual" */
	char *mac;           /* in use now, "52:54:00:12:34:56" */
	char *permanent_mac; /* NULL for what has none (bond, VLAN, bridge) */
	char *driver;
	enum facts_answer link; /* UNKNOWN while the NIC is down */
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

	GPtrArray *disks; /* of struct facts_disk *, by device number, then name; without loop and
			     other software disks that are not set up; never NULL */
	GPtrArray *nics;  /* of struct facts_nic *, by interface index, without lo; never NULL */
	char **dns;       /* addresses; never NULL */

	GPtrArray *notes; /* of char *: what could not be read or made no sense, and why */
} Facts;

/*
 * @root is "/" or the root of a recorded machine, which holds copies of the files that are read
 * ("sys/...", "proc/...", "etc/...", "dev/disk/by-id") and, for netlink, the kernel's raw answers
 * ("netlink/link", "netlink/addr", "netlink/route").  Fails only if @root is no directory that can
 * be opened.
 */
Facts *facts_read(const char *root, GError **error);

/* With nothing known yet, and members to fill (borrowed). */
Facts *facts_new(void);
struct facts_boot_entry *facts_add_boot_entry(Facts *facts);
struct facts_disk *facts_add_disk(Facts *facts);
struct facts_nic *facts_add_nic(Facts *facts);
struct facts_address *facts_nic_add_address(struct facts_nic *nic);

/* The disk at @path (a device node or a symlink to one), borrowed; NULL: none, or not a disk. */
const struct facts_disk *facts_find_disk(const Facts *facts, const char *path);

void facts_free(Facts *facts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Facts, facts_free)
