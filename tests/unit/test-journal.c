/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was written is read, or nothing is; a journal is replaced as a whole or not at all. */
#include "unit.h"

#include "base/autofd.h"
#include "bundle/journal.h"
#include "fake-fsync.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
	char *dir; /* owned, and removed with what is in it */
	Bundle *bundle;
} Place;

static void place_clear(Place *place)
{
	(void)unlinkat(place->bundle->fd, "j", 0);
	(void)unlinkat(place->bundle->fd, "j.partial", 0);
	bundle_free(place->bundle);
	assert_int_equal(rmdir(place->dir), 0);
	g_free(place->dir);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Place, place_clear)

static Place make_place(void)
{
	char *dir = g_dir_make_tmp(NULL, NULL);

	failing_fsync = n_fsync = 0;
	return (Place){ dir, bundle_open(dir, NULL) };
}

static void assert_holds(const Place *place, const char *want, size_t len)
{
	g_autoptr(GByteArray) got = NULL;
	g_autoptr(GError) error = NULL;
	int r = journal_read(place->bundle, "j", &got, &error);

	assert_ok(r == 1, error);
	assert_int_equal(got->len, len);
	assert_memory_equal(got->data, want, len);
}

static void test_write_and_read(void **state)
{
	g_auto(Place) place = make_place();
	g_autoptr(GByteArray) got = NULL;
	g_autoptr(GError) error = NULL;

	assert_int_equal(journal_read(place.bundle, "j", &got, &error), 0);
	assert_ok(journal_write(place.bundle, "j", "first", 5, &error), error);
	assert_int_equal(n_fsync, 2); /* the file, and the directory with its name */
	assert_holds(&place, "first", 5);
	assert_ok(journal_write(place.bundle, "j", "", 0, &error), error);
	assert_holds(&place, "", 0);
	journal_remove(place.bundle, "j");
	assert_int_equal(journal_read(place.bundle, "j", &got, &error), 0);
	journal_remove(place.bundle, "j");
}

static void test_failing_flush(void **state)
{
	g_auto(Place) place = make_place();
	g_autoptr(GError) error = NULL;

	assert_ok(journal_write(place.bundle, "j", "first", 5, &error), error);
	failing_fsync = n_fsync + 1;
	assert_false(journal_write(place.bundle, "j", "second", 6, &error));
	assert_error(&error, WHERRY_ERROR_IO, "cannot flush 'j.partial'");
	assert_holds(&place, "first", 5);
}

/* Every bit of it counts, and so does every byte. */
static void test_damage(void **state)
{
	g_auto(Place) place = make_place();
	g_autoptr(GError) error = NULL;
	struct stat st;
	autofd int fd = -1;

	assert_ok(journal_write(place.bundle, "j", "some data", 9, &error), error);
	fd = openat(place.bundle->fd, "j", O_RDWR | O_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 24 + 9 + 32);
	for (off_t at = 0; at < st.st_size; at++) {
		g_autoptr(GByteArray) got = NULL;
		uint8_t good, bad;

		assert_int_equal(pread(fd, &good, 1, at), 1);
		bad = good ^ (uint8_t)(1 << at % 8);
		assert_int_equal(pwrite(fd, &bad, 1, at), 1);
		assert_int_equal(journal_read(place.bundle, "j", &got, &error), -1);
		assert_error(&error, WHERRY_ERROR_DAMAGED, "'j' of 65 bytes is no journal of this");
		assert_int_equal(pwrite(fd, &good, 1, at), 1);
	}
	assert_holds(&place, "some data", 9);
	for (off_t len = st.st_size + 1; len >= 0; len--) {
		g_autoptr(GByteArray) got = NULL;

		if (len == st.st_size)
			continue;
		assert_int_equal(ftruncate(fd, len), 0);
		assert_int_equal(journal_read(place.bundle, "j", &got, &error), -1);
		assert_error(&error, WHERRY_ERROR_DAMAGED, "is no journal of this version");
	}
	assert_int_equal(ftruncate(fd, (off_t)JOURNAL_MAX_BYTES + 1), 0);
	assert_int_equal(journal_read(place.bundle, "j", NULL, &error), -1);
	assert_error(&error, WHERRY_ERROR_DAMAGED, "it is too large");
}

/* What is too long is refused, whatever it is, and what was there stays. */
static void test_too_long(void **state)
{
	g_auto(Place) place = make_place();
	g_autofree char *data = g_malloc0(JOURNAL_MAX_BYTES);
	g_autoptr(GError) error = NULL;

	assert_ok(journal_write(place.bundle, "j", "first", 5, &error), error);
	assert_false(journal_write(place.bundle, "j", data, JOURNAL_MAX_BYTES - 24 - 31, &error));
	assert_error(&error, WHERRY_ERROR_UNSUPPORTED, "more than the 67108864 of a journal");
	assert_false(journal_write(place.bundle, "j", data, SIZE_MAX, &error));
	assert_error(&error, WHERRY_ERROR_UNSUPPORTED, "would hold 18446744073709551615 bytes");
	assert_holds(&place, "first", 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write_and_read),
		cmocka_unit_test(test_failing_flush),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
