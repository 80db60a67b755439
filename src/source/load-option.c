/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapters are those of the UEFI specification 2.10. */
#include "source/load-option.h"

#include "base/error.h"
#include "base/guid.h"
#include "base/le.h"

#include <assert.h>
#include <string.h>

/* 3.1.3; a description and a device path follow. */
struct load_option_head {
	le32 attributes;
	le16 path_length; /* bytes of the device path */
};
static_assert(sizeof(struct load_option_head) == 6, "UEFI 3.1.3");
#define LOAD_OPTION_ACTIVE 1

/* 10.3.1 */
struct path_node {
	uint8_t type;
	uint8_t subtype;
	le16 length; /* with this head */
};
static_assert(sizeof(struct path_node) == 4, "UEFI 10.3.1");
#define NODE_MEDIA          0x04
#define NODE_MEDIA_HD       0x01
#define NODE_MEDIA_FILE     0x04
#define NODE_END            0x7f /* of the whole path or of one of several: both end the first */
#define PATH_TEXT_MAX_UNITS 4096

/* 10.3.5.1 */
struct path_hd {
	struct path_node node;
	le32 number;
	le64 start_blocks;
	le64 size_blocks;
	struct guid signature;
	uint8_t format;
	uint8_t signature_type;
};
static_assert(sizeof(struct path_hd) == 42, "UEFI 10.3.5.1");
#define SIGNATURE_GUID 2

static uint16_t get_unit(const uint8_t *bytes, size_t i)
{
	le16 unit;

	memcpy(&unit, bytes + i * sizeof(unit), sizeof(unit));
	return le16_get(unit);
}

/*
 * CHAR16 is UCS-2 by the letter (1.9.2.1) and UTF-16 in the field.  What is neither, and what a
 * terminal would obey, becomes U+FFFD.
 */
static void append_text(GString *text, const uint8_t *bytes, size_t n_units)
{
	for (size_t i = 0; i < n_units; i++) {
		gunichar c = get_unit(bytes, i);
		gunichar low = i + 1 < n_units ? get_unit(bytes, i + 1) : 0;

		if (c >= 0xd800 && c < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
			i++;
		}
		if (!g_unichar_validate(c) || g_unichar_iscntrl(c))
			c = 0xfffd;
		g_string_append_unichar(text, c);
	}
}

/* How many units there are before the NUL; @max when there is none. */
static size_t count_units(const uint8_t *bytes, size_t max)
{
	size_t n = 0;

	while (n < max && get_unit(bytes, n) != 0)
		n++;
	return n;
}

static void take_hd(const uint8_t *bytes, size_t len, LoadOption *option)
{
	struct path_hd hd;

	if (len < sizeof(hd))
		return;
	memcpy(&hd, bytes, sizeof(hd));
	if (hd.signature_type == SIGNATURE_GUID && !option->partition_uuid)
		option->partition_uuid = guid_to_text(&hd.signature);
}

/* 10.3.5.4: a path may be cut into several nodes. */
static void take_file(const uint8_t *bytes, size_t len, GString *loader)
{
	size_t n = count_units(bytes, len / 2);

	if (n > PATH_TEXT_MAX_UNITS)
		return;
	if (loader->len > 0 && loader->str[loader->len - 1] != '\\' && n > 0 &&
	    get_unit(bytes, 0) != '\\')
		g_string_append_c(loader, '\\');
	append_text(loader, bytes, n);
}

static bool parse_path(const uint8_t *bytes, size_t len, LoadOption *option, GError **error)
{
	g_autoptr(GString) loader = g_string_new(NULL);
	struct path_node node;
	size_t length;

	/* Ends: a node is at least as long as its head. */
	for (size_t at = 0; at < len; at += length) {
		length = 0;
		if (len - at >= sizeof(node)) {
			memcpy(&node, bytes + at, sizeof(node));
			length = le16_get(node.length);
		}
		if (length < sizeof(node) || length > len - at) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
				    "device path node of %zu bytes at %zu of %zu", length, at, len);
			return false;
		}
		if (node.type == NODE_END)
			break;
		if (node.type == NODE_MEDIA && node.subtype == NODE_MEDIA_HD)
			take_hd(bytes + at, length, option);
		if (node.type == NODE_MEDIA && node.subtype == NODE_MEDIA_FILE)
			take_file(bytes + at + sizeof(node), length - sizeof(node), loader);
	}
	if (loader->len > 0)
		option->loader = g_string_free(g_steal_pointer(&loader), false);
	return true;
}

bool load_option_parse(const uint8_t *bytes, size_t len, LoadOption *ret, GError **error)
{
	g_auto(LoadOption) option = { 0 };
	g_autoptr(GString) description = g_string_new(NULL);
	struct load_option_head head;
	size_t path_length, units_max, units;

	if (len < sizeof(head)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED, "load option of %zu bytes",
			    len);
		return false;
	}
	memcpy(&head, bytes, sizeof(head));
	bytes += sizeof(head);
	len -= sizeof(head);

	units_max = len / 2;
	units = count_units(bytes, units_max);
	path_length = le16_get(head.path_length);
	if (units == units_max || path_length > len - 2 * (units + 1)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "load option with %zu units of text and %zu bytes of path in %zu bytes",
			    units, path_length, len);
		return false;
	}
	if (!parse_path(bytes + 2 * (units + 1), path_length, &option, error))
		return false;

	append_text(description, bytes, MIN(units, PATH_TEXT_MAX_UNITS));
	option.description = g_string_free(g_steal_pointer(&description), false);
	option.active = le32_get(head.attributes) & LOAD_OPTION_ACTIVE;
	*ret = option;
	option = (LoadOption){ 0 };
	return true;
}

void load_option_clear(LoadOption *option)
{
	g_clear_pointer(&option->description, g_free);
	g_clear_pointer(&option->partition_uuid, g_free);
	g_clear_pointer(&option->loader, g_free);
}
