/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a migration is going to do, decided from the store and from what the VM's host says before
 * anything is made; only the target is chosen by the job's first task.  The job remembers it as
 * JSON.
 */
#pragma once

#include "base/error.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum migrate_commit {
	MIGRATE_COMMIT_GUARDED, /* the VM waits at the target until the source has surely stopped */
	MIGRATE_COMMIT_FAST,
};

enum migrate_on_timeout {
	MIGRATE_ABORT,
	MIGRATE_PAUSE,    /* stop the guest, so that its memory keeps still; abort in the end */
	MIGRATE_POSTCOPY, /* let it run at the target before its memory is there */
};

struct migrate_disk {
	char *target; /* "vda" */
	char *source; /* path on the source */
	char *format; /* "raw", "qcow2" */
	uint64_t capacity, allocation;
};

/* What a migration is expected to take. */
struct migrate_forecast {
	uint64_t rate;       /* bytes a second that it counts with */
	bool rate_assumed;   /* no --bandwidth was given */
	uint64_t dirty_rate; /* of the guest's memory */
	bool dirty_known;
	bool converges;
	double seconds; /* if it converges */
};

typedef struct {
	char *state; /* path of the store */
	char *name, *uuid;
	char *source, *source_uri, *source_address; /* its host */
	uint64_t memory;                            /* bytes */
	bool paused;                                /* it was when this was decided, and stays so */

	char *to;      /* the one host that may be; NULL: the best */
	char **except; /* never NULL */

	/* As in struct fleet_limits. */
	uint64_t min_free_memory, min_free_space, max_age;
	int64_t min_free_cpus;
	double max_load;
	unsigned int max_inbound;
	char **labels; /* never NULL */
	char **roots;  /* NULL: the default */

	uint64_t bandwidth; /* bytes a second, of all together; 0: no limit */
	uint64_t timeout;   /* seconds of the move */
	uint64_t stall;     /* seconds without getting further */
	uint64_t grace;     /* seconds until the copies at the source go */
	unsigned int parallel;
	bool tls;
	bool force; /* also where a check says no */
	enum migrate_commit commit;
	enum migrate_on_timeout on_timeout;

	GPtrArray *disks;    /* of struct migrate_disk: those that are copied */
	GPtrArray *warnings; /* of char *; not remembered */
	struct migrate_forecast forecast;
} MigratePlan;

MigratePlan *migrate_plan_empty(void);
void migrate_plan_add_disk(MigratePlan *plan, const char *target, const char *source,
			   const char *format, uint64_t capacity, uint64_t allocation);
void migrate_plan_warn(MigratePlan *plan, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Bytes that the disks take now, all together. */
uint64_t migrate_plan_bytes(const MigratePlan *plan);

/*
 * How long it will take.  The disks go first, then memory, again and again as the guest changes it:
 * m/r + (m/r)(d/r) + (m/r)(d/r)^2 ... = m / (r - d), if it changes it more slowly than it goes.
 */
struct migrate_forecast migrate_forecast(uint64_t disk_bytes, uint64_t memory, uint64_t bandwidth,
					 bool dirty_known, uint64_t dirty_rate);

char *migrate_plan_to_json(const MigratePlan *plan); /* owned by the caller */
/* DAMAGED: it is not what migrate_plan_to_json() writes. */
MigratePlan *migrate_plan_from_json(const char *text, GError **error);

void migrate_plan_free(MigratePlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MigratePlan, migrate_plan_free)
