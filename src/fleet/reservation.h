/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What running jobs have been promised: one row for each VM that migrates.  It is made together
 * with the choice (choose.h), and as long as it is there the VM's state is "migrating".
 */
#pragma once

#include "base/error.h"
#include "job/store.h"

#include <stdint.h>

typedef struct fleet_reservation {
	char *job;      /* its UUID */
	int64_t job_id; /* for people */
	char *vm_uuid, *vm_name;
	int64_t source_id, target_id;
	char *target;                  /* name of the host */
	char *place_name, *place_path; /* of the pool that the disks go into */
	uint64_t memory, space;
	unsigned int vcpus;
	double busy;
	int64_t made;
} FleetReservation;

void fleet_reservation_free(FleetReservation *reservation);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FleetReservation, fleet_reservation_free)

/* FleetReservation, oldest first. */
GPtrArray *fleet_reservation_list(Store *store, GError **error);

/* Of the job with that UUID.  1: in @ret (owned), 0: it has none, -1: failed. */
int fleet_reservation_find(Store *store, const char *job, FleetReservation **ret, GError **error);

/* Give it up: the VM is where it was.  Success if there is none. */
bool fleet_release(Store *store, const char *job, GError **error);

/* Where a disk has gone. */
struct fleet_moved_disk {
	const char *target; /* "vda" */
	const char *source; /* its new path */
};

/*
 * Give it up because the VM is on the target now, in @state: host, state and the @count disks in
 * @disks are changed in the same transaction; the space that the VM takes is taken off the facts of
 * its new host until that is read again.  Success if there is none, for then it was done before.
 */
bool fleet_moved(Store *store, const char *job, const char *state,
		 const struct fleet_moved_disk *disks, size_t count, GError **error);

/*
 * Give up those whose jobs have ended without doing so: @ended says of a job's ID and UUID whether
 * it has.  1: it has, or there is no such job, 0: it goes on or will, -1: failed.
 */
bool fleet_release_ended(Store *store,
			 int (*ended)(Store *store, int64_t id, const char *uuid, GError **error),
			 GError **error);
