/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VMs and their disks, as the last refresh of their host found them. */
#pragma once

#include "base/error.h"
#include "job/store.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct fleet_disk {
	char *target; /* "vda" */
	char *type;   /* "file", "block", "network", "volume" ... */
	char *device; /* "disk", "cdrom" ... */
	char *source; /* path; NULL: none (an empty drive) */
	char *format; /* "raw", "qcow2" ...; NULL: unknown */
	bool read_only, shareable;
	uint64_t capacity;   /* bytes of the disk */
	uint64_t allocation; /* bytes that it takes on its host's disk */
} FleetDisk;

typedef struct fleet_vm {
	int64_t host_id;
	char *host, *address, *uri; /* of its host */
	char *name, *uuid;
	/*
	 * "running", "paused", "off", "crashed", "suspended"; "migrating" as long as a job holds a
	 * reservation for it.
	 */
	char *state;
	uint64_t memory; /* bytes that it may grow to */
	unsigned int vcpus;
	double busy;     /* CPUs at work, as of a host */
	uint64_t cpu_ns; /* CPU time that it had had there; 0: not known */
	int64_t read;    /* when its host was read */
	/* How fast the guest changes its memory: bytes a second, measured at @dirty_read (0: not).
	 */
	uint64_t dirty_rate;
	int64_t dirty_read;
	int64_t dirty_begun; /* a measurement that has not been read yet; 0: none */
	GPtrArray *disks;    /* FleetDisk, by target */
} FleetVm;

void fleet_vm_free(FleetVm *vm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FleetVm, fleet_vm_free)

/* FleetVm, by name and then host; @host (a name or an address): only of that one, or NULL. */
GPtrArray *fleet_vm_list(Store *store, const char *host, GError **error);

/*
 * By its full name or UUID; @host as above.  NOT_FOUND; INVALID_INPUT if several have it, with
 * their hosts and UUIDs.
 */
FleetVm *fleet_vm_find(Store *store, const char *which, const char *host, GError **error);

/*
 * The very one: 1: in @ret (owned), 0: there is none, -1: failed.  @address may be written in any
 * form.
 */
int fleet_vm_lookup(Store *store, const char *address, const char *name, const char *uuid,
		    FleetVm **ret, GError **error);

/* Write down that the VM on the host @host_id is now in @state.  NOT_FOUND. */
bool fleet_vm_set_state(Store *store, int64_t host_id, const char *uuid, const char *state,
			GError **error);

/* Write down that the guest changes so many bytes of its memory a second, now.  NOT_FOUND. */
bool fleet_vm_set_dirty_rate(Store *store, const FleetVm *vm, uint64_t rate, GError **error);

/*
 * Write down that the disk @target is in truth so large and takes so much: what a live answer
 * showed that differs from the last refresh.  NOT_FOUND.
 */
bool fleet_vm_set_disk(Store *store, const FleetVm *vm, const FleetDisk *disk, GError **error);
