/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The calls of cloud.h over libvirt's driver without a host (test:///default), which keeps what is
 * made there in memory: it has a VM "test", a pool "default-pool" and a network "default".  The
 * real thing is in tests/scripts/cloud-libvirt.sh.
 */
#include "unit.h"

#include "cloud/cloud.h"

static const char uuid[] = "5a1d1c3e-0000-4000-8000-000000000001";
static const char other[] = "5a1d1c3e-0000-4000-8000-000000000002"; /* nobody's */

static Cloud *connect_or_fail(void)
{
	g_autoptr(GError) error = NULL;
	Cloud *cloud = cloud_connect("test:///default", NULL, NULL, &error);

	assert_ok(cloud, error);
	return cloud;
}

static void test_connect(void **state)
{
	g_autoptr(Cloud) cloud = connect_or_fail();
	g_autoptr(GError) error = NULL;

	assert_string_equal(cloud_uri(cloud), "test:///default");
	assert_non_null(cloud_host_name(cloud));
	assert_int_equal(strlen(cloud_host_uuid(cloud)), 36);

	assert_null(cloud_connect("openstack://x", NULL, NULL, &error));
	assert_error(&error, WHERRY_ERROR_UNSUPPORTED, "must begin with one of: qemu");
	assert_null(cloud_connect("qemux:///system", NULL, NULL, &error));
	assert_error(&error, WHERRY_ERROR_UNSUPPORTED, "no known kind");
	assert_null(cloud_connect("", NULL, NULL, &error));
	assert_error(&error, WHERRY_ERROR_UNSUPPORTED, "no known kind");
	assert_null(cloud_connect("qemu+unix:///system?socket=/nonexistent", NULL, NULL, &error));
	assert_error(&error, WHERRY_ERROR_IO, "cannot connect to 'qemu+unix:///system?socket=");
}

static void test_cancelled(void **state)
{
	g_autoptr(Cloud) cloud = connect_or_fail();
	g_autoptr(GCancellable) cancellable = g_cancellable_new();
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) pools = NULL;

	g_cancellable_cancel(cancellable);
	assert_null(cloud_pools(cloud, cancellable, &error));
	assert_error(&error, WHERRY_ERROR_CANCELLED, "listing the pools");
	pools = cloud_pools(cloud, NULL, &error); /* another connection, the same Cloud */
	assert_ok(pools, error);
}

static void test_networks(void **state)
{
	g_autoptr(Cloud) cloud = connect_or_fail();
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) networks = cloud_networks(cloud, NULL, &error);

	assert_ok(networks, error);
	assert_int_equal(networks->len, 1);
	assert_string_equal(((CloudNetwork *)networks->pdata[0])->name, "default");
	assert_true(((CloudNetwork *)networks->pdata[0])->active);
}

static void test_pool(void **state)
{
	g_autoptr(Cloud) cloud = connect_or_fail();
	g_autoptr(CloudPool) pool = NULL, none = NULL;
	g_autoptr(GError) error = NULL;

	assert_int_equal(cloud_pool_find(cloud, "default-pool", &none, NULL, &error), 1);
	g_clear_pointer(&none, cloud_pool_free);
	assert_int_equal(cloud_pool_find_uuid(cloud, uuid, &none, NULL, &error), 0);
	assert_null(none);

	assert_ok(cloud_pool_define(cloud, uuid, "new", "/nonexistent/new", NULL, &error), error);
	assert_ok(cloud_pool_define(cloud, uuid, "new", "/nonexistent/new", NULL, &error), error);
	assert_false(cloud_pool_define(cloud, uuid, "new", "/nonexistent/other", NULL, &error));
	assert_error(&error, WHERRY_ERROR_EXISTS, "that name already");
	assert_int_equal(cloud_pool_find_path(cloud, "/nonexistent/new/", &pool, NULL, &error), 1);
	assert_string_equal(pool->name, "new");
	assert_false(pool->active);
	assert_ok(cloud_pool_start(cloud, uuid, NULL, &error), error);
	assert_ok(cloud_pool_remove(cloud, uuid, NULL, &error), error);
	assert_ok(cloud_pool_remove(cloud, uuid, NULL, &error), error);
	assert_int_equal(cloud_pool_find_uuid(cloud, uuid, &none, NULL, &error), 0);
}

static void test_domains(void **state)
{
	static const char new_vm[] = "<domain type='test'><name>new</name><uuid>"
				     "5a1d1c3e-0000-4000-8000-000000000001</uuid>"
				     "<memory>65536</memory><os><type>hvm</type></os></domain>";
	g_autoptr(Cloud) cloud = connect_or_fail();
	g_autoptr(CloudDomain) test = NULL, none = NULL;
	g_autoptr(GError) error = NULL;

	assert_int_equal(cloud_domain_find(cloud, "test", &test, NULL, &error), 1);
	assert_int_equal(test->state, CLOUD_DOMAIN_RUNNING);
	assert_true(test->persistent);
	assert_int_equal(cloud_domain_find(cloud, "new", &none, NULL, &error), 0);

	assert_ok(cloud_domain_define(cloud, new_vm, NULL, &error), error);
	assert_false(cloud_domain_define(cloud, new_vm, NULL, &error));
	assert_error(&error, WHERRY_ERROR_EXISTS, "has that UUID already");
	assert_ok(cloud_domain_start(cloud, uuid, NULL, &error), error);
	assert_false(cloud_domain_undefine(cloud, uuid, NULL, &error));
	assert_error(&error, WHERRY_ERROR_BUSY, "switch it off first");
	assert_ok(cloud_domain_destroy(cloud, uuid, NULL, &error), error);
	assert_ok(cloud_domain_destroy(cloud, uuid, NULL, &error), error);

	/* This driver knows no NVRAM, so nothing can be undefined there. */
	assert_ok(cloud_domain_undefine(cloud, other, NULL, &error), error);
	assert_ok(cloud_domain_destroy(cloud, other, NULL, &error), error);
	assert_false(cloud_domain_start(cloud, other, NULL, &error));
	assert_error(&error, WHERRY_ERROR_NOT_FOUND, "starting the VM");
}

static void test_refused(void **state)
{
	g_autoptr(Cloud) cloud = connect_or_fail();
	g_autoptr(GError) error = NULL;
	g_autofree char *reason = NULL;

	assert_int_equal(cloud_directory_exists(cloud, uuid, "/dev/sub", NULL, &error), -1);
	assert_error(&error, WHERRY_ERROR_INVALID_INPUT, "is below '/dev/'");
	assert_int_equal(cloud_directory_delete(cloud, "x", "/a", &reason, NULL, &error), -1);
	assert_error(&error, WHERRY_ERROR_INVALID_INPUT, "the pool's UUID");
	assert_false(cloud_volume_create(cloud, uuid, "a", "vdi", 1, NULL, &error));
	assert_error(&error, WHERRY_ERROR_INVALID_INPUT, "must be raw or qcow2");
	assert_false(cloud_volume_create(cloud, uuid, "a/b", "raw", 1, NULL, &error));
	assert_error(&error, WHERRY_ERROR_INVALID_INPUT, "contains '/'");
	assert_false(cloud_domain_start(cloud, "X", NULL, &error));
	assert_error(&error, WHERRY_ERROR_INVALID_INPUT, "the VM's UUID");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connect),  cmocka_unit_test(test_cancelled),
		cmocka_unit_test(test_networks), cmocka_unit_test(test_pool),
		cmocka_unit_test(test_domains),  cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
