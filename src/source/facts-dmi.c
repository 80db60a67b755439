/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The strings come from the kernel's /sys/class/dmi/id; the memory from the raw table, whose
 * layout is that of DMTF DSP0134 (SMBIOS) 3.6, cited by chapter.
 */
#include "source/facts-dmi.h"

#include "base/error.h"
#include "base/le.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#define DMI_DIR       "sys/class/dmi/id"
#define DMI_TABLE     "sys/firmware/dmi/tables/DMI"
#define DMI_TABLE_MAX ((size_t)16 << 20)

enum dmi_type {
	DMI_MEMORY_ARRAY = 16,
	DMI_MEMORY_DEVICE = 17,
	DMI_END = 127,
};

/* 6.1.2 */
struct dmi_header {
	uint8_t type;
	uint8_t length; /* with this header, without the strings */
	le16 handle;
};
static_assert(sizeof(struct dmi_header) == 4, "DSP0134 6.1.2");

/* 7.17 */
struct dmi_memory_array {
	struct dmi_header header;
	uint8_t location;
	uint8_t use;
};
static_assert(offsetof(struct dmi_memory_array, use) == 0x05, "DSP0134 7.17");
#define DMI_USE_SYSTEM_MEMORY 3

/* 7.18; each version of SMBIOS appended some. */
struct dmi_memory_device {
	struct dmi_header header;
	le16 array_handle;
	uint8_t skip_a[0x0c - 0x06];
	le16 size; /* the last that SMBIOS 2.1 requires */
	uint8_t skip_b[0x1c - 0x0e];
	le32 extended_size; /* 2.7 */
	uint8_t skip_c[0x28 - 0x20];
	uint8_t technology; /* 3.2 */
	uint8_t skip_d[0x3c - 0x29];
	le64 volatile_size; /* 3.2 */
};
static_assert(offsetof(struct dmi_memory_device, size) == 0x0c, "DSP0134 7.18");
static_assert(offsetof(struct dmi_memory_device, extended_size) == 0x1c, "DSP0134 7.18");
static_assert(offsetof(struct dmi_memory_device, technology) == 0x28, "DSP0134 7.18");
static_assert(offsetof(struct dmi_memory_device, volatile_size) == 0x3c, "DSP0134 7.18");
static_assert(sizeof(struct dmi_memory_device) == 0x44, "DSP0134 7.18");

#define DMI_SIZE_UNKNOWN     0xffff
#define DMI_SIZE_EXTENDED    0x7fff
#define DMI_SIZE_KIB         0x8000
#define DMI_NVDIMM_N         4 /* 7.18.6 */
#define DMI_PERSISTENT_LAST  7 /* Intel Optane */
#define DMI_VOLATILE_UNKNOWN UINT64_MAX

/* One structure of the table, checked to lie in it. */
struct dmi_structure {
	const uint8_t *bytes;
	size_t len;
	size_t next; /* offset of the one behind it */
};

/* 6.1.3: the strings behind a structure end in two NULs, also when there are none. */
static bool get_structure(const uint8_t *table, size_t len, size_t at, struct dmi_structure *ret,
			  GError **error)
{
	size_t length = len - at >= sizeof(struct dmi_header) ? table[at + 1] : 0, end;

	if (length < sizeof(struct dmi_header) || length > len - at) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "structure of %zu bytes at %zu of %zu", length, at, len);
		return false;
	}
	for (end = at + length; end + 1 < len; end++) {
		if (table[end] == 0 && table[end + 1] == 0) {
			*ret = (struct dmi_structure){ table + at, length, end + 2 };
			return true;
		}
	}
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "the strings of the structure at %zu do not end within %zu bytes", at, len);
	return false;
}

/*
 * The handles of arrays that are a video card's or the firmware's flash, which some tables list:
 * only system memory counts.  Up to the first damage.
 */
static GHashTable *find_other_arrays(const uint8_t *table, size_t len)
{
	GHashTable *others = g_hash_table_new(NULL, NULL);
	struct dmi_memory_array array;
	struct dmi_structure s;

	/* Ends: each structure is behind the one before, see get_structure(). */
	for (size_t at = 0; at < len && get_structure(table, len, at, &s, NULL); at = s.next) {
		if (s.bytes[0] == DMI_END)
			break;
		if (s.bytes[0] != DMI_MEMORY_ARRAY || s.len < sizeof(array))
			continue;
		memcpy(&array, s.bytes, sizeof(array));
		if (array.use != DMI_USE_SYSTEM_MEMORY)
			g_hash_table_add(others, GUINT_TO_POINTER(le16_get(array.header.handle)));
	}
	return others;
}

/* False: the device does not know its size. */
static bool get_device_size(const struct dmi_structure *s, GHashTable *others, uint64_t *ret)
{
	struct dmi_memory_device device = { 0 };
	uint64_t size, mega = UINT64_C(1) << 20;

	memcpy(&device, s->bytes, MIN(s->len, sizeof(device)));
	if (g_hash_table_contains(others, GUINT_TO_POINTER(le16_get(device.array_handle)))) {
		*ret = 0;
		return true;
	}

	if (s->len >= sizeof(device) && device.technology >= DMI_NVDIMM_N &&
	    device.technology <= DMI_PERSISTENT_LAST) {
		*ret = le64_get(device.volatile_size);
		return *ret != DMI_VOLATILE_UNKNOWN;
	}

	size = le16_get(device.size);
	if (size == DMI_SIZE_UNKNOWN)
		return false;
	if (size == DMI_SIZE_EXTENDED)
		*ret = (le32_get(device.extended_size) & INT32_MAX) * mega;
	else if (size & DMI_SIZE_KIB)
		*ret = (size & ~(uint64_t)DMI_SIZE_KIB) << 10;
	else
		*ret = size * mega;
	return size != DMI_SIZE_EXTENDED || *ret != 0;
}

int dmi_memory_installed(const uint8_t *table, size_t len, uint64_t *ret, GError **error)
{
	g_autoptr(GHashTable) others = find_other_arrays(table, len);
	uint64_t total = 0, size;
	bool known = true;
	struct dmi_structure s;

	/* Ends: each structure is behind the one before. */
	for (size_t at = 0; at < len; at = s.next) {
		if (!get_structure(table, len, at, &s, error))
			return -1;
		if (s.bytes[0] == DMI_END)
			break;
		if (s.bytes[0] != DMI_MEMORY_DEVICE ||
		    s.len < offsetof(struct dmi_memory_device, skip_b))
			continue;
		if (!get_device_size(&s, others, &size))
			known = false;
		else if (__builtin_add_overflow(total, size, &total)) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
				    "memory devices of more than 2^64 bytes");
			return -1;
		}
	}
	if (!known || total == 0)
		return 0;
	*ret = total;
	return 1;
}

static void read_memory(const FactsRoot *root, Facts *facts)
{
	g_autoptr(GError) cause = NULL;
	size_t len;
	g_autofree uint8_t *table =
	    facts_root_bytes(root, DMI_TABLE, FACTS_EXPECTED, DMI_TABLE_MAX, &len);
	int r;

	if (!table)
		return;
	r = dmi_memory_installed(table, len, &facts->memory_installed, &cause);
	if (r < 0)
		facts_note(root, DMI_TABLE, "%s", cause->message);
	if (r == 0)
		facts_note(root, DMI_TABLE, "does not say how much memory is installed");
}

/* What a vendor forgot to fill in says nothing, and would make different machines look the same. */
static bool is_placeholder(const char *value)
{
	static const char *const placeholders[] = {
		"to be filled by o.e.m.",
		"to be filled by o.e.m",
		"default string",
		"not specified",
		"not applicable",
		"system manufacturer",
		"system product name",
		"system serial number",
		"o.e.m.",
		"oem",
		"none",
		"n/a",
		"unknown",
		"empty",
		"00000000-0000-0000-0000-000000000000", /* 7.2.1: not present */
		"ffffffff-ffff-ffff-ffff-ffffffffffff", /* 7.2.1: not set */
		"03000200-0400-0500-0006-000700080009", /* a sample of AMI's, left in by many */
	};

	for (size_t i = 0; i < G_N_ELEMENTS(placeholders); i++)
		if (g_ascii_strcasecmp(value, placeholders[i]) == 0)
			return true;
	return false;
}

static char *read_id(const FactsRoot *root, const char *name)
{
	g_autofree char *path = g_strdup_printf(DMI_DIR "/%s", name);
	g_autofree char *value = facts_root_text(root, path, FACTS_EXPECTED);

	if (value && is_placeholder(value)) {
		facts_note(root, path, "'%s' is a placeholder", value);
		return NULL;
	}
	return g_steal_pointer(&value);
}

static char *read_uuid(const FactsRoot *root)
{
	g_autofree char *value = read_id(root, "product_uuid");

	if (value && !g_uuid_string_is_valid(value)) {
		facts_note(root, DMI_DIR "/product_uuid", "'%s' is no UUID", value);
		return NULL;
	}
	return value ? g_ascii_strdown(value, -1) : NULL;
}

void facts_read_dmi(const FactsRoot *root, Facts *facts)
{
	if (facts_root_has(root, DMI_DIR)) {
		facts->vendor = read_id(root, "sys_vendor");
		facts->product = read_id(root, "product_name");
		facts->serial = read_id(root, "product_serial");
		facts->uuid = read_uuid(root);
	} else {
		facts_note(root, DMI_DIR, "missing");
	}
	read_memory(root, facts);
}
