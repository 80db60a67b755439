/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making and reading the directory of a bundle, and what a hostile medium may have in it. */
#include "unit.h"

#include "base/autofd.h"
#include "bundle/bundle.h"
#include "fake-fsync.h"
#include "manifest-sample.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void remove_tree(const char *path)
{
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	const char *name;

	while (dir && (name = g_dir_read_name(dir))) {
		g_autofree char *inner = g_build_filename(path, name, NULL);

		if (g_file_test(inner, G_FILE_TEST_IS_SYMLINK))
			assert_int_equal(unlink(inner), 0);
		else
			remove_tree(inner);
	}
	assert_int_equal(remove(path), 0);
}

/* Each test has an empty directory, and stands in it. */
static int enter_directory(void **state)
{
	failing_fsync = n_fsync = 0;
	*state = g_dir_make_tmp(NULL, NULL);
	return chdir(*state);
}

static int leave_directory(void **state)
{
	g_autofree char *dir = *state;
	int r = chdir("/");

	remove_tree(dir);
	return r;
}

static void test_names(void **state)
{
	g_autofree char *n64 = g_strnfill(64, 'n'), *n65 = g_strnfill(65, 'n');
	const char *good[] = { "a", "web1.example_org-2", "0", "_x", n64 };
	const char *bad[] = { "", ".", "..", ".hidden", "-x", "a/b", "a b", "a\n", "ä", n65 };

	for (size_t i = 0; i < G_N_ELEMENTS(good); i++)
		if (!bundle_name_valid(good[i]))
			fail_msg("'%s' is refused", good[i]);
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
		if (bundle_name_valid(bad[i]))
			fail_msg("'%s' is accepted", bad[i]);
}

static void test_create(void **state)
{
	g_autoptr(Bundle) bundle = NULL, second = NULL;
	g_autoptr(GError) error = NULL;
	struct stat st;

	bundle = bundle_create(".", "web1", &error);
	assert_ok(bundle, error);
	assert_string_equal(bundle->path, "./wherry/web1");
	assert_int_equal(n_fsync, 2); /* the directories that got a new entry */
	assert_int_equal(stat("wherry/web1", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);

	second = bundle_create(".", "web2", &error);
	assert_ok(second, error);

	assert_null(bundle_create(".", "web1", &error));
	assert_error(
	    &error, WHERRY_ERROR_INVALID_INPUT,
	    "'./wherry/web1' holds an unfinished bundle (to finish it, use --resume): choose "
	    "another --name or remove it");
	assert_true(g_file_set_contents("wherry/web1/machine.json", "", 0, NULL));
	assert_null(bundle_create(".", "web1", &error));
	assert_error(&error, WHERRY_ERROR_INVALID_INPUT,
		     "'./wherry/web1' holds a complete bundle: choose another --name or remove it");
	assert_true(g_file_set_contents("wherry/file", "", 0, NULL));
	assert_null(bundle_create(".", "file", &error));
	assert_error(&error, WHERRY_ERROR_INVALID_INPUT,
		     "'./wherry/file' is there, but is no bundle");

	assert_null(bundle_create(".", "../x", &error));
	assert_error(&error, WHERRY_ERROR_INVALID_INPUT, "'../x' cannot name a bundle");
	assert_null(bundle_create("missing", "web1", &error));
	assert_error(&error, WHERRY_ERROR_NOT_FOUND, "cannot open 'missing': No such file");
	assert_null(bundle_create("wherry/file", "web1", &error));
	assert_error(&error, WHERRY_ERROR_INVALID_INPUT, "'wherry/file' is not a directory");
}

/* Whichever flush fails: no new directory stays behind, and no old one is touched. */
static void test_create_half_way(void **state)
{
	g_autoptr(GError) error = NULL;

	for (int i = 1; i <= 2; i++) {
		n_fsync = 0;
		failing_fsync = i;
		assert_null(bundle_create(".", "web1", &error));
		assert_error(&error, WHERRY_ERROR_IO, "cannot flush");
		assert_int_equal(access("wherry", F_OK), -1);
	}

	assert_int_equal(mkdir("wherry", 0755), 0);
	for (int i = 1; i <= 2; i++) {
		n_fsync = 0;
		failing_fsync = i;
		assert_null(bundle_create(".", "web1", &error));
		assert_error(&error, WHERRY_ERROR_IO, "cannot flush");
		assert_int_equal(access("wherry", F_OK), 0);
		assert_int_equal(access("wherry/web1", F_OK), -1);
	}

	/* A "wherry" that leads elsewhere is none of ours. */
	assert_int_equal(rmdir("wherry"), 0);
	assert_int_equal(mkdir("elsewhere", 0755), 0);
	assert_int_equal(symlink("elsewhere", "wherry"), 0);
	assert_null(bundle_create(".", "web1", &error));
	assert_error(&error, WHERRY_ERROR_INVALID_INPUT, "'./wherry'");
	assert_int_equal(access("elsewhere/web1", F_OK), -1);
}

static void test_files(void **state)
{
	g_autoptr(Bundle) bundle = bundle_create(".", "web1", NULL);
	g_autoptr(GError) error = NULL;
	autofd int fd = -1, again = -1;
	struct stat st;

	fd = bundle_create_file(bundle, "disk-0.sums", &error);
	assert_ok(fd >= 0, error);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(bundle_create_file(bundle, "disk-0.sums", &error), -1);
	assert_error(&error, WHERRY_ERROR_EXISTS,
		     "cannot create './wherry/web1/disk-0.sums': File exists");
	again = bundle_open_file(bundle, "disk-0.sums", &error);
	assert_ok(again >= 0, error);
	assert_int_equal(write(again, "x", 1), -1);
	assert_int_equal(fcntl(again, F_GETFD), FD_CLOEXEC);

	assert_int_equal(bundle_open_file(bundle, "disk-1.sums", &error), -1);
	assert_error(&error, WHERRY_ERROR_NOT_FOUND, "cannot open './wherry/web1/disk-1.sums'");
}

static void test_hostile_files(void **state)
{
	g_autoptr(Bundle) bundle = bundle_create(".", "web1", NULL);
	const char *names[] = { "", ".", "..", "../web1/x", "/etc/passwd" };
	g_autoptr(GError) error = NULL;

	assert_int_equal(chdir("wherry/web1"), 0);
	assert_true(g_file_set_contents("real", "x", 1, NULL));
	assert_int_equal(symlink("real", "link"), 0);
	assert_int_equal(symlink("/nonexistent", "dangling"), 0);
	assert_int_equal(mkdir("directory", 0755), 0);
	assert_int_equal(mkfifo("fifo", 0644), 0);
	assert_int_equal(mkfifo("machine.json", 0644), 0);

	assert_int_equal(bundle_open_file(bundle, "link", &error), -1);
	assert_error(&error, WHERRY_ERROR_DAMAGED, "/link' is a symlink, not a regular file");
	assert_int_equal(bundle_open_file(bundle, "directory", &error), -1);
	assert_error(&error, WHERRY_ERROR_DAMAGED, "/directory' is a directory");
	assert_int_equal(bundle_open_file(bundle, "fifo", &error), -1);
	assert_error(&error, WHERRY_ERROR_DAMAGED, "/fifo' is a fifo, a socket or a device");
	assert_null(bundle_read_manifest(bundle, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "/machine.json' is a fifo");
	assert_int_equal(bundle_create_file(bundle, "dangling", &error), -1);
	assert_error(&error, WHERRY_ERROR_EXISTS, "cannot create");

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		assert_int_equal(bundle_open_file(bundle, names[i], &error), -1);
		assert_error(&error, WHERRY_ERROR_DAMAGED, "is no plain file name");
		assert_int_equal(bundle_create_file(bundle, names[i], &error), -1);
		assert_error(&error, WHERRY_ERROR_DAMAGED, "is no plain file name");
	}
}

/* As the capture does it, and as verify and import read it. */
static void test_whole_bundle(void **state)
{
	g_autoptr(Manifest) manifest = sample_manifest(), read = NULL;
	g_autoptr(Bundle) bundle = bundle_create(".", "web1", NULL);
	g_autoptr(Bundle) opened = NULL;
	const struct manifest_file *file;
	g_autoptr(GError) error = NULL;
	g_autofree char *big = g_strnfill(600000, 'x'), *hex = NULL, *want = NULL;

	assert_true(g_file_set_contents("wherry/web1/disk-0.sums", big, 600000, NULL));
	assert_ok(bundle_record_file(bundle, "disk-0.sums", manifest, &error), error);
	n_fsync = 0;
	assert_ok(bundle_write_file(bundle, "domain.xml", "<domain/>", 9, manifest, &error), error);
	assert_int_equal(n_fsync, 1);
	assert_int_equal(manifest->files->len, 2); /* the sums were in the sample */
	assert_null(bundle_read_manifest(bundle, &error));
	assert_error(&error, WHERRY_ERROR_INVALID_INPUT,
		     "'./wherry/web1' is incomplete: it has no machine.json");

	n_fsync = 0;
	assert_ok(bundle_write_manifest(bundle, manifest, &error), error);
	assert_int_equal(n_fsync, 3); /* the directory, the file, the directory */

	opened = bundle_open("wherry/web1", &error);
	assert_ok(opened, error);
	read = bundle_read_manifest(opened, &error);
	assert_ok(read, error);
	file = g_ptr_array_index(read->files, 0);
	assert_int_equal(file->size, 600000);
	hex = digest_to_hex(&file->digest);
	want = g_compute_checksum_for_string(G_CHECKSUM_SHA256, big, 600000);
	assert_string_equal(hex, want);
	file = g_ptr_array_index(read->files, 1);
	assert_string_equal(file->name, "domain.xml");
	assert_int_equal(file->size, 9);

	assert_false(bundle_record_file(bundle, "capture.log", manifest, &error));
	assert_error(&error, WHERRY_ERROR_NOT_FOUND, "/capture.log'");
	assert_int_equal(manifest->files->len, 2);
}

static void test_write_fails(void **state)
{
	g_autoptr(Manifest) manifest = sample_manifest();
	g_autoptr(Bundle) bundle = bundle_create(".", "web1", NULL);
	g_autoptr(GError) error = NULL;

	n_fsync = 0;
	failing_fsync = 1;
	assert_false(bundle_write_file(bundle, "domain.xml", "x", 1, manifest, &error));
	assert_error(&error, WHERRY_ERROR_IO, "cannot flush './wherry/web1/domain.xml'");
	assert_int_equal(access("wherry/web1/domain.xml", F_OK), -1);
	assert_int_equal(manifest->files->len, 1);

	for (failing_fsync = 1; failing_fsync <= 3; failing_fsync++) {
		n_fsync = 0;
		assert_false(bundle_write_manifest(bundle, manifest, &error));
		assert_error(&error, WHERRY_ERROR_IO, "web1': ");
		assert_int_equal(access("wherry/web1/machine.json", F_OK), -1);
	}
	failing_fsync = 0;

	/* What could not be read again is not written at all. */
	manifest->memory++;
	assert_false(bundle_write_manifest(bundle, manifest, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED,
		     "'./wherry/web1' would not be readable: machine.json: memory is");
	assert_int_equal(access("wherry/web1/machine.json", F_OK), -1);
}

static void test_read_manifest_refused(void **state)
{
	g_autoptr(Bundle) bundle = bundle_create(".", "web1", NULL);
	g_autoptr(GError) error = NULL;

	assert_null(bundle_open("missing", &error));
	assert_error(&error, WHERRY_ERROR_NOT_FOUND, "cannot open 'missing'");
	assert_true(g_file_set_contents("file", "", 0, NULL));
	assert_null(bundle_open("file", &error));
	assert_error(&error, WHERRY_ERROR_INVALID_INPUT, "'file' is not a directory");

	assert_true(g_file_set_contents("wherry/web1/machine.json", "{", 1, NULL));
	assert_null(bundle_read_manifest(bundle, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED,
		     "'./wherry/web1': machine.json is no JSON: line 1: ");
	assert_int_equal(truncate("wherry/web1/machine.json", 1 << 30), 0);
	assert_null(bundle_read_manifest(bundle, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED,
		     "'./wherry/web1/machine.json' has 1073741824 bytes, more than");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test_setup_teardown(test_create, enter_directory, leave_directory),
		cmocka_unit_test_setup_teardown(test_create_half_way, enter_directory,
						leave_directory),
		cmocka_unit_test_setup_teardown(test_files, enter_directory, leave_directory),
		cmocka_unit_test_setup_teardown(test_hostile_files, enter_directory,
						leave_directory),
		cmocka_unit_test_setup_teardown(test_whole_bundle, enter_directory,
						leave_directory),
		cmocka_unit_test_setup_teardown(test_write_fails, enter_directory, leave_directory),
		cmocka_unit_test_setup_teardown(test_read_manifest_refused, enter_directory,
						leave_directory),
	};

	umask(022);
	return cmocka_run_group_tests_name("bundle", tests, NULL, NULL);
}
