/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * machine.json: what a bundle holds and the machine that it describes.  Written last, so a bundle
 * has one or is not complete.  Every field is described in docs/bundle.md.
 *
 * A manifest that was read is checked: names are plain file names of the expected form, sizes are
 * sane, strings are valid UTF-8 of bounded length.  The last member, "digest", is the SHA-256 of
 * all bytes of the file before it, so that a change in the manifest itself is found, too.
 */
#pragma once

#include "base/digest.h"

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define MANIFEST_SCHEMA 1
#define MANIFEST_FILE   "machine.json"

/* machine.json beyond this is not read at all. */
#define MANIFEST_MAX_BYTES (UINT64_C(16) << 20)

enum manifest_firmware {
	MANIFEST_FIRMWARE_BIOS,
	MANIFEST_FIRMWARE_UEFI,
};

enum manifest_bus {
	MANIFEST_BUS_SATA,
	MANIFEST_BUS_VIRTIO, /* virtio-blk */
	MANIFEST_BUS_VIRTIO_SCSI,
	MANIFEST_BUS_LSISAS1068, /* the guest's driver is mptsas */
	MANIFEST_BUS_LSISAS1078, /* the guest's driver is megaraid_sas */
};

/* One volume of a disk, as the map saw it. */
struct manifest_volume {
	unsigned int number; /* of the partition; 0: the whole disk is one volume */
	uint64_t offset;     /* bytes, on the disk */
	uint64_t size;       /* bytes */
	uint64_t used;       /* bytes that are carried */
	char *type;    /* of the partition: "0x83" or a GUID in lower case; NULL: no partition */
	char *content; /* "ext4", "vfat", "swap" ...; NULL: not known */
	char *uuid;    /* of the content; NULL: it has none, or not known */
	char *how;     /* how the map was made: "ext4, clean", "carried whole: XFS" */
};

/* Bytes of a disk that could not be read, and are zero in its image. */
struct manifest_gap {
	uint64_t offset;  /* bytes, on the disk */
	uint64_t length;  /* bytes */
	GPtrArray *files; /* of char *: what lies there, for people; never NULL */
};

/* Of one disk: more are no disk to be carried, and would make the manifest too long. */
#define MANIFEST_MAX_GAPS 10000

/* Named in one range. */
#define MANIFEST_MAX_GAP_FILES 32

struct manifest_disk {
	char *path;                 /* at the source: "/dev/sda" */
	char *wwn, *serial, *model; /* NULL: not known */
	uint64_t size;              /* bytes */
	uint32_t sector_size;       /* bytes, logical: 512 or 4096 */
	char *table;                /* "gpt", "mbr", "none" */
	char *table_id;             /* of the partition table; NULL: not known */
	uint64_t used;              /* bytes that are carried */
	GPtrArray *volumes;         /* of struct manifest_volume *; never NULL */
	GPtrArray *unreadable;      /* of struct manifest_gap *, ascending; never NULL */

	unsigned int boot_order; /* from 1; each disk has its own */
	enum manifest_bus bus;
	char *bus_reason; /* for people: "megaraid_sas with BIOS firmware" */
	char *driver;     /* of the controller at the source; NULL: not known */

	char *image;         /* "disk-0.qcow2" */
	uint64_t image_size; /* bytes of that file */
	char *sums;          /* "disk-0.sums", which holds the digests of the image's leaves, too */
};

/* A volume that lies across disks, or on what does: a logical volume, an array. */
struct manifest_layer_volume {
	char *layer;   /* "lvm", "md" */
	char *name;    /* "vg0/root" */
	uint64_t size; /* bytes */
	uint64_t used; /* bytes that are carried; of a mirror, those of one copy */
	char *content; /* "ext4" ...; NULL: not known */
	char *how;     /* how the map was made */
};

struct manifest_nic {
	char *name;  /* at the source: "eno1" */
	char *mac;   /* permanent, lower case */
	char *model; /* of the VM's NIC: "virtio", "e1000e" */
};

/* A file of the bundle that is not an image: the images are covered by their sums. */
struct manifest_file {
	char *name;
	uint64_t size; /* bytes */
	struct digest digest;
};

typedef struct {
	char *id;                /* a random UUID: this capture */
	unsigned int generation; /* from 1; each update adds one */
	char *name;              /* of the bundle, and of the VM unless told otherwise */
	char *created;           /* ISO 8601, UTC */
	char *tool;              /* "wherry 0.1" */

	char *uuid; /* of the VM: the machine's own from DMI, or NULL */
	enum manifest_firmware firmware;
	bool secure_boot;
	bool rtc_local;                       /* else UTC */
	uint64_t memory;                      /* bytes, a multiple of 1 MiB */
	unsigned int sockets, cores, threads; /* each at least 1 */
	GPtrArray *disks;                     /* of struct manifest_disk *; never NULL */
	GPtrArray *volumes;                   /* of struct manifest_layer_volume *; never NULL */
	GPtrArray *nics;                      /* of struct manifest_nic *; never NULL */
	GPtrArray *files;                     /* of struct manifest_file *; never NULL */
	GPtrArray *warnings;                  /* of char *; never NULL */

	json_t *facts; /* everything that was known of the source; an object; owned */
} Manifest;

/* An empty one: its arrays are there, its strings NULL. */
Manifest *manifest_new(void);
struct manifest_disk *manifest_add_disk(Manifest *manifest);                 /* borrowed */
struct manifest_volume *manifest_add_volume(struct manifest_disk *disk);     /* borrowed */
struct manifest_gap *manifest_add_gap(struct manifest_disk *disk);           /* borrowed */
struct manifest_layer_volume *manifest_add_layer_volume(Manifest *manifest); /* borrowed */
struct manifest_nic *manifest_add_nic(Manifest *manifest);                   /* borrowed */
/* The entry of @name, which is added if there is none; borrowed. */
struct manifest_file *manifest_set_file(Manifest *manifest, const char *name);

/*
 * The bytes of machine.json with its digest; owned by the caller.  In a string, what is no UTF-8
 * and control characters become U+FFFD, and what is beyond 4096 bytes is cut.  Whether the rest can
 * be read again only manifest_parse() knows.
 */
char *manifest_serialize(const Manifest *manifest, size_t *ret_len);

/*
 * Parse and check.  WHERRY_ERROR_DAMAGED: no JSON, nested too deep, a field missing or nonsense, or
 * the digest is wrong; WHERRY_ERROR_UNSUPPORTED: a newer schema, named with ours.
 */
Manifest *manifest_parse(const char *text, size_t len, GError **error);

const char *manifest_bus_name(enum manifest_bus bus); /* "sata", "virtio", "virtio-scsi", ... */

void manifest_free(Manifest *manifest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Manifest, manifest_free)
