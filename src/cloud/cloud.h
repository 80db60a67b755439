/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A place where VMs run: what it has room for, and storage and VMs made and unmade there.
 *
 * One cloud is one driver (cloud-driver.h); the URI chooses it.  Every call that can block has a
 * deadline and takes a GCancellable (NULL: none), so a dead connection is an error, never a hang.
 * A Cloud is used by one thread at a time; each of two threads has its own.
 *
 * Codes of all calls, beside those named with each:
 *   WHERRY_ERROR_IO             the connection is dead or the deadline has passed: may get better
 *   WHERRY_ERROR_CANCELLED      by the GCancellable
 *   WHERRY_ERROR_DENIED         the cloud does not let us
 *   WHERRY_ERROR_INVALID_INPUT  a name, path, UUID or XML that cannot be, or that it refuses
 *   WHERRY_ERROR_UNSUPPORTED    this cloud has no such thing
 *
 * After IO or CANCELLED a change may have been made or not, so ask.  A call that was left behind
 * may still end there: the next call on the same Cloud first waits for it, within its own
 * deadline, and fails with IO if it does not come back.  The next call also connects anew where the
 * connection broke; no change is ever sent twice.  Nobody waits for what a killed process had asked
 * of a host that hung: the host does it when it wakes.
 *
 * What was made can be told from what was found, after a SIGKILL too, if the caller writes down
 * before each making what it is about to make and that it was not there:
 *
 *   cloud_directory_missing()  which levels of the path are not there, from the top
 *   cloud_directory_create()   one level each                      undo: cloud_directory_delete()
 *   cloud_pool_define()        with a UUID of the caller's choice  undo: cloud_pool_remove()
 *   cloud_pool_start()
 *   cloud_volume_create()      an existing one is EXISTS           undo: cloud_volume_delete()
 *   cloud_volume_upload()
 *   cloud_domain_define()      with a UUID in the XML              undo: cloud_domain_undefine()
 *   cloud_domain_start()                                           undo: cloud_domain_destroy()
 *
 * Undoing what is not there, or not any more, is success.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct cloud Cloud;

struct cloud_limits {
	unsigned int call_ms;  /* from the start of a call to its end */
	unsigned int stall_ms; /* of an upload or a read: without a byte getting further */
};

/* What is used where NULL is given: 60 s, 120 s. */
extern const struct cloud_limits cloud_default_limits;

/*
 * Connect to @uri: a libvirt URI of QEMU.  @limits may be NULL.
 */
Cloud *cloud_connect(const char *uri, const struct cloud_limits *limits, GCancellable *cancellable,
		     GError **error);

/* Waits at most a second for the daemon's good-bye. */
void cloud_free(Cloud *cloud);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Cloud, cloud_free)

/* As read when connecting; borrowed, as long as the Cloud lives.  A UUID of zeros: it has none. */
const char *cloud_uri(const Cloud *cloud);
const char *cloud_host_uuid(const Cloud *cloud);
const char *cloud_host_name(const Cloud *cloud);

/* ---- What it has room for ---- */

typedef struct cloud_capacity {
	char *arch;            /* "x86_64" */
	unsigned int cpus;     /* online; more vCPUs than that make no sense */
	unsigned int cpus_max; /* that one guest can have with its machine type */
	uint64_t memory;       /* bytes */
	uint64_t memory_free;  /* bytes, with caches that give way */
	char *qemu_emulator;   /* path, for domains of type "qemu"; NULL: none */
	char *kvm_emulator;    /* for "kvm"; NULL unless the CPU has vmx or svm and KVM is there */
	char *no_kvm_reason;   /* for people; NULL if there is KVM */
	GPtrArray *machines;   /* names of machine types: "pc", "q35", "pc-q35-7.2" ... */
	bool uefi;             /* on q35 */
	bool secure_boot;      /* on q35 */
} CloudCapacity;

CloudCapacity *cloud_capacity(Cloud *cloud, GCancellable *cancellable, GError **error);
bool cloud_capacity_has_machine(const CloudCapacity *capacity, const char *machine);
void cloud_capacity_free(CloudCapacity *capacity);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CloudCapacity, cloud_capacity_free)

typedef struct cloud_network {
	char *name;
	char *uuid;
	char *bridge; /* NULL: none */
	bool active;
} CloudNetwork;

void cloud_network_free(CloudNetwork *network);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CloudNetwork, cloud_network_free)

/* CloudNetwork, by name; owned by the caller, as all lists here. */
GPtrArray *cloud_networks(Cloud *cloud, GCancellable *cancellable, GError **error);

/* ---- Directories of the cloud's host ----
 *
 * They can only be made through a pool.  So each of these defines a pool for a moment, which has
 * the UUID @pool_uuid, that of the pool which the caller wants in the end, and a name beginning
 * with "wherry-directory-".  One that an earlier, killed call left is taken away first.  If the
 * pool proper of that UUID is already defined they fail with BUSY.
 *
 * @path is absolute, without "//", "." and "..", and not "/".
 */

/* 1: a directory; 0: there is nothing; -1: failed (something else is there: INVALID_INPUT). */
int cloud_directory_exists(Cloud *cloud, const char *pool_uuid, const char *path,
			   GCancellable *cancellable, GError **error);

/*
 * The levels of @path that are not there: paths (char *), the uppermost first; empty if all are.
 */
GPtrArray *cloud_directory_missing(Cloud *cloud, const char *pool_uuid, const char *path,
				   GCancellable *cancellable, GError **error);

/*
 * Make the last level of @path; EXISTS if it is there, NOT_FOUND if the level above is not.  The
 * question and the making are two steps of the host: two callers who make the same directory at the
 * same moment may both succeed.
 */
bool cloud_directory_create(Cloud *cloud, const char *pool_uuid, const char *path,
			    GCancellable *cancellable, GError **error);

/*
 * Remove @path if it is empty and no pool lies there.
 * 1: it is gone, or was; 0: it is kept, with the reason in @ret_reason (owned); -1: failed.
 */
int cloud_directory_delete(Cloud *cloud, const char *pool_uuid, const char *path, char **ret_reason,
			   GCancellable *cancellable, GError **error);

/* ---- Storage pools ---- */

typedef struct cloud_pool {
	char *name;
	char *uuid;
	char *type;         /* "dir", "logical", "netfs" ... */
	char *path;         /* of its target; NULL: it has none */
	bool active;        /* the sizes are known only then, else 0 */
	bool autostart;     /* with the host's daemon */
	uint64_t capacity;  /* bytes */
	uint64_t available; /* bytes */
} CloudPool;

void cloud_pool_free(CloudPool *pool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CloudPool, cloud_pool_free)

/* CloudPool, by name. */
GPtrArray *cloud_pools(Cloud *cloud, GCancellable *cancellable, GError **error);

/* 1: found, in @ret (owned); 0: there is none; -1: failed.  A path's last slashes do not count. */
int cloud_pool_find(Cloud *cloud, const char *name, CloudPool **ret, GCancellable *cancellable,
		    GError **error);
int cloud_pool_find_uuid(Cloud *cloud, const char *uuid, CloudPool **ret, GCancellable *cancellable,
			 GError **error);
int cloud_pool_find_path(Cloud *cloud, const char *path, CloudPool **ret, GCancellable *cancellable,
			 GError **error);

/*
 * Define a pool of type "dir"; nothing on disk is touched.  EXISTS if another pool has the name,
 * the UUID or the path; BUSY if that is only a pool of a question about the directory, which goes
 * in a moment.  Success if this very pool is defined already.
 */
bool cloud_pool_define(Cloud *cloud, const char *uuid, const char *name, const char *path,
		       GCancellable *cancellable, GError **error);

/*
 * Start it, and from now on with the host's daemon; success if it is active.  NOT_FOUND: no such
 * pool, or its directory is not there.  For a pool that was found inactive: cloud_pool_activate(),
 * which leaves its autostart as it is.
 */
bool cloud_pool_start(Cloud *cloud, const char *uuid, GCancellable *cancellable, GError **error);
bool cloud_pool_activate(Cloud *cloud, const char *uuid, GCancellable *cancellable, GError **error);

/*
 * Stop and undefine it; success if there is none.  Files and directory stay: a caller who minds
 * volumes of others in it asks cloud_volumes() before.
 */
bool cloud_pool_remove(Cloud *cloud, const char *uuid, GCancellable *cancellable, GError **error);

/* ---- Volumes: a pool's UUID and a name in it ---- */

typedef struct cloud_volume {
	char *name;
	char *path;
	char *format;        /* "raw", "qcow2" ...; as the host sees it */
	char *backing;       /* path of its backing file; NULL: none */
	char *file;          /* the same for two paths to one file; NULL: the host does not say */
	uint64_t capacity;   /* bytes of the disk that it holds */
	uint64_t allocation; /* bytes that it takes on the host's disk */
} CloudVolume;

void cloud_volume_free(CloudVolume *volume);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CloudVolume, cloud_volume_free)

/* CloudVolume, by name, as they are on disk now.  NOT_FOUND: no such pool; BUSY: it is inactive. */
GPtrArray *cloud_volumes(Cloud *cloud, const char *pool_uuid, GCancellable *cancellable,
			 GError **error);

/* 1: found, in @ret (owned); 0: there is none; -1: failed, as cloud_volumes(). */
int cloud_volume_find(Cloud *cloud, const char *pool_uuid, const char *name, CloudVolume **ret,
		      GCancellable *cancellable, GError **error);

/*
 * Make a volume that takes no more space than it must.  @format: "raw" or "qcow2"; @capacity: bytes
 * of the disk in it.  For an image file that is to be uploaded as it is: "raw" with the file's
 * size; afterwards the host sees by itself that it is a qcow2.
 * EXISTS: a volume or a file of that name is there, and is untouched.  NO_SPACE.
 */
bool cloud_volume_create(Cloud *cloud, const char *pool_uuid, const char *name, const char *format,
			 uint64_t capacity, GCancellable *cancellable, GError **error);

/*
 * Fill @buf with the @len bytes at @offset.  Called in the thread of the caller, in ascending
 * order without gaps, so it is the place to digest the bytes and to tell the progress.  What it
 * fails with ends the upload, and is what that fails with.
 */
typedef bool (*cloud_fill_fn)(uint64_t offset, void *buf, size_t len, void *userdata,
			      GError **error);

/*
 * Write @length bytes from the volume's begin on.  NO_SPACE: the pool is full.  On success the last
 * bytes that are not zero have been read back, and all are on stable storage if the file can be
 * opened here (cloud_volume_open()), else only in the care of the host.
 */
bool cloud_volume_upload(Cloud *cloud, const char *pool_uuid, const char *name, uint64_t length,
			 cloud_fill_fn fill, void *userdata, GCancellable *cancellable,
			 GError **error);

/*
 * Takes the @len bytes at @offset; in the thread of the caller, in order.  As cloud_fill_fn.
 */
typedef bool (*cloud_take_fn)(uint64_t offset, const void *buf, size_t len, void *userdata,
			      GError **error);

/*
 * Read @length bytes at @offset of the volume's file, as they lie: not of the disk in it.  DAMAGED
 * if the file ends before.
 */
bool cloud_volume_read(Cloud *cloud, const char *pool_uuid, const char *name, uint64_t offset,
		       uint64_t length, cloud_take_fn take, void *userdata,
		       GCancellable *cancellable, GError **error);

/*
 * Open the volume's file here, for reading, if it provably is the same file: its path leads here to
 * a regular file of the same size, owner and time of last change.
 * 1: open in @ret_fd (owned); 0: it cannot be reached from here; -1: failed.
 */
int cloud_volume_open(Cloud *cloud, const char *pool_uuid, const char *name, int *ret_fd,
		      GCancellable *cancellable, GError **error);

/*
 * Who needs the volume's file: a VM that names it, as it runs or as it is defined; an image that
 * stands on it, of any active pool or of a directory with a disk of a VM; who writes to it just
 * now.  By whichever path the file is reached: links count.
 * 1: somebody, in words in @ret_who (owned); 0: nobody, or there is no such volume; -1: failed, so
 * nobody knows.
 */
int cloud_volume_find_user(Cloud *cloud, const char *pool_uuid, const char *name, char **ret_who,
			   GCancellable *cancellable, GError **error);

/* Delete the volume with its file; success if there is none, or no such pool. */
bool cloud_volume_delete(Cloud *cloud, const char *pool_uuid, const char *name,
			 GCancellable *cancellable, GError **error);

/* ---- VMs: in libvirt's words domains ---- */

enum cloud_domain_state {
	CLOUD_DOMAIN_OFF,
	CLOUD_DOMAIN_RUNNING, /* its CPUs run, or will by themselves */
	CLOUD_DOMAIN_PAUSED,
	CLOUD_DOMAIN_CRASHED,
	CLOUD_DOMAIN_SUSPENDED, /* by the guest's power management */
};

typedef struct cloud_domain {
	char *name;
	char *uuid;
	enum cloud_domain_state state;
	bool persistent; /* it is there when it is off, too */
	GPtrArray *macs; /* char *, lower case with colons: as it runs and as it is defined */
	/*
	 * char *: files and devices of its disks, both views.  A bare name without '/' is that of a
	 * volume whose path the host cannot tell now.
	 */
	GPtrArray *paths;
} CloudDomain;

void cloud_domain_free(CloudDomain *domain);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CloudDomain, cloud_domain_free)

/* "off", "running" ... */
const char *cloud_domain_state_name(enum cloud_domain_state state);

/* CloudDomain, by name. */
GPtrArray *cloud_domains(Cloud *cloud, GCancellable *cancellable, GError **error);

/* 1: found, in @ret (owned); 0: there is none; -1: failed. */
int cloud_domain_find(Cloud *cloud, const char *name, CloudDomain **ret, GCancellable *cancellable,
		      GError **error);
int cloud_domain_find_uuid(Cloud *cloud, const char *uuid, CloudDomain **ret,
			   GCancellable *cancellable, GError **error);

/*
 * Define a VM from @xml, which names it and has its UUID.  EXISTS if a VM of that name or UUID is
 * there; this is asked just before, as libvirt would change the one that is there.
 */
bool cloud_domain_define(Cloud *cloud, const char *xml, GCancellable *cancellable, GError **error);

/*
 * Undefine it with its NVRAM, managed save and what is known of snapshots and checkpoints; its
 * disks stay.  Success if there is none; BUSY if it is active.
 */
bool cloud_domain_undefine(Cloud *cloud, const char *uuid, GCancellable *cancellable,
			   GError **error);

/* Success if it is active.  NOT_FOUND: no such VM. */
bool cloud_domain_start(Cloud *cloud, const char *uuid, GCancellable *cancellable, GError **error);

/* Switch it off at once; success if it is off or there is none. */
bool cloud_domain_destroy(Cloud *cloud, const char *uuid, GCancellable *cancellable,
			  GError **error);
