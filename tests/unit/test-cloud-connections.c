/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections that are kept, to libvirt's driver without a host. */
#include "job-place.h"

#include "cloud/cloud-connections.h"
#include "cloud/cloud-driver.h"

#define URI "test:///default"

static const struct cloud_limits own = { .call_ms = 123456, .stall_ms = 56789 };

static Cloud *take(CloudConnections *connections, const char *uri)
{
	g_autoptr(GError) error = NULL;
	Cloud *cloud = cloud_connections_take(connections, uri, &own, NULL, &error);

	assert_ok(cloud, error);
	assert_string_equal(cloud_uri(cloud), uri);
	assert_int_equal(cloud->limits.call_ms, own.call_ms);
	return cloud;
}

/* It is of use. */
static void assert_answers(Cloud *cloud)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) pools = cloud_pools(cloud, NULL, &error);

	assert_ok(pools, error);
}

static void test_kept(void **state)
{
	g_autoptr(CloudConnections) connections = cloud_connections_new();
	g_autoptr(GError) error = NULL;
	Cloud *first = take(connections, URI), *second = take(connections, URI), *again;

	assert_ptr_not_equal(first, second); /* nobody else uses what somebody holds */
	cloud_connections_give(connections, first);
	again = cloud_connections_take(connections, URI, NULL, NULL, &error);
	assert_ptr_equal(again, first);
	assert_int_equal(again->limits.call_ms, cloud_default_limits.call_ms);
	assert_int_equal(again->limits.stall_ms, cloud_default_limits.stall_ms);
	assert_answers(again);
	cloud_connections_give(connections, again);
	cloud_connections_give(connections, second);
	cloud_connections_give(connections, NULL);
}

static void test_by_uri(void **state)
{
	g_autofree char *path = g_build_filename(*state, "node.xml", NULL);
	g_autofree char *uri = g_strdup_printf("test://%s", path);
	g_autoptr(CloudConnections) connections = cloud_connections_new();
	Cloud *here = take(connections, URI), *there;

	assert_true(g_file_set_contents(path, "<node/>", -1, NULL));
	cloud_connections_give(connections, here);
	there = take(connections, uri);
	assert_ptr_not_equal(there, here);
	cloud_connections_give(connections, there);
	assert_ptr_equal(take(connections, URI), here);
	assert_ptr_equal(take(connections, uri), there);
	cloud_free(here); /* who holds one may free it */
	cloud_free(there);
	there = take(connections, uri);
	assert_answers(there);
	cloud_free(there);
}

static void test_none_kept(void **state)
{
	Cloud *cloud = take(NULL, URI);

	assert_answers(cloud);
	cloud_connections_give(NULL, cloud); /* freed: a leak else */
	cloud_connections_give(NULL, NULL);
	cloud_connections_free(NULL);
}

static void test_no_connection(void **state)
{
	g_autoptr(CloudConnections) connections = cloud_connections_new();
	g_autoptr(GError) error = NULL;

	assert_null(cloud_connections_take(connections, "qemu+unix:///system?socket=/nonexistent",
					   NULL, NULL, &error));
	assert_error(&error, WHERRY_ERROR_IO, "cannot connect to 'qemu+unix:///system?socket=");
}

/* What @data holds is taken and given back by several at a time. */
static void *take_and_give(void *data)
{
	for (int i = 0; i < 20; i++) {
		Cloud *cloud = take(data, URI);

		assert_answers(cloud);
		cloud_connections_give(data, cloud);
	}
	return NULL;
}

static void test_threads(void **state)
{
	g_autoptr(CloudConnections) connections = cloud_connections_new();
	GThread *threads[4];

	for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
		threads[i] = g_thread_new("taker", take_and_give, connections);
	for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
		g_thread_join(threads[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept),
		cmocka_unit_test_setup_teardown(test_by_uri, enter_place, leave_place),
		cmocka_unit_test(test_none_kept),
		cmocka_unit_test(test_no_connection),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
