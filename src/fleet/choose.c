/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Live questions come first and take their time; then store and answers are judged in one
 * transaction, in which the best is reserved.
 */
#include "fleet/choose.h"

#include "fleet/fits.h"
#include "fleet/reservation-row.h"
#include "fleet/rules.h"

#include <string.h>

const struct fleet_limits fleet_default_limits = {
	.min_free_cpus = INT64_MIN,
	.max_inbound = 1,
	.max_age = 600,
};

static void free_verdict(void *verdict)
{
	rules_verdict_free(verdict);
}

static FleetChoice *choice_new(const struct fleet_request *request, uint64_t space)
{
	FleetChoice *choice = g_new0(FleetChoice, 1);
	const FleetVm *vm = request->vm;

	choice->vm_name = g_strdup(vm->name);
	choice->vm_uuid = g_strdup(vm->uuid);
	choice->source = g_strdup(vm->host);
	choice->memory = vm->memory;
	choice->space = space;
	choice->vcpus = vm->vcpus;
	choice->busy = vm->busy;
	choice->verdicts = g_ptr_array_new_with_free_func(free_verdict);
	return choice;
}

void fleet_choice_free(FleetChoice *choice)
{
	if (!choice)
		return;
	g_free(choice->vm_name);
	g_free(choice->vm_uuid);
	g_free(choice->source);
	g_ptr_array_unref(choice->verdicts);
	fleet_reservation_free(choice->reservation);
	g_free(choice);
}

static const FleetHost *find_source(const GPtrArray *hosts, const FleetVm *vm, GError **error)
{
	for (unsigned int i = 0; i < hosts->len; i++)
		if (((FleetHost *)hosts->pdata[i])->id == vm->host_id)
			return hosts->pdata[i];
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND,
		    "host '%s' of the VM '%s' has been removed", vm->host, vm->name);
	return NULL;
}

/* Judge by what the store says now, and by what the hosts answered, if they have been asked. */
static FleetChoice *judge_all(Store *store, const struct fleet_request *request, const Fits *fits,
			      GError **error)
{
	g_autoptr(GPtrArray) hosts = fleet_host_list(store, error);
	g_autoptr(GPtrArray) reservations = hosts ? fleet_reservation_list(store, error) : NULL;
	struct rules_need need = { .vm = request->vm, .space = rules_space(request->vm) };
	g_autoptr(FleetChoice) choice = NULL;

	if (!reservations)
		return NULL;
	need.source = find_source(hosts, request->vm, error);
	if (!need.source)
		return NULL;
	choice = choice_new(request, need.space);
	for (unsigned int i = 0; i < hosts->len; i++) {
		FleetVerdict *verdict =
		    rules_judge(hosts->pdata[i], &need, request, reservations, g_get_real_time());

		if (fits)
			fits_add_reasons(fits, request->limits, reservations, verdict);
		g_ptr_array_add(choice->verdicts, verdict);
	}
	return g_steal_pointer(&choice);
}

/* Judge and rank. */
static FleetChoice *judge_and_rank(Store *store, const struct fleet_request *request,
				   const Fits *fits, GError **error)
{
	g_autoptr(FleetChoice) choice = judge_all(store, request, fits, error);

	if (!choice)
		return NULL;
	rules_rank(choice->verdicts);
	if (choice->verdicts->len > 0) {
		const FleetVerdict *first = choice->verdicts->pdata[0];

		choice->best = first->rank == 1 ? first : NULL;
	}
	return g_steal_pointer(&choice);
}

/* Ask the hosts that may be, by what is known of them before. */
static Fits *ask_hosts(Store *store, const struct fleet_request *request, GCancellable *cancellable,
		       GError **error)
{
	g_autoptr(FleetChoice) before = judge_all(store, request, NULL, error);

	if (!before)
		return NULL;
	return fits_ask(request, before->verdicts, cancellable, error);
}

FleetChoice *fleet_choose(Store *store, const struct fleet_request *request,
			  GCancellable *cancellable, GError **error)
{
	g_autoptr(Fits) fits = ask_hosts(store, request, cancellable, error);
	g_auto(Snapshot) snapshot = { 0 };

	if (!fits || !snapshot_begin(&snapshot, store, error))
		return NULL;
	return judge_and_rank(store, request, fits, error);
}

/* ---- Reserve ---- */

/* What the job has already.  1: in @ret; 0: nothing; -1: failed, BUSY if another job has the VM. */
static int find_own(Store *store, const struct fleet_request *request, const char *job,
		    FleetChoice **ret, GError **error)
{
	g_autoptr(FleetReservation) reservation = NULL;
	int r = reservation_row_of_vm(store, request->vm->uuid, &reservation, error);

	if (r <= 0)
		return r;
	if (strcmp(reservation->job, job) != 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_BUSY,
			    "the VM '%s' is being migrated to '%s' by job %" G_GINT64_FORMAT,
			    reservation->vm_name, reservation->target, reservation->job_id);
		return -1;
	}
	*ret = choice_new(request, reservation->space);
	(*ret)->reservation = g_steal_pointer(&reservation);
	return 1;
}

static FleetReservation *reservation_of(const FleetChoice *choice, const FleetVm *vm,
					const char *job, int64_t job_id)
{
	FleetReservation *reservation = g_new0(FleetReservation, 1);

	reservation->job = g_strdup(job);
	reservation->job_id = job_id;
	reservation->vm_uuid = g_strdup(vm->uuid);
	reservation->vm_name = g_strdup(vm->name);
	reservation->source_id = vm->host_id;
	reservation->target_id = choice->best->host_id;
	reservation->target = g_strdup(choice->best->host);
	reservation->place_name = g_strdup(choice->best->place_name);
	reservation->place_path = g_strdup(choice->best->place_path);
	reservation->memory = choice->memory;
	reservation->space = choice->space;
	reservation->vcpus = choice->vcpus;
	reservation->busy = choice->busy;
	reservation->made = g_get_real_time();
	return reservation;
}

/* In one transaction, in which no other process writes: look again, judge, reserve. */
static FleetChoice *reserve(Store *store, const struct fleet_request *request, const Fits *fits,
			    const char *job, int64_t job_id, GError **error)
{
	g_auto(Transaction) transaction = { 0 };
	g_autoptr(FleetReservation) reservation = NULL;
	g_autoptr(FleetChoice) choice = NULL;
	int r;

	if (!transaction_begin(&transaction, store, error))
		return NULL;
	r = find_own(store, request, job, &choice, error);
	if (r != 0)
		return r > 0 ? g_steal_pointer(&choice) : NULL;
	choice = judge_and_rank(store, request, fits, error);
	if (!choice || !choice->best)
		return g_steal_pointer(&choice);
	reservation = reservation_of(choice, request->vm, job, job_id);
	if (!reservation_row_insert(store, reservation, error) ||
	    !transaction_commit(&transaction, error))
		return NULL;
	choice->reservation = g_steal_pointer(&reservation);
	return g_steal_pointer(&choice);
}

FleetChoice *fleet_choose_and_reserve(Store *store, const struct fleet_request *request,
				      const char *job, int64_t job_id, GCancellable *cancellable,
				      GError **error)
{
	g_autoptr(FleetChoice) own = NULL;
	g_autoptr(Fits) fits = NULL;
	int r = find_own(store, request, job, &own, error);

	if (r != 0)
		return r > 0 ? g_steal_pointer(&own) : NULL;
	fits = ask_hosts(store, request, cancellable, error);
	return fits ? reserve(store, request, fits, job, job_id, error) : NULL;
}

/* ---- Tell ---- */

bool fleet_choice_check(const FleetChoice *choice, GError **error)
{
	g_autoptr(GString) why = g_string_new(NULL);

	if (choice->best || choice->reservation)
		return true;
	for (unsigned int i = 0; i < choice->verdicts->len; i++) {
		const FleetVerdict *verdict = choice->verdicts->pdata[i];

		g_string_append_printf(why, "%s%s: %s", i ? "; " : "", verdict->host,
				       (char *)verdict->reasons->pdata[0]);
	}
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND,
		    "no host can take the VM '%s' of '%s': %s", choice->vm_name, choice->source,
		    why->str);
	return false;
}

double fleet_verdict_left(const FleetVerdict *verdict)
{
	return verdict->headroom > 0 ? verdict->headroom : 0;
}

static json_t *json_verdict(const FleetVerdict *verdict)
{
	json_t *reasons = json_array();
	bool judged = verdict->place_name != NULL;

	for (unsigned int i = 0; i < verdict->reasons->len; i++)
		json_array_append_new(reasons, json_string(verdict->reasons->pdata[i]));
	return json_pack("{s:s, s:s, s:o, s:o, s:s?, s:s?, s:o, s:o, s:o, s:o, s:o}", "host",
			 verdict->host, "address", verdict->address, "rank",
			 verdict->rank ? json_integer(verdict->rank) : json_null(), "reasons",
			 reasons, "pool", verdict->place_name, "path", verdict->place_path,
			 "free_memory", judged ? json_integer(verdict->free_memory) : json_null(),
			 "free_cpus", judged ? json_integer(verdict->free_cpus) : json_null(),
			 "load", judged ? json_real(verdict->load) : json_null(), "free_space",
			 judged ? json_integer(verdict->free_space) : json_null(), "headroom",
			 judged ? json_real(fleet_verdict_left(verdict)) : json_null());
}

json_t *fleet_choice_json(const FleetChoice *choice)
{
	json_t *hosts = json_array();
	const char *best = choice->best ? choice->best->host : NULL;

	for (unsigned int i = 0; i < choice->verdicts->len; i++)
		json_array_append_new(hosts, json_verdict(choice->verdicts->pdata[i]));
	if (choice->reservation)
		best = choice->reservation->target;
	return json_pack("{s:{s:s, s:s, s:s, s:I, s:I, s:I}, s:s?, s:o}", "vm", "name",
			 choice->vm_name, "uuid", choice->vm_uuid, "host", choice->source, "memory",
			 (json_int_t)choice->memory, "vcpus", (json_int_t)choice->vcpus, "space",
			 (json_int_t)choice->space, "target", best, "hosts", hosts);
}
