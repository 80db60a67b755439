/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an import will make, decided in full before anything is made: from the options, the checked
 * manifest and what the cloud has.  A plan is what the job remembers (as JSON), so nothing of it is
 * chosen a second time after a crash.
 */
#pragma once

#include "bundle/manifest.h"
#include "cloud/cloud.h"

/* Where disks land unless told otherwise: libvirt's own directory, and the name its tools give. */
#define IMPORT_POOL_NAME "default"
#define IMPORT_POOL_PATH "/var/lib/libvirt/images"

enum import_virt {
	IMPORT_VIRT_AUTO, /* KVM if the host can, else emulated */
	IMPORT_VIRT_KVM,
	IMPORT_VIRT_QEMU,
};

/* All pointers are borrowed; NULL and 0: as in the bundle, or what the cloud offers. */
struct import_options {
	const char *name;
	const char *pool; /* a pool's name, or the absolute path of a directory */
	const char *bus;  /* of all disks: a name as manifest_bus_name() has it */
	uint64_t memory;  /* bytes */
	unsigned int vcpus;
	enum import_virt virt;
	const char *const *networks; /* "FROM=TO", FROM a NIC's name or MAC; may be NULL */
	bool start;
};

/* What the cloud has; all owned. */
typedef struct {
	CloudCapacity *capacity;
	GPtrArray *networks, *pools, *domains; /* as of cloud.h */
} ImportSite;

void import_site_clear(ImportSite *site);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImportSite, import_site_clear)

struct import_disk {
	char *image, *sums;        /* names in the bundle */
	uint64_t image_size;       /* bytes of that file */
	uint64_t virtual_size;     /* bytes of the disk that a VM sees */
	uint64_t sums_size;        /* bytes of that file */
	struct digest sums_digest; /* of that file */
	char *volume;              /* name in the pool; holds the plan's tag */
	char *path;                /* where the volume will lie, on the cloud's host */
};

struct import_nic {
	char *name, *mac, *network;
};

typedef struct {
	char *bundle; /* path; absolute once it is a job's */
	char *id;     /* of the bundle */
	unsigned int generation;
	char *cloud; /* URI */
	char *state; /* path of the store */

	char *tag;         /* random: names made with it are nobody else's */
	char *name, *uuid; /* of the VM */
	char *xml;         /* the domain */
	bool start;
	char *type; /* "kvm" or "qemu" */
	unsigned int vcpus;
	uint64_t memory; /* bytes */

	char *pool_name, *pool_uuid, *pool_path;
	bool pool_is_new; /* it was not there when this was decided */

	GPtrArray *disks;    /* of struct import_disk *, as in the manifest */
	GPtrArray *nics;     /* of struct import_nic *, as in the manifest */
	GPtrArray *warnings; /* of char *; not remembered */
} ImportPlan;

/*
 * Decide.  @manifest is changed into the machine as it will be.  Of the plan's first five members
 * only id and generation are set.
 *
 * INVALID_INPUT, UNSUPPORTED, NO_SPACE, NOT_FOUND: it cannot be as asked, with what could be; for
 * EXISTS see import_plan_check_free().
 */
ImportPlan *import_plan_new(const struct import_options *options, Manifest *manifest,
			    const ImportSite *site, GError **error);

/* EXISTS: a VM of @domains has the plan's name, its UUID or one of its MACs; the message names it.
 */
bool import_plan_check_free(const ImportPlan *plan, const GPtrArray *domains, GError **error);

uint64_t import_plan_bytes(const ImportPlan *plan); /* of all images together */

char *import_plan_to_json(const ImportPlan *plan); /* owned by the caller */
/* WHERRY_ERROR_DAMAGED: it is not what import_plan_to_json() writes. */
ImportPlan *import_plan_from_json(const char *text, GError **error);

void import_plan_free(ImportPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImportPlan, import_plan_free)
