/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One thing at a time is wrong with a host, and the words say which; then ranks. */
#include "unit.h"

#include "fleet-sample.h"
#include "fleet/rules.h"

#include <math.h>

#define NOW (1060 * G_USEC_PER_SEC)

typedef struct {
	FleetHost *source, *target;
	FleetVm *vm;
	GPtrArray *reservations;
	struct fleet_limits limits;
	struct fleet_request request;
} Case;

static void case_init(Case *c)
{
	*c = (Case){ .source = sample_host(1, "a"),
		     .target = sample_host(2, "b"),
		     .vm = sample_vm("web", VM_UUID),
		     .limits = fleet_default_limits };
	c->reservations = g_ptr_array_new_with_free_func((GDestroyNotify)fleet_reservation_free);
	c->request = (struct fleet_request){ .vm = c->vm, .limits = &c->limits };
}

static void case_clear(Case *c)
{
	fleet_host_free(c->source);
	fleet_host_free(c->target);
	fleet_vm_free(c->vm);
	g_ptr_array_unref(c->reservations);
}

static void reserve_on(Case *c, int64_t host, const char *place)
{
	FleetReservation *reservation = g_new0(FleetReservation, 1);

	*reservation = (FleetReservation){
		.job_id = 7,
		.target_id = host,
		.vm_name = g_strdup("db"),
		.place_name = g_strdup(place),
		.memory = 8 * GIB,
		.space = 20 * GIB,
		.vcpus = 4,
		.busy = 2,
	};
	g_ptr_array_add(c->reservations, reservation);
}

static void reserve(Case *c, const char *place)
{
	reserve_on(c, 2, place);
}

static FleetVerdict *judge(const Case *c, const FleetHost *host)
{
	const struct rules_need need = { c->vm, c->source, rules_space(c->vm) };

	return rules_judge(host, &need, &c->request, c->reservations, NOW);
}

/* ---- Each of these spoils one thing ---- */

static void in_maintenance(Case *c)
{
	c->target->maintenance = true;
}

static void without_answer(Case *c)
{
	c->target->failure = g_strdup("no route to host");
}

static void never_read(Case *c)
{
	c->target->read = 0;
}

static void too_old(Case *c)
{
	c->limits.max_age = 59;
}

static void from_the_future(Case *c)
{
	c->target->read = NOW + 5 * G_USEC_PER_SEC;
}

static void same_uuid(Case *c)
{
	g_free(c->target->uuid);
	c->target->uuid = g_strdup(c->source->uuid);
}

static void another_is_wanted(Case *c)
{
	c->request.only = "x";
}

static void tried_before(Case *c)
{
	static const char *const tried[] = { "x", "b", NULL };

	c->request.except = tried;
}

static void no_label(Case *c)
{
	static const char *const labels[] = { "rack=1", NULL };

	c->limits.labels = labels;
	g_ptr_array_add(c->target->labels, g_strdup("rack=2"));
}

static void other_arch(Case *c)
{
	g_free(c->target->arch);
	c->target->arch = g_strdup("aarch64");
}

static void older_qemu(Case *c)
{
	c->target->qemu_version = 7002021;
}

static void little_memory(Case *c)
{
	c->target->memory_free = 4 * GIB - 1;
}

static void little_memory_after(Case *c)
{
	c->limits.min_free_memory = 12 * GIB + 1;
}

static void memory_reserved(Case *c)
{
	reserve(c, "x");
	c->limits.max_inbound = 2;
	c->limits.min_free_memory = 4 * GIB + 1;
}

static void few_cpus(Case *c)
{
	c->target->cpus = 1;
}

static void few_cpus_after(Case *c)
{
	c->target->vcpus_in_use = 3;
	c->limits.min_free_cpus = 4;
}

static void cpus_reserved(Case *c)
{
	reserve(c, "x");
	c->limits.max_inbound = 2;
	c->limits.min_free_cpus = 3;
}

static void busy(Case *c)
{
	c->limits.max_load = 0.37; /* (2 + 1) / 8 is 0.375 */
}

static void busy_with_reserved(Case *c)
{
	reserve(c, "x");
	c->limits.max_inbound = 2;
	c->limits.max_load = 0.62;
}

static void little_space(Case *c)
{
	((FleetPlace *)c->target->places->pdata[0])->available = 9 * GIB;
}

static void little_space_after(Case *c)
{
	c->limits.min_free_space = 41 * GIB;
}

static void space_reserved(Case *c)
{
	reserve(c, "default");
	c->limits.max_inbound = 2;
	c->limits.min_free_space = 21 * GIB;
}

static void unknown_space(Case *c)
{
	((FleetPlace *)c->target->places->pdata[0])->problem = g_strdup("denied");
}

static void no_place(Case *c)
{
	g_ptr_array_set_size(c->target->places, 0);
}

static void place_not_allowed(Case *c)
{
	static const char *const roots[] = { "/var/lib/libvirt/image", NULL };

	c->limits.roots = roots;
}

static void receiving(Case *c)
{
	reserve(c, "x");
}

static const struct {
	void (*spoil)(Case *);
	const char *words;
	bool unasked; /* it is not even asked whether it could */
} spoilt[] = {
	{ in_maintenance, "maintenance", true },
	{ without_answer, "no route to host", true },
	{ never_read, "never read", true },
	{ too_old, "60 s old, 59 s are allowed", true },
	{ from_the_future, "s old", true },
	{ same_uuid, "same host UUID", true },
	{ another_is_wanted, "only 'x'", true },
	{ tried_before, "tried already", true },
	{ no_label, "no label rack=1", true },
	{ other_arch, "aarch64, that of 'a' x86_64", false },
	{ older_qemu, "QEMU 7.2.21 is older than 7.2.22", false },
	{ little_memory, "memory: 4.0 GiB free, 0 B of it reserved, the VM takes 4.0 GiB", false },
	{ little_memory_after, "12.0 GiB shall be free", false },
	{ memory_reserved, "8.0 GiB of it reserved", false },
	{ few_cpus, "CPUs: it has 1, the VM 2", false },
	{ few_cpus_after, "its VMs have 3, 0 are reserved, the VM takes 2, and 4", false },
	{ cpus_reserved, "4 are reserved", false },
	{ busy, "load: 0.38", false },
	{ busy_with_reserved, "load: 0.62", false },
	{ little_space, "space: the disks take 9.5 GiB", false },
	{ little_space_after, "41.0 GiB shall be free after", false },
	{ space_reserved, "20.0 GiB of it reserved", false },
	{ unknown_space, "not known: denied", false },
	{ no_place, "space:", false },
	{ place_not_allowed, "below none of", false },
	{ receiving, "receiving 1 of at most 1 VMs at a time: job 7 moves 'db'", false },
};

static void test_reasons(void **state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(spoilt); i++) {
		Case c;
		FleetVerdict *verdict;
		const char *said;

		case_init(&c);
		spoilt[i].spoil(&c);
		verdict = judge(&c, c.target);
		said = verdict->reasons->len ? verdict->reasons->pdata[0] : "nothing";
		if (verdict->reasons->len != 1 || !strstr(said, spoilt[i].words) ||
		    verdict->unasked != spoilt[i].unasked)
			fail_msg("'%s': %u reasons, the first: %s", spoilt[i].words,
				 verdict->reasons->len, said);
		rules_verdict_free(verdict);
		case_clear(&c);
	}
}

static void test_own_host(void **state)
{
	Case c;
	FleetVerdict *verdict;

	case_init(&c);
	verdict = judge(&c, c.source);
	assert_int_equal(verdict->reasons->len, 1);
	assert_string_equal(verdict->reasons->pdata[0], "the VM is on it");
	assert_true(verdict->unasked);
	rules_verdict_free(verdict);
	case_clear(&c);
}

static void test_figures_after(void **state)
{
	Case c;
	FleetVerdict *verdict;

	case_init(&c);
	reserve(&c, "default");
	reserve_on(&c, 3, "default"); /* which is another host's */
	c.limits.max_inbound = 2;
	verdict = judge(&c, c.target);
	assert_int_equal(verdict->reasons->len, 0);
	assert_int_equal(verdict->free_memory, 4 * GIB);
	assert_int_equal(verdict->free_cpus, 2);
	assert_true(fabs(verdict->load - 5.0 / 8) < 1e-9);
	/* 5 GiB and a tenth of the other 5, and 4 */
	assert_int_equal(verdict->free_space, 50 * GIB - 20 * GIB - 9 * GIB - GIB / 2);
	assert_true(fabs(verdict->headroom - 4.0 / 32) < 1e-9);
	assert_string_equal(verdict->place_name, "default");
	assert_string_equal(verdict->place_path, "/var/lib/libvirt/images");
	rules_verdict_free(verdict);
	case_clear(&c);
}

/* What is taken exactly is enough. */
static void test_limits_are_met(void **state)
{
	Case c;
	FleetVerdict *verdict;

	case_init(&c);
	c.limits.min_free_memory = 12 * GIB;
	c.limits.min_free_cpus = 6;
	c.limits.max_load = 3.0 / 8;
	c.limits.min_free_space = 40 * GIB + GIB / 2;
	c.limits.max_age = 60;
	verdict = judge(&c, c.target);
	assert_int_equal(verdict->reasons->len, 0);
	rules_verdict_free(verdict);
	case_clear(&c);
}

/* The first pool with room, in the order in which they were given. */
static void test_second_place(void **state)
{
	Case c;
	FleetVerdict *verdict;

	case_init(&c);
	little_space(&c);
	g_ptr_array_add(c.target->places, sample_place("big", "/srv/big", 60 * GIB));
	g_ptr_array_add(c.target->places, sample_place("bigger", "/srv/bigger", 90 * GIB));
	verdict = judge(&c, c.target);
	assert_string_equal(verdict->place_name, "big");
	rules_verdict_free(verdict);
	case_clear(&c);
}

/* Only what a migration copies takes space. */
static void test_space(void **state)
{
	FleetVm *vm = sample_vm("web", VM_UUID);
	FleetDisk *disk = vm->disks->pdata[0];

	assert_int_equal(rules_space(vm), 9 * GIB + GIB / 2);
	disk->read_only = true;
	assert_int_equal(rules_space(vm), 4 * GIB);
	disk->read_only = false;
	disk->shareable = true;
	assert_int_equal(rules_space(vm), 4 * GIB);
	disk->shareable = false;
	disk->type[0] = 'x';
	assert_int_equal(rules_space(vm), 4 * GIB);
	disk->type[0] = 'f';
	disk->device[0] = 'x';
	assert_int_equal(rules_space(vm), 4 * GIB);
	fleet_vm_free(vm);
}

/* More is wanted than there is: worse than full for the rank, but nobody is told of -50 %. */
static void test_nothing_left(void **state)
{
	Case c;
	FleetVerdict *verdict;

	case_init(&c);
	c.target->busy = 11;
	verdict = judge(&c, c.target);
	assert_int_equal(verdict->reasons->len, 0);
	assert_true(fabs(verdict->headroom + 4.0 / 8) < 1e-9);
	assert_true(fabs(fleet_verdict_left(verdict)) < 1e-9);
	c.target->busy = 2;
	rules_verdict_free(verdict);
	verdict = judge(&c, c.target);
	assert_true(verdict->headroom > 0);
	assert_true(fabs(fleet_verdict_left(verdict) - verdict->headroom) < 1e-9);
	rules_verdict_free(verdict);
	case_clear(&c);
}

static void add_ranked(GPtrArray *verdicts, const char *name, double headroom, int64_t memory,
		       const char *reason)
{
	FleetVerdict *verdict = g_new0(FleetVerdict, 1);

	verdict->host = g_strdup(name);
	verdict->headroom = headroom;
	verdict->free_memory = memory;
	verdict->reasons = g_ptr_array_new_with_free_func(g_free);
	if (reason)
		g_ptr_array_add(verdict->reasons, g_strdup(reason));
	g_ptr_array_add(verdicts, verdict);
}

static void test_ranks(void **state)
{
	g_autoptr(GPtrArray) verdicts =
	    g_ptr_array_new_with_free_func((GDestroyNotify)rules_verdict_free);
	static const struct {
		const char *name;
		unsigned int rank;
	} wanted[] = { { "d", 1 }, { "e", 2 }, { "b", 3 }, { "c", 4 }, { "a", 0 }, { "z", 0 } };

	add_ranked(verdicts, "z", 0.9, 9, "no");
	add_ranked(verdicts, "c", 0.3, 5, NULL);
	add_ranked(verdicts, "b", 0.3, 5, NULL);
	add_ranked(verdicts, "e", 0.3, 6, NULL);
	add_ranked(verdicts, "a", 0.8, 9, "no");
	add_ranked(verdicts, "d", 0.5, 1, NULL);
	rules_rank(verdicts);
	for (unsigned int i = 0; i < verdicts->len; i++) {
		const FleetVerdict *verdict = verdicts->pdata[i];

		assert_string_equal(verdict->host, wanted[i].name);
		assert_int_equal(verdict->rank, wanted[i].rank);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reasons),       cmocka_unit_test(test_own_host),
		cmocka_unit_test(test_figures_after), cmocka_unit_test(test_limits_are_met),
		cmocka_unit_test(test_second_place),  cmocka_unit_test(test_space),
		cmocka_unit_test(test_nothing_left),  cmocka_unit_test(test_ranks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
