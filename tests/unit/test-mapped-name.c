/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose device-mapper device may be removed: only that of a process that is gone for sure. */
#include "unit.h"

#include "source/mapped-name.h"

#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

struct parts {
	uint64_t pid_namespace, time_namespace, pid, start;
};

/* A /proc that tells nothing of a process, or of those of another PID namespace. */
static bool proc_is_hidden, proc_is_foreign;

gboolean __real_g_file_get_contents(const char *path, char **ret, gsize *ret_len, GError **error);
gboolean __wrap_g_file_get_contents(const char *path, char **ret, gsize *ret_len, GError **error);
char *__real_g_file_read_link(const char *path, GError **error);
char *__wrap_g_file_read_link(const char *path, GError **error);

gboolean __wrap_g_file_get_contents(const char *path, char **ret, gsize *ret_len, GError **error)
{
	return !proc_is_hidden && __real_g_file_get_contents(path, ret, ret_len, error);
}

char *__wrap_g_file_read_link(const char *path, GError **error)
{
	return proc_is_foreign ? g_strdup("1") : __real_g_file_read_link(path, error);
}

/* The name that a process makes which is gone then. */
static char *name_of_dead(void)
{
	char name[128] = "";
	int pipes[2];
	pid_t child;

	assert_int_equal(pipe(pipes), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		g_autofree char *own = mapped_name_new(true);

		_exit(write(pipes[1], own, strlen(own)) == (ssize_t)strlen(own) ? 0 : 1);
	}
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_true(read(pipes[0], name, sizeof(name) - 1) > 0);
	close(pipes[0]);
	close(pipes[1]);
	return g_strdup(name);
}

static struct parts take_apart(const char *name)
{
	struct parts parts;

	assert_int_equal(sscanf(name, "wherry-%" SCNu64 "-%" SCNu64 "-%" SCNu64 "-%" SCNu64,
				&parts.pid_namespace, &parts.time_namespace, &parts.pid,
				&parts.start),
			 4);
	return parts;
}

static bool is_left(struct parts parts, const char *rest)
{
	g_autofree char *name =
	    g_strdup_printf("wherry-%" PRIu64 "-%" PRIu64 "-%" PRIu64 "-%" PRIu64 "%s",
			    parts.pid_namespace, parts.time_namespace, parts.pid, parts.start,
			    rest);

	return mapped_name_is_left(name);
}

static void test_own(void **state)
{
	g_autofree char *first = mapped_name_new(false), *second = mapped_name_new(true);

	(void)state;
	assert_string_not_equal(first, second);
	assert_true(strlen(second) < 128); /* DM_NAME_LEN */
	assert_false(mapped_name_is_left(first));
	assert_false(mapped_name_is_left(second));
	assert_false(mapped_name_protects(first));
	assert_true(mapped_name_protects(second));
}

static void test_gone(void **state)
{
	g_autofree char *name = name_of_dead();
	struct parts dead = take_apart(name), reused = dead;

	(void)state;
	assert_true(mapped_name_is_left(name));
	assert_true(is_left(dead, "-0"));
	reused.pid = (uint64_t)getpid(); /* its number is another's now */
	reused.start += 1000; /* of none that lives: dead and alive may be a tick apart */
	assert_true(is_left(reused, "-0-ro"));
	reused.start = 0; /* it did not know when it was started */
	assert_false(is_left(reused, "-0-ro"));
}

/* That the number lives is known without /proc, but not whether it is still the same process. */
static void test_not_told(void **state)
{
	g_autofree char *name = name_of_dead();
	struct parts reused = take_apart(name);

	(void)state;
	reused.pid = (uint64_t)getpid();
	reused.start += 1000;
	assert_true(is_left(reused, "-0"));
	proc_is_foreign = true;
	assert_false(is_left(reused, "-0"));
	proc_is_foreign = false;
	proc_is_hidden = true;
	assert_false(is_left(reused, "-0"));
	assert_true(mapped_name_is_left(name)); /* that number is nobody's */
	proc_is_hidden = false;
}

/* In another container the number of one that is alive may be nobody's here. */
static void test_elsewhere(void **state)
{
	g_autofree char *name = name_of_dead();
	struct parts parts = take_apart(name);

	(void)state;
	parts.pid_namespace++;
	assert_false(is_left(parts, "-0-ro"));
	parts.pid_namespace = 0;
	assert_false(is_left(parts, "-0-ro"));
	parts = take_apart(name);
	parts.time_namespace++; /* its clock begins at another time */
	assert_false(is_left(parts, "-0-ro"));
}

static void test_not_ours(void **state)
{
	static const char *const endings[] = { "", "-", "-x", "-0-rw", "-0-ro-", "-0x" };
	g_autofree char *name = name_of_dead();
	struct parts dead = take_apart(name);

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(endings); i++)
		if (is_left(dead, endings[i]))
			fail_msg("'%s' is taken for a name of ours", endings[i]);
	dead.pid = 0;
	assert_false(is_left(dead, "-0"));
	dead.pid = UINT64_C(1) << 40;
	assert_false(is_left(dead, "-0"));
	assert_false(mapped_name_is_left("vg-lv"));
	assert_false(mapped_name_is_left("wherry-1-2-3"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own),      cmocka_unit_test(test_gone),
		cmocka_unit_test(test_not_told), cmocka_unit_test(test_elsewhere),
		cmocka_unit_test(test_not_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
