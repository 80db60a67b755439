/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files below a root that would lead out of it, hold us up, or hold no text. */
#include "unit.h"

#include "base/autofd.h"
#include "source/facts-root.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
	char *dir; /* owned */
	GPtrArray *notes;
	FactsRoot root;
} Fixture;

static int setup(void **state)
{
	Fixture *fixture = g_new0(Fixture, 1);

	fixture->dir = g_dir_make_tmp("facts-XXXXXX", NULL);
	fixture->notes = g_ptr_array_new_with_free_func(g_free);
	assert_true(facts_root_open(&fixture->root, fixture->dir, fixture->notes, NULL));
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	Fixture *fixture = *state;
	g_autoptr(GDir) dir = g_dir_open(fixture->dir, 0, NULL);
	const char *name;

	while ((name = g_dir_read_name(dir)))
		(void)unlinkat(fixture->root.fd, name, 0);
	(void)unlinkat(fixture->root.fd, "dir", AT_REMOVEDIR);
	(void)rmdir(fixture->dir);
	facts_root_clear(&fixture->root);
	g_ptr_array_unref(fixture->notes);
	g_free(fixture->dir);
	g_free(fixture);
	return 0;
}

static void put(const Fixture *fixture, const char *name, const char *bytes, size_t len)
{
	autofd int fd =
	    openat(fixture->root.fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_int_equal(write(fd, bytes, len), len);
}

/* What was noted since; NULL: nothing. */
static const char *get_note(const Fixture *fixture)
{
	if (fixture->notes->len == 0)
		return NULL;
	assert_int_equal(fixture->notes->len, 1);
	return g_ptr_array_index(fixture->notes, 0);
}

#define BYTES(s) s, sizeof(s) - 1
#define TEN      "0123456789"
#define FIFTY    TEN TEN TEN TEN TEN

static void test_text(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *want, *note;
	} cases[] = {
		{ BYTES("Dell Inc.\n"), "Dell Inc.", NULL },
		{ BYTES("  a\tb \n\n"), "a b", NULL },
		{ BYTES("serial\0\0\0"), "serial", NULL },
		{ BYTES("caf\xe9"), "caf\xef\xbf\xbd", NULL },
		{ BYTES("a\0b"), NULL, "/f: not a text" },
		{ BYTES("a\x1b[2J"), NULL, "/f: not a text" },
		{ BYTES("\x7f"), NULL, "/f: not a text" },
		{ BYTES(""), NULL, "/f: empty" },
		{ BYTES(" \n"), NULL, "/f: empty" },
		{ BYTES(FIFTY FIFTY FIFTY FIFTY FIFTY TEN), FIFTY FIFTY FIFTY FIFTY FIFTY "012345",
		  NULL },
		/* Cut before the character that does not fit, not inside it */
		{ BYTES(FIFTY FIFTY FIFTY FIFTY FIFTY "01234\xc3\xa9"),
		  FIFTY FIFTY FIFTY FIFTY FIFTY "01234", NULL },
	};
	const Fixture *fixture = *state;

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *got = NULL;

		g_ptr_array_set_size(fixture->notes, 0);
		put(fixture, "f", cases[i].bytes, cases[i].len);
		got = facts_root_text(&fixture->root, "f", FACTS_EXPECTED);
		if (g_strcmp0(got, cases[i].want) != 0 ||
		    g_strcmp0(get_note(fixture), cases[i].note) != 0)
			fail_msg("case %zu: got '%s', noted '%s'", i, got, get_note(fixture));
	}
}

static void test_number(void **state)
{
	static const struct {
		const char *text;
		bool want;
		const char *note;
	} cases[] = {
		{ "7\n", true, NULL },
		{ "10", true, NULL },
		{ "11", false, "/f: '11' makes no sense" },
		{ "-1", false, "/f: '-1' makes no sense" },
		{ "0x7", false, "/f: '0x7' makes no sense" },
		{ "18446744073709551616", false, "/f: '18446744073709551616' makes no sense" },
	};
	const Fixture *fixture = *state;

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		uint64_t value;

		g_ptr_array_set_size(fixture->notes, 0);
		put(fixture, "f", cases[i].text, strlen(cases[i].text));
		assert_int_equal(facts_root_number(&fixture->root, "f", FACTS_EXPECTED, 1, 10,
						   &value),
				 cases[i].want);
		if (g_strcmp0(get_note(fixture), cases[i].note) != 0)
			fail_msg("'%s': noted '%s'", cases[i].text, get_note(fixture));
	}
}

static void test_missing(void **state)
{
	const Fixture *fixture = *state;

	assert_null(facts_root_text(&fixture->root, "f", FACTS_OPTIONAL));
	assert_null(facts_root_lines(&fixture->root, "no/f", FACTS_OPTIONAL));
	assert_null(get_note(fixture));
	assert_null(facts_root_text(&fixture->root, "f", FACTS_EXPECTED));
	assert_string_equal(get_note(fixture), "/f: missing");
}

/* What is there and cannot be read is noted, wanted or not. */
static void test_unreadable(void **state)
{
	const Fixture *fixture = *state;

	assert_int_equal(mkdirat(fixture->root.fd, "dir", 0755), 0);
	assert_null(facts_root_text(&fixture->root, "dir", FACTS_OPTIONAL));
	assert_string_equal(get_note(fixture), "/dir: not a regular file");

	g_ptr_array_set_size(fixture->notes, 0);
	assert_int_equal(mkfifoat(fixture->root.fd, "fifo", 0644), 0);
	assert_null(facts_root_text(&fixture->root, "fifo", FACTS_OPTIONAL));
	assert_string_equal(get_note(fixture), "/fifo: not a regular file");

	g_ptr_array_set_size(fixture->notes, 0);
	assert_int_equal(symlinkat("loop", fixture->root.fd, "loop"), 0);
	assert_null(facts_root_text(&fixture->root, "loop", FACTS_OPTIONAL));
	assert_string_equal(get_note(fixture), "/loop: Too many levels of symbolic links");

	g_ptr_array_set_size(fixture->notes, 0);
	put(fixture, "f", BYTES(FIFTY));
	assert_null(facts_root_bytes(&fixture->root, "f", FACTS_OPTIONAL, 49, &(size_t){ 0 }));
	assert_string_equal(get_note(fixture), "/f: more than 49 bytes");
}

/* A recorded symlink ends inside, however it tries. */
static void test_inside(void **state)
{
	static const char *const targets[] = { "/etc/passwd", "../../../../../../../etc/passwd",
					       "/proc/self/root/etc/passwd" };
	const Fixture *fixture = *state;

	for (size_t i = 0; i < G_N_ELEMENTS(targets); i++) {
		g_autofree char *got = NULL;

		(void)unlinkat(fixture->root.fd, "link", 0); /* of the round before */
		assert_int_equal(symlinkat(targets[i], fixture->root.fd, "link"), 0);
		assert_null(facts_root_text(&fixture->root, "link", FACTS_OPTIONAL));
		got = facts_root_link(&fixture->root, "link");
		assert_string_equal(got, targets[i]);
	}
	assert_int_equal(symlinkat("/f", fixture->root.fd, "inside"), 0);
	put(fixture, "f", BYTES("in"));
	g_autofree char *text = facts_root_text(&fixture->root, "inside", FACTS_OPTIONAL);
	assert_string_equal(text, "in");
}

static void test_list(void **state)
{
	const Fixture *fixture = *state;
	g_auto(GStrv) names = NULL, none = NULL;

	put(fixture, "b", BYTES(""));
	put(fixture, "a", BYTES(""));
	put(fixture, ".hidden", BYTES(""));
	names = facts_root_list(&fixture->root, ".", FACTS_EXPECTED);
	assert_int_equal(g_strv_length(names), 2);
	assert_string_equal(names[0], "a");
	none = facts_root_list(&fixture->root, "no", FACTS_OPTIONAL);
	assert_null(none[0]);
	assert_null(get_note(fixture));
}

static void test_no_root(void **state)
{
	g_autoptr(GError) error = NULL;
	FactsRoot root;

	assert_false(facts_root_open(&root, "/nonexistent/root", NULL, &error));
	assert_error(&error, WHERRY_ERROR_NOT_FOUND, "cannot open the root '/nonexistent/root'");
	assert_false(facts_root_open(&root, "/dev/null", NULL, &error));
	assert_error(&error, WHERRY_ERROR_IO, "cannot open the root '/dev/null': Not a directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_text, setup, teardown),
		cmocka_unit_test_setup_teardown(test_number, setup, teardown),
		cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unreadable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_inside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_list, setup, teardown),
		cmocka_unit_test(test_no_root),
	};

	return cmocka_run_group_tests_name("facts-root", tests, NULL, NULL);
}
