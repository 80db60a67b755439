/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hosts: what an administrator says of them, and what the last refresh read there. */
#pragma once

#include "base/error.h"
#include "job/store.h"

#include <stdbool.h>
#include <stdint.h>

/* A pool that migrations may put disks into, and make if it is not there. */
typedef struct fleet_place {
	char *name; /* of the libvirt pool */
	char *path; /* of its directory */
	/* Of the pool, or of the filesystem on which its directory is to be made. */
	char *problem; /* why that is not known; NULL: it is */
	uint64_t capacity, available;
} FleetPlace;

/* A storage pool as the last refresh found it. */
typedef struct fleet_pool {
	char *name, *uuid;
	char *path; /* NULL: it has none */
	bool active;
	uint64_t capacity, available; /* 0 of an inactive one */
} FleetPool;

typedef struct fleet_network {
	char *name;
	char *bridge; /* NULL: none */
	bool active;
} FleetNetwork;

typedef struct fleet_host {
	int64_t id;

	/* As added. */
	char *name, *uri;
	char *address; /* an IP address, in its canonical form */
	bool insecure; /* reached without encryption, on purpose */
	bool maintenance;
	GPtrArray *labels; /* char *: "key=value", sorted */
	GPtrArray *places; /* FleetPlace, in the order as given: the first with room is taken */

	/* As read by the last refresh that succeeded, at @read (0: never). */
	int64_t read;
	char *failure; /* of the last refresh; NULL: it succeeded, or there was none */
	int64_t tried; /* when that was */
	char *uuid, *host_name, *arch, *cpu_model; /* NULL: not known */
	unsigned int cpus;
	double busy; /* CPUs at work: mean over the time between two looks */
	/* At the later of them: time of all its CPUs since it was started, and at work. */
	uint64_t cpu_ns, cpu_busy_ns;
	uint64_t memory, memory_free;
	uint64_t libvirt_version, qemu_version; /* 1000000 * major + 1000 * minor + release */
	GPtrArray *machines;                    /* char *: machine types */
	GPtrArray *bridges;                     /* char *: names of interfaces */
	GPtrArray *pools;                       /* FleetPool */
	GPtrArray *networks;                    /* FleetNetwork */

	unsigned int vms;          /* all that are there */
	unsigned int vcpus_in_use; /* of those that are not off */
} FleetHost;

void fleet_host_free(FleetHost *host);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FleetHost, fleet_host_free)

/* Below which directories a pool for migrations may lie, if nothing else is configured. */
extern const char *const fleet_default_roots[]; /* NULL at the end */

struct fleet_host_spec {
	const char *name, *uri;
	const char *address;       /* NULL: that of the URI's host */
	bool insecure;             /* let a URI without encryption pass */
	const char *const *labels; /* "key=value", NULL at the end; or NULL */
	const char *const *places; /* "NAME=PATH", NULL at the end; or NULL */
	const char *const *roots;  /* NULL at the end */
};

/*
 * Add a host; nothing is asked of it.  What cannot be is INVALID_INPUT, a URI without encryption
 * and without @insecure DENIED, a name, URI or address of another host EXISTS.
 */
bool fleet_host_add(Store *store, const struct fleet_host_spec *spec, GError **error);

/* Forget a host and its VMs.  NOT_FOUND; BUSY while a job holds a reservation on it or from it. */
bool fleet_host_remove(Store *store, const char *name, GError **error);

/* NOT_FOUND. */
bool fleet_host_set_maintenance(Store *store, const char *name, bool on, GError **error);

/* FleetHost, by name. */
GPtrArray *fleet_host_list(Store *store, GError **error);

/* By name, or by address.  NOT_FOUND names those that there are. */
FleetHost *fleet_host_find(Store *store, const char *name, GError **error);

/*
 * Why a host is abnormal: in maintenance, without an answer, never read, or with facts older than
 * @max_age seconds at @now; owned by the caller.  NULL: it is not.
 */
char *fleet_host_abnormal(const FleetHost *host, int64_t now, uint64_t max_age);

/* "7.2.22" of a version as it stands in FleetHost; owned by the caller. */
char *fleet_version_text(uint64_t version);
