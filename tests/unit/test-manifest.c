/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A manifest that is right, then one thing wrong with it at a time; and docs/bundle.md against the
 * members that are really written.
 */
#include "unit.h"

#include "corpus.h"
#include "manifest-sample.h"

#include <inttypes.h>

static char *serialize_sample(size_t *ret_len)
{
	g_autoptr(Manifest) manifest = sample_manifest();

	return manifest_serialize(manifest, ret_len);
}

/* Puts @json (NULL: nothing) in place of the member at @path: "disks.0.size". */
static void edit(json_t *root, const char *path, const char *json)
{
	g_auto(GStrv) steps = g_strsplit(path, ".", -1);
	size_t last = g_strv_length(steps) - 1;
	json_t *value = json ? json_loads(json, JSON_DECODE_ANY, NULL) : NULL;

	assert_true(value || !json);
	for (size_t i = 0; i < last; i++)
		root = json_is_array(root) ? json_array_get(root, (size_t)atoi(steps[i]))
					   : json_object_get(root, steps[i]);
	assert_non_null(root);
	if (json_is_array(root) && json_array_size(root) == (size_t)atoi(steps[last]))
		assert_int_equal(json_array_append_new(root, value), 0);
	else if (json_is_array(root))
		assert_int_equal(json_array_set_new(root, (size_t)atoi(steps[last]), value), 0);
	else if (json)
		assert_int_equal(json_object_set_new(root, steps[last], value), 0);
	else
		assert_int_equal(json_object_del(root, steps[last]), 0);
}

/* The sample with one or two members edited, and the digest that belongs to it. */
static char *edited_sample(const char *path, const char *json, const char *path2, const char *json2,
			   size_t *ret_len)
{
	g_autofree char *text = serialize_sample(ret_len);
	json_t *root = json_loadb(text, *ret_len, 0, NULL);
	char *dump, *sealed;

	edit(root, path, json);
	if (path2)
		edit(root, path2, json2);
	assert_int_equal(json_object_del(root, "digest"), 0);
	dump = json_dumps(root, JSON_INDENT(2));
	strcpy(dump + strlen(dump) - 2, ",\n"); /* for the "\n}" */
	sealed = sample_seal(dump, strlen(dump), ret_len);
	free(dump);
	json_decref(root);
	return sealed;
}

static void test_round_trip(void **state)
{
	g_autoptr(Manifest) manifest = NULL;
	g_autofree char *text = NULL, *again = NULL;
	g_autoptr(GError) error = NULL;
	size_t len, len2;

	text = serialize_sample(&len);
	manifest = manifest_parse(text, len, &error);
	assert_ok(manifest, error);
	again = manifest_serialize(manifest, &len2);
	assert_string_equal(again, text);
	assert_int_equal(len2, len);
	assert_int_equal(len, strlen(text));

	/* Not only what goes back, but where it is in between. */
	const struct manifest_disk *disk = g_ptr_array_index(manifest->disks, 0);
	const struct manifest_volume *volume = g_ptr_array_index(disk->volumes, 0);
	const struct manifest_nic *nic = g_ptr_array_index(manifest->nics, 0);

	assert_string_equal(manifest->name, "web1");
	assert_int_equal(manifest->threads, 2);
	assert_int_equal(disk->size, 1000204886016);
	assert_int_equal(disk->sector_size, 512);
	assert_int_equal(disk->bus, MANIFEST_BUS_LSISAS1078);
	assert_string_equal(disk->model, "Platte für alles");
	assert_int_equal(volume->used, 123456789);
	assert_string_equal(nic->mac, "52:54:00:12:34:56");
	assert_string_equal(g_ptr_array_index(manifest->warnings, 0),
			    "/dev/sdb: 3 sectors could not be read");
	assert_true(json_is_null(json_object_get(manifest->facts, "hostname")));
}

/* A member, what stands there instead, and the words about it. */
static const struct {
	const char *path, *json, *words;
} refused[] = {
	{ "format", "\"zip\"", "format is not 'wherry-bundle'" },
	{ "format", NULL, "format is not" },
	{ "schema", "0", "schema is not 1" },
	{ "schema", "\"1\"", "schema is not 1" },
	{ "schema", NULL, "schema is not 1" },
	{ "id", NULL, "id is missing" },
	{ "id", "null", "id is null, not a string" },
	{ "id", "\"0A6B1C5E-94f7-4c7e-8a3b-2f0d3b1f6a77\"", "not a UUID in lower case" },
	{ "id", "\"0a6b1c5e-94f7-4c7e-8a3b-2f0d3b1f6a7\"", "not a UUID" },
	{ "id", "\"0a6b1c5e-94f7-4c7e-8a3b-2f0d3b1f6a777\"", "not a UUID" },
	{ "generation", "0", "generation is 0, not from 1 to 4294967295" },
	{ "generation", "4294967296", "generation is 4294967296, not from 1" },
	{ "name", "\"../etc\"", "name is '../etc', not a name of letters" },
	{ "name", "\"\"", "name is empty" },
	{ "name", "7", "name is a whole number, not a string" },
	{ "created", "\"yesterday\"", "created is 'yesterday', not a time" },
	{ "created", "\"2026-11-21T21:54:53+01\"", "not a time of ISO 8601 in UTC" },
	{ "tool", "\"a\\u001bb\"", "tool holds the control character 0x1b" },
	{ "tool", "\"a\\nb\"", "tool holds the control character 0x0a" },
	{ "uuid", "\"x\"", "uuid is 'x'" },
	{ "uuid", NULL, "uuid is missing" },
	{ "firmware", "\"coreboot\"", "firmware is 'coreboot', not bios or uefi" },
	{ "firmware", "1", "firmware is a whole number" },
	{ "secure_boot", "1", "secure_boot is a whole number, not true or false" },
	{ "secure_boot", "true", "secure_boot is true, but firmware is bios" },
	{ "rtc_local", "null", "rtc_local is null" },
	{ "memory", "1048575", "memory is 1048575, not from 1048576 to 70368744177664" },
	{ "memory", "1048577", "memory is 1048577, not a multiple" },
	{ "memory", "70368745226240", "memory is 70368745226240, not from" },
	{ "memory", "1048576.0", "memory is a fraction" },
	{ "sockets", "0", "sockets is 0" },
	{ "cores", "-1", "cores is -1, not from 1 to 4096" },
	{ "cores", "1025", "2 sockets of 1025 cores of 2 threads are more than 4096" },
	{ "threads", "4097", "threads is 4097" },
	{ "disks", "[]", "disks has 0 items, not from 1 to 256" },
	{ "disks", "{}", "disks is an object, not an array" },
	{ "disks.0", "null", "disks[0] is null, not an object" },
	{ "disks.0.path", "null", "disks[0].path is null" },
	{ "disks.0.wwn", "false", "disks[0].wwn is a truth value, not a string" },
	{ "disks.0.serial", "\"\"", "disks[0].serial is empty" },
	{ "disks.0.model", "[]", "disks[0].model is an array" },
	{ "disks.0.size", "0", "disks[0].size is 0" },
	{ "disks.0.size", "-512", "disks[0].size is -512" },
	{ "disks.0.size", "2251799813685249", "not from 1 to 2251799813685248" },
	{ "disks.0.size", "\"1\"", "disks[0].size is a string, not a whole number" },
	{ "disks.0.size", "1000204886015", "volumes[0] of 1000203837440 bytes at 1048576 lies" },
	{ "disks.0.sector_size", "1024", "disks[0].sector_size is 1024, not 512 or 4096" },
	{ "disks.0.sector_size", "8192", "disks[0].sector_size is 8192" },
	{ "disks.0.table", "\"apm\"", "disks[0].table is 'apm', not gpt, mbr or none" },
	{ "disks.0.used", "1000204951553", "disks[0].used is 1000204951553 of" },
	{ "disks.0.volumes", "null", "disks[0].volumes is null" },
	{ "disks.0.volumes.0.number", "true", "disks[0].volumes[0].number is a truth" },
	{ "disks.0.volumes.0.offset", "1048577", "lies beyond the disk of 1000204886016" },
	{ "disks.0.volumes.0.offset", "2251799813685248", "lies beyond the disk" },
	{ "disks.0.volumes.0.offset", "9223372036854775807", "offset is 9223372036854775807" },
	{ "disks.0.volumes.0.offset", "9223372036854775808", "is no JSON: line" },
	{ "disks.0.volumes.0.size", "0", "volumes[0].size is 0" },
	{ "disks.0.volumes.0.used", "-1", "volumes[0].used is -1" },
	{ "disks.0.volumes.0.type", "\"83\"", "volumes[0].type is '83', not of the form" },
	{ "disks.0.volumes.0.type", "\"0x8\"", "volumes[0].type is '0x8'" },
	{ "disks.0.volumes.0.type", "\"0XEE\"", "volumes[0].type is '0XEE'" },
	{ "disks.0.volumes.0.content", "5", "volumes[0].content is" },
	{ "disks.0.unreadable", "null", "disks[0].unreadable is null" },
	{ "disks.0.unreadable.0.length", "0", "unreadable[0].length is 0" },
	{ "disks.0.unreadable.0.length", "1000204881921",
	  "unreadable[0] of 1000204881921 bytes at" },
	{ "disks.0.unreadable.0.offset", "1000204886016", "lies beyond the disk" },
	{ "disks.0.unreadable",
	  "[{\"offset\": 0, \"length\": 512}, {\"offset\": 512, \"length\": 1}]",
	  "not behind the one before" },
	{ "disks.0.volumes.0.how", NULL, "volumes[0].how is missing" },
	{ "disks.0.boot_order", "0", "disks[0].boot_order is 0" },
	{ "disks.0.boot_order", "2", "disks[0].boot_order is 2 with 1 disks" },
	{ "disks.0.bus", "\"ide\"", "disks[0].bus is 'ide', not sata, virtio" },
	{ "disks.0.bus_reason", NULL, "disks[0].bus_reason is missing" },
	{ "disks.0.driver", "{}", "disks[0].driver is an object" },
	{ "disks.0.image", "\"/etc/shadow\"", "disks[0].image is '/etc/shadow', not of the form" },
	{ "disks.0.image", "\"../disk-0.qcow2\"", "image is '../disk-0.qcow2'" },
	{ "disks.0.image", "\"disk-0.qcow2/x\"", "image is 'disk-0.qcow2/x'" },
	{ "disks.0.image", "\"disk-.qcow2\"", "image is 'disk-.qcow2'" },
	{ "disks.0.image", "\"disk-00.qcow2\"", "image is 'disk-00.qcow2'" },
	{ "disks.0.image", "\"disk-1000.qcow2\"", "image is 'disk-1000.qcow2'" },
	{ "disks.0.image", "\"disk-1.qcow2\"", "disks[0] has image 'disk-1.qcow2', but sums" },
	{ "disks.0.image_size", "0", "disks[0].image_size is 0" },
	{ "disks.0.sums", "\"disk-0.qcow2\"", "not of the form disk-N.sums" },
	{ "disks.0.sums", "\"..\"", "disks[0].sums is '..'" },
	{ "volumes", NULL, "volumes is missing" },
	{ "volumes.0.layer", "7", "volumes[0].layer is" },
	{ "volumes.0.used", "-1", "volumes[0].used is -1" },
	{ "nics.0.name", NULL, "nics[0].name is missing" },
	{ "nics.0.mac", "\"52:54:00:12:34:5G\"", "nics[0].mac is '52:54:00:12:34:5G'" },
	{ "nics.0.mac", "\"52:54:00:12:34:AB\"", "in lower case" },
	{ "nics.0.mac", "\"52-54-00-12-34-56\"", "nics[0].mac is" },
	{ "nics.0.mac", "\"53:54:00:12:34:56\"", "not the MAC address of one NIC" },
	{ "nics.0.mac", "\"00:00:00:00:00:00\"", "not the MAC address of one NIC" },
	{ "nics.0.model", "\"ne2k_pci\"", "nics[0].model is 'ne2k_pci', not virtio" },
	{ "files", "[]", "disks[0].sums 'disk-0.sums' is not among the files" },
	{ "files.0.name", "\"/domain.xml\"", "files[0].name is '/domain.xml'" },
	{ "files.0.name", "\"a/../domain.xml\"", "files[0].name is 'a/../domain.xml'" },
	{ "files.0.name", "\"machine.json\"", "files[0].name is 'machine.json'" },
	{ "files.0.name", "\"domain.xml\\u0000\"", "is no JSON" },
	{ "files.0.size", "null", "files[0].size is null" },
	{ "files.0.digest", "\"00\"", "files[0].digest is '00', not 64" },
	{ "warnings", "\"none\"", "warnings is a string, not an array" },
	{ "warnings.0", "7", "warnings[0] is a whole number" },
	{ "facts", "[]", "facts is an array, not an object" },
};

static void test_refused(void **state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
		g_autoptr(GError) error = NULL;
		g_autofree char *text = NULL;
		size_t len;

		/* What jansson itself would not write is put in afterwards. */
		if (strstr(refused[i].words, "is no JSON")) {
			g_autofree char *sample = serialize_sample(&len);
			g_auto(GStrv) parts = NULL;

			parts = g_strsplit(sample,
					   strstr(refused[i].path, "offset") ? "1048576"
									     : "\"disk-0.sums\"\n",
					   2);
			text = g_strjoin(refused[i].json, parts[0], parts[1], NULL);
			len = strlen(text);
		} else {
			text = edited_sample(refused[i].path, refused[i].json, NULL, NULL, &len);
		}
		print_message("%s: %s\n", refused[i].path, refused[i].json);
		assert_null(manifest_parse(text, len, &error));
		assert_error(&error, WHERRY_ERROR_DAMAGED, refused[i].words);
	}
}

static const struct {
	const char *path, *json, *path2, *json2;
} accepted[] = {
	{ "uuid", "null", "nics", "[]" },
	{ "disks.0.wwn", "null", "disks.0.serial", "null" },
	{ "disks.0.model", "null", "disks.0.driver", "null" },
	{ "disks.0.volumes.0.type", "null", "disks.0.volumes.0.content", "null" },
	{ "disks.0.volumes.0.type", "\"0x83\"", "disks.0.volumes.0.number", "0" },
	{ "disks.0.volumes", "[]", "disks.0.size", "2251799813685248" },
	{ "disks.0.volumes", "[]", "disks.0.size", "123456789" },
	{ "disks.0.sector_size", "4096", NULL, NULL },
	{ "secure_boot", "true", "firmware", "\"uefi\"" },
	{ "memory", "70368744177664", "cores", "1024" },
	{ "created", "\"2026-11-21T21:54:53.123456Z\"", NULL, NULL },
	{ "warnings", "[]", "facts", "{}" },
	{ "of_a_later_version", "[1.5]", NULL, NULL },
};

static void test_accepted(void **state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(accepted); i++) {
		g_autoptr(Manifest) manifest = NULL;
		g_autoptr(GError) error = NULL;
		g_autofree char *text = NULL;
		size_t len;

		print_message("%s\n", accepted[i].path);
		text = edited_sample(accepted[i].path, accepted[i].json, accepted[i].path2,
				     accepted[i].json2, &len);
		manifest = manifest_parse(text, len, &error);
		assert_ok(manifest, error);
	}
}

/* What is wrong only in the company of another disk or file. */
static void test_several(void **state)
{
	g_autoptr(Manifest) manifest = sample_manifest();
	struct manifest_disk *second = sample_add_disk(manifest);
	g_autoptr(GError) error = NULL;
	const struct {
		unsigned int boot_order;
		const char *image, *sums;
		enum manifest_bus bus;
		uint32_t sector_size;
		const char *words;
	} cases[] = {
		{ 2, "disk-1.qcow2", "disk-1.sums", MANIFEST_BUS_SATA, 512, NULL },
		{ 1, "disk-1.qcow2", "disk-1.sums", MANIFEST_BUS_SATA, 512,
		  "disks[0] and disks[1] both have boot_order 1" },
		{ 3, "disk-1.qcow2", "disk-1.sums", MANIFEST_BUS_SATA, 512,
		  "disks[1].boot_order is 3 with 2 disks" },
		{ 2, "disk-0.qcow2", "disk-0.sums", MANIFEST_BUS_SATA, 512,
		  "disks[0] and disks[1] both have image 'disk-0.qcow2'" },
		{ 2, "disk-1.qcow2", "disk-1.sums", MANIFEST_BUS_SATA, 4096,
		  "disks[1] has sectors of 4096 bytes, but bus sata has not" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(Manifest) parsed = NULL;
		g_autofree char *text = NULL;
		size_t len;

		second->boot_order = cases[i].boot_order;
		second->bus = cases[i].bus;
		second->sector_size = cases[i].sector_size;
		g_free(second->image);
		second->image = g_strdup(cases[i].image);
		g_free(second->sums);
		second->sums = g_strdup(cases[i].sums);
		text = manifest_serialize(manifest, &len);
		parsed = manifest_parse(text, len, &error);
		if (!cases[i].words) {
			assert_ok(parsed, error);
			continue;
		}
		assert_null(parsed);
		assert_error(&error, WHERRY_ERROR_DAMAGED, cases[i].words);
	}
}

static void test_twice_among_the_files(void **state)
{
	static const char both[] = "[{\"name\":\"disk-0.sums\",\"size\":1,\"digest\":\"D\"},"
				   "{\"name\":\"disk-0.sums\",\"size\":1,\"digest\":\"D\"}]";
	g_autofree char *zeros = g_strnfill(64, '0'), *json = NULL, *text = NULL;
	g_auto(GStrv) parts = g_strsplit(both, "D", -1);
	g_autoptr(GError) error = NULL;
	size_t len;

	json = g_strjoinv(zeros, parts);
	text = edited_sample("files", json, NULL, NULL, &len);
	assert_null(manifest_parse(text, len, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "files[1].name 'disk-0.sums' is there twice");
}

static void test_newer_schema(void **state)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *text = NULL;
	size_t len;

	text = edited_sample("schema", "2", "disks", "\"elsewhere\"", &len);
	assert_null(manifest_parse(text, len, &error));
	assert_error(&error, WHERRY_ERROR_UNSUPPORTED, "schema 2, this program knows up to 1");
	assert_null(manifest_parse("{\"schema\":3}", 12, &error));
	assert_error(&error, WHERRY_ERROR_UNSUPPORTED, "newer version: schema 3");
}

/* Whatever single byte changes, and however, it is found. */
static void test_every_byte_counts(void **state)
{
	g_autofree char *text = NULL;
	size_t len;

	text = serialize_sample(&len);
	for (size_t i = 0; i < len; i++) {
		for (unsigned int bit = 0; bit < 8; bit++) {
			g_autoptr(GError) error = NULL;

			text[i] = (char)(text[i] ^ (1 << bit));
			if (manifest_parse(text, len, &error))
				fail_msg("bit %u of byte %zu goes unseen", bit, i);
			assert_non_null(error);
			text[i] = (char)(text[i] ^ (1 << bit));
		}
	}
	for (size_t n = 0; n < len; n++) {
		g_autoptr(GError) error = NULL;

		assert_null(manifest_parse(text, n, &error));
		assert_int_equal(error->code, WHERRY_ERROR_DAMAGED);
	}
}

static void test_words_of_the_digest(void **state)
{
	g_autofree char *text = NULL, *digest = NULL, *words = NULL;
	g_autoptr(GError) error = NULL;
	size_t len;

	text = serialize_sample(&len);
	digest = g_strndup(text + len - 68, 64);
	words =
	    g_strdup_printf("machine.json was altered: its digest is %s, its bytes make ", digest);
	*strstr(text, "web1") = 'W';
	assert_null(manifest_parse(text, len, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, words);

	*strstr(text, "Web1") = 'w';
	text[len - 1] = ' ';
	assert_null(manifest_parse(text, len, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "does not end with its digest");
	assert_null(manifest_parse("{}", 2, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "does not end with its digest");
}

static void test_no_json(void **state)
{
	g_autofree char *deep = g_strnfill(100000, '['), *large = NULL;
	g_autoptr(GError) error = NULL;

	assert_null(manifest_parse("", 0, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "machine.json is no JSON: line 1: ");
	assert_null(manifest_parse("{}\n\n\x1b[2J", 8, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "machine.json is no JSON: line 3: ");
	assert_null(manifest_parse("{\"a\":\"\xff\"}", 9, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "is no JSON: line 1: ");
	assert_null(manifest_parse("{\"a\":1,\"a\":1}", 13, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "is no JSON: line 1: duplicate");
	assert_null(manifest_parse("[]", 2, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "is an array, not an object");
	assert_null(manifest_parse(deep, 100000, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED,
		     "machine.json is nested too deep: more than 2048 levels at line 1");

	large = g_malloc0(MANIFEST_MAX_BYTES + 1);
	assert_null(manifest_parse(large, MANIFEST_MAX_BYTES + 1, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "has 16777217 bytes, more than 16777216");
}

/* What a machine says of itself need not be text; one line of UTF-8 is what gets written. */
static void test_strange_strings(void **state)
{
	g_autoptr(Manifest) manifest = sample_manifest(), parsed = NULL;
	struct manifest_disk *disk = g_ptr_array_index(manifest->disks, 0);
	g_autofree char *text = NULL, *json = NULL, *longer = g_strnfill(4097, 'x');
	g_autoptr(GError) error = NULL;
	size_t len;

	g_free(disk->serial);
	disk->serial = g_strdup("a\x01\xff\n");
	g_free(disk->model);
	disk->model = g_strconcat(longer + 2, "ä", NULL); /* ends in the middle of it */
	text = manifest_serialize(manifest, &len);
	parsed = manifest_parse(text, len, &error);
	assert_ok(parsed, error);
	disk = g_ptr_array_index(parsed->disks, 0);
	assert_string_equal(disk->serial, "a\uFFFD\uFFFD\uFFFD");
	assert_int_equal(strlen(disk->model), 4095);

	g_clear_pointer(&text, g_free);
	json = g_strdup_printf("\"%s\"", longer);
	text = edited_sample("tool", json, NULL, NULL, &len);
	assert_null(manifest_parse(text, len, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "tool has 4097 bytes, more than 4096");
}

static bool accept_manifest(const uint8_t *bytes, size_t len, GError **error)
{
	g_autoptr(Manifest) manifest = manifest_parse((const char *)bytes, len, error);

	return manifest != NULL;
}

static void test_corpus(void **state)
{
	check_corpus("manifest", accept_manifest);
}

/* Adds "disks[].size" and so on for every member of @object, but not of the facts. */
static void list_members(const json_t *object, const char *prefix, GHashTable *members)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, name, value)
	{
		g_autofree char *path = g_strdup_printf("%s%s", prefix, name);
		g_autofree char *inner = g_strdup_printf("%s[].", path);

		if (json_is_object(json_array_get(value, 0)))
			list_members(json_array_get(value, 0), inner, members);
		g_hash_table_add(members, g_steal_pointer(&path));
	}
}

/*
 * Adds what docs/bundle.md describes: "| `size` | ..." below a headline that ends with
 * "`disks[].`" or "`machine.json`".
 */
static void list_described(const char *docs, GHashTable *members)
{
	g_auto(GStrv) lines = g_strsplit(docs, "\n", -1);
	g_autofree char *prefix = NULL;

	for (char **line = lines; *line; line++) {
		g_auto(GStrv) words = g_strsplit(*line, "`", 3);

		if (**line == '#') {
			g_clear_pointer(&prefix, g_free);
			if (g_strv_length(words) == 3)
				prefix =
				    g_strdup(strcmp(words[1], "machine.json") == 0 ? "" : words[1]);
		} else if (prefix && g_str_has_prefix(*line, "| `")) {
			g_hash_table_add(members, g_strconcat(prefix, words[1], NULL));
		}
	}
}

static void assert_all_in(GHashTable *some, GHashTable *all, const char *words)
{
	GHashTableIter iter;
	void *member;

	g_hash_table_iter_init(&iter, some);
	while (g_hash_table_iter_next(&iter, &member, NULL))
		if (!g_hash_table_contains(all, member))
			fail_msg("'%s' %s", (const char *)member, words);
}

static void test_docs(void **state)
{
	g_autoptr(GHashTable) written =
	    g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_autoptr(GHashTable) described =
	    g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_autofree char *path = g_build_filename(g_getenv("SOURCE_ROOT"), "docs/bundle.md", NULL);
	g_autofree char *docs = NULL, *text = NULL;
	json_t *root;
	size_t len;

	text = serialize_sample(&len);
	root = json_loadb(text, len, 0, NULL);
	list_members(root, "", written);
	json_decref(root);
	assert_true(g_file_get_contents(path, &docs, NULL, NULL));
	list_described(docs, described);

	assert_true(g_hash_table_contains(written, "disks[].volumes[].offset"));
	assert_all_in(written, described, "is written, but docs/bundle.md does not describe it");
	assert_all_in(described, written, "is described in docs/bundle.md, but not written");
}

/* Little text that would take much memory is refused unread; what stands in a string is no value.
 */
static void test_many_values(void **state)
{
	static const struct {
		const char *piece, *words;
	} cases[] = {
		{ "{},", "has more than 500000 values" },
		{ "[],", "has more than 500000 values" },
		{ "0,", "has more than 500000 values" },
		{ "\"[,\\\"[,\":0,", "has more than 500000 values" },
		{ ",[{,[{,[{,", "is no JSON: line 1: " },
	};
	const size_t n = 500001;

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		bool is_text = cases[i].piece[0] == ',';
		g_autoptr(GString) text = g_string_new(is_text ? "\"" : "[");
		g_autoptr(GError) error = NULL;

		for (size_t j = 0; j < n; j++)
			g_string_append(text, cases[i].piece);
		g_string_append(text, is_text ? "\"" : "0]");
		print_message("%s\n", cases[i].piece);
		assert_null(manifest_parse(text->str, text->len, &error));
		assert_error(&error, WHERRY_ERROR_DAMAGED, cases[i].words);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_several),
		cmocka_unit_test(test_twice_among_the_files),
		cmocka_unit_test(test_newer_schema),
		cmocka_unit_test(test_every_byte_counts),
		cmocka_unit_test(test_words_of_the_digest),
		cmocka_unit_test(test_no_json),
		cmocka_unit_test(test_many_values),
		cmocka_unit_test(test_strange_strings),
		cmocka_unit_test(test_corpus),
		cmocka_unit_test(test_docs),
	};

	return cmocka_run_group_tests_name("manifest", tests, NULL, NULL);
}
