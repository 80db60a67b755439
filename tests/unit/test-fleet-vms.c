/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VMs of two hosts in the store: found, reserved for, moved. */
#include "unit.h"

#include "fleet-sample.h"
#include "fleet/reservation-row.h"

#define OTHER_UUID "5a1d1c3e-0000-4000-8000-0000000000bb"
#define JOB        "5a1d1c3e-0000-4000-8000-00000000000f"

/* A store with the hosts a and b, which have the ids 1 and 2, and their facts. */
static Store *open_fleet(void)
{
	static const char *const names[] = { "a", "b" };
	g_autoptr(GError) error = NULL;
	Store *store = store_open("db", &error);

	assert_ok(store && fleet_prepare(store, &error), error);
	for (int i = 0; i < 2; i++) {
		g_autoptr(FleetHost) facts = sample_host(i + 1, names[i]);
		g_autofree char *uri = g_strdup_printf("qemu+ssh://%s/system", facts->address);
		const struct fleet_host_spec spec = { .name = names[i], .uri = uri };
		g_auto(Transaction) transaction = { 0 };

		assert_ok(fleet_host_add(store, &spec, &error), error);
		assert_ok(transaction_begin(&transaction, store, &error) &&
			      host_row_write_facts(store, facts, &error) &&
			      transaction_commit(&transaction, &error),
			  error);
	}
	return store;
}

/* Put one VM, or with NULL none, on a host, in place of all that it had. */
static void put_vm(Store *store, int64_t host, const char *name, const char *uuid)
{
	g_autoptr(GPtrArray) vms = g_ptr_array_new_with_free_func((GDestroyNotify)fleet_vm_free);
	g_auto(Transaction) transaction = { 0 };
	g_autoptr(GError) error = NULL;

	if (name)
		g_ptr_array_add(vms, sample_vm(name, uuid));
	assert_ok(transaction_begin(&transaction, store, &error) &&
		      vm_row_write_all(store, host, 77, vms, &error) &&
		      transaction_commit(&transaction, &error),
		  error);
}

static void reserve_at(Store *store, const char *job, const char *vm, int64_t made)
{
	FleetReservation reservation = {
		.job = (char *)(uintptr_t)job,
		.job_id = 7,
		.vm_uuid = (char *)(uintptr_t)vm,
		.vm_name = (char[]){ "web" },
		.source_id = 1,
		.target_id = 2,
		.place_name = (char[]){ "default" },
		.place_path = (char[]){ "/var/lib/libvirt/images" },
		.memory = 4 * GIB,
		.space = 9 * GIB,
		.vcpus = 2,
		.busy = 1,
		.made = made,
	};
	g_auto(Transaction) transaction = { 0 };
	g_autoptr(GError) error = NULL;

	assert_ok(transaction_begin(&transaction, store, &error) &&
		      reservation_row_insert(store, &reservation, &error) &&
		      transaction_commit(&transaction, &error),
		  error);
}

/* After the facts of its target were read. */
static void reserve(Store *store, const char *job, const char *vm)
{
	reserve_at(store, job, vm, 2000 * G_USEC_PER_SEC);
}

static void assert_state(Store *store, const char *host, const char *wanted)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(FleetVm) vm = fleet_vm_find(store, VM_UUID, NULL, &error);

	assert_ok(vm != NULL, error);
	assert_string_equal(vm->host, host);
	assert_string_equal(vm->state, wanted);
}

static void test_find(void **state)
{
	g_autoptr(Store) store = open_fleet();
	g_autoptr(GError) error = NULL;
	g_autoptr(FleetVm) vm = NULL, by_host = NULL;
	g_autoptr(GPtrArray) all = NULL, of_b = NULL;

	put_vm(store, 1, "web", VM_UUID);
	put_vm(store, 2, "web", OTHER_UUID);
	assert_null(fleet_vm_find(store, "web", NULL, &error));
	assert_error(&error, WHERRY_ERROR_INVALID_INPUT,
		     "2 VMs are called 'web': " VM_UUID " on host 'a' (10.0.0.1), " OTHER_UUID
		     " on host 'b' (10.0.0.2)");
	vm = fleet_vm_find(store, "5A1D1C3E-0000-4000-8000-0000000000AA", NULL, &error);
	assert_ok(vm != NULL, error);
	assert_string_equal(vm->host, "a");
	assert_int_equal(vm->memory, 4 * GIB);
	assert_int_equal(vm->read, 77);
	assert_int_equal(vm->disks->len, 2);
	assert_int_equal(((FleetDisk *)vm->disks->pdata[1])->capacity, 4 * GIB);
	by_host = fleet_vm_find(store, "web", "10.0.0.2", &error);
	assert_ok(by_host != NULL, error);
	assert_string_equal(by_host->uuid, OTHER_UUID);

	assert_null(fleet_vm_find(store, "we", NULL, &error));
	assert_error(&error, WHERRY_ERROR_NOT_FOUND, "no VM 'we'");
	assert_null(fleet_vm_find(store, VM_UUID, "b", &error));
	assert_error(&error, WHERRY_ERROR_NOT_FOUND, "on host 'b'");
	all = fleet_vm_list(store, NULL, &error);
	of_b = fleet_vm_list(store, "b", &error);
	assert_int_equal(all->len, 2);
	assert_int_equal(of_b->len, 1);
}

/* Host address, name and UUID: all three. */
static void test_lookup(void **state)
{
	static const struct {
		const char *address, *name, *uuid;
		int found;
	} cases[] = {
		{ "10.0.0.1", "web", VM_UUID, 1 },    { "::ffff:10.0.0.1", "web", VM_UUID, 0 },
		{ "10.0.0.2", "web", VM_UUID, 0 },    { "10.0.0.1", "we", VM_UUID, 0 },
		{ "10.0.0.1", "web", OTHER_UUID, 0 }, { "a", "web", VM_UUID, 0 },
	};
	g_autoptr(Store) store = open_fleet();

	put_vm(store, 1, "web", VM_UUID);
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(FleetVm) vm = NULL;

		assert_int_equal(fleet_vm_lookup(store, cases[i].address, cases[i].name,
						 cases[i].uuid, &vm, &error),
				 cases[i].found);
	}
}

static void test_reserved_and_released(void **state)
{
	g_autoptr(Store) store = open_fleet();
	g_autoptr(GError) error = NULL;
	g_autoptr(FleetReservation) found = NULL, none = NULL;

	put_vm(store, 1, "web", VM_UUID);
	assert_state(store, "a", "running");
	reserve(store, JOB, VM_UUID);
	assert_state(store, "a", "migrating");
	put_vm(store, 1, "web", VM_UUID); /* a refresh in between */
	assert_state(store, "a", "migrating");

	assert_int_equal(fleet_reservation_find(store, JOB, &found, &error), 1);
	assert_string_equal(found->target, "b");
	assert_int_equal(found->space, 9 * GIB);
	assert_false(fleet_host_remove(store, "a", &error));
	assert_error(&error, WHERRY_ERROR_BUSY, "job 7 migrates the VM 'web'");
	assert_false(fleet_host_remove(store, "b", &error));
	assert_error(&error, WHERRY_ERROR_BUSY, "job 7");

	for (int i = 0; i < 2; i++)
		assert_ok(fleet_release(store, JOB, &error), error);
	assert_state(store, "a", "running");
	assert_int_equal(fleet_reservation_find(store, JOB, &none, &error), 0);
	assert_ok(fleet_host_remove(store, "b", &error), error);
}

static void test_state_and_disk(void **state)
{
	g_autoptr(Store) store = open_fleet();
	g_autoptr(GError) error = NULL;
	g_autoptr(FleetVm) vm = NULL, after = NULL;

	put_vm(store, 1, "web", VM_UUID);
	assert_ok(fleet_vm_set_state(store, 1, VM_UUID, "paused", &error), error);
	assert_state(store, "a", "paused");
	assert_false(fleet_vm_set_state(store, 2, VM_UUID, "paused", &error));
	assert_error(&error, WHERRY_ERROR_NOT_FOUND, VM_UUID);

	vm = fleet_vm_find(store, VM_UUID, NULL, &error);
	((FleetDisk *)vm->disks->pdata[0])->capacity = 11 * GIB;
	assert_ok(fleet_vm_set_disk(store, vm, vm->disks->pdata[0], &error), error);
	after = fleet_vm_find(store, VM_UUID, NULL, &error);
	assert_int_equal(after->disks->len, 2);
	assert_int_equal(((FleetDisk *)after->disks->pdata[0])->capacity, 11 * GIB);
}

/* With and without a refresh that found it at its new host already. */
static void test_moved(void **state)
{
	static const struct fleet_moved_disk disks[] = { { "vda", "/srv/vda" } };

	for (int seen = 0; seen < 2; seen++) {
		g_autoptr(Store) store = open_fleet();
		g_autoptr(GError) error = NULL;
		g_autoptr(FleetVm) vm = NULL;
		g_autoptr(FleetHost) target = NULL;

		put_vm(store, 1, "web", VM_UUID);
		reserve(store, JOB, VM_UUID);
		if (seen)
			put_vm(store, 2, "web", VM_UUID);
		for (int i = 0; i < 2; i++)
			assert_ok(fleet_moved(store, JOB, "running", disks, 1, &error), error);
		assert_state(store, "b", "running");
		vm = fleet_vm_find(store, VM_UUID, NULL, &error);
		assert_int_equal(vm->disks->len, 2);
		assert_string_equal(((FleetDisk *)vm->disks->pdata[0])->source, "/srv/vda");
		assert_string_equal(((FleetDisk *)vm->disks->pdata[1])->source,
				    "/var/lib/libvirt/images/vdb");

		/* once, though it was called twice */
		target = fleet_host_find(store, "b", &error);
		assert_int_equal(target->memory_free, 12 * GIB);
		assert_true(target->busy == 3.0);
		assert_int_equal(((FleetPlace *)target->places->pdata[0])->available, 41 * GIB);
		assert_ok(fleet_host_remove(store, "b", &error) &&
			      fleet_host_remove(store, "a", &error),
			  error);
		remove_tree("db");
		remove_tree("db-wal");
		remove_tree("db-shm");
	}
}

/* Facts that were read since know of it. */
static void test_moved_and_read(void **state)
{
	g_autoptr(Store) store = open_fleet();
	g_autoptr(GError) error = NULL;
	g_autoptr(FleetHost) target = NULL;

	put_vm(store, 1, "web", VM_UUID);
	reserve_at(store, JOB, VM_UUID, 999 * G_USEC_PER_SEC);
	assert_ok(fleet_moved(store, JOB, "running", NULL, 0, &error), error);
	target = fleet_host_find(store, "b", &error);
	assert_int_equal(target->memory_free, 16 * GIB);
	assert_true(target->busy == 2.0);
	assert_int_equal(((FleetPlace *)target->places->pdata[0])->available, 50 * GIB);
}

/* What the world says of a job: 7 has ended, what cannot be told is an error. */
static int ended_says;

static int has_ended(Store *store, int64_t id, const char *uuid, GError **error)
{
	assert_int_equal(id, 7);
	assert_string_equal(uuid, JOB);
	if (ended_says < 0)
		g_set_error_literal(error, WHERRY_ERROR, WHERRY_ERROR_IO, "unreadable");
	return ended_says;
}

static void test_release_ended(void **state)
{
	g_autoptr(Store) store = open_fleet();
	g_autoptr(GError) error = NULL;

	put_vm(store, 1, "web", VM_UUID);
	reserve(store, JOB, VM_UUID);
	ended_says = 0;
	assert_ok(fleet_release_ended(store, has_ended, &error), error);
	assert_state(store, "a", "migrating");
	ended_says = -1;
	assert_false(fleet_release_ended(store, has_ended, &error));
	assert_error(&error, WHERRY_ERROR_IO, "unreadable");
	assert_state(store, "a", "migrating");
	ended_says = 1;
	assert_ok(fleet_release_ended(store, has_ended, &error), error);
	assert_state(store, "a", "running");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_find, enter_place, leave_place),
		cmocka_unit_test_setup_teardown(test_lookup, enter_place, leave_place),
		cmocka_unit_test_setup_teardown(test_reserved_and_released, enter_place,
						leave_place),
		cmocka_unit_test_setup_teardown(test_state_and_disk, enter_place, leave_place),
		cmocka_unit_test_setup_teardown(test_moved, enter_place, leave_place),
		cmocka_unit_test_setup_teardown(test_moved_and_read, enter_place, leave_place),
		cmocka_unit_test_setup_teardown(test_release_ended, enter_place, leave_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
