/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who needs a file that is to be deleted, by whichever path. */
#include "fake-cloud.h"

#define POOL   "5a1d1c3e-0000-4000-8000-000000000001"
#define SECOND "5a1d1c3e-0000-4000-8000-000000000002"

/* What else is on the host of /p/old, in pool POOL on /p; SECOND lies on /q. */
static const struct {
	const char *domain;                /* a path that the VM 'x' names */
	const char *path, *file, *backing; /* one more file */
	const char *who;                   /* NULL: nobody needs it */
} cases[] = {
	{ "/p/other", NULL, NULL, NULL, NULL },
	{ "/p/old", NULL, NULL, NULL, "the VM 'x' names it" },
	{ "/p//old", NULL, NULL, NULL, "the VM 'x' names it" },
	/* A volume of a pool that cannot be asked: its path is not known. */
	{ "old", NULL, NULL, NULL, "the VM 'x' names it" },
	{ "older", NULL, NULL, NULL, NULL },
	/* Links: in the pool, in another pool, in a directory without one. */
	{ "/p/link", "/p/link", "1", NULL, "the VM 'x' names it" },
	{ "/q/link", "/q/link", "1", NULL, "the VM 'x' names it" },
	{ "/r/link", "/r/link", "1", NULL, "the VM 'x' names it" },
	{ "/r/link", "/r/link", "2", NULL, NULL },
	{ "/dev/sdb", "/dev/sdb", "1", NULL, NULL }, /* no directory to look into */
	/* Images on it. */
	{ NULL, "/p/top", "2", "/p/old", "'/p/top' stands on it" },
	{ NULL, "/q/top", "2", "/p/old", "'/q/top' stands on it" },
	{ "/r/disk", "/r/top", "2", "/p/old", "'/r/top' stands on it" },
	{ NULL, "/q/top", "2", "/p/base", NULL },
};

static void test_users(void **state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *who = NULL;
		g_autoptr(GError) error = NULL;
		struct fake_host host;
		int r;

		fake_init(&host);
		fake_add_pool(&host, POOL, "/p");
		fake_add_pool(&host, SECOND, "/q");
		fake_add_file(&host, "/p/old", "1", NULL);
		if (cases[i].path)
			fake_add_file(&host, cases[i].path, cases[i].file, cases[i].backing);
		if (cases[i].domain)
			fake_add_domain(&host, "x", cases[i].domain);
		r = cloud_volume_find_user(&host.base, POOL, "old", &who, NULL, &error);
		fake_clear(&host);
		if (g_strcmp0(who, cases[i].who) != 0 || r != (cases[i].who != NULL))
			fail_msg("case %zu: %d, %s", i, r, who ? who : "nobody");
	}
}

/* Two links: an image stands on the one that leads to the file through the other. */
static void test_through_link(void **state)
{
	g_autofree char *who = NULL;
	g_autoptr(GError) error = NULL;
	struct fake_host host;

	fake_init(&host);
	fake_add_pool(&host, POOL, "/p");
	fake_add_pool(&host, SECOND, "/q");
	fake_add_file(&host, "/p/old", "1", NULL);
	fake_add_file(&host, "/q/link", "1", NULL);
	fake_add_file(&host, "/q/top", "2", "/q/link");
	assert_int_equal(cloud_volume_find_user(&host.base, POOL, "old", &who, NULL, &error), 1);
	assert_string_equal(who, "'/q/top' stands on it");
	fake_clear(&host);
}

static void test_writer(void **state)
{
	g_autofree char *who = NULL;
	g_autoptr(GError) error = NULL;
	struct fake_host host;

	fake_init(&host);
	fake_add_pool(&host, POOL, "/p");
	fake_add_file(&host, "/p/old", "1", NULL);
	host.writes = 1;
	assert_int_equal(cloud_volume_find_user(&host.base, POOL, "old", &who, NULL, &error), 1);
	assert_string_equal(who, "somebody writes to it");
	fake_clear(&host);
}

/* No file needs nobody; who cannot look does not know. */
static void test_not_there(void **state)
{
	g_autofree char *who = NULL;
	g_autoptr(GError) error = NULL;
	struct fake_host host;

	fake_init(&host);
	assert_int_equal(cloud_volume_find_user(&host.base, POOL, "old", &who, NULL, &error), -1);
	assert_error(&error, WHERRY_ERROR_NOT_FOUND, "no pool");
	fake_add_pool(&host, POOL, "/p");
	assert_int_equal(cloud_volume_find_user(&host.base, POOL, "old", &who, NULL, &error), 0);
	assert_null(who);
	fake_clear(&host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_through_link),
		cmocka_unit_test(test_writer),
		cmocka_unit_test(test_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
