/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names that a disk has for the whole world: SCSI pages, and words of sysfs and udev. */
#include "unit.h"

#include "source/facts-disks.h"

static void test_normalize(void **state)
{
	static const struct {
		const char *id, *want;
	} cases[] = {
		{ "naa.5000C500A1B2C3D4", "0x5000c500a1b2c3d4" },
		{ "0x600508B1001C4FF4", "0x600508b1001c4ff4" },
		{ "naa.6a4badb0001c4ff41234567890abcdef", "0x6a4badb0001c4ff41234567890abcdef" },
		{ "eui.0025388b01a2b3c4", "eui.0025388b01a2b3c4" },
		{ "uuid.0b1e1f2a-3c4d-4e5f-8a6b-7c8d9e0f1a2b",
		  "uuid.0b1e1f2a-3c4d-4e5f-8a6b-7c8d9e0f1a2b" },
		{ "nvme.1b36-41-42-00000001", "nvme.1b36-41-42-00000001" },
		{ "t10.ATA     QEMU HARDDISK                           QM00001", NULL },
		{ "naa.0000000000000000", NULL },
		{ "eui.0000000000000000", NULL },
		{ "naa.", NULL },
		{ "0x", NULL },
		{ "naa.5000zzzz", NULL },
		{ "5000c500a1b2c3d4", NULL },
		{ "", NULL },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *got = disk_wwn_normalize(cases[i].id);

		if (g_strcmp0(got, cases[i].want) != 0)
			fail_msg("'%s': got '%s'", cases[i].id, got);
	}
}

/* A string literal without its NUL, as bytes and length. */
#define BYTES(s) s, sizeof(s) - 1
#define T10              \
	"\x02\x01\0\x04" \
	"ATA "
#define NAA              \
	"\x01\x03\0\x08" \
	"\x50\0\xc5\0\xa1\xb2\xc3\xd4"
#define NAA6             \
	"\x01\x03\0\x10" \
	"\x6a\x4b\xad\xb0\0\x1c\x4f\xf4\1\2\3\4\5\6\7\x08"
#define PORT             \
	"\x61\x93\0\x08" \
	"\x50\0\xc5\0\xa1\xb2\xc3\xd5"
#define EUI              \
	"\x01\x02\0\x08" \
	"\0\x25\x38\x8b\1\xa2\xb3\xc4"

static void test_vpd83(void **state)
{
	static const struct {
		const char *page;
		size_t len;
		const char *want;
	} cases[] = {
		{ BYTES(NAA), "0x5000c500a1b2c3d4" },
		{ BYTES(T10 PORT NAA), "0x5000c500a1b2c3d4" },
		{ BYTES(EUI NAA6), "0x6a4badb0001c4ff40102030405060708" },
		{ BYTES(EUI T10), "eui.0025388b01a2b3c4" },
		{ BYTES(PORT), NULL },
		{ BYTES(T10), NULL },
		{ BYTES("\x01\x03\0\x04"
			"\x50\0\xc5\0"),
		  NULL },
		{ BYTES("\x01\x03\0\x08"
			"\x50\0\xc5\0\xa1\xb2\xc3"),
		  NULL },
		{ BYTES(T10 "\x01\x03\0"), NULL },
		{ BYTES(""), NULL },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		/* for ASan */
		g_autofree uint8_t *page = g_memdup2(cases[i].page, MAX(cases[i].len, 1));
		g_autofree char *got = disk_wwn_from_vpd83(page, cases[i].len);

		if (g_strcmp0(got, cases[i].want) != 0)
			fail_msg("case %zu: got '%s', not '%s'", i, got, cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_normalize),
		cmocka_unit_test(test_vpd83),
	};

	return cmocka_run_group_tests_name("facts-disks", tests, NULL, NULL);
}
