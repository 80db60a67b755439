/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Old file or new file, never half of one, and no success before the last flush. */
#include "unit.h"

#include "base/atomic-file.h"
#include "base/autofd.h"
#include "fake-fsync.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* All of it happens in one new directory. */
static int enter_directory(void **state)
{
	*state = g_dir_make_tmp(NULL, NULL);
	return chdir(*state);
}

static int leave_directory(void **state)
{
	g_autofree char *dir = *state;

	return chdir("/") + rmdir(dir);
}

/* Try to write "two" into @name, which must fail and leave no partial file. */
static void assert_fails(const char *name, enum wherry_error code, const char *words)
{
	g_autofree char *partial = g_strdup_printf("%s.partial", name);
	autofd int dirfd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	g_autoptr(GError) error = NULL;

	assert_false(atomic_file_write(dirfd, name, "two", 3, &error));
	assert_error(&error, code, words);
	assert_int_equal(access(partial, F_OK), -1);
}

static void assert_content(const char *name, const char *want)
{
	g_autofree char *got = NULL;

	assert_true(g_file_get_contents(name, &got, NULL, NULL));
	assert_string_equal(got, want);
}

static void test_both_flushes_count(void **state)
{
	autofd int dirfd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	g_autoptr(GError) error = NULL;

	/* What a killed run left behind is in nobody's way. */
	assert_true(g_file_set_contents("config.partial", "leftover", -1, NULL));
	assert_ok(atomic_file_write(dirfd, "config", "one", 3, &error), error);
	assert_int_equal(n_fsync, 2);
	assert_content("config", "one");

	failing_fsync = 3; /* of the file: the old one stays */
	assert_fails("config", WHERRY_ERROR_IO, "cannot flush 'config.partial'");
	assert_content("config", "one");

	failing_fsync = 5; /* of the directory: the new one is there, but may not last */
	assert_fails("config", WHERRY_ERROR_IO, "cannot flush 'config'");
	assert_content("config", "two");
	assert_int_equal(unlink("config"), 0);
}

static void test_in_the_way(void **state)
{
	assert_int_equal(mkdir("taken", 0755), 0);
	assert_fails("taken", WHERRY_ERROR_INVALID_INPUT, "cannot rename 'taken.partial'");
	assert_int_equal(rmdir("taken"), 0);

	assert_int_equal(symlink("elsewhere", "link.partial"), 0);
	assert_fails("link", WHERRY_ERROR_INVALID_INPUT, "cannot create 'link.partial'");
	assert_int_equal(unlink("link.partial"), 0); /* not ours, so still there */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_flushes_count),
		cmocka_unit_test(test_in_the_way),
	};

	return cmocka_run_group_tests_name("atomic-file", tests, enter_directory, leave_directory);
}
