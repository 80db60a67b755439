/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Variables are read from efivarfs, which puts four bytes of attributes before each value. */
#include "source/facts-firmware.h"

#include "base/le.h"
#include "source/load-option.h"

#include <string.h>

#define EFI_DIR        "sys/firmware/efi"
#define VARS_DIR       EFI_DIR "/efivars"
#define GLOBAL_GUID    "8be4df61-93ca-11d2-aa0d-00e098032b8c" /* UEFI 2.10, 3.3 */
#define ATTRIBUTES_LEN 4
#define VARIABLE_MAX   ((size_t)64 << 10)

/* The value of a global variable; NULL when there is none; owned by the caller. */
static uint8_t *read_variable(const FactsRoot *root, const char *name, enum facts_want want,
			      size_t *ret_len)
{
	g_autofree char *path = g_strdup_printf(VARS_DIR "/%s-" GLOBAL_GUID, name);
	size_t len;
	g_autofree uint8_t *bytes = facts_root_bytes(root, path, want, VARIABLE_MAX, &len);

	if (!bytes)
		return NULL;
	if (len <= ATTRIBUTES_LEN) {
		facts_note(root, path, "%zu bytes hold no value", len);
		return NULL;
	}
	*ret_len = len - ATTRIBUTES_LEN;
	return g_memdup2(bytes + ATTRIBUTES_LEN, *ret_len);
}

/*
 * UEFI 2.10, 3.3, table 3.1: one byte, 1 when it is enforced; firmware that cannot do it has no
 * such variable among the @names.
 */
static void read_secure_boot(const FactsRoot *root, char **names, Facts *facts)
{
	size_t len;
	g_autofree uint8_t *value = read_variable(root, "SecureBoot", FACTS_OPTIONAL, &len);

	if (!g_strv_contains((const char *const *)names, "SecureBoot-" GLOBAL_GUID))
		facts->secure_boot = FACTS_NO;
	if (value && (len != 1 || value[0] > 1))
		facts_note(root, VARS_DIR "/SecureBoot-" GLOBAL_GUID,
			   "%zu bytes, the first 0x%02x, make no sense", len, value[0]);
	else if (value)
		facts->secure_boot = value[0] ? FACTS_YES : FACTS_NO;
}

/* Unless it was @seen: an order may name an entry twice. */
static void read_entry(const FactsRoot *root, Facts *facts, unsigned int number, GHashTable *seen)
{
	g_autofree char *name = g_strdup_printf("Boot%04X", number);
	g_autofree uint8_t *value = NULL;
	g_auto(LoadOption) option = { 0 };
	g_autoptr(GError) cause = NULL;
	struct facts_boot_entry *entry;
	size_t len;

	if (!g_hash_table_add(seen, GUINT_TO_POINTER(number)))
		return;
	value = read_variable(root, name, FACTS_EXPECTED, &len);
	if (!value)
		return;
	if (!load_option_parse(value, len, &option, &cause)) {
		g_autofree char *path = g_strdup_printf(VARS_DIR "/%s-" GLOBAL_GUID, name);

		facts_note(root, path, "%s", cause->message);
		return;
	}
	entry = facts_add_boot_entry(facts);
	entry->number = number;
	entry->active = option.active;
	entry->description = g_steal_pointer(&option.description);
	entry->partition_uuid = g_steal_pointer(&option.partition_uuid);
	entry->loader = g_steal_pointer(&option.loader);
}

/* Those that are in the order, which some machines keep empty. */
static void read_ordered_entries(const FactsRoot *root, Facts *facts, GHashTable *seen)
{
	size_t len;
	g_autofree uint8_t *order = read_variable(root, "BootOrder", FACTS_OPTIONAL, &len);
	le16 number;

	if (!order)
		return;
	if (len % 2 != 0)
		facts_note(root, VARS_DIR "/BootOrder-" GLOBAL_GUID, "%zu bytes are an odd number",
			   len);
	for (size_t i = 0; i + sizeof(number) <= len; i += sizeof(number)) {
		memcpy(&number, order + i, sizeof(number));
		read_entry(root, facts, le16_get(number), seen);
	}
}

/* Those that are not in the order, by number: the firmware's menu offers them still. */
static void read_other_entries(const FactsRoot *root, Facts *facts, char **names, GHashTable *seen)
{
	for (char **name = names; *name; name++) {
		g_autofree char *digits = NULL;
		uint64_t number;

		if (!g_str_has_prefix(*name, "Boot") || !g_str_has_suffix(*name, "-" GLOBAL_GUID))
			continue;
		digits = g_strndup(*name + 4, strlen(*name) - 4 - strlen("-" GLOBAL_GUID));
		if (strlen(digits) != 4 ||
		    !g_ascii_string_to_unsigned(digits, 16, 0, UINT16_MAX, &number, NULL))
			continue; /* BootOrder, BootCurrent, BootOptionSupport */
		read_entry(root, facts, (unsigned int)number, seen);
	}
}

void facts_read_firmware(const FactsRoot *root, Facts *facts)
{
	g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
	g_auto(GStrv) names = NULL;

	if (!facts_root_has(root, "sys/firmware")) {
		facts_note(root, "sys/firmware", "missing");
		return;
	}
	if (!facts_root_has(root, EFI_DIR)) {
		facts->firmware = FACTS_FIRMWARE_BIOS;
		facts->secure_boot = FACTS_NO;
		return;
	}
	facts->firmware = FACTS_FIRMWARE_UEFI;

	names = facts_root_list(root, VARS_DIR, FACTS_EXPECTED);
	if (!names[0]) {
		facts_note(root, VARS_DIR, "no variables: is efivarfs mounted?");
		return;
	}
	read_secure_boot(root, names, facts);
	read_ordered_entries(root, facts, seen);
	read_other_entries(root, facts, names, seen);
}
