/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a host is and how busy it and its VMs are; and whether it can run a VM of another.  The
 * conventions are those of cloud.h.
 */
#pragma once

#include "cloud/cloud.h"

typedef struct cloud_node {
	char *arch;      /* "x86_64" */
	char *cpu_model; /* "Skylake-Server-IBRS"; NULL: the host does not say */
	unsigned int cpus;
	uint64_t memory, memory_free; /* bytes; free: with caches that give way */
	/* 1000000 * major + 1000 * minor + release */
	uint64_t libvirt_version, qemu_version;
	GPtrArray *machines; /* char *: machine types for guests of the host's own architecture */
	GPtrArray *bridges;  /* char *: names of bridges, those of networks included */
} CloudNode;

CloudNode *cloud_node(Cloud *cloud, GCancellable *cancellable, GError **error);
void cloud_node_free(CloudNode *node);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CloudNode, cloud_node_free)

/* One VM at one moment. */
typedef struct cloud_vm_use {
	char *name, *uuid;
	enum cloud_domain_state state;
	uint64_t memory; /* bytes that it may grow to */
	unsigned int vcpus;
	uint64_t cpu_ns; /* CPU time that it has had since it was started */
} CloudVmUse;

/*
 * How much CPU time has gone by, on all CPUs together, since the host was started, and how much of
 * it was work.  The load is what two of them give.
 */
typedef struct cloud_use {
	int64_t when; /* of g_get_monotonic_time() here */
	uint64_t cpu_ns, cpu_busy_ns;
	GPtrArray *vms; /* CloudVmUse, by name */
} CloudUse;

CloudUse *cloud_use(Cloud *cloud, GCancellable *cancellable, GError **error);
void cloud_use_free(CloudUse *use);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CloudUse, cloud_use_free)

/* Of the file system on which the directory @path is, or would be made; as it is now. */
bool cloud_space(Cloud *cloud, const char *path, uint64_t *ret_capacity, uint64_t *ret_available,
		 GCancellable *cancellable, GError **error);

/* ---- Whether it can run a VM of another host ---- */

/* What a running VM needs of its host. */
typedef struct cloud_needs {
	char *name, *uuid;
	bool running;    /* or paused: it can be moved while it runs */
	char *xml;       /* as it would move: CLOUD_XML_MIGRATABLE */
	bool host_cpu;   /* it has the CPU of its host as that is, whatever model that be */
	GPtrArray *ties; /* char *: what keeps it where it is, each a sentence's end */
} CloudNeeds;

/* NOT_FOUND: no such VM. */
CloudNeeds *cloud_needs(Cloud *cloud, const char *uuid, GCancellable *cancellable, GError **error);
void cloud_needs_free(CloudNeeds *needs);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CloudNeeds, cloud_needs_free)

/*
 * What @cloud lacks to run that VM, each in a sentence's end ("it has no network 'lan'"): emulator,
 * machine type, devices, CPU, networks, bridges, its name or UUID taken by another VM.  char *,
 * owned; empty: it can.
 */
GPtrArray *cloud_lacks(Cloud *cloud, const CloudNeeds *needs, GCancellable *cancellable,
		       GError **error);

/* The VMs that arrive at the host at this moment, whoever moves them: their UUIDs (char *). */
GPtrArray *cloud_arriving(Cloud *cloud, GCancellable *cancellable, GError **error);
