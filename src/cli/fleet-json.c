/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/fleet-json.h"

#include "cli/json-text.h"

static json_t *json_words(const GPtrArray *words)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < words->len; i++)
		json_array_append_new(list, json_text(words->pdata[i]));
	return list;
}

static json_t *json_version(uint64_t version)
{
	g_autofree char *text = version > 0 ? fleet_version_text(version) : NULL;

	return json_text(text);
}

static json_t *json_places(const FleetHost *host)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < host->places->len; i++) {
		const FleetPlace *place = host->places->pdata[i];
		bool known = !place->problem;

		json_array_append_new(
		    list,
		    json_pack("{s:o, s:o, s:o, s:o, s:o}", "name", json_text(place->name), "path",
			      json_text(place->path), "capacity",
			      known ? json_integer((json_int_t)place->capacity) : json_null(),
			      "available",
			      known ? json_integer((json_int_t)place->available) : json_null(),
			      "problem", json_text(place->problem)));
	}
	return list;
}

/* A number that the last refresh read; null: there was none. */
static json_t *json_fact(const FleetHost *host, uint64_t number)
{
	return host->read > 0 ? json_integer((json_int_t)number) : json_null();
}

json_t *fleet_json_host(const FleetHost *host, uint64_t max_age)
{
	g_autofree char *abnormal = fleet_host_abnormal(host, g_get_real_time(), max_age);
	json_t *object =
	    json_pack("{s:o, s:o, s:o, s:b, s:b, s:o, s:o, s:o, s:o, s:o}", "name",
		      json_text(host->name), "uri", json_text(host->uri), "address",
		      json_text(host->address), "insecure", host->insecure, "maintenance",
		      host->maintenance, "abnormal", json_text(abnormal), "read",
		      json_time(host->read), "tried", json_time(host->tried), "failure",
		      json_text(host->failure), "labels", json_words(host->labels));
	json_t *facts =
	    json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "uuid",
		      json_text(host->uuid), "hostname", json_text(host->host_name), "arch",
		      json_text(host->arch), "cpu_model", json_text(host->cpu_model), "cpus",
		      json_fact(host, host->cpus), "busy_cpus",
		      host->read > 0 ? json_real(host->busy) : json_null(), "vcpus",
		      json_fact(host, host->vcpus_in_use), "memory", json_fact(host, host->memory),
		      "memory_free", json_fact(host, host->memory_free), "libvirt",
		      json_version(host->libvirt_version), "qemu", json_version(host->qemu_version),
		      "vms", json_fact(host, host->vms), "pools", json_places(host));

	json_object_update(object, facts);
	json_decref(facts);
	return object;
}

/* ---- All of it ---- */

static json_t *json_pools(const FleetHost *host)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < host->pools->len; i++) {
		const FleetPool *pool = host->pools->pdata[i];

		json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:b, s:I, s:I}", "name",
						      json_text(pool->name), "uuid",
						      json_text(pool->uuid), "path",
						      json_text(pool->path), "active", pool->active,
						      "capacity", (json_int_t)pool->capacity,
						      "available", (json_int_t)pool->available));
	}
	return list;
}

static json_t *json_networks(const FleetHost *host)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < host->networks->len; i++) {
		const FleetNetwork *network = host->networks->pdata[i];

		json_array_append_new(list,
				      json_pack("{s:o, s:o, s:b}", "name", json_text(network->name),
						"bridge", json_text(network->bridge), "active",
						network->active));
	}
	return list;
}

/* Those that are on their way to the host. */
static json_t *json_reservations(const FleetHost *host, const GPtrArray *reservations)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < reservations->len; i++) {
		const FleetReservation *its = reservations->pdata[i];

		if (its->target_id != host->id)
			continue;
		json_array_append_new(
		    list,
		    json_pack("{s:I, s:o, s:o, s:o, s:I, s:I, s:I, s:o}", "job",
			      (json_int_t)its->job_id, "vm", json_text(its->vm_name), "uuid",
			      json_text(its->vm_uuid), "pool", json_text(its->place_name), "memory",
			      (json_int_t)its->memory, "vcpus", (json_int_t)its->vcpus, "space",
			      (json_int_t)its->space, "made", json_time(its->made)));
	}
	return list;
}

json_t *fleet_json_whole_host(const FleetHost *host, const GPtrArray *reservations,
			      uint64_t max_age)
{
	json_t *object = fleet_json_host(host, max_age);

	json_object_set_new(object, "found_pools", json_pools(host));
	json_object_set_new(object, "networks", json_networks(host));
	json_object_set_new(object, "bridges", json_words(host->bridges));
	json_object_set_new(object, "machines", json_words(host->machines));
	json_object_set_new(object, "reservations", json_reservations(host, reservations));
	return object;
}

/* ---- VMs ---- */

static json_t *json_disks(const FleetVm *vm)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < vm->disks->len; i++) {
		const FleetDisk *disk = vm->disks->pdata[i];

		json_array_append_new(
		    list,
		    json_pack("{s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:I, s:I}", "target",
			      json_text(disk->target), "device", json_text(disk->device), "type",
			      json_text(disk->type), "source", json_text(disk->source), "format",
			      json_text(disk->format), "read_only", disk->read_only, "shareable",
			      disk->shareable, "capacity", (json_int_t)disk->capacity, "allocation",
			      (json_int_t)disk->allocation));
	}
	return list;
}

json_t *fleet_json_vm(const FleetVm *vm)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:f, s:o, s:o}", "name",
			 json_text(vm->name), "uuid", json_text(vm->uuid), "host",
			 json_text(vm->host), "address", json_text(vm->address), "state",
			 json_text(vm->state), "memory", (json_int_t)vm->memory, "vcpus",
			 (json_int_t)vm->vcpus, "busy_cpus", vm->busy, "read", json_time(vm->read),
			 "disks", json_disks(vm));
}
