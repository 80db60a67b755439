/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A small fleet for tests: hosts with facts, one VM, in memory and in a store. */
#pragma once

#include "fleet/fleet.h"
#include "fleet/host-row.h"
#include "fleet/vm-row.h"
#include "job-place.h"

#define GIB (UINT64_C(1) << 30)

#define VM_UUID "5a1d1c3e-0000-4000-8000-0000000000aa"

static inline FleetPlace *sample_place(const char *name, const char *path, uint64_t available)
{
	FleetPlace *place = g_new0(FleetPlace, 1);

	place->name = g_strdup(name);
	place->path = g_strdup(path);
	place->capacity = 100 * GIB;
	place->available = available;
	return place;
}

/* 8 CPUs of which 2 are at work, 16 of 32 GiB free, 50 of 100 GiB free in the pool "default". */
static inline FleetHost *sample_host(int64_t id, const char *name)
{
	FleetHost *host = fleet_host_new();

	host->id = id;
	host->name = g_strdup(name);
	host->uri = g_strdup_printf("qemu+ssh://root@%s/system", name);
	host->address = g_strdup_printf("10.0.0.%d", (int)id);
	host->read = 1000 * G_USEC_PER_SEC;
	host->uuid = g_strdup_printf("00000000-0000-4000-8000-%012d", (int)id);
	host->arch = g_strdup("x86_64");
	host->cpu_model = g_strdup("EPYC");
	host->cpus = 8;
	host->busy = 2;
	host->memory = 32 * GIB;
	host->memory_free = 16 * GIB;
	host->qemu_version = 7002022;
	host->libvirt_version = 9000000;
	g_ptr_array_add(host->places, sample_place("default", "/var/lib/libvirt/images", 50 * GIB));
	return host;
}

static inline FleetDisk *sample_disk(const char *target, const char *format, uint64_t capacity,
				     uint64_t allocation)
{
	FleetDisk *disk = g_new0(FleetDisk, 1);

	disk->target = g_strdup(target);
	disk->type = g_strdup("file");
	disk->device = g_strdup("disk");
	disk->source = g_strdup_printf("/var/lib/libvirt/images/%s", target);
	disk->format = g_strdup(format);
	disk->capacity = capacity;
	disk->allocation = allocation;
	return disk;
}

/* Runs on the host with the id 1: 4 GiB, 2 vCPUs of which 1 is at work, disks of 10 and 4 GiB. */
static inline FleetVm *sample_vm(const char *name, const char *uuid)
{
	FleetVm *vm = fleet_vm_new();

	vm->host_id = 1;
	vm->host = g_strdup("a");
	vm->name = g_strdup(name);
	vm->uuid = g_strdup(uuid);
	vm->state = g_strdup("running");
	vm->memory = 4 * GIB;
	vm->vcpus = 2;
	vm->busy = 1;
	g_ptr_array_add(vm->disks, sample_disk("vda", "qcow2", 10 * GIB, 5 * GIB));
	g_ptr_array_add(vm->disks, sample_disk("vdb", "raw", 4 * GIB, 4 * GIB));
	return vm;
}
