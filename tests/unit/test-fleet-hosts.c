/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What may be said of a host, and what of it is in the store. */
#include "unit.h"

#include "fleet-sample.h"
#include "fleet/host-check.h"

static Store *open_store(void)
{
	g_autoptr(GError) error = NULL;
	Store *store = store_open("db", &error);

	assert_ok(store && fleet_prepare(store, &error), error);
	return store;
}

/* ---- What may be said ---- */

static const struct {
	const char *uri, *address;
	bool insecure; /* said */
	const char *wanted_address;
	bool wanted_insecure;
} good[] = {
	{ "qemu+ssh://root@10.0.0.7/system", NULL, false, "10.0.0.7", false },
	{ "qemu+ssh://10.0.0.7/system?keyfile=/root/key", NULL, true, "10.0.0.7", false },
	{ "qemu+tls://10.0.0.7:1234/system", NULL, false, "10.0.0.7", false },
	{ "qemu://10.0.0.7/system", NULL, false, "10.0.0.7", false },
	{ "qemu+libssh2://10.0.0.7/system", NULL, false, "10.0.0.7", false },
	{ "qemu+ssh://[fd00:0::1]/system", NULL, false, "fd00::1", false },
	{ "qemu+ssh://nowhere.invalid/system", "10.0.0.8", false, "10.0.0.8", false },
	{ "qemu:///system", "10.0.0.8", false, "10.0.0.8", false },
	{ "qemu+unix:///system?socket=/x", "FD00:0::8", false, "fd00::8", false },
	{ "qemu+tcp://10.0.0.7/system", NULL, true, "10.0.0.7", true },
	{ "qemu+tls://10.0.0.7/system?no_verify=1", NULL, true, "10.0.0.7", true },
	{ "qemu+tls://10.0.0.7/system?pkipath=/x&no_verify=0", NULL, false, "10.0.0.7", false },
	{ "qemu+ssh://10.0.0.7/system?no_tty=1&no_verify=1", NULL, true, "10.0.0.7", true },
	{ "qemu+libssh://10.0.0.7/system?known_hosts_verify=ignore", NULL, true, "10.0.0.7", true },
};

static void test_good_uris(void **state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
		const struct fleet_host_spec spec = {
			.name = "a",
			.uri = good[i].uri,
			.address = good[i].address,
			.insecure = good[i].insecure,
		};
		g_autoptr(GError) error = NULL;
		g_autoptr(FleetHost) host = host_check_spec(&spec, &error);

		assert_ok(host != NULL, error);
		assert_string_equal(host->address, good[i].wanted_address);
		assert_int_equal(host->insecure, good[i].wanted_insecure);
	}
}

static const struct {
	const char *name, *uri, *address, *label, *place;
	enum wherry_error code;
	const char *words;
} bad[] = {
	{ "a b", NULL, NULL, NULL, NULL, WHERRY_ERROR_INVALID_INPUT, "the host's name 'a b'" },
	{ "", NULL, NULL, NULL, NULL, WHERRY_ERROR_INVALID_INPUT, "1 to 63 letters" },
	{ "-a", NULL, NULL, NULL, NULL, WHERRY_ERROR_INVALID_INPUT, "begin with" },
	{ "../a", NULL, NULL, NULL, NULL, WHERRY_ERROR_INVALID_INPUT, "the host's name" },
	{ "a", "qemu+tcp://10.0.0.7/system", NULL, NULL, NULL, WHERRY_ERROR_DENIED,
	  "has no encryption" },
	{ "a", "qemu+tls://10.0.0.7/system?no_verify=1", NULL, NULL, NULL, WHERRY_ERROR_DENIED,
	  "does not check whose host answers" },
	{ "a", "qemu+libssh://h/system?x=1&known_hosts_verify=ignore", "10.0.0.8", NULL, NULL,
	  WHERRY_ERROR_DENIED, "does not check" },
	{ "a", "qemu+ext://10.0.0.7/system?command=/x", NULL, NULL, NULL,
	  WHERRY_ERROR_INVALID_INPUT, "it must begin with" },
	{ "a", "test:///default", NULL, NULL, NULL, WHERRY_ERROR_INVALID_INPUT,
	  "it must begin with" },
	{ "a", "xen+ssh://10.0.0.7/system", NULL, NULL, NULL, WHERRY_ERROR_INVALID_INPUT,
	  "it must begin with" },
	{ "a", "10.0.0.7", NULL, NULL, NULL, WHERRY_ERROR_INVALID_INPUT, "no URI" },
	{ "a", "qemu+ssh://10.0.0.7/session", NULL, NULL, NULL, WHERRY_ERROR_INVALID_INPUT,
	  "must be /system" },
	{ "a", "qemu+ssh://10.0.0.7/", NULL, NULL, NULL, WHERRY_ERROR_INVALID_INPUT,
	  "must be /system" },
	{ "a", "qemu+ssh://root:secret@10.0.0.7/system", NULL, NULL, NULL,
	  WHERRY_ERROR_INVALID_INPUT, "holds a password" },
	{ "a", "qemu:///system", NULL, NULL, NULL, WHERRY_ERROR_INVALID_INPUT, "names no host" },
	{ "a", "qemu+ssh://localhost/system", NULL, NULL, NULL, WHERRY_ERROR_INVALID_INPUT,
	  "no other host can reach" },
	{ "a", NULL, "10.0.0", NULL, NULL, WHERRY_ERROR_INVALID_INPUT, "no IP address" },
	{ "a", NULL, "b", NULL, NULL, WHERRY_ERROR_INVALID_INPUT, "no IP address" },
	{ "a", NULL, NULL, "rack", NULL, WHERRY_ERROR_INVALID_INPUT, "must be KEY=VALUE" },
	{ "a", NULL, NULL, "=1", NULL, WHERRY_ERROR_INVALID_INPUT, "the label's key" },
	{ "a", NULL, NULL, "rack=", NULL, WHERRY_ERROR_INVALID_INPUT, "the label's value" },
	{ "a", NULL, NULL, NULL, "vms", WHERRY_ERROR_INVALID_INPUT, "must be NAME=PATH" },
	{ "a", NULL, NULL, NULL, "vms=srv/vms", WHERRY_ERROR_INVALID_INPUT, "not absolute" },
	{ "a", NULL, NULL, NULL, "vms=/srv/../etc", WHERRY_ERROR_INVALID_INPUT, "'..'" },
	{ "a", NULL, NULL, NULL, "vms=/srv//x", WHERRY_ERROR_INVALID_INPUT, "empty" },
	{ "a", NULL, NULL, NULL, "vms=/", WHERRY_ERROR_INVALID_INPUT, "root directory" },
	{ "a", NULL, NULL, NULL, "a/b=/srv/vms", WHERRY_ERROR_INVALID_INPUT, "contains '/'" },
	{ "a", NULL, NULL, NULL, "vms=/etc/vms", WHERRY_ERROR_DENIED, "below none" },
	{ "a", NULL, NULL, NULL, "vms=/srvx", WHERRY_ERROR_DENIED, "below none" },
};

static void test_bad_specs(void **state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		const char *labels[] = { bad[i].label, NULL }, *places[] = { bad[i].place, NULL };
		const struct fleet_host_spec spec = {
			.name = bad[i].name,
			.uri = bad[i].uri ? bad[i].uri : "qemu+ssh://10.0.0.7/system",
			.address = bad[i].address,
			.labels = labels,
			.places = places,
		};
		g_autoptr(GError) error = NULL;

		if (host_check_spec(&spec, &error))
			fail_msg("case %zu passed: %s", i, bad[i].words);
		assert_error(&error, bad[i].code, bad[i].words);
	}
}

static void test_places(void **state)
{
	static const char *const twice[] = { "a=/srv/a", "a=/srv/b", NULL };
	static const char *const one[] = { "a=/srv/a", "b=/srv/a", NULL };
	static const char *const other[] = { "a=/opt", "b=/opt/vms/b", NULL };
	static const char *const roots[] = { "/opt/", NULL };
	struct fleet_host_spec spec = { .name = "a", .uri = "qemu+ssh://10.0.0.7/system" };
	g_autoptr(GError) error = NULL;
	FleetHost *host = host_check_spec(&spec, &error);

	assert_int_equal(host->places->len, 1);
	assert_string_equal(((FleetPlace *)host->places->pdata[0])->path,
			    "/var/lib/libvirt/images");
	fleet_host_free(host);
	spec.places = twice;
	assert_null(host_check_spec(&spec, &error));
	assert_error(&error, WHERRY_ERROR_INVALID_INPUT, "same name or directory");
	spec.places = one;
	assert_null(host_check_spec(&spec, &error));
	assert_error(&error, WHERRY_ERROR_INVALID_INPUT, "same name or directory");
	spec.places = other;
	spec.roots = roots;
	host = host_check_spec(&spec, &error);
	assert_ok(host != NULL, error);
	assert_int_equal(host->places->len, 2);
	fleet_host_free(host);
}

/* ---- In the store ---- */

static void add(Store *store, const char *name, const char *uri, const char *label)
{
	const char *labels[] = { "zone=1", label, NULL };
	const struct fleet_host_spec spec = { .name = name, .uri = uri, .labels = labels };
	g_autoptr(GError) error = NULL;

	assert_ok(fleet_host_add(store, &spec, &error), error);
}

static void refuses(Store *store, const char *name, const char *uri, const char *address,
		    const char *words)
{
	const struct fleet_host_spec spec = { .name = name, .uri = uri, .address = address };
	g_autoptr(GError) error = NULL;

	assert_false(fleet_host_add(store, &spec, &error));
	assert_error(&error, WHERRY_ERROR_EXISTS, words);
}

static void test_add_find_remove(void **state)
{
	g_autoptr(Store) store = open_store();
	g_autoptr(GError) error = NULL;
	g_autoptr(FleetHost) host = NULL;
	g_autoptr(GPtrArray) hosts = NULL;

	assert_null(fleet_host_find(store, "a", &error));
	assert_error(&error, WHERRY_ERROR_NOT_FOUND, "none is known");
	add(store, "b", "qemu+ssh://10.0.0.2/system", NULL);
	add(store, "a", "qemu+ssh://10.0.0.1/system", "rack=1");
	refuses(store, "a", "qemu+ssh://10.0.0.3/system", NULL, "'a' has the name 'a'");
	refuses(store, "c", "qemu+ssh://10.0.0.2/system", "10.0.0.3", "has the URI");
	refuses(store, "c", "qemu+tls://10.0.0.2/system", NULL, "'b' has the address '10.0.0.2'");

	hosts = fleet_host_list(store, &error);
	assert_int_equal(hosts->len, 2);
	host = fleet_host_find(store, "10.0.0.1", &error);
	assert_ok(host != NULL, error);
	assert_string_equal(host->name, "a");
	assert_int_equal(host->labels->len, 2);
	assert_string_equal(host->labels->pdata[0], "rack=1");
	assert_int_equal(host->read, 0);

	assert_null(fleet_host_find(store, "10.0.0.9", &error));
	assert_error(&error, WHERRY_ERROR_NOT_FOUND, "there are: a, b");
	assert_ok(fleet_host_remove(store, "a", &error), error);
	assert_false(fleet_host_remove(store, "a", &error));
	assert_error(&error, WHERRY_ERROR_NOT_FOUND, "there are: b");
}

static void test_maintenance(void **state)
{
	g_autoptr(Store) store = open_store();
	g_autoptr(GError) error = NULL;

	add(store, "a", "qemu+ssh://10.0.0.1/system", NULL);
	add(store, "b", "qemu+ssh://10.0.0.2/system", NULL);
	for (int on = 1; on >= 0; on--) {
		g_autoptr(FleetHost) host = NULL, other = NULL;

		assert_ok(fleet_host_set_maintenance(store, "a", on, &error), error);
		host = fleet_host_find(store, "a", &error);
		other = fleet_host_find(store, "b", &error);
		assert_int_equal(host->maintenance, on);
		assert_false(other->maintenance);
	}
	assert_false(fleet_host_set_maintenance(store, "x", true, &error));
	assert_error(&error, WHERRY_ERROR_NOT_FOUND, "no host 'x'");
}

static bool write_facts(Store *store, FleetHost *host, GError **error)
{
	g_auto(Transaction) transaction = { 0 };

	return transaction_begin(&transaction, store, error) &&
	       host_row_write_facts(store, host, error) && transaction_commit(&transaction, error);
}

static void test_facts(void **state)
{
	g_autoptr(Store) store = open_store();
	g_autoptr(GError) error = NULL;
	g_autoptr(FleetHost) host = NULL, read = NULL, failed = NULL;
	FleetNetwork *network = g_new0(FleetNetwork, 1);
	FleetPool *pool = g_new0(FleetPool, 1);

	add(store, "a", "qemu+ssh://10.0.0.1/system", "rack=1");
	read = fleet_host_find(store, "a", &error);
	host = sample_host(read->id, "a");
	g_clear_pointer(&read, fleet_host_free);
	network->name = g_strdup("lan");
	network->active = true;
	g_ptr_array_add(host->networks, network);
	pool->name = g_strdup("default");
	pool->uuid = g_strdup(VM_UUID);
	pool->available = 7;
	g_ptr_array_add(host->pools, pool);
	g_ptr_array_add(host->machines, g_strdup("pc"));
	g_ptr_array_add(host->machines, g_strdup("pc")); /* of two kinds of guests */
	g_ptr_array_add(host->bridges, g_strdup("br0"));

	for (int i = 0; i < 2; i++) /* the second time in place of the first */
		assert_ok(write_facts(store, host, &error), error);
	read = fleet_host_find(store, "a", &error);
	assert_int_equal(read->read, host->read);
	assert_int_equal(read->memory_free, 16 * GIB);
	assert_int_equal(read->qemu_version, 7002022);
	assert_true(read->busy == 2.0);
	assert_int_equal(read->machines->len, 1);
	assert_int_equal(read->bridges->len, 1);
	assert_int_equal(read->labels->len, 2);
	assert_int_equal(read->networks->len, 1);
	assert_null(((FleetNetwork *)read->networks->pdata[0])->bridge);
	assert_int_equal(((FleetPool *)read->pools->pdata[0])->available, 7);
	assert_int_equal(((FleetPlace *)read->places->pdata[0])->available, 50 * GIB);
	assert_null(((FleetPlace *)read->places->pdata[0])->problem);

	/* A failure keeps the facts, and is told. */
	assert_ok(host_row_write_failure(store, host->id, 5, "no route", &error), error);
	failed = fleet_host_find(store, "a", &error);
	assert_int_equal(failed->read, host->read);
	assert_int_equal(failed->tried, 5);
	assert_string_equal(failed->failure, "no route");

	assert_ok(fleet_host_remove(store, "a", &error), error);
	assert_false(write_facts(store, host, &error));
	assert_error(&error, WHERRY_ERROR_NOT_FOUND, "has been removed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_uris),
		cmocka_unit_test(test_bad_specs),
		cmocka_unit_test(test_places),
		cmocka_unit_test_setup_teardown(test_add_find_remove, enter_place, leave_place),
		cmocka_unit_test_setup_teardown(test_maintenance, enter_place, leave_place),
		cmocka_unit_test_setup_teardown(test_facts, enter_place, leave_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
