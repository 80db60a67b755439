/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fleet/load.h"

#include "fleet/vm-row.h"

#include <inttypes.h>
#include <string.h>

/* A mean over less says little, one over more nothing of now. */
#define LEAST_NS (UINT64_C(1000000000))
#define MOST_NS  (600 * LEAST_NS)

/* ---- VMs of the store ---- */

struct known_vms {
	GPtrArray *vms;    /* FleetVm */
	GHashTable *table; /* "UUID" and "HOST UUID" (owned) -> FleetVm of @vms */
};

static char *key_of(int64_t host_id, const char *uuid)
{
	return g_strdup_printf("%" PRId64 " %s", host_id, uuid);
}

KnownVms *known_vms_new(GPtrArray *vms)
{
	KnownVms *known = g_new0(KnownVms, 1);

	known->vms = vms;
	known->table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	for (unsigned int i = 0; i < vms->len; i++) {
		FleetVm *vm = vms->pdata[i];

		g_hash_table_insert(known->table, g_strdup(vm->uuid), vm);
		g_hash_table_insert(known->table, key_of(vm->host_id, vm->uuid), vm);
	}
	return known;
}

void known_vms_free(KnownVms *known)
{
	if (!known)
		return;
	g_hash_table_unref(known->table);
	g_ptr_array_unref(known->vms);
	g_free(known);
}

const FleetVm *known_vms_find(const KnownVms *known, int64_t host_id, const char *uuid)
{
	g_autofree char *key = key_of(host_id, uuid);
	const FleetVm *here = g_hash_table_lookup(known->table, key);

	return here ? here : g_hash_table_lookup(known->table, uuid);
}

/* ---- From look to look ---- */

/* One that was started anew since is another guest, of which nothing is known. */
static const FleetVm *find_same(const KnownVms *known, const FleetHost *host, const char *uuid,
				uint64_t cpu_ns)
{
	const FleetVm *vm = known_vms_find(known, host->id, uuid);

	return vm && vm->host_id == host->id && vm->cpu_ns > cpu_ns ? NULL : vm;
}

/* On another host it may be this guest, which has moved, or another, made anew with the UUID. */
static void take_known(FleetVm *vm, const FleetVm *known, const FleetHost *host)
{
	vm->busy = known->busy;
	if (known->host_id != host->id)
		return;
	vm->dirty_rate = known->dirty_rate;
	vm->dirty_read = known->dirty_read;
	vm->dirty_begun = known->dirty_begun;
}

static FleetVm *vm_of(const CloudVmUse *use, const FleetHost *host, const FleetVm *known)
{
	FleetVm *vm = fleet_vm_new();

	vm->name = g_strdup(use->name);
	vm->uuid = g_strdup(use->uuid);
	vm->state = g_strdup(cloud_domain_state_name(use->state));
	vm->memory = use->memory;
	vm->vcpus = use->vcpus;
	vm->cpu_ns = use->cpu_ns;
	if (known)
		take_known(vm, known, host);
	return vm;
}

static void free_vm(void *vm)
{
	fleet_vm_free(vm);
}

GPtrArray *load_list_vms(const FleetHost *host, const KnownVms *known, const CloudUse *now)
{
	GPtrArray *vms = g_ptr_array_new_with_free_func(free_vm);

	for (unsigned int i = 0; i < now->vms->len; i++) {
		const CloudVmUse *use = now->vms->pdata[i];

		g_ptr_array_add(vms,
				vm_of(use, host, find_same(known, host, use->uuid, use->cpu_ns)));
	}
	return vms;
}

/* CPUs that were at work on a VM while @elapsed_ns went by; @before: what it was until then. */
static double busy_of(uint64_t from_ns, uint64_t to_ns, double elapsed_ns, double before)
{
	/* It was started, or came here, in between. */
	if (from_ns == 0 || to_ns < from_ns)
		return before;
	return elapsed_ns > 0 ? (double)(to_ns - from_ns) / elapsed_ns : 0;
}

static void set_load(FleetHost *host, uint64_t cpu_ns, uint64_t busy_ns, const CloudUse *now)
{
	host->busy =
	    now->cpu_ns > cpu_ns && now->cpu_busy_ns >= busy_ns
		? (double)(now->cpu_busy_ns - busy_ns) / (double)(now->cpu_ns - cpu_ns) * host->cpus
		: 0;
	host->cpu_ns = now->cpu_ns;
	host->cpu_busy_ns = now->cpu_busy_ns;
}

static bool knows_all(const FleetHost *host, const KnownVms *known, const CloudUse *now)
{
	for (unsigned int i = 0; i < now->vms->len; i++) {
		const CloudVmUse *vm = now->vms->pdata[i];

		if (vm->state == CLOUD_DOMAIN_RUNNING &&
		    !find_same(known, host, vm->uuid, vm->cpu_ns))
			return false;
	}
	return true;
}

/* Too little has gone by: what was counted last, and what it was counted to, stay. */
static void keep_last(const FleetHost *host, const KnownVms *known, const GPtrArray *vms)
{
	for (unsigned int i = 0; i < vms->len; i++) {
		FleetVm *vm = vms->pdata[i];
		const FleetVm *was = find_same(known, host, vm->uuid, vm->cpu_ns);

		if (was && was->host_id == host->id)
			vm->cpu_ns = was->cpu_ns;
	}
}

bool load_since_last(FleetHost *host, const KnownVms *known, const CloudUse *now,
		     const GPtrArray *vms)
{
	uint64_t from = host->cpu_ns, from_busy = host->cpu_busy_ns, elapsed;

	if (from == 0 || host->cpus == 0 || now->cpu_ns < from || now->cpu_busy_ns < from_busy)
		return false;
	elapsed = (now->cpu_ns - from) / host->cpus;
	if (elapsed > MOST_NS || !knows_all(host, known, now))
		return false;
	if (elapsed < LEAST_NS) {
		keep_last(host, known, vms);
		return true;
	}
	for (unsigned int i = 0; i < vms->len; i++) {
		FleetVm *vm = vms->pdata[i];
		const FleetVm *was = find_same(known, host, vm->uuid, vm->cpu_ns);

		if (was && was->host_id == host->id)
			vm->busy = busy_of(was->cpu_ns, vm->cpu_ns, (double)elapsed, was->busy);
	}
	set_load(host, from, from_busy, now);
	return true;
}

/* CPU time that a VM had at a look; 0: it was not there. */
static uint64_t cpu_at(const CloudUse *look, const char *uuid)
{
	for (unsigned int i = 0; i < look->vms->len; i++)
		if (strcmp(((CloudVmUse *)look->vms->pdata[i])->uuid, uuid) == 0)
			return ((CloudVmUse *)look->vms->pdata[i])->cpu_ns;
	return 0;
}

void load_between(FleetHost *host, const CloudUse *before, const CloudUse *now,
		  const GPtrArray *vms)
{
	double elapsed = (double)(now->when - before->when) * 1000;

	for (unsigned int i = 0; i < vms->len; i++) {
		FleetVm *vm = vms->pdata[i];
		uint64_t from = vm->cpu_ns;

		vm->cpu_ns = cpu_at(now, vm->uuid);
		vm->busy = busy_of(from, vm->cpu_ns, elapsed, 0);
	}
	set_load(host, before->cpu_ns, before->cpu_busy_ns, now);
}
