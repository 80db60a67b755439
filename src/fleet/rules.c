/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every figure is one of after the move: what is free now, less what running jobs have been
 * promised, less the VM.
 */
#include "fleet/rules.h"

#include "base/units.h"
#include "fleet/host-check.h"

#include <string.h>

/* Of what a thin disk has not written yet, the part for which room is kept: a tenth. */
enum { GROWTH_DIVISOR = 10 };

#define NO_UUID "00000000-0000-0000-0000-000000000000"

/* What a host has promised. */
struct promised {
	uint64_t memory;
	unsigned int vcpus, inbound;
	double busy;
	const FleetReservation *last; /* one that is on its way there */
};

void rules_verdict_free(FleetVerdict *verdict)
{
	if (!verdict)
		return;
	g_free(verdict->host);
	g_free(verdict->address);
	g_free(verdict->uri);
	g_ptr_array_unref(verdict->reasons);
	g_free(verdict->place_name);
	g_free(verdict->place_path);
	g_free(verdict->other_cpu);
	g_free(verdict);
}

void rules_out(FleetVerdict *verdict, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	g_ptr_array_add(verdict->reasons, g_strdup_vprintf(format, ap));
	va_end(ap);
}

/* ---- What the VM takes ---- */

bool rules_is_copied(const FleetDisk *disk)
{
	return disk->source && !disk->read_only && !disk->shareable &&
	       strcmp(disk->device, "disk") == 0 &&
	       (strcmp(disk->type, "file") == 0 || strcmp(disk->type, "volume") == 0);
}

uint64_t rules_space(const FleetVm *vm)
{
	uint64_t space = 0;

	for (unsigned int i = 0; i < vm->disks->len; i++) {
		const FleetDisk *disk = vm->disks->pdata[i];

		if (!rules_is_copied(disk))
			continue;
		space += disk->allocation;
		if (disk->capacity > disk->allocation)
			space += (disk->capacity - disk->allocation) / GROWTH_DIVISOR;
	}
	return space;
}

/* ---- Reasons ---- */

static struct promised sum_promised(int64_t host, const GPtrArray *reservations)
{
	struct promised sum = { 0 };

	for (unsigned int i = 0; i < reservations->len; i++) {
		const FleetReservation *reservation = reservations->pdata[i];

		if (reservation->target_id != host)
			continue;
		sum.memory += reservation->memory;
		sum.vcpus += reservation->vcpus;
		sum.busy += reservation->busy;
		sum.inbound++;
		sum.last = reservation;
	}
	return sum;
}

static uint64_t promised_space(int64_t host, const char *place, const GPtrArray *reservations)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < reservations->len; i++) {
		const FleetReservation *reservation = reservations->pdata[i];

		if (reservation->target_id == host && strcmp(reservation->place_name, place) == 0)
			sum += reservation->space;
	}
	return sum;
}

/* Not wanted here, whatever it is like. */
static void judge_wanted(FleetVerdict *verdict, const FleetHost *host,
			 const struct rules_need *need, const struct fleet_request *request)
{
	if (host->id == need->source->id)
		rules_out(verdict, "the VM is on it");
	else if (host->uuid && strcmp(host->uuid, NO_UUID) != 0 &&
		 g_strcmp0(host->uuid, need->source->uuid) == 0)
		rules_out(
		    verdict,
		    "it has the same host UUID %s as '%s', and libvirt takes them for one; set "
		    "host_uuid in its libvirtd.conf",
		    host->uuid, need->source->name);
	if (request->only && strcmp(request->only, host->name) != 0)
		rules_out(verdict, "only '%s' is asked for", request->only);
	if (request->except && g_strv_contains(request->except, host->name))
		rules_out(verdict, "it was tried already");
	for (const char *const *label = request->limits->labels; label && *label; label++)
		if (!g_ptr_array_find_with_equal_func(host->labels, *label, g_str_equal, NULL))
			rules_out(verdict, "it has no label %s", *label);
}

static void judge_kind(FleetVerdict *verdict, const FleetHost *host, const struct rules_need *need)
{
	const FleetHost *source = need->source;

	if (g_strcmp0(host->arch, source->arch) != 0)
		rules_out(verdict, "its architecture is %s, that of '%s' %s",
			  host->arch ? host->arch : "unknown", source->name,
			  source->arch ? source->arch : "unknown");
	if (host->qemu_version < source->qemu_version) {
		g_autofree char *its = fleet_version_text(host->qemu_version);
		g_autofree char *theirs = fleet_version_text(source->qemu_version);

		rules_out(verdict, "its QEMU %s is older than %s of '%s'", its, theirs,
			  source->name);
	}
}

static void judge_memory(FleetVerdict *verdict, const FleetHost *host,
			 const struct rules_need *need, const struct fleet_limits *limits,
			 const struct promised *promised)
{
	int64_t left =
	    (int64_t)host->memory_free - (int64_t)promised->memory - (int64_t)need->vm->memory;
	g_autofree char *has = units_bytes(host->memory_free);
	g_autofree char *gone = units_bytes(promised->memory);
	g_autofree char *takes = units_bytes(need->vm->memory);
	g_autofree char *wanted = units_bytes(limits->min_free_memory);

	verdict->free_memory = left;
	if (left < 0 || (uint64_t)left < limits->min_free_memory)
		rules_out(
		    verdict,
		    "memory: %s free, %s of it reserved, the VM takes %s, and %s shall be free "
		    "after",
		    has, gone, takes, wanted);
}

static void judge_cpus(FleetVerdict *verdict, const FleetHost *host, const struct rules_need *need,
		       const struct fleet_limits *limits, const struct promised *promised)
{
	double busy = host->busy + promised->busy + need->vm->busy;

	verdict->free_cpus =
	    (int64_t)host->cpus - host->vcpus_in_use - promised->vcpus - need->vm->vcpus;
	verdict->load = host->cpus > 0 ? busy / host->cpus : 0;
	if (need->vm->vcpus > host->cpus)
		rules_out(verdict, "CPUs: it has %u, the VM %u", host->cpus, need->vm->vcpus);
	if (verdict->free_cpus < limits->min_free_cpus)
		rules_out(verdict,
			  "CPUs: of %u its VMs have %u, %u are reserved, the VM takes %u, and "
			  "%" G_GINT64_FORMAT " shall be free after",
			  host->cpus, host->vcpus_in_use, promised->vcpus, need->vm->vcpus,
			  limits->min_free_cpus);
	if (limits->max_load > 0 && verdict->load > limits->max_load)
		rules_out(verdict, "load: %.2f per CPU with the VM, %.2f is allowed", verdict->load,
			  limits->max_load);
}

/* The first pool with room; what each lacks otherwise. */
static void judge_space(FleetVerdict *verdict, const FleetHost *host, const struct rules_need *need,
			const struct fleet_limits *limits, const GPtrArray *reservations)
{
	g_autoptr(GString) lacks = g_string_new(NULL);
	g_autofree char *takes = NULL, *wanted = NULL;

	for (unsigned int i = 0; i < host->places->len; i++) {
		const FleetPlace *place = host->places->pdata[i];
		uint64_t gone = promised_space(host->id, place->name, reservations);
		int64_t left = (int64_t)place->available - (int64_t)gone - (int64_t)need->space;
		g_autofree char *has = units_bytes(place->available), *reserved = units_bytes(gone);
		g_autoptr(GError) cause = NULL;

		if (!host_check_place(place->path, limits->roots, &cause))
			g_string_append_printf(lacks, "; %s", cause->message);
		else if (place->problem)
			g_string_append_printf(lacks, "; that of '%s' is not known: %s",
					       place->path, place->problem);
		else if (left < 0 || (uint64_t)left < limits->min_free_space)
			g_string_append_printf(lacks, "; '%s' has %s, %s of it reserved",
					       place->path, has, reserved);
		else {
			verdict->place_name = g_strdup(place->name);
			verdict->place_path = g_strdup(place->path);
			verdict->free_space = left;
			return;
		}
	}
	takes = units_bytes(need->space);
	wanted = units_bytes(limits->min_free_space);
	rules_out(verdict, "space: the disks take %s, and %s shall be free after%s", takes, wanted,
		  lacks->str);
}

static void judge_inbound(FleetVerdict *verdict, const struct fleet_limits *limits,
			  const struct promised *promised)
{
	if (promised->last && promised->inbound >= limits->max_inbound)
		rules_out(verdict,
			  "it is receiving %u of at most %u VMs at a time: job %" G_GINT64_FORMAT
			  " moves '%s' there",
			  promised->inbound, limits->max_inbound, promised->last->job_id,
			  promised->last->vm_name);
}

/*
 * The part of a host that is left of what it has least of: memory, CPU time or space.  So no host
 * is filled in one respect because it is empty in another.
 */
static double find_headroom(const FleetVerdict *verdict, const FleetHost *host)
{
	double headroom = 1 - verdict->load;

	if (host->memory > 0)
		headroom = MIN(headroom, (double)verdict->free_memory / (double)host->memory);
	for (unsigned int i = 0; i < host->places->len; i++) {
		const FleetPlace *place = host->places->pdata[i];

		if (g_strcmp0(place->name, verdict->place_name) == 0 && place->capacity > 0)
			headroom =
			    MIN(headroom, (double)verdict->free_space / (double)place->capacity);
	}
	return headroom;
}

FleetVerdict *rules_judge(const FleetHost *host, const struct rules_need *need,
			  const struct fleet_request *request, const GPtrArray *reservations,
			  int64_t now)
{
	FleetVerdict *verdict = g_new0(FleetVerdict, 1);
	struct promised promised = sum_promised(host->id, reservations);
	g_autofree char *abnormal = fleet_host_abnormal(host, now, request->limits->max_age);

	verdict->host_id = host->id;
	verdict->host = g_strdup(host->name);
	verdict->address = g_strdup(host->address);
	verdict->uri = g_strdup(host->uri);
	verdict->reasons = g_ptr_array_new_with_free_func(g_free);
	judge_wanted(verdict, host, need, request);
	if (abnormal)
		rules_out(verdict, "%s", abnormal);
	verdict->unasked = verdict->reasons->len > 0;
	verdict->inbound = promised.inbound;
	if (g_strcmp0(host->cpu_model, need->source->cpu_model) != 0)
		verdict->other_cpu = g_strdup(host->cpu_model ? host->cpu_model : "unknown");
	if (host->id == need->source->id || abnormal)
		return verdict; /* figures would be of another time, or count the VM twice */
	judge_kind(verdict, host, need);
	judge_inbound(verdict, request->limits, &promised);
	judge_memory(verdict, host, need, request->limits, &promised);
	judge_cpus(verdict, host, need, request->limits, &promised);
	judge_space(verdict, host, need, request->limits, reservations);
	verdict->headroom = find_headroom(verdict, host);
	return verdict;
}

/* ---- Rank ---- */

static int by_rank(const void *a, const void *b)
{
	const FleetVerdict *left = *(FleetVerdict *const *)a, *right = *(FleetVerdict *const *)b;
	bool left_out = left->reasons->len > 0, right_out = right->reasons->len > 0;

	if (left_out != right_out)
		return left_out - right_out;
	if (!left_out && left->headroom != right->headroom)
		return left->headroom > right->headroom ? -1 : 1;
	if (!left_out && left->free_memory != right->free_memory)
		return left->free_memory > right->free_memory ? -1 : 1;
	return strcmp(left->host, right->host);
}

void rules_rank(GPtrArray *verdicts)
{
	g_ptr_array_sort(verdicts, by_rank);
	for (unsigned int i = 0; i < verdicts->len; i++) {
		FleetVerdict *verdict = verdicts->pdata[i];

		verdict->rank = verdict->reasons->len == 0 ? i + 1 : 0;
	}
}
