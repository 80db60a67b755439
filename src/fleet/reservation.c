/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fleet/reservation.h"

#include "fleet/reservation-row.h"
#include "fleet/vm-row.h"

void fleet_reservation_free(FleetReservation *reservation)
{
	if (!reservation)
		return;
	g_free(reservation->job);
	g_free(reservation->vm_uuid);
	g_free(reservation->vm_name);
	g_free(reservation->target);
	g_free(reservation->place_name);
	g_free(reservation->place_path);
	g_free(reservation);
}

static void free_reservation(void *reservation)
{
	fleet_reservation_free(reservation);
}

static FleetReservation *take_row(const Statement *row)
{
	FleetReservation *reservation = g_new0(FleetReservation, 1);

	reservation->job = statement_dup_text(row, 0);
	reservation->job_id = statement_int(row, 1);
	reservation->vm_uuid = statement_dup_text(row, 2);
	reservation->vm_name = statement_dup_text(row, 3);
	reservation->source_id = statement_int(row, 4);
	reservation->target_id = statement_int(row, 5);
	reservation->target = statement_dup_text(row, 6);
	reservation->place_name = statement_dup_text(row, 7);
	reservation->place_path = statement_dup_text(row, 8);
	reservation->memory = (uint64_t)statement_int(row, 9);
	reservation->space = (uint64_t)statement_int(row, 10);
	reservation->vcpus = (unsigned int)statement_int(row, 11);
	reservation->busy = statement_double(row, 12);
	reservation->made = statement_int(row, 13);
	return reservation;
}

/* Those that @where (SQL, or "") chooses with ?1. */
static GPtrArray *list_rows(Store *store, const char *where, const char *value, GError **error)
{
	g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func(free_reservation);
	g_autofree char *sql = g_strdup_printf(
	    "SELECT job, job_id, vm, vm_name, source, target, name, place_name, place_path,"
	    " fleet_reservation.memory, space, vcpus, fleet_reservation.busy, made"
	    " FROM fleet_reservation JOIN fleet_host ON id = target %s ORDER BY made, job",
	    where);
	g_autoptr(Statement) query = store_prepare(store, sql, error);
	int r;

	if (!query)
		return NULL;
	if (*where)
		statement_bind_text(query, 1, value);
	while ((r = statement_step(query, error)) > 0)
		g_ptr_array_add(rows, take_row(query));
	return r < 0 ? NULL : g_steal_pointer(&rows);
}

GPtrArray *fleet_reservation_list(Store *store, GError **error)
{
	return list_rows(store, "", NULL, error);
}

static int find_one(Store *store, const char *where, const char *value, FleetReservation **ret,
		    GError **error)
{
	g_autoptr(GPtrArray) rows = list_rows(store, where, value, error);

	if (!rows)
		return -1;
	if (rows->len == 0)
		return 0;
	*ret = g_ptr_array_steal_index(rows, 0);
	return 1;
}

int fleet_reservation_find(Store *store, const char *job, FleetReservation **ret, GError **error)
{
	return find_one(store, "WHERE job = ?1", job, ret, error);
}

int reservation_row_of_vm(Store *store, const char *vm_uuid, FleetReservation **ret, GError **error)
{
	return find_one(store, "WHERE vm = ?1", vm_uuid, ret, error);
}

bool reservation_row_insert(Store *store, const FleetReservation *reservation, GError **error)
{
	g_autoptr(Statement) change = store_prepare(
	    store,
	    "INSERT INTO fleet_reservation (job, job_id, vm, vm_name, source, target, place_name,"
	    " place_path, memory, space, vcpus, busy, made)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
	    error);

	if (!change)
		return false;
	statement_bind_text(change, 1, reservation->job);
	statement_bind_int(change, 2, reservation->job_id);
	statement_bind_text(change, 3, reservation->vm_uuid);
	statement_bind_text(change, 4, reservation->vm_name);
	statement_bind_int(change, 5, reservation->source_id);
	statement_bind_int(change, 6, reservation->target_id);
	statement_bind_text(change, 7, reservation->place_name);
	statement_bind_text(change, 8, reservation->place_path);
	statement_bind_int(change, 9, (int64_t)reservation->memory);
	statement_bind_int(change, 10, (int64_t)reservation->space);
	statement_bind_int(change, 11, reservation->vcpus);
	statement_bind_double(change, 12, reservation->busy);
	statement_bind_int(change, 13, reservation->made);
	return statement_run(change, error);
}

/* ---- Give it up ---- */

static bool delete_row(Store *store, const char *job, GError **error)
{
	g_autoptr(Statement) change =
	    store_prepare(store, "DELETE FROM fleet_reservation WHERE job = ?1", error);

	if (!change)
		return false;
	statement_bind_text(change, 1, job);
	return statement_run(change, error);
}

bool fleet_release(Store *store, const char *job, GError **error)
{
	g_auto(Transaction) transaction = { 0 };

	return transaction_begin(&transaction, store, error) && delete_row(store, job, error) &&
	       transaction_commit(&transaction, error);
}

/* ---- The VM has moved ---- */

/*
 * Moves the VM's rows; ?1 is its UUID, ?2 the target, ?3 the source.  A refresh of the target may
 * have found it there already, with nothing that is not known here.  Disks refer to their VM, so
 * the VM's row is copied before theirs are changed.
 */
static const char *const moves[] = {
	"DELETE FROM fleet_vm WHERE host = ?2 AND uuid = ?1 AND EXISTS"
	" (SELECT 1 FROM fleet_vm WHERE host = ?3 AND uuid = ?1)",
	/* Its CPU time counts from its start there. */
	"INSERT INTO fleet_vm (host, uuid, name, state, memory, vcpus, busy, read, dirty_rate,"
	" dirty_read)"
	" SELECT ?2, uuid, name, state, memory, vcpus, busy, read, dirty_rate, dirty_read"
	" FROM fleet_vm WHERE host = ?3 AND uuid = ?1",
	"UPDATE fleet_disk SET host = ?2 WHERE host = ?3 AND vm = ?1",
	"DELETE FROM fleet_vm WHERE host = ?3 AND uuid = ?1 AND ?2 != ?3",
};

static bool move_vm(Store *store, const FleetReservation *reservation, const char *state,
		    GError **error)
{
	for (size_t i = 0; i < G_N_ELEMENTS(moves); i++) {
		g_autoptr(Statement) change = store_prepare(store, moves[i], error);

		if (!change)
			return false;
		statement_bind_text(change, 1, reservation->vm_uuid);
		statement_bind_int(change, 2, reservation->target_id);
		statement_bind_int(change, 3, reservation->source_id);
		if (!statement_run(change, error))
			return false;
	}
	return vm_row_write_state(store, reservation->target_id, reservation->vm_uuid, state,
				  error);
}

static bool move_disks(Store *store, const FleetReservation *reservation,
		       const struct fleet_moved_disk *disks, size_t count, GError **error)
{
	g_autoptr(Statement) change = store_prepare(
	    store, "UPDATE fleet_disk SET source = ?4 WHERE host = ?1 AND vm = ?2 AND target = ?3",
	    error);

	if (!change)
		return false;
	for (size_t i = 0; i < count; i++) {
		statement_bind_int(change, 1, reservation->target_id);
		statement_bind_text(change, 2, reservation->vm_uuid);
		statement_bind_text(change, 3, disks[i].target);
		statement_bind_text(change, 4, disks[i].source);
		if (!statement_run(change, error))
			return false;
		statement_reset(change);
	}
	return true;
}

/* What the VM takes of its new host is not free any more; facts read since know it. */
static bool take_room(Store *store, const FleetReservation *reservation, GError **error)
{
	g_autoptr(Statement) change =
	    store_prepare(store,
			  "UPDATE fleet_host SET memory_free = max(0, memory_free - ?3),"
			  " busy = busy + ?4 WHERE id = ?1 AND read < ?2",
			  error);

	if (!change)
		return false;
	statement_bind_int(change, 1, reservation->target_id);
	statement_bind_int(change, 2, reservation->made);
	statement_bind_int(change, 3, (int64_t)reservation->memory);
	statement_bind_double(change, 4, reservation->busy);
	return statement_run(change, error);
}

static bool take_space(Store *store, const FleetReservation *reservation, GError **error)
{
	g_autoptr(Statement) change =
	    store_prepare(store,
			  "UPDATE fleet_place SET available = max(0, available - ?4)"
			  " WHERE host = ?1 AND name = ?3 AND EXISTS"
			  " (SELECT 1 FROM fleet_host WHERE id = ?1 AND read < ?2)",
			  error);

	if (!change)
		return false;
	statement_bind_int(change, 1, reservation->target_id);
	statement_bind_int(change, 2, reservation->made);
	statement_bind_text(change, 3, reservation->place_name);
	statement_bind_int(change, 4, (int64_t)reservation->space);
	return statement_run(change, error);
}

bool fleet_moved(Store *store, const char *job, const char *state,
		 const struct fleet_moved_disk *disks, size_t count, GError **error)
{
	g_auto(Transaction) transaction = { 0 };
	g_autoptr(FleetReservation) reservation = NULL;
	int r;

	if (!transaction_begin(&transaction, store, error))
		return false;
	r = fleet_reservation_find(store, job, &reservation, error);
	if (r <= 0)
		return r == 0;
	return move_vm(store, reservation, state, error) &&
	       move_disks(store, reservation, disks, count, error) &&
	       take_room(store, reservation, error) && take_space(store, reservation, error) &&
	       delete_row(store, job, error) && transaction_commit(&transaction, error);
}

/* ---- Left behind ---- */

bool fleet_release_ended(Store *store,
			 int (*ended)(Store *store, int64_t id, const char *uuid, GError **error),
			 GError **error)
{
	g_autoptr(GPtrArray) reservations = fleet_reservation_list(store, error);

	if (!reservations)
		return false;
	for (unsigned int i = 0; i < reservations->len; i++) {
		const FleetReservation *reservation = reservations->pdata[i];
		int r = ended(store, reservation->job_id, reservation->job, error);

		if (r < 0 || (r > 0 && !fleet_release(store, reservation->job, error)))
			return false;
	}
	return true;
}
