/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Load options, put together from their parts. */
#include "unit.h"

#include "source/load-option.h"

#define END "\x7f\xff\x04\0"
#define HD_GUID                    \
	"\x04\x01\x2a\0\x01\0\0\0" \
	"\0\x08\0\0\0\0\0\0"       \
	"\0\0\x10\0\0\0\0\0"       \
	"\x2a\x1f\x1e\x0b\x4d\x3c\x5f\x4e\x8a\x6b\x7c\x8d\x9e\x0f\x1a\x2b\x02\x02"
#define HD_MBR                     \
	"\x04\x01\x2a\0\x01\0\0\0" \
	"\0\x08\0\0\0\0\0\0"       \
	"\0\0\x10\0\0\0\0\0"       \
	"\x2a\x1f\x1e\x0b\0\0\0\0\0\0\0\0\0\0\0\0\x01\x01"
#define FILE_A           \
	"\x04\x04\x0a\0" \
	"\\\0A\0\0\0"
#define FILE_B           \
	"\x04\x04\x08\0" \
	"B\0\0\0"
#define PCI "\x01\x01\x06\0\0\x1d"

/* A string literal without its NUL, as bytes and length. */
#define BYTES(s) s, sizeof(s) - 1

static GByteArray *make_option(uint32_t attributes, const char *text, size_t text_len,
			       const char *path, size_t path_len)
{
	GByteArray *bytes = g_byte_array_new();
	const uint8_t head[] = { (uint8_t)attributes,     0, 0, 0, (uint8_t)path_len,
				 (uint8_t)(path_len >> 8) };

	g_byte_array_append(bytes, head, sizeof(head));
	g_byte_array_append(bytes, (const uint8_t *)text, (unsigned int)text_len);
	g_byte_array_append(bytes, (const uint8_t *)path, (unsigned int)path_len);
	return bytes;
}

static void test_good(void **state)
{
	static const char guid[] = "0b1e1f2a-3c4d-4e5f-8a6b-7c8d9e0f1a2b";
	static const struct {
		uint32_t attributes;
		const char *text;
		size_t text_len;
		const char *path;
		size_t path_len;
		const char *want_text, *want_uuid, *want_loader;
	} cases[] = {
		{ 1, BYTES("d\0e\0b\0\0\0"), BYTES(HD_GUID FILE_A END), "deb", guid, "\\A" },
		{ 1, BYTES("\0\0"), BYTES(HD_GUID END), "", guid, NULL },
		{ 0, BYTES("x\0\0\0"), BYTES(PCI END), "x", NULL, NULL },
		{ 1, BYTES("x\0\0\0"), BYTES(""), "x", NULL, NULL },
		{ 1, BYTES("x\0\0\0"), BYTES(FILE_A END), "x", NULL, "\\A" },
		{ 1, BYTES("x\0\0\0"), BYTES(HD_MBR FILE_A END), "x", NULL, "\\A" },
		{ 1, BYTES("x\0\0\0"), BYTES(FILE_A FILE_B END), "x", NULL, "\\A\\B" },
		/* What stands behind the end is another path. */
		{ 1, BYTES("x\0\0\0"), BYTES(PCI END HD_GUID FILE_A END), "x", NULL, NULL },
		/* U+00E9, U+1F600 as a pair, a lone half of one, an escape */
		{ 1, BYTES("\xe9\0\x3d\xd8\0\xde\x3d\xd8\x1b\0\0\0"), BYTES(END),
		  "\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbd\xef\xbf\xbd", NULL, NULL },
		/* An HD node that is too short to have a signature */
		{ 1, BYTES("x\0\0\0"), BYTES("\x04\x01\x08\0\x01\0\0\0" END), "x", NULL, NULL },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GByteArray) bytes =
		    make_option(cases[i].attributes, cases[i].text, cases[i].text_len,
				cases[i].path, cases[i].path_len);
		g_auto(LoadOption) option = { 0 };
		g_autoptr(GError) error = NULL;

		assert_ok(load_option_parse(bytes->data, bytes->len, &option, &error), error);
		assert_int_equal(option.active, cases[i].attributes == 1);
		assert_string_equal(option.description, cases[i].want_text);
		if (g_strcmp0(option.partition_uuid, cases[i].want_uuid) != 0 ||
		    g_strcmp0(option.loader, cases[i].want_loader) != 0)
			fail_msg("case %zu: got %s, %s", i, option.partition_uuid, option.loader);
	}
}

static void test_damaged(void **state)
{
	static const struct {
		const char *words, *bytes;
		size_t len;
	} cases[] = {
		{ "load option of 0 bytes", BYTES("") },
		{ "load option of 5 bytes", BYTES("\x01\0\0\0\0") },
		{ "0 units of text and 0 bytes of path in 0 bytes", BYTES("\x01\0\0\0\0\0") },
		{ "1 units of text and 0 bytes of path in 3", BYTES("\x01\0\0\0\0\0x\0y") },
		{ "1 units of text and 9 bytes of path in 8",
		  BYTES("\x01\0\0\0\x09\0x\0\0\0" END) },
		{ "device path node of 3 bytes at 0 of 4",
		  BYTES("\x01\0\0\0\x04\0\0\0\x01\x01\x03\0") },
		{ "device path node of 0 bytes at 0 of 4",
		  BYTES("\x01\0\0\0\x04\0\0\0\x01\x01\0\0") },
		{ "device path node of 5 bytes at 0 of 4",
		  BYTES("\x01\0\0\0\x04\0\0\0\x01\x01\x05\0") },
		{ "device path node of 0 bytes at 6 of 8",
		  BYTES("\x01\0\0\0\x08\0\0\0" PCI "\x7f\xff") },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_auto(LoadOption) option = { 0 };
		g_autoptr(GError) error = NULL;

		assert_false(load_option_parse((const uint8_t *)cases[i].bytes, cases[i].len,
					       &option, &error));
		assert_error(&error, WHERRY_ERROR_DAMAGED, cases[i].words);
	}
}

/* Cut anywhere, it is damaged: it says how long it is. */
static void test_truncated(void **state)
{
	g_autoptr(GByteArray) bytes =
	    make_option(1, BYTES("d\0e\0b\0\0\0"), BYTES(HD_GUID FILE_A END));

	for (unsigned int len = 0; len < bytes->len; len++) {
		g_autofree uint8_t *cut = g_memdup2(bytes->data, MAX(len, 1)); /* for ASan */
		g_auto(LoadOption) option = { 0 };
		g_autoptr(GError) error = NULL;

		assert_false(load_option_parse(cut, len, &option, &error));
		assert_error(&error, WHERRY_ERROR_DAMAGED, "load option");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_truncated),
	};

	return cmocka_run_group_tests_name("load-option", tests, NULL, NULL);
}
