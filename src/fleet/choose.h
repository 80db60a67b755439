/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which host shall a VM move to?
 *
 *   facts of the store, what running jobs reserved --- rules.h: out because ..., or its figures
 *   live answers of the source and each target    --- what the VM needs, what the host cannot run
 *
 * Every reason is told, not only the first.  What is left is ranked by rules.h.
 */
#pragma once

#include "cloud/cloud-connections.h"
#include "fleet/host.h"
#include "fleet/reservation.h"
#include "fleet/vm.h"

#include <gio/gio.h>
#include <jansson.h>

/* The performance parameters, all judged as if the VM had moved and all that is reserved with it.
 */
struct fleet_limits {
	uint64_t min_free_memory;  /* bytes */
	int64_t min_free_cpus;     /* CPUs that no vCPU has been given; INT64_MIN: any */
	double max_load;           /* CPUs at work per CPU there is: 1.0 is all of them; 0: any */
	uint64_t min_free_space;   /* bytes, in the pool that the disks go to */
	unsigned int max_inbound;  /* VMs that one host receives at a time */
	uint64_t max_age;          /* seconds, of a host's facts */
	const char *const *labels; /* "key=value", NULL at the end: must have all; NULL: any */
	const char *const *roots;  /* as in struct fleet_host_spec; NULL: the default */
};

/* 0, any, any, 0, 1, 600 s, any, default. */
extern const struct fleet_limits fleet_default_limits;

struct fleet_request {
	const FleetVm *vm;
	const struct fleet_limits *limits;
	const char *only;              /* the one host that may be; NULL: any */
	const char *const *except;     /* hosts that were tried already, NULL at the end; or NULL */
	unsigned int timeout_ms;       /* for the answers of one host */
	CloudConnections *connections; /* that are used, and kept; NULL: none */
};

/* What was found of one host. */
typedef struct fleet_verdict {
	int64_t host_id;
	char *host, *address, *uri;
	GPtrArray *reasons;   /* char *: why it is out; empty: it can be */
	unsigned int rank;    /* from 1; 0: out */
	char *other_cpu;      /* its CPU's model, if that is not the one of the VM's host */
	bool unasked;         /* it was not even asked: it is the VM's own, abnormal or unwanted */
	unsigned int inbound; /* VMs that are on their way there for our jobs */
	/* After the move, if the host was judged so far. */
	char *place_name, *place_path; /* the pool for the disks; NULL: none has room */
	int64_t free_memory, free_space, free_cpus;
	double load; /* per CPU */
	/* What is left of the scarcest of memory, CPU time and space; 1 is all, and below 0 more is
	 * wanted than there is: for the rank. */
	double headroom;
} FleetVerdict;

/* The headroom as it is told: of nothing nothing is left. */
double fleet_verdict_left(const FleetVerdict *verdict);

typedef struct fleet_choice {
	char *vm_name, *vm_uuid, *source; /* name of its host */
	uint64_t memory, space;           /* that it takes on the new host */
	unsigned int vcpus;
	double busy;
	GPtrArray *verdicts;           /* FleetVerdict: by rank, then those that are out, by name */
	const FleetVerdict *best;      /* of them; NULL: no host can take it */
	FleetReservation *reservation; /* NULL: nothing was reserved */
} FleetChoice;

void fleet_choice_free(FleetChoice *choice);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FleetChoice, fleet_choice_free)

/*
 * Judge every host and rank them; nothing is reserved.  That no host can take the VM is an answer.
 * It fails if the VM's own host does not answer, or for the store, or CANCELLED.
 */
FleetChoice *fleet_choose(Store *store, const struct fleet_request *request,
			  GCancellable *cancellable, GError **error);

/*
 * The same, and reserve the best for the job @job (its UUID; @job_id for people) in the same
 * transaction in which it was judged.  A job that has a reservation already gets that one, and
 * nothing is judged: verdicts is empty then.  BUSY: another job migrates this VM.  Without a best
 * nothing is reserved.
 */
FleetChoice *fleet_choose_and_reserve(Store *store, const struct fleet_request *request,
				      const char *job, int64_t job_id, GCancellable *cancellable,
				      GError **error);

/* Fail with NOT_FOUND, and each host's reasons, if there is no best. */
bool fleet_choice_check(const FleetChoice *choice, GError **error);

/* For --json and for the job's record: see docs/json.md; owned by the caller. */
json_t *fleet_choice_json(const FleetChoice *choice);
