/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the members of machine.json are, and writing them.  The order in the file is that of the
 * tables; reading is in manifest-parse.c.
 */
#include "bundle/manifest.h"

#include "bundle/bundle.h"
#include "bundle/manifest-fields.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DISK   (UINT64_C(1) << 51)
#define MAX_FILE   (UINT64_C(1) << 53)
#define MAX_MEMORY (UINT64_C(64) << 40)
#define MAX_ITEMS  256

static const char *const firmware_names[] = {
	[MANIFEST_FIRMWARE_BIOS] = "bios",
	[MANIFEST_FIRMWARE_UEFI] = "uefi",
	NULL,
};

static const char *const bus_names[] = {
	[MANIFEST_BUS_SATA] = "sata",
	[MANIFEST_BUS_VIRTIO] = "virtio",
	[MANIFEST_BUS_VIRTIO_SCSI] = "virtio-scsi",
	[MANIFEST_BUS_LSISAS1068] = "lsisas1068",
	[MANIFEST_BUS_LSISAS1078] = "lsisas1078",
	NULL,
};

/* FIELD_ENUM is stored as an unsigned int. */
static_assert(sizeof(enum manifest_bus) == sizeof(unsigned int), "an enum of another size");

/*
 * Whether @text follows @pattern: '9' is a digit, 'x' a lower-case hexadecimal one, anything else
 * stands for itself.
 */
static bool follows(const char *text, const char *pattern)
{
	for (; *pattern; text++, pattern++) {
		if (*pattern == '9'   ? !g_ascii_isdigit(*text)
		    : *pattern == 'x' ? !g_ascii_isxdigit(*text) || g_ascii_isupper(*text)
				      : *text != *pattern)
			return false;
	}
	return !*text;
}

static bool is_uuid(const char *text)
{
	return follows(text, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
}

static bool is_time(const char *text)
{
	g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(text, NULL);

	return time && g_str_has_suffix(text, "Z");
}

static bool is_table(const char *text)
{
	return strcmp(text, "gpt") == 0 || strcmp(text, "mbr") == 0 || strcmp(text, "none") == 0;
}

static bool is_partition_type(const char *text)
{
	return is_uuid(text) || (g_str_has_prefix(text, "0x") && follows(text + 2, "xx"));
}

/* Not of a group, which no NIC has, and not the one that means "none". */
static bool is_mac(const char *text)
{
	return follows(text, "xx:xx:xx:xx:xx:xx") && g_ascii_xdigit_value(text[1]) % 2 == 0 &&
	       strcmp(text, "00:00:00:00:00:00") != 0;
}

static bool is_nic_model(const char *text)
{
	static const char *const known[] = { "virtio", "e1000e", "e1000", "rtl8139", NULL };

	return g_strv_contains(known, text);
}

/* "disk-N" and @suffix, N without leading zeros. */
static bool is_disk_file(const char *text, const char *suffix)
{
	size_t n;

	if (!g_str_has_prefix(text, "disk-"))
		return false;
	text += strlen("disk-");
	n = strspn(text, "0123456789");
	return n >= 1 && n <= 3 && (n == 1 || *text != '0') && strcmp(text + n, suffix) == 0;
}

static bool is_image(const char *text)
{
	return is_disk_file(text, ".qcow2");
}

static bool is_sums(const char *text)
{
	return is_disk_file(text, ".sums");
}

static bool is_file(const char *text)
{
	return is_sums(text) || strcmp(text, "domain.xml") == 0 || strcmp(text, "capture.log") == 0;
}

static void free_volume(void *volume);
static void free_gap(void *gap);
static void free_disk(void *disk);
static void free_layer_volume(void *volume);
static void free_nic(void *nic);
static void free_file(void *file);
static void free_manifest(void *manifest);

#define AT(m)                    .name = #m, .offset = offsetof(STRUCT, m)
#define TEXT(m)                  AT(m), .kind = FIELD_STRING
#define FORM(m, valid_, words)   TEXT(m), .valid = valid_, .wanted = words
#define BYTES(m, low, high)      AT(m), .kind = FIELD_BYTES, .min = low, .max = high
#define NUMBER(m, low, high)     AT(m), .kind = FIELD_NUMBER, .min = low, .max = high
#define FLAG(m)                  AT(m), .kind = FIELD_BOOL
#define ENUM(m, names_, words)   AT(m), .kind = FIELD_ENUM, .names = names_, .wanted = words
#define DIGEST(m)                AT(m), .kind = FIELD_DIGEST
#define STRINGS(m, high)         AT(m), .kind = FIELD_STRINGS, .max = high
#define RECORDS(m, i, low, high) AT(m), .kind = FIELD_RECORDS, .item = &i, .min = low, .max = high
#define OBJECT(m)                AT(m), .kind = FIELD_OBJECT
#define OR_NULL                  .optional = true
#define LATER                    .later = true

#define STRUCT struct manifest_volume
static const struct field volume_fields[] = {
	{ NUMBER(number, 0, UINT32_MAX) },
	{ BYTES(offset, 0, MAX_DISK) },
	{ BYTES(size, 1, MAX_DISK) },
	{ BYTES(used, 0, MAX_DISK) },
	{ FORM(type, is_partition_type, "of the form 0x83 or a GUID in lower case"), OR_NULL },
	{ TEXT(content), OR_NULL },
	{ TEXT(uuid), OR_NULL, LATER },
	{ TEXT(how) },
	{ NULL },
};
static const struct record volume_record = { sizeof(STRUCT), volume_fields, free_volume };
#undef STRUCT

#define STRUCT struct manifest_gap
static const struct field gap_fields[] = {
	{ BYTES(offset, 0, MAX_DISK) },
	{ BYTES(length, 1, MAX_DISK) },
	{ STRINGS(files, MANIFEST_MAX_GAP_FILES), LATER },
	{ NULL },
};
static const struct record gap_record = { sizeof(STRUCT), gap_fields, free_gap };
#undef STRUCT

#define STRUCT struct manifest_disk
static const struct field disk_fields[] = {
	{ TEXT(path) },
	{ TEXT(wwn), OR_NULL },
	{ TEXT(serial), OR_NULL },
	{ TEXT(model), OR_NULL },
	{ BYTES(size, 1, MAX_DISK) },
	{ NUMBER(sector_size, 512, 4096) },
	{ FORM(table, is_table, "gpt, mbr or none") },
	{ TEXT(table_id), OR_NULL, LATER },
	{ BYTES(used, 0, MAX_DISK) },
	{ RECORDS(volumes, volume_record, 0, 4096) },
	{ RECORDS(unreadable, gap_record, 0, MANIFEST_MAX_GAPS) },
	{ NUMBER(boot_order, 1, MAX_ITEMS) },
	{ ENUM(bus, bus_names, "sata, virtio, virtio-scsi, lsisas1068 or lsisas1078") },
	{ TEXT(bus_reason) },
	{ TEXT(driver), OR_NULL },
	{ FORM(image, is_image, "of the form disk-N.qcow2") },
	{ BYTES(image_size, 1, MAX_FILE) },
	{ FORM(sums, is_sums, "of the form disk-N.sums") },
	{ NULL },
};
static const struct record disk_record = { sizeof(STRUCT), disk_fields, free_disk };
#undef STRUCT

#define STRUCT struct manifest_layer_volume
static const struct field layer_volume_fields[] = {
	{ TEXT(layer) },
	{ TEXT(name) },
	{ BYTES(size, 0, MAX_FILE) },
	{ BYTES(used, 0, MAX_FILE) },
	{ TEXT(content), OR_NULL },
	{ TEXT(how) },
	{ NULL },
};
static const struct record layer_volume_record = {
	sizeof(STRUCT),
	layer_volume_fields,
	free_layer_volume,
};
#undef STRUCT

#define STRUCT struct manifest_nic
static const struct field nic_fields[] = {
	{ TEXT(name) },
	{ FORM(mac, is_mac, "the MAC address of one NIC, in lower case") },
	{ FORM(model, is_nic_model, "virtio, e1000e, e1000 or rtl8139") },
	{ NULL },
};
static const struct record nic_record = { sizeof(STRUCT), nic_fields, free_nic };
#undef STRUCT

#define STRUCT struct manifest_file
static const struct field file_fields[] = {
	{ FORM(name, is_file, "domain.xml, capture.log or of the form disk-N.sums") },
	{ BYTES(size, 0, MAX_FILE) },
	{ DIGEST(digest) },
	{ NULL },
};
static const struct record file_record = { sizeof(STRUCT), file_fields, free_file };
#undef STRUCT

#define STRUCT Manifest
static const struct field manifest_fields[] = {
	{ FORM(id, is_uuid, "a UUID in lower case") },
	{ NUMBER(generation, 1, UINT32_MAX) },
	{ FORM(name, bundle_name_valid, "a name of letters, digits, '.', '_' and '-'") },
	{ FORM(created, is_time, "a time of ISO 8601 in UTC") },
	{ TEXT(tool) },
	{ FORM(uuid, is_uuid, "a UUID in lower case"), OR_NULL },
	{ ENUM(firmware, firmware_names, "bios or uefi") },
	{ FLAG(secure_boot) },
	{ FLAG(rtc_local) },
	{ BYTES(memory, UINT64_C(1) << 20, MAX_MEMORY) },
	{ NUMBER(sockets, 1, 4096) },
	{ NUMBER(cores, 1, 4096) },
	{ NUMBER(threads, 1, 4096) },
	{ RECORDS(disks, disk_record, 1, MAX_ITEMS) },
	{ RECORDS(volumes, layer_volume_record, 0, 65536) },
	{ RECORDS(nics, nic_record, 0, MAX_ITEMS) },
	{ RECORDS(files, file_record, 0, 2 * MAX_ITEMS) },
	{ STRINGS(warnings, 65536) },
	{ OBJECT(facts) },
	{ NULL },
};
const struct record manifest_record = { sizeof(STRUCT), manifest_fields, free_manifest };
#undef STRUCT

void *manifest_field_at(const struct field *field, void *base)
{
	return (char *)base + field->offset;
}

void *manifest_record_new(const struct record *record)
{
	void *base = g_malloc0(record->size);

	for (const struct field *field = record->fields; field->name; field++) {
		GPtrArray **array = manifest_field_at(field, base);

		if (field->kind == FIELD_STRINGS)
			*array = g_ptr_array_new_with_free_func(g_free);
		else if (field->kind == FIELD_RECORDS)
			*array = g_ptr_array_new_with_free_func(field->item->free);
	}
	return base;
}

static void record_free(const struct record *record, void *base)
{
	if (!base)
		return;
	for (const struct field *field = record->fields; field->name; field++) {
		void *at = manifest_field_at(field, base);

		switch (field->kind) {
		case FIELD_STRING:
			g_free(*(char **)at);
			break;
		case FIELD_STRINGS:
		case FIELD_RECORDS:
			g_ptr_array_unref(*(GPtrArray **)at);
			break;
		case FIELD_OBJECT:
			json_decref(*(json_t **)at);
			break;
		case FIELD_NUMBER:
		case FIELD_BYTES:
		case FIELD_BOOL:
		case FIELD_ENUM:
		case FIELD_DIGEST:
			break;
		}
	}
	g_free(base);
}

static void free_volume(void *volume)
{
	record_free(&volume_record, volume);
}

static void free_gap(void *gap)
{
	record_free(&gap_record, gap);
}

static void free_disk(void *disk)
{
	record_free(&disk_record, disk);
}

static void free_layer_volume(void *volume)
{
	record_free(&layer_volume_record, volume);
}

static void free_nic(void *nic)
{
	record_free(&nic_record, nic);
}

static void free_file(void *file)
{
	record_free(&file_record, file);
}

static void free_manifest(void *manifest)
{
	record_free(&manifest_record, manifest);
}

/* A new item, already in @array, which owns it. */
static void *add(GPtrArray *array, const struct record *record)
{
	void *item = manifest_record_new(record);

	g_ptr_array_add(array, item);
	return item;
}

Manifest *manifest_new(void)
{
	return manifest_record_new(&manifest_record);
}

struct manifest_disk *manifest_add_disk(Manifest *manifest)
{
	return add(manifest->disks, &disk_record);
}

struct manifest_volume *manifest_add_volume(struct manifest_disk *disk)
{
	return add(disk->volumes, &volume_record);
}

struct manifest_gap *manifest_add_gap(struct manifest_disk *disk)
{
	return add(disk->unreadable, &gap_record);
}

struct manifest_layer_volume *manifest_add_layer_volume(Manifest *manifest)
{
	return add(manifest->volumes, &layer_volume_record);
}

struct manifest_nic *manifest_add_nic(Manifest *manifest)
{
	return add(manifest->nics, &nic_record);
}

struct manifest_file *manifest_set_file(Manifest *manifest, const char *name)
{
	struct manifest_file *file;

	for (size_t i = 0; i < manifest->files->len; i++) {
		file = g_ptr_array_index(manifest->files, i);
		if (strcmp(file->name, name) == 0)
			return file;
	}
	file = add(manifest->files, &file_record);
	file->name = g_strdup(name);
	return file;
}

const char *manifest_bus_name(enum manifest_bus bus)
{
	return bus_names[bus];
}

char *manifest_clean_text(const char *text)
{
	g_autofree char *valid = g_utf8_make_valid(text, -1);
	GString *clean = g_string_new(NULL);

	for (char *at = valid; *at; at = g_utf8_next_char(at)) {
		gunichar c = g_utf8_get_char(at);
		char bytes[6];

		if (g_unichar_iscntrl(c))
			c = 0xfffd; /* as for what is no UTF-8 */
		if (clean->len + (size_t)g_unichar_to_utf8(c, bytes) > MANIFEST_MAX_STRING)
			break;
		g_string_append_unichar(clean, c);
	}
	return g_string_free(clean, false);
}

/* null for NULL. */
static json_t *text_to_json(const char *text)
{
	g_autofree char *clean = text ? manifest_clean_text(text) : NULL;

	return clean ? json_string(clean) : json_null();
}

static json_t *record_to_json(const struct record *record, const void *base);

static json_t *array_to_json(const struct field *field, const GPtrArray *items)
{
	json_t *array = json_array();

	for (size_t i = 0; i < items->len; i++) {
		const void *item = g_ptr_array_index(items, i);

		(void)json_array_append_new(array, field->item ? record_to_json(field->item, item)
							       : text_to_json(item));
	}
	return array;
}

static json_t *field_to_json(const struct field *field, const void *at)
{
	g_autofree char *hex = NULL;
	json_t *object;

	switch (field->kind) {
	case FIELD_STRING:
		return text_to_json(*(char *const *)at);
	case FIELD_NUMBER:
		return json_integer(*(const unsigned int *)at);
	case FIELD_BYTES:
		return json_integer((json_int_t) * (const uint64_t *)at);
	case FIELD_BOOL:
		return json_boolean(*(const bool *)at);
	case FIELD_ENUM:
		return json_string(field->names[*(const unsigned int *)at]);
	case FIELD_DIGEST:
		hex = digest_to_hex(at);
		return json_string(hex);
	case FIELD_STRINGS:
	case FIELD_RECORDS:
		return array_to_json(field, *(GPtrArray *const *)at);
	case FIELD_OBJECT:
		object = *(json_t *const *)at;
		return object ? json_incref(object) : json_object();
	}
	g_assert_not_reached();
}

/* Adds the members of the struct at @base to @object. */
static void add_members(json_t *object, const struct record *record, const void *base)
{
	for (const struct field *field = record->fields; field->name; field++) {
		const void *at = (const char *)base + field->offset;

		(void)json_object_set_new(object, field->name, field_to_json(field, at));
	}
}

static json_t *record_to_json(const struct record *record, const void *base)
{
	json_t *object = json_object();

	add_members(object, record, base);
	return object;
}

char *manifest_trailer(const struct digest *digest)
{
	g_autofree char *hex = digest_to_hex(digest);

	return g_strconcat(MANIFEST_DIGEST_HEAD, hex, MANIFEST_DIGEST_TAIL, NULL);
}

char *manifest_serialize(const Manifest *manifest, size_t *ret_len)
{
	g_autofree char *trailer = NULL;
	json_t *root = json_object();
	struct digest digest;
	GString *text;
	char *dump;

	(void)json_object_set_new(root, "format", json_string(MANIFEST_FORMAT));
	(void)json_object_set_new(root, "schema", json_integer(MANIFEST_SCHEMA));
	add_members(root, &manifest_record, manifest);
	dump = json_dumps(root, JSON_INDENT(2));
	json_decref(root);
	g_assert(dump && g_str_has_suffix(dump, "\n}"));

	text = g_string_new_len(dump, (gssize)strlen(dump) - (gssize)strlen("\n}"));
	free(dump);
	g_string_append(text, ",\n");
	digest = digest_of(text->str, text->len);
	trailer = manifest_trailer(&digest);
	g_string_append(text, trailer);

	*ret_len = text->len;
	return g_string_free(text, false);
}

void manifest_free(Manifest *manifest)
{
	record_free(&manifest_record, manifest);
}
