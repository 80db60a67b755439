/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the bytes of machine.json to a manifest that can be relied upon: first what holds in every
 * schema (JSON, schema, digest), then each member by its table, then what they say together.
 */
#include "bundle/manifest.h"

#include "base/error.h"
#include "bundle/manifest-fields.h"

#include <inttypes.h>
#include <string.h>

#define IMAGE_SECTOR  512
#define IMAGE_CLUSTER 65536

/* Where we are, for messages: "disks[0]." before the name of a member. */
struct place {
	const char *prefix;
	const struct field *field;
};

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

/* Fail over the member at @place. */
static void G_GNUC_PRINTF(3, 4)
    refuse(GError **error, const struct place *place, const char *format, ...)
{
	g_autofree char *what = NULL;
	va_list ap;

	va_start(ap, format);
	what = g_strdup_vprintf(format, ap);
	va_end(ap);
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED, MANIFEST_FILE ": %s%s %s",
		    place->prefix, place->field->name, what);
}

static const char *type_name(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "a whole number";
	case JSON_REAL:
		return "a fraction";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a truth value";
	case JSON_NULL:
		return "null";
	}
	g_assert_not_reached();
}

static bool expect(bool ok, const json_t *value, const char *wanted, const struct place *place,
		   GError **error)
{
	if (!ok)
		refuse(error, place, "is %s, not %s", type_name(value), wanted);
	return ok;
}

/* A copy of a string that is one line and not too long. */
static char *read_text(const json_t *value, const struct place *place, GError **error)
{
	g_autofree char *text = NULL;

	if (!expect(json_is_string(value), value, "a string", place, error))
		return NULL;
	if (json_string_length(value) > MANIFEST_MAX_STRING) {
		refuse(error, place, "has %zu bytes, more than %d", json_string_length(value),
		       MANIFEST_MAX_STRING);
		return NULL;
	}
	text = g_strdup(json_string_value(value));
	for (char *at = text; *at; at = g_utf8_next_char(at)) {
		if (g_unichar_iscntrl(g_utf8_get_char(at))) {
			refuse(error, place, "holds the control character 0x%02x",
			       g_utf8_get_char(at));
			return NULL;
		}
	}
	return g_steal_pointer(&text);
}

static bool read_string(const json_t *value, const struct place *place, char **at, GError **error)
{
	const struct field *field = place->field;

	if (field->optional && json_is_null(value))
		return true;
	*at = read_text(value, place, error);
	if (!*at)
		return false;
	if (**at == '\0') {
		refuse(error, place, "is empty");
		return false;
	}
	if (field->valid && !field->valid(*at)) {
		refuse(error, place, "is '%s', not %s", *at, field->wanted);
		return false;
	}
	return true;
}

static bool read_number(const json_t *value, const struct place *place, uint64_t *ret,
			GError **error)
{
	const struct field *field = place->field;
	json_int_t number = json_integer_value(value);

	if (!expect(json_is_integer(value), value, "a whole number", place, error))
		return false;
	if (number < 0 || (uint64_t)number < field->min || (uint64_t)number > field->max) {
		refuse(error, place,
		       "is %" JSON_INTEGER_FORMAT ", not from %" PRIu64 " to %" PRIu64, number,
		       field->min, field->max);
		return false;
	}
	*ret = (uint64_t)number;
	return true;
}

static bool read_enum(const json_t *value, const struct place *place, unsigned int *ret,
		      GError **error)
{
	g_autofree char *text = read_text(value, place, error);

	if (!text)
		return false;
	for (unsigned int i = 0; place->field->names[i]; i++) {
		if (strcmp(place->field->names[i], text) == 0) {
			*ret = i;
			return true;
		}
	}
	refuse(error, place, "is '%s', not %s", text, place->field->wanted);
	return false;
}

static bool read_digest(const json_t *value, const struct place *place, struct digest *ret,
			GError **error)
{
	g_autofree char *text = read_text(value, place, error);

	if (!text)
		return false;
	if (!digest_from_hex(text, ret)) {
		refuse(error, place, "is '%s', not 64 hexadecimal digits", text);
		return false;
	}
	return true;
}

static bool read_members(const json_t *object, const struct record *record, const char *prefix,
			 void *base, GError **error);

static bool read_array(const json_t *value, const struct place *place, GPtrArray *items,
		       GError **error)
{
	const struct field *field = place->field;
	size_t n = json_array_size(value);

	if (!expect(json_is_array(value), value, "an array", place, error))
		return false;
	if (n < field->min || n > field->max) {
		refuse(error, place, "has %zu items, not from %" PRIu64 " to %" PRIu64, n,
		       field->min, field->max);
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		const json_t *member = json_array_get(value, i);
		g_autofree char *name = g_strdup_printf("%s[%zu]", field->name, i);
		g_autofree char *prefix = g_strdup_printf("%s%s.", place->prefix, name);
		const struct field item = { .name = name };
		const struct place here = { place->prefix, &item };
		void *new;

		if (!field->item) {
			new = read_text(member, &here, error);
			if (!new)
				return false;
			g_ptr_array_add(items, new);
			continue;
		}
		if (!expect(json_is_object(member), member, "an object", &here, error))
			return false;
		new = manifest_record_new(field->item);
		g_ptr_array_add(items, new);
		if (!read_members(member, field->item, prefix, new, error))
			return false;
	}
	return true;
}

static bool read_member(json_t *value, const struct place *place, void *at, GError **error)
{
	uint64_t number;

	switch (place->field->kind) {
	case FIELD_STRING:
		return read_string(value, place, at, error);
	case FIELD_NUMBER:
		if (!read_number(value, place, &number, error))
			return false;
		*(unsigned int *)at = (unsigned int)number;
		return true;
	case FIELD_BYTES:
		return read_number(value, place, at, error);
	case FIELD_BOOL:
		*(bool *)at = json_is_true(value);
		return expect(json_is_boolean(value), value, "true or false", place, error);
	case FIELD_ENUM:
		return read_enum(value, place, at, error);
	case FIELD_DIGEST:
		return read_digest(value, place, at, error);
	case FIELD_STRINGS:
	case FIELD_RECORDS:
		return read_array(value, place, *(GPtrArray **)at, error);
	case FIELD_OBJECT:
		if (!expect(json_is_object(value), value, "an object", place, error))
			return false;
		*(json_t **)at = json_incref(value);
		return true;
	}
	g_assert_not_reached();
}

/* Members that are in no table are left alone: a later version may have added them. */
static bool read_members(const json_t *object, const struct record *record, const char *prefix,
			 void *base, GError **error)
{
	for (const struct field *field = record->fields; field->name; field++) {
		const struct place place = { prefix, field };
		json_t *value = json_object_get(object, field->name);

		if (!value && field->later)
			continue;
		if (!value) {
			refuse(error, &place, "is missing");
			return false;
		}
		if (!read_member(value, &place, manifest_field_at(field, base), error))
			return false;
	}
	return true;
}

/* Fail over two members that do not fit. */
static bool G_GNUC_PRINTF(2, 3) nonsense(GError **error, const char *format, ...)
{
	g_autofree char *what = NULL;
	va_list ap;

	va_start(ap, format);
	what = g_strdup_vprintf(format, ap);
	va_end(ap);
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED, MANIFEST_FILE ": %s", what);
	return false;
}

static uint64_t round_up(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) / unit * unit; /* far from wrapping: sizes end at 2 PiB */
}

static bool check_volumes(size_t index, const struct manifest_disk *disk, GError **error)
{
	for (size_t i = 0; i < disk->volumes->len; i++) {
		const struct manifest_volume *volume = g_ptr_array_index(disk->volumes, i);

		if (volume->offset > disk->size || volume->size > disk->size - volume->offset)
			return nonsense(error,
					"disks[%zu].volumes[%zu] of %" PRIu64 " bytes at %" PRIu64
					" lies beyond the disk of %" PRIu64 " bytes",
					index, i, volume->size, volume->offset, disk->size);
	}
	return true;
}

/* They ascend, and none touches the next. */
static bool check_gaps(size_t index, const struct manifest_disk *disk, GError **error)
{
	uint64_t end = 0; /* of the one before */

	for (size_t i = 0; i < disk->unreadable->len; i++) {
		const struct manifest_gap *gap = g_ptr_array_index(disk->unreadable, i);

		if (gap->offset > disk->size || gap->length > disk->size - gap->offset ||
		    (i > 0 && gap->offset <= end))
			return nonsense(error,
					"disks[%zu].unreadable[%zu] of %" PRIu64
					" bytes at %" PRIu64 " lies beyond the disk of %" PRIu64
					" bytes, or not behind the one before",
					index, i, gap->length, gap->offset, disk->size);
		end = gap->offset + gap->length;
	}
	return true;
}

static bool check_disk(size_t index, const struct manifest_disk *disk, const Manifest *manifest,
		       GError **error)
{
	size_t stem = strcspn(disk->image, ".");
	bool summed = false;

	if (disk->sector_size != 512 && disk->sector_size != 4096)
		return nonsense(error, "disks[%zu].sector_size is %" PRIu32 ", not 512 or 4096",
				index, disk->sector_size);
	if (disk->sector_size == 4096 && disk->bus == MANIFEST_BUS_SATA)
		return nonsense(error, "disks[%zu] has sectors of 4096 bytes, but bus sata has not",
				index);
	if (disk->used > round_up(disk->size, IMAGE_CLUSTER))
		return nonsense(error, "disks[%zu].used is %" PRIu64 " of %" PRIu64 " bytes", index,
				disk->used, disk->size);
	if (strncmp(disk->sums, disk->image, stem + 1) != 0)
		return nonsense(error, "disks[%zu] has image '%s', but sums '%s'", index,
				disk->image, disk->sums);

	for (size_t i = 0; i < manifest->files->len; i++) {
		const struct manifest_file *file = g_ptr_array_index(manifest->files, i);

		if (strcmp(file->name, disk->sums) == 0)
			summed = true;
	}
	if (!summed)
		return nonsense(error, "disks[%zu].sums '%s' is not among the files", index,
				disk->sums);
	return check_volumes(index, disk, error) && check_gaps(index, disk, error);
}

/* No image twice, and the boot orders are 1, 2 ... in some order. */
static bool check_disks(const Manifest *manifest, GError **error)
{
	const GPtrArray *disks = manifest->disks;

	for (size_t i = 0; i < disks->len; i++) {
		const struct manifest_disk *disk = g_ptr_array_index(disks, i);

		if (!check_disk(i, disk, manifest, error))
			return false;
		if (disk->boot_order > disks->len)
			return nonsense(error, "disks[%zu].boot_order is %u with %u disks", i,
					disk->boot_order, disks->len);
		for (size_t j = 0; j < i; j++) {
			const struct manifest_disk *other = g_ptr_array_index(disks, j);

			if (disk->boot_order == other->boot_order)
				return nonsense(error,
						"disks[%zu] and disks[%zu] both have boot_order %u",
						j, i, disk->boot_order);
			if (strcmp(disk->image, other->image) == 0)
				return nonsense(error,
						"disks[%zu] and disks[%zu] both have image '%s'", j,
						i, disk->image);
		}
	}
	return true;
}

static bool check_files(const GPtrArray *files, GError **error)
{
	g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal); /* borrowed */

	for (size_t i = 0; i < files->len; i++) {
		const struct manifest_file *file = g_ptr_array_index(files, i);

		if (!g_hash_table_add(names, file->name))
			return nonsense(error, "files[%zu].name '%s' is there twice", i,
					file->name);
	}
	return true;
}

static bool check_machine(const Manifest *m, GError **error)
{
	uint64_t cpus = (uint64_t)m->sockets * m->cores; /* at most 4096 each */

	if (cpus * m->threads > 4096)
		return nonsense(error, "%u sockets of %u cores of %u threads are more than 4096",
				m->sockets, m->cores, m->threads);
	if (m->memory % (UINT64_C(1) << 20) != 0)
		return nonsense(error, "memory is %" PRIu64 ", not a multiple of 1048576",
				m->memory);
	if (m->secure_boot && m->firmware != MANIFEST_FIRMWARE_UEFI)
		return nonsense(error, "secure_boot is true, but firmware is bios");
	return check_disks(m, error) && check_files(m->files, error);
}

/*
 * How many values @text has at most, were it JSON.  Each takes up to 300 bytes of memory, and 16
 * MiB of "{}," would take 1.3 GB.
 */
static size_t count_values(const char *text, size_t len)
{
	bool in_string = false;
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"')
			in_string = !in_string;
		else if (in_string && text[i] == '\\')
			i++; /* what it escapes ends no string */
		else if (!in_string && (text[i] == ',' || text[i] == '[' || text[i] == '{'))
			n++;
	}
	return n;
}

static json_t *load(const char *text, size_t len, GError **error)
{
	g_autofree char *words = NULL;
	json_error_t why;
	json_t *root;

	if (len > MANIFEST_MAX_BYTES) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    MANIFEST_FILE " has %zu bytes, more than %" PRIu64, len,
			    MANIFEST_MAX_BYTES);
		return NULL;
	}
	if (count_values(text, len) > MANIFEST_MAX_VALUES) {
		(void)nonsense(error, "has more than %d values", MANIFEST_MAX_VALUES);
		return NULL;
	}
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	if (root)
		return root;

	words = manifest_clean_text(why.text); /* it quotes the file */
	if (json_error_code(&why) == json_error_stack_overflow)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    MANIFEST_FILE " is nested too deep: more than %d levels at line %d",
			    JSON_PARSER_MAX_DEPTH, why.line);
	else
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    MANIFEST_FILE " is no JSON: line %d: %s", why.line, words);
	return NULL;
}

/* Byte for byte what we would write, so that no change in the trailer itself goes unseen. */
static bool check_digest(const char *text, size_t len, GError **error)
{
	const size_t head = strlen(MANIFEST_DIGEST_HEAD), tail = strlen(MANIFEST_DIGEST_TAIL);
	const size_t size = head + 2 * DIGEST_SIZE + tail;
	g_autofree char *found = NULL, *want = NULL, *hex = NULL;
	struct digest written, real;
	const char *trailer;

	if (len < size)
		return nonsense(error, "does not end with its digest");
	trailer = text + len - size;
	found = g_strndup(trailer + head, 2 * DIGEST_SIZE);
	real = digest_of(text, len - size);
	want = manifest_trailer(&real);
	if (memcmp(trailer, want, size) == 0)
		return true;

	if (memcmp(trailer, want, head) != 0 ||
	    memcmp(trailer + size - tail, MANIFEST_DIGEST_TAIL, tail) != 0 ||
	    !digest_from_hex(found, &written))
		return nonsense(error, "does not end with its digest");
	hex = digest_to_hex(&real);
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    MANIFEST_FILE " was altered: its digest is %s, its bytes make %s", found, hex);
	return false;
}

/* What every schema has; a newer one is told apart before anything else of it is looked at. */
static bool check_envelope(const json_t *root, const char *text, size_t len, GError **error)
{
	const json_t *schema = json_object_get(root, "schema");
	const char *format;

	if (!json_is_object(root))
		return nonsense(error, "is %s, not an object", type_name(root));
	if (json_integer_value(schema) > MANIFEST_SCHEMA) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    MANIFEST_FILE " is of a newer version: schema %" JSON_INTEGER_FORMAT
					  ", this program knows up to %d",
			    json_integer_value(schema), MANIFEST_SCHEMA);
		return false;
	}
	if (!check_digest(text, len, error))
		return false;

	format = json_string_value(json_object_get(root, "format"));
	if (g_strcmp0(format, MANIFEST_FORMAT) != 0)
		return nonsense(error, "format is not '%s'", MANIFEST_FORMAT);
	if (json_integer_value(schema) != MANIFEST_SCHEMA)
		return nonsense(error, "schema is not %d", MANIFEST_SCHEMA);
	return true;
}

Manifest *manifest_parse(const char *text, size_t len, GError **error)
{
	g_autoptr(json_t) root = load(text, len, error);
	g_autoptr(Manifest) manifest = NULL;

	if (!root || !check_envelope(root, text, len, error))
		return NULL;

	manifest = manifest_new();
	if (!read_members(root, &manifest_record, "", manifest, error) ||
	    !check_machine(manifest, error))
		return NULL;
	return g_steal_pointer(&manifest);
}
