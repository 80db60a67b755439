/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/fleet-print.h"

#include "base/units.h"
#include "cli/fleet-json.h"
#include "cli/json-text.h"
#include "fleet/refresh.h"

#include <inttypes.h>
#include <stdio.h>

static void print_line(const char *label, const char *text)
{
	printf("%-12s %s\n", label, text ? text : "-");
}

static void print_words(const char *label, const GPtrArray *words)
{
	g_autoptr(GString) line = g_string_new(NULL);

	for (unsigned int i = 0; i < words->len; i++)
		g_string_append_printf(line, "%s%s", i ? ", " : "", (char *)words->pdata[i]);
	print_line(label, line->len ? line->str : NULL);
}

/* ---- Hosts ---- */

static void print_host_row(const FleetHost *host, uint64_t max_age)
{
	g_autofree char *abnormal = fleet_host_abnormal(host, g_get_real_time(), max_age);
	g_autofree char *memory = units_bytes(host->memory), *free = units_bytes(host->memory_free);

	printf("%-16s %-15s ", host->name, host->address);
	if (host->read > 0)
		printf("%3u CPUs, %.1f at work  %s free of %s  %u VMs", host->cpus, host->busy,
		       free, memory, host->vms);
	else
		printf("never read");
	printf("%s%s\n", abnormal ? "  ABNORMAL: " : "", abnormal ? abnormal : "");
}

void fleet_print_hosts(const GPtrArray *hosts, uint64_t max_age, bool json)
{
	json_t *list = json ? json_array() : NULL;

	for (unsigned int i = 0; i < hosts->len; i++) {
		if (json)
			json_array_append_new(list, fleet_json_host(hosts->pdata[i], max_age));
		else
			print_host_row(hosts->pdata[i], max_age);
	}
	if (json)
		json_print(json_pack("{s:o}", "hosts", list));
}

static void print_facts(const FleetHost *host)
{
	g_autofree char *memory = units_bytes(host->memory), *free = units_bytes(host->memory_free);
	g_autofree char *libvirt = fleet_version_text(host->libvirt_version);
	g_autofree char *qemu = fleet_version_text(host->qemu_version);

	print_line("UUID", host->uuid);
	print_line("hostname", host->host_name);
	printf("CPUs         %u of %s (%s), %.2f at work, %u given to VMs\n", host->cpus,
	       host->cpu_model ? host->cpu_model : "an unknown model",
	       host->arch ? host->arch : "unknown", host->busy, host->vcpus_in_use);
	printf("memory       %s, %s free\n", memory, free);
	printf("versions     libvirt %s, QEMU %s\n", libvirt, qemu);
	printf("VMs          %u\n", host->vms);
}

static void print_places(const FleetHost *host)
{
	for (unsigned int i = 0; i < host->places->len; i++) {
		const FleetPlace *place = host->places->pdata[i];
		g_autofree char *capacity = units_bytes(place->capacity);
		g_autofree char *available = units_bytes(place->available);

		if (place->problem)
			printf("may take     %s=%s: %s\n", place->name, place->path,
			       place->problem);
		else
			printf("may take     %s=%s: %s free of %s\n", place->name, place->path,
			       available, capacity);
	}
}

static void print_found(const FleetHost *host)
{
	for (unsigned int i = 0; i < host->pools->len; i++) {
		const FleetPool *pool = host->pools->pdata[i];
		g_autofree char *available = units_bytes(pool->available);

		printf("pool         %s on %s: %s%s\n", pool->name,
		       pool->path ? pool->path : "no path", pool->active ? available : "inactive",
		       pool->active ? " free" : "");
	}
	for (unsigned int i = 0; i < host->networks->len; i++) {
		const FleetNetwork *network = host->networks->pdata[i];

		printf("network      %s: %s, bridge %s\n", network->name,
		       network->active ? "active" : "inactive",
		       network->bridge ? network->bridge : "-");
	}
	print_words("bridges", host->bridges);
	print_words("machines", host->machines);
}

static void print_reservations(const FleetHost *host, const GPtrArray *reservations)
{
	for (unsigned int i = 0; i < reservations->len; i++) {
		const FleetReservation *its = reservations->pdata[i];
		g_autofree char *memory = units_bytes(its->memory),
				*space = units_bytes(its->space);

		if (its->target_id == host->id)
			printf("reserved     job %" PRId64
			       " for VM %s: %s of memory, %u vCPUs, %s in "
			       "pool %s\n",
			       its->job_id, its->vm_name, memory, its->vcpus, space,
			       its->place_name);
	}
}

void fleet_print_host(const FleetHost *host, const GPtrArray *reservations, uint64_t max_age,
		      bool json)
{
	g_autofree char *abnormal = fleet_host_abnormal(host, g_get_real_time(), max_age);
	g_autofree char *read = time_local(host->read);

	if (json) {
		json_print(fleet_json_whole_host(host, reservations, max_age));
		return;
	}
	print_line("host", host->name);
	print_line("URI", host->uri);
	print_line("address", host->address);
	print_line("abnormal", abnormal ? abnormal : "no");
	print_words("labels", host->labels);
	print_line("read", read);
	if (host->read > 0)
		print_facts(host);
	print_places(host);
	if (host->read > 0)
		print_found(host);
	print_reservations(host, reservations);
}

void fleet_print_refreshed(const GPtrArray *refreshed, bool json)
{
	json_t *list = json ? json_array() : NULL;

	for (unsigned int i = 0; i < refreshed->len; i++) {
		const FleetRefreshed *host = refreshed->pdata[i];
		const char *failure = host->failure ? host->failure->message : NULL;

		if (json)
			json_array_append_new(list,
					      json_pack("{s:o, s:o}", "name", json_text(host->host),
							"failure", json_text(failure)));
		else
			printf("%-16s %s\n", host->host, failure ? failure : "read");
	}
	if (json)
		json_print(json_pack("{s:o}", "hosts", list));
}

/* ---- Choice ---- */

static void print_verdict(const FleetVerdict *verdict)
{
	g_autofree char *memory = units_bytes((uint64_t)MAX(verdict->free_memory, 0));
	g_autofree char *space = units_bytes((uint64_t)MAX(verdict->free_space, 0));

	if (verdict->rank > 0)
		printf("%3u  %-16s after the move %.0f %% left of what is scarcest: %s of memory, "
		       "load %.2f, %s in pool %s\n",
		       verdict->rank, verdict->host, fleet_verdict_left(verdict) * 100, memory,
		       verdict->load, space, verdict->place_name);
	for (unsigned int i = 0; i < verdict->reasons->len; i++)
		printf("out  %-16s %s\n", i == 0 ? verdict->host : "",
		       (char *)verdict->reasons->pdata[i]);
}

void fleet_print_choice(const FleetChoice *choice, bool json)
{
	if (json) {
		json_print(fleet_choice_json(choice));
		return;
	}
	for (unsigned int i = 0; i < choice->verdicts->len; i++)
		print_verdict(choice->verdicts->pdata[i]);
}

/* ---- VMs ---- */

void fleet_print_vms(const GPtrArray *vms, bool json)
{
	json_t *list = json ? json_array() : NULL;

	for (unsigned int i = 0; i < vms->len; i++) {
		const FleetVm *vm = vms->pdata[i];
		g_autofree char *memory = units_bytes(vm->memory);

		if (json)
			json_array_append_new(list, fleet_json_vm(vm));
		else
			printf("%-20s %s  %-16s %-9s %10s  %u vCPUs\n", vm->name, vm->uuid,
			       vm->host, vm->state, memory, vm->vcpus);
	}
	if (json)
		json_print(json_pack("{s:o}", "vms", list));
}

static void print_disk(const FleetDisk *disk)
{
	g_autofree char *capacity = units_bytes(disk->capacity);
	g_autofree char *allocation = units_bytes(disk->allocation);

	printf("%-12s %s: %s (%s), %s, takes %s%s%s\n", disk->device, disk->target,
	       disk->source ? disk->source : "empty", disk->format ? disk->format : disk->type,
	       capacity, allocation, disk->read_only ? ", read-only" : "",
	       disk->shareable ? ", shareable" : "");
}

void fleet_print_vm(const FleetVm *vm, bool json)
{
	g_autofree char *memory = units_bytes(vm->memory), *read = time_local(vm->read);

	if (json) {
		json_print(fleet_json_vm(vm));
		return;
	}
	print_line("VM", vm->name);
	print_line("UUID", vm->uuid);
	printf("host         %s (%s)\n", vm->host, vm->address);
	print_line("state", vm->state);
	print_line("memory", memory);
	printf("vCPUs        %u, %.2f CPUs at work\n", vm->vcpus, vm->busy);
	print_line("read", read);
	for (unsigned int i = 0; i < vm->disks->len; i++)
		print_disk(vm->disks->pdata[i]);
}
