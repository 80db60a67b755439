/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Running VMs looked at closely, and moved to another host of the same kind without shared storage.
 * The rules of cloud.h hold: deadlines, codes, one thread.
 *
 *   cloud_migration_start() --> cloud_migration_wait() ... --> cloud_migration_end()
 *          |  the hosts do it among themselves, also when we are gone
 *          +-- on another Cloud of the source: cloud_migration_progress(), _tune(), _abort(),
 * _yank()
 *
 * How it ended is not what cloud_migration_end() says: ask both hosts (cloud_domain_standing()).
 */
#pragma once

#include "cloud/cloud.h"

/* ---- What it is ---- */

typedef struct cloud_disk {
	char *target;  /* as the guest's bus has it: "vda" */
	char *type;    /* "file", "block", "network", "volume" ... */
	char *device;  /* "disk", "cdrom", "floppy", "lun" */
	char *source;  /* path or name; NULL: an empty drive */
	char *format;  /* "raw", "qcow2"; "unknown" */
	char *backing; /* what it stands on; NULL: on nothing */
	bool readonly, shareable;
	bool mirrored;       /* a block job copies it at this moment */
	uint64_t capacity;   /* bytes of the disk that the guest sees; 0: not known */
	uint64_t allocation; /* bytes that it takes on its host; 0: none, or not known */
} CloudDisk;

void cloud_disk_free(CloudDisk *disk);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CloudDisk, cloud_disk_free)

/*
 * CloudDisk, in the VM's order, as they are now: sizes are those that the running guest sees.
 * NOT_FOUND: no such VM.
 */
GPtrArray *cloud_domain_disks(Cloud *cloud, const char *uuid, GCancellable *cancellable,
			      GError **error);

enum cloud_xml {
	CLOUD_XML_LIVE,       /* as it runs */
	CLOUD_XML_MIGRATABLE, /* as it runs, for another host: what its CPU is compared with */
	CLOUD_XML_INACTIVE,   /* as it will start the next time */
};

/* Its description, with secrets; owned. */
char *cloud_domain_xml(Cloud *cloud, const char *uuid, enum cloud_xml view,
		       GCancellable *cancellable, GError **error);

/* Where a VM stands on one host: what a decision needs after a crash. */
struct cloud_standing {
	bool defined; /* there is a VM of that UUID, running or not */
	bool persistent;
	bool autostart;
	enum cloud_domain_state state;
	bool moved_away; /* OFF since it was migrated from here */
	bool own_end;  /* OFF since it was shut down, stopped or crashed here; neither: forgotten */
	bool moving;   /* PAUSED for a migration that is not over: from here, or to here */
	bool postcopy; /* RUNNING, and the rest of its memory is still on its way here */
	bool torn;     /* its memory was on its way when that broke: it is on two hosts in parts */
	bool job;      /* something long is being done with it, a migration as a rule */
	bool managed_save;
	unsigned int snapshots;
};

bool cloud_domain_standing(Cloud *cloud, const char *uuid, struct cloud_standing *ret,
			   GCancellable *cancellable, GError **error);

/* ---- How fast guests change their memory ---- */

typedef struct cloud_dirty_rate {
	char *uuid;
	bool measured; /* not: it never was, it is at this moment, or the host does not say */
	uint64_t rate; /* bytes a second, by the last measurement that ended */
	int status;    /* the driver's own */
} CloudDirtyRate;

void cloud_dirty_rate_free(CloudDirtyRate *rate);

/* CloudDirtyRate of the running VMs; those that the host cannot ask at once may be missing. */
GPtrArray *cloud_dirty_rates(Cloud *cloud, GCancellable *cancellable, GError **error);

/*
 * Have it measured for @seconds (1 to 60); the host does that by itself.  Success too if it is
 * being measured already.  BUSY: something long is being done with the VM.
 */
bool cloud_domain_dirty_begin(Cloud *cloud, const char *uuid, unsigned int seconds,
			      GCancellable *cancellable, GError **error);

/* The same, waited for: bytes a second. */
bool cloud_domain_dirty_rate(Cloud *cloud, const char *uuid, unsigned int seconds, uint64_t *ret,
			     GCancellable *cancellable, GError **error);

/* ---- What can be done with it ---- */

/* Stop its CPUs, let them run; success if it is so already.  NOT_FOUND; BUSY: it is off. */
bool cloud_domain_suspend(Cloud *cloud, const char *uuid, GCancellable *cancellable,
			  GError **error);
bool cloud_domain_resume(Cloud *cloud, const char *uuid, GCancellable *cancellable, GError **error);

bool cloud_domain_set_autostart(Cloud *cloud, const char *uuid, bool on, GCancellable *cancellable,
				GError **error);

/*
 * Take away what a migration that failed has left in a running VM: block jobs of the disks
 * @targets (NULL-terminated) and the far ends of the copy, which would make the next one fail.
 * @ret: what was found, in words, owned; NULL: nothing.
 */
bool cloud_domain_heal(Cloud *cloud, const char *uuid, const char *const *targets, char **ret,
		       GCancellable *cancellable, GError **error);

/* ---- Migration ---- */

/* A disk that is copied, and where it will lie. */
struct cloud_move {
	const char *target; /* "vda" */
	const char *path;   /* on the other host; the file is there, and has the disk's size */
};

/* All pointers are borrowed by the call that takes it. */
struct cloud_migration_request {
	const char *uuid;
	const char *to;      /* the other host's URI, as seen by the host that has the VM */
	const char *address; /* of the other host, for the bytes: a name or an IP address */
	const struct cloud_move *moves;
	size_t move_count;
	uint64_t bandwidth;    /* bytes a second for each disk, and then for memory; 0: no limit */
	unsigned int parallel; /* connections for memory; 0: one, as usual */
	bool paused;           /* the VM waits at the other host for cloud_domain_resume() */
	bool tls;
	bool auto_converge; /* slow the guest down when its memory does not keep still */
	bool postcopy;      /* cloud_migration_postcopy() will be possible */
};

typedef struct cloud_migration CloudMigration;

/*
 * Begin it.  @source is used for nothing else until cloud_migration_end().  The VM stays defined at
 * the source, off; at the other host it is defined, too, with the moved disks.
 */
CloudMigration *cloud_migration_start(Cloud *source, const struct cloud_migration_request *request,
				      GError **error);

/* Wait for its end, at most @ms.  True: it has ended. */
bool cloud_migration_wait(CloudMigration *migration, unsigned int ms);

/*
 * How it ended; frees @migration.  One that has not ended is left behind, with IO.  Codes:
 *   CANCELLED    somebody asked for it
 *   IO           a host, QEMU or the network let us down: another time it may go well
 *   BUSY         another migration of this VM goes on
 *   NO_SPACE     at the other host
 *   UNSUPPORTED  it will not go any other time either
 */
bool cloud_migration_end(CloudMigration *migration, GError **error);

enum cloud_phase {
	CLOUD_PHASE_NONE, /* nothing is being moved */
	CLOUD_PHASE_BEGIN,
	CLOUD_PHASE_DISKS,
	CLOUD_PHASE_MEMORY,
	CLOUD_PHASE_UNWINDING, /* it was cancelled and is not over yet */
};

/* Numbers of one moment; bytes, bytes a second, milliseconds; 0 where the host does not say. */
struct cloud_progress {
	enum cloud_phase phase;
	uint64_t elapsed_ms;
	uint64_t disk_total, disk_done;     /* zeros count, too */
	uint64_t memory_total, memory_done; /* @memory_done grows beyond it: pages go again */
	uint64_t memory_left;
	uint64_t disk_rate, memory_rate;
	uint64_t dirty_rate;
	uint64_t iteration;
	uint64_t downtime_ms; /* expected; after the end: what it was */
};

bool cloud_migration_progress(Cloud *cloud, const char *uuid, struct cloud_progress *ret,
			      GCancellable *cancellable, GError **error);

/* The same of the last one that ended, from either host.  NOT_FOUND: it is not known any more. */
bool cloud_migration_result(Cloud *cloud, const char *uuid, struct cloud_progress *ret,
			    GCancellable *cancellable, GError **error);

/* How long the guest may stand still at the end; while it goes on. */
bool cloud_migration_tune(Cloud *cloud, const char *uuid, uint64_t downtime_ms,
			  GCancellable *cancellable, GError **error);

/* From now on memory may take so many bytes a second; disks keep what they began with. */
bool cloud_migration_set_bandwidth(Cloud *cloud, const char *uuid, uint64_t bandwidth,
				   GCancellable *cancellable, GError **error);

/* Let the guest run there now, its memory following.  From then on nothing brings it back. */
bool cloud_migration_postcopy(Cloud *cloud, const char *uuid, GCancellable *cancellable,
			      GError **error);

/* Ask for its end; success also if there is none.  Ask again every few seconds until it ended. */
bool cloud_migration_abort(Cloud *cloud, const char *uuid, GCancellable *cancellable,
			   GError **error);

/* Cut the connections of the copies of @targets, which hang on a network that has gone. */
bool cloud_migration_yank(Cloud *cloud, const char *uuid, const char *const *targets,
			  GCancellable *cancellable, GError **error);
