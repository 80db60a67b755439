/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When the memory of guests is measured, and what is kept of it: over refreshes whose times no real
 * host can be waited for.  The real measurement is in tests/scripts/fleet.sh.
 */
#include "fake-cloud.h"

#include "fleet/dirty.h"
#include "fleet/vm-row.h"

#define SECOND G_USEC_PER_SEC

#define A "5a1d1c3e-0000-4000-8000-00000000000a"
#define B "5a1d1c3e-0000-4000-8000-00000000000b"

/* The host, its VMs, and what it says of them. */
struct scene {
	struct fake_host host;
	struct cloud_driver driver;
	GPtrArray *vms; /* FleetVm */
};

static GPtrArray *rates;      /* CloudDirtyRate; NULL: no answer */
static const char *refused;   /* UUID of the VM that cannot be measured */
static enum wherry_error why; /* ... because of this */

static void free_vm(void *vm)
{
	fleet_vm_free(vm);
}

static void free_rate(void *rate)
{
	cloud_dirty_rate_free(rate);
}

static GPtrArray *say_rates(Cloud *cloud, GCancellable *c, GError **error)
{
	if (rates)
		return g_ptr_array_ref(rates);
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_IO, "no answer");
	return NULL;
}

static bool say_begin(Cloud *cloud, const char *uuid, unsigned int seconds, GCancellable *c,
		      GError **error)
{
	if (g_strcmp0(uuid, refused) == 0) {
		g_set_error(error, WHERRY_ERROR, (int)why, "not '%s'", uuid);
		return false;
	}
	fake_log(cloud, uuid);
	return true;
}

static int enter(void **state)
{
	struct scene *scene = g_new0(struct scene, 1);

	fake_init(&scene->host);
	scene->driver = fake_driver;
	scene->driver.dirty_rates = say_rates;
	scene->driver.domain_dirty_begin = say_begin;
	scene->host.base.driver = &scene->driver;
	scene->vms = g_ptr_array_new_with_free_func(free_vm);
	rates = g_ptr_array_new_with_free_func(free_rate);
	refused = NULL;
	*state = scene;
	return 0;
}

static int leave(void **state)
{
	struct scene *scene = *state;

	fake_clear(&scene->host);
	g_ptr_array_unref(scene->vms);
	g_clear_pointer(&rates, g_ptr_array_unref);
	g_free(scene);
	return 0;
}

/* A VM as the store has it: the number 5 is @read_s old, a measurement began @begun_s ago; -1: no.
 */
static FleetVm *add_vm(struct scene *scene, const char *uuid, int read_s, int begun_s)
{
	FleetVm *vm = fleet_vm_new();
	int64_t now = g_get_real_time();

	vm->uuid = g_strdup(uuid);
	vm->state = g_strdup("running");
	vm->dirty_rate = read_s >= 0 ? 5 : 0;
	vm->dirty_read = read_s >= 0 ? now - read_s * SECOND : 0;
	vm->dirty_begun = begun_s >= 0 ? now - begun_s * SECOND : 0;
	g_ptr_array_add(scene->vms, vm);
	return vm;
}

static void add_rate(const char *uuid, bool measured, uint64_t bytes)
{
	CloudDirtyRate *rate = g_new0(CloudDirtyRate, 1);

	rate->uuid = g_strdup(uuid);
	rate->measured = measured;
	rate->rate = bytes;
	g_ptr_array_add(rates, rate);
}

/* Look, after which @begun are being measured. */
static void look(struct scene *scene, const char *begun)
{
	g_autoptr(GError) error = NULL;

	assert_ok(dirty_look(&scene->host.base, scene->vms, NULL, &error), error);
	assert_string_equal(scene->host.log->str, begun);
	g_string_truncate(scene->host.log, 0);
}

/* One refresh begins it, a later one reads it, and then there is a minute's peace. */
static void test_measured(void **state)
{
	struct scene *scene = *state;
	FleetVm *vm = add_vm(scene, A, -1, -1);
	int64_t begun;

	look(scene, A);
	begun = vm->dirty_begun;
	assert_true(begun > 0 && vm->dirty_read == 0);

	add_rate(A, false, 0);
	look(scene, "");
	assert_int_equal(vm->dirty_begun, begun);
	assert_int_equal(vm->dirty_read, 0);

	add_rate(B, true, 7);
	g_ptr_array_set_size(rates, 0);
	add_rate(A, true, 4096);
	look(scene, "");
	assert_int_equal(vm->dirty_rate, 4096);
	assert_int_equal(vm->dirty_read, begun);
	assert_int_equal(vm->dirty_begun, 0);
}

static void test_when(void **state)
{
	static const struct {
		const char *state;
		int read_s, begun_s;
		bool begins;
	} cases[] = {
		{ "running", -1, -1, true }, { "running", 59, -1, false },
		{ "running", 61, -1, true }, { "running", 61, 9, false },
		{ "running", 61, 11, true }, /* its end never came */
		{ "running", -1, 11, true }, { "paused", -1, -1, false },
		{ "off", -1, -1, false },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct scene *scene = *state;
		FleetVm *vm = add_vm(scene, A, cases[i].read_s, cases[i].begun_s);

		g_free(vm->state);
		vm->state = g_strdup(cases[i].state);
		look(scene, cases[i].begins ? A : "");
		assert_int_equal(vm->dirty_rate, cases[i].read_s >= 0 ? 5 : 0); /* until the next */
		g_ptr_array_set_size(scene->vms, 0);
	}
}

/* What QEMU measured for somebody else, at some time, is no number of ours. */
static void test_not_ours(void **state)
{
	struct scene *scene = *state;
	FleetVm *vm = add_vm(scene, A, 20, -1);

	add_rate(A, true, 4096);
	look(scene, "");
	assert_int_equal(vm->dirty_rate, 5);
}

/* A VM that cannot be measured is no reason to leave out the rest. */
static void test_refused(void **state)
{
	struct scene *scene = *state;
	FleetVm *vm = add_vm(scene, A, -1, 20);

	add_vm(scene, B, -1, -1);
	refused = A;
	why = WHERRY_ERROR_BUSY;
	look(scene, B);
	assert_int_equal(vm->dirty_begun, 0);
}

/* A host that does not answer is asked no more. */
static void test_no_answer(void **state)
{
	static const enum wherry_error codes[] = { WHERRY_ERROR_IO, WHERRY_ERROR_CANCELLED };
	struct scene *scene = *state;
	g_autoptr(GError) error = NULL;

	add_vm(scene, A, -1, -1);
	add_vm(scene, B, -1, -1);
	refused = A;
	for (size_t i = 0; i < G_N_ELEMENTS(codes); i++) {
		why = codes[i];
		assert_false(dirty_look(&scene->host.base, scene->vms, NULL, &error));
		assert_error(&error, codes[i], "not '" A "'");
	}
	g_clear_pointer(&rates, g_ptr_array_unref);
	assert_false(dirty_look(&scene->host.base, scene->vms, NULL, &error));
	assert_error(&error, WHERRY_ERROR_IO, "no answer");
	assert_string_equal(scene->host.log->str, "");
}

#define dirty_test(f) cmocka_unit_test_setup_teardown(f, enter, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		dirty_test(test_measured), dirty_test(test_when),      dirty_test(test_not_ours),
		dirty_test(test_refused),  dirty_test(test_no_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
