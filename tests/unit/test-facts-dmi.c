/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SMBIOS tables made of memory arrays and devices, and what is wrong with some. */
#include "unit.h"

#include "source/facts-dmi.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

/* A memory device of @length bytes; what a shorter one does not have is ignored. */
struct device {
	uint8_t length;
	uint16_t array, size;
	uint32_t extended;
	uint8_t technology;
	uint64_t volatile_size;
};

static void put(uint8_t *at, uint64_t value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static void add_structure(GByteArray *table, const uint8_t *bytes, uint8_t length)
{
	g_byte_array_append(table, bytes, length);
	g_byte_array_append(table, (const uint8_t *)"DIMM\0", 6);
}

static void add_array(GByteArray *table, uint16_t handle, uint8_t use)
{
	uint8_t bytes[0x17] = { 16, sizeof(bytes), [5] = use };

	put(bytes + 2, handle, 2);
	add_structure(table, bytes, sizeof(bytes));
}

static void add_device(GByteArray *table, const struct device *device)
{
	uint8_t bytes[0x64] = { 17, device->length };

	put(bytes + 0x04, device->array, 2);
	put(bytes + 0x0c, device->size, 2);
	put(bytes + 0x1c, device->extended, 4);
	bytes[0x28] = device->technology;
	put(bytes + 0x3c, device->volatile_size, 8);
	add_structure(table, bytes, device->length);
}

static GByteArray *make_table(const struct device *devices)
{
	GByteArray *table = g_byte_array_new();

	add_array(table, 0x1000, 3); /* system memory */
	add_array(table, 0x2000, 4); /* video memory */
	for (; devices->length; devices++)
		add_device(table, devices);
	g_byte_array_append(table, (const uint8_t *)"\x7f\x04\xff\xff\0", 6);
	return table;
}

static void test_sizes(void **state)
{
	static const struct {
		const char *what;
		struct device devices[4];
		int want;
		uint64_t bytes;
	} cases[] = {
		{ "megabytes", { { 0x15, 0x1000, 512 }, { 0x15, 0x1000, 256 } }, 1, 768 * MIB },
		{ "kilobytes", { { 0x1b, 0x1000, 0x8000 | 512 } }, 1, 512 << 10 },
		{ "the largest of the old size", { { 0x22, 0x1000, 0x7ffe } }, 1, 0x7ffe * MIB },
		{ "extended", { { 0x22, 0x1000, 0x7fff, 65536 } }, 1, 64 * GIB },
		{ "extended, its reserved bit set",
		  { { 0x22, 0x1000, 0x7fff, 0x80000000u | 32768 } },
		  1,
		  32 * GIB },
		{ "extended, in a structure too old", { { 0x1b, 0x1000, 0x7fff } }, 0, 0 },
		{ "empty slots", { { 0x22, 0x1000, 0 }, { 0x22, 0x1000, 8192 } }, 1, 8 * GIB },
		{ "only empty slots", { { 0x22, 0x1000, 0 } }, 0, 0 },
		{ "one unknown", { { 0x22, 0x1000, 0xffff }, { 0x22, 0x1000, 8192 } }, 0, 0 },
		{ "a video card's", { { 0x22, 0x2000, 512 }, { 0x22, 0x1000, 8192 } }, 1, 8 * GIB },
		{ "of no array", { { 0x22, 0x3000, 8192 } }, 1, 8 * GIB },
		{ "Optane in memory mode",
		  { { 0x64, 0x1000, 0x7fff, 131072, 7, 16 * GIB } },
		  1,
		  16 * GIB },
		{ "NVDIMM, its volatile part unknown",
		  { { 0x64, 0x1000, 0x7fff, 131072, 4, UINT64_MAX } },
		  0,
		  0 },
		{ "DRAM of SMBIOS 3.3", { { 0x64, 0x1000, 0x7fff, 65536, 3, 1 } }, 1, 64 * GIB },
		{ "no device", { { 0 } }, 0, 0 },
		{ "too short for a size", { { 0x0c, 0x1000, 512 } }, 0, 0 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GByteArray) table = make_table(cases[i].devices);
		g_autoptr(GError) error = NULL;
		uint64_t bytes = 0;
		int r = dmi_memory_installed(table->data, table->len, &bytes, &error);

		if (r != cases[i].want || bytes != cases[i].bytes)
			fail_msg("%s: got %d, %llu bytes", cases[i].what, r,
				 (unsigned long long)bytes);
	}
}

static void test_damaged(void **state)
{
	static const struct {
		const char *words;
		size_t len;
		uint8_t bytes[16];
	} cases[] = {
		{ "structure of 3 bytes at 0 of 6", 6, { 17, 3, 0, 0, 0, 0 } },
		{ "structure of 0 bytes at 0 of 3", 3, { 17, 4, 0 } },
		{ "structure of 9 bytes at 0 of 8", 8, { 17, 9 } },
		{ "structure of 9 bytes at 6 of 14", 14, { 1, 4, 0, 0, 0, 0, 17, 9 } },
		{ "strings of the structure at 0 do not end", 7, { 1, 4, 0, 0, 'a', 'b', 0 } },
		{ "strings of the structure at 6 do not end",
		  11,
		  { 1, 4, 0, 0, 0, 0, 1, 4, 0, 0, 0 } },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		uint64_t bytes;

		assert_int_equal(dmi_memory_installed(cases[i].bytes, cases[i].len, &bytes, &error),
				 -1);
		assert_error(&error, WHERRY_ERROR_DAMAGED, cases[i].words);
	}
}

static void test_too_much(void **state)
{
	static const struct device devices[] = { { 0x64, 0x1000, 1, 0, 7, UINT64_MAX - 1 },
						 { 0x22, 0x1000, 8192 },
						 { 0 } };
	g_autoptr(GByteArray) table = make_table(devices);
	g_autoptr(GError) error = NULL;
	uint64_t bytes;

	assert_int_equal(dmi_memory_installed(table->data, table->len, &bytes, &error), -1);
	assert_error(&error, WHERRY_ERROR_DAMAGED, "more than 2^64 bytes");
}

/* Behind the end there may be anything. */
static void test_end(void **state)
{
	static const struct device devices[] = { { 0x22, 0x1000, 1024 }, { 0 } };
	g_autoptr(GByteArray) table = make_table(devices);
	g_autoptr(GError) error = NULL;
	uint64_t bytes;

	g_byte_array_append(table, (const uint8_t *)"\x11\x01", 2);
	assert_int_equal(dmi_memory_installed(table->data, table->len, &bytes, &error), 1);
	assert_int_equal(bytes, GIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_end),
	};

	return cmocka_run_group_tests_name("facts-dmi", tests, NULL, NULL);
}
