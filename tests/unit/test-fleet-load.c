/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loads by two looks, of which the store may have kept the first. */
#include "unit.h"

#include "fleet/host-row.h"
#include "fleet/load.h"
#include "fleet/vm-row.h"

#define SECOND UINT64_C(1000000000)

struct scene {
	FleetHost *host;
	GPtrArray *stored; /* FleetVm; given to @known */
	KnownVms *known;
	CloudUse *now;
	GPtrArray *vms;
};

static void free_vm(void *vm)
{
	fleet_vm_free(vm);
}

static void free_use(void *p)
{
	CloudVmUse *use = p;

	g_free(use->name);
	g_free(use->uuid);
	g_free(use);
}

/* A host with four CPUs that was left when 100 s had gone by on each, 50 s of them in work. */
static void scene_init(struct scene *scene)
{
	*scene = (struct scene){
		.host = fleet_host_new(),
		.stored = g_ptr_array_new_with_free_func(free_vm),
		.now = g_new0(CloudUse, 1),
	};
	scene->host->id = 1;
	scene->host->cpus = 4;
	scene->host->busy = 9;
	scene->host->cpu_ns = 400 * SECOND;
	scene->host->cpu_busy_ns = 50 * SECOND;
	scene->now->vms = g_ptr_array_new_with_free_func(free_use);
}

static void scene_clear(struct scene *scene)
{
	fleet_host_free(scene->host);
	known_vms_free(scene->known);
	cloud_use_free(scene->now);
	g_clear_pointer(&scene->vms, g_ptr_array_unref);
}

static void store_vm(struct scene *scene, int64_t host_id, const char *uuid, uint64_t cpu_ns)
{
	FleetVm *vm = fleet_vm_new();

	vm->host_id = host_id;
	vm->uuid = g_strdup(uuid);
	vm->busy = 0.25;
	vm->cpu_ns = cpu_ns;
	vm->dirty_rate = 77;
	vm->dirty_read = 5;
	g_ptr_array_add(scene->stored, vm);
}

static void see_vm(struct scene *scene, const char *uuid, uint64_t cpu_ns)
{
	CloudVmUse *use = g_new0(CloudVmUse, 1);

	use->name = g_strdup(uuid);
	use->uuid = g_strdup(uuid);
	use->state = CLOUD_DOMAIN_RUNNING;
	use->cpu_ns = cpu_ns;
	g_ptr_array_add(scene->now->vms, use);
}

/* @seconds later, with so much more work done. */
static bool look(struct scene *scene, double seconds, double work)
{
	scene->now->cpu_ns = 400 * SECOND + (uint64_t)(seconds * 4 * (double)SECOND);
	scene->now->cpu_busy_ns = 50 * SECOND + (uint64_t)(work * (double)SECOND);
	scene->known = known_vms_new(g_steal_pointer(&scene->stored));
	scene->vms = load_list_vms(scene->host, scene->known, scene->now);
	return load_since_last(scene->host, scene->known, scene->now, scene->vms);
}

static const FleetVm *vm_at(const struct scene *scene, unsigned int i)
{
	return g_ptr_array_index(scene->vms, i);
}

static void test_counts(void **state)
{
	struct scene scene;

	scene_init(&scene);
	store_vm(&scene, 1, "a", 10 * SECOND);
	store_vm(&scene, 2, "b", 90 * SECOND); /* it came here from another host */
	see_vm(&scene, "a", 15 * SECOND);
	see_vm(&scene, "b", 1 * SECOND);
	assert_true(look(&scene, 10, 20));
	assert_float_equal(scene.host->busy, 2, 0.001);
	assert_int_equal(scene.host->cpu_ns, 440 * SECOND);
	assert_float_equal(vm_at(&scene, 0)->busy, 0.5, 0.001);
	assert_int_equal(vm_at(&scene, 0)->cpu_ns, 15 * SECOND);
	assert_float_equal(vm_at(&scene, 1)->busy, 0.25, 0.001);
	assert_int_equal(vm_at(&scene, 0)->dirty_rate, 77);
	/* Or it was made anew there, with that UUID. */
	assert_int_equal(vm_at(&scene, 1)->dirty_rate, 0);
	assert_int_equal(vm_at(&scene, 1)->dirty_read, 0);
	scene_clear(&scene);
}

/* So little says nothing: the last load stays, and so does what the next look counts from. */
static void test_soon(void **state)
{
	struct scene scene;

	scene_init(&scene);
	store_vm(&scene, 1, "a", 10 * SECOND);
	see_vm(&scene, "a", 10 * SECOND + 5);
	assert_true(look(&scene, 0.5, 2));
	assert_float_equal(scene.host->busy, 9, 0.001);
	assert_int_equal(scene.host->cpu_ns, 400 * SECOND);
	assert_int_equal(vm_at(&scene, 0)->cpu_ns, 10 * SECOND);
	assert_float_equal(vm_at(&scene, 0)->busy, 0.25, 0.001);
	scene_clear(&scene);
}

static void test_no_good(void **state)
{
	struct scene scene;

	scene_init(&scene); /* too long ago */
	assert_false(look(&scene, 601, 20));
	scene_clear(&scene);

	scene_init(&scene); /* the host was started since */
	assert_false(look(&scene, -50, -49));
	scene_clear(&scene);

	scene_init(&scene); /* it was never looked at */
	scene.host->cpu_ns = 0;
	assert_false(look(&scene, 10, 20));
	scene_clear(&scene);

	scene_init(&scene); /* a VM of which nothing is known */
	see_vm(&scene, "a", 15 * SECOND);
	assert_false(look(&scene, 10, 20));
	scene_clear(&scene);
}

/* It has had less CPU time than before: what was known is of the one before it. */
static void test_started_anew(void **state)
{
	struct scene scene;

	scene_init(&scene);
	store_vm(&scene, 1, "a", 10 * SECOND);
	see_vm(&scene, "a", 2 * SECOND);
	assert_false(look(&scene, 10, 20));
	assert_int_equal(vm_at(&scene, 0)->dirty_read, 0);
	assert_float_equal(vm_at(&scene, 0)->busy, 0, 0.001);
	scene_clear(&scene);
}

static void test_between(void **state)
{
	struct scene scene;
	CloudUse second = { .when = 1000000 };

	scene_init(&scene);
	see_vm(&scene, "a", 15 * SECOND);
	assert_false(look(&scene, 10, 20));
	second.cpu_ns = scene.now->cpu_ns + 4 * SECOND;
	second.cpu_busy_ns = scene.now->cpu_busy_ns + 3 * SECOND;
	second.vms = g_ptr_array_ref(scene.now->vms);
	((CloudVmUse *)g_ptr_array_index(second.vms, 0))->cpu_ns = 15 * SECOND + SECOND / 2;
	load_between(scene.host, scene.now, &second, scene.vms);
	assert_float_equal(scene.host->busy, 3, 0.001);
	assert_float_equal(vm_at(&scene, 0)->busy, 0.5, 0.001);
	g_ptr_array_unref(second.vms);
	scene_clear(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),  cmocka_unit_test(test_soon),
		cmocka_unit_test(test_no_good), cmocka_unit_test(test_started_anew),
		cmocka_unit_test(test_between),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
