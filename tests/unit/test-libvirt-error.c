/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Libvirt's errors, as its daemon sends them, and what they become. */
#include "unit.h"

#include "cloud/libvirt-error.h"

#include <errno.h>
#include <libvirt/virterror.h>

/* In place of libvirt's own: what a test has set; NULL: there was no error. */
static virError *last;

virErrorPtr __wrap_virGetLastError(void);
virErrorPtr __wrap_virGetLastError(void)
{
	return last;
}

int __wrap_virGetLastErrorCode(void);
int __wrap_virGetLastErrorCode(void)
{
	return last ? last->code : VIR_ERR_OK;
}

static void forget_last(void)
{
	if (last)
		g_free(last->message);
	g_clear_pointer(&last, g_free);
}

static void set_last(int code, int domain, int errnum, const char *message)
{
	forget_last();
	last = g_new0(virError, 1);
	last->code = code;
	last->domain = domain;
	last->message = g_strdup(message);
	last->int1 = errnum;
}

/* As seen from libvirt 9.0. */
static const struct {
	int code, domain, errnum;
	const char *message;
	enum wherry_error ours;
} cases[] = {
	{ 38, 0, ENOENT, "cannot open directory '/x': No such file or directory",
	  WHERRY_ERROR_NOT_FOUND },
	{ 38, 0, EROFS, "failed to create directory '/x': Read-only file system",
	  WHERRY_ERROR_DENIED },
	{ 38, 18, EFBIG, "cannot extend file '/x': File too large", WHERRY_ERROR_UNSUPPORTED },
	{ 38, 18, ENOSPC, "cannot fill file: full", WHERRY_ERROR_NO_SPACE },
	{ 38, 18, EIO, "cannot read: Input/output error", WHERRY_ERROR_IO },
	{ 38, 18, -1, "without an errno", WHERRY_ERROR_IO },
	{ 38, 7, ENOENT, "Failed to connect socket to '/x': No such file or directory",
	  WHERRY_ERROR_IO },
	{ 38, 7, ECONNREFUSED, "unable to connect to server at '127.0.0.1:1'", WHERRY_ERROR_IO },
	{ 38, 7, EACCES, "Failed to connect socket to '/x': Permission denied",
	  WHERRY_ERROR_DENIED },
	{ 1, 7, -1, "internal error: client socket is closed", WHERRY_ERROR_IO },
	{ 1, 10, -1, "internal error: qemu says: No space left on device", WHERRY_ERROR_NO_SPACE },
	{ 49, 18, -1, "Storage pool not found", WHERRY_ERROR_NOT_FOUND },
	{ 50, 18, -1, "Storage volume not found", WHERRY_ERROR_NOT_FOUND },
	{ 42, 10, -1, "Domain not found", WHERRY_ERROR_NOT_FOUND },
	{ 90, 18, -1, "storage volume 'v' exists already", WHERRY_ERROR_EXISTS },
	{ 55, 18, -1, "Requested operation is not valid", WHERRY_ERROR_BUSY },
	{ 68, 10, -1, "cannot acquire state change lock", WHERRY_ERROR_BUSY },
	{ 45, 7, -1, "authentication failed", WHERRY_ERROR_DENIED },
	{ 27, 20, -1, "XML error", WHERRY_ERROR_INVALID_INPUT },
	{ 9, 18, -1, "operation failed", WHERRY_ERROR_IO },
	{ 3, 0, -1, "this function is not supported", WHERRY_ERROR_UNSUPPORTED },
};

static void test_codes(void **state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;

		set_last(cases[i].code, cases[i].domain, cases[i].errnum, cases[i].message);
		libvirt_error(&error, "doing %s", "it");
		assert_true(g_str_has_prefix(error->message, "doing it: "));
		assert_error(&error, cases[i].ours, cases[i].message);
	}
}

static void test_errno(void **state)
{
	set_last(38, 0, ENOTDIR, "cannot open directory");
	assert_int_equal(libvirt_error_errno(), ENOTDIR);
	set_last(9, 0, ENOTDIR, "not a system error, so that number is something else");
	assert_int_equal(libvirt_error_errno(), 0);
	forget_last();
	assert_int_equal(libvirt_error_errno(), 0);
}

static void test_words(void **state)
{
	g_autoptr(GError) error = NULL;

	set_last(1, 10, -1, "first line\nsecond\033[1m line.\r\n");
	libvirt_error_as(&error, WHERRY_ERROR_EXISTS, "doing it");
	assert_string_equal(error->message, "doing it: first line second?[1m line");
	assert_error(&error, WHERRY_ERROR_EXISTS, "");
	set_last(1, 10, -1, "not \xff UTF-8");
	libvirt_error(&error, "doing it");
	assert_true(g_utf8_validate(error->message, -1, NULL));
	g_clear_error(&error);
	forget_last();
	libvirt_error(&error, "doing it");
	assert_error(&error, WHERRY_ERROR_IO, "doing it: libvirt gives no reason");
}

static void test_questions(void **state)
{
	g_autoptr(GError) error = NULL;

	set_last(1, 18, -1, "internal error: pool 'p' has asynchronous jobs running.");
	assert_true(libvirt_error_is_momentary());
	libvirt_error(&error, "doing it");
	forget_last();
	assert_true(libvirt_error_was_momentary(error));
	assert_false(libvirt_error_was_momentary(NULL));
	set_last(55, 18, -1, "Requested operation is not valid: volume 'v' is still in use.");
	assert_true(libvirt_error_is_momentary());
	set_last(55, 18, -1, "Requested operation is not valid: storage pool 'p' is not active");
	assert_false(libvirt_error_is_momentary());
	assert_false(libvirt_error_is_clash());
	set_last(9, 18, -1, "operation failed: Storage source conflict with pool: 'p'");
	assert_true(libvirt_error_is_clash());
	forget_last();
	assert_false(libvirt_error_is_momentary());
}

static int tear_down(void **state)
{
	forget_last();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codes),
		cmocka_unit_test(test_errno),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_questions),
	};

	return cmocka_run_group_tests(tests, NULL, tear_down);
}
