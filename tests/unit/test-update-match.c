/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which machines and disks an update takes for those of a bundle, and which it refuses. */
#include "manifest-sample.h"
#include "unit.h"

#include "capture/update-match.h"

static struct manifest_disk *disk_of(Manifest *manifest)
{
	return g_ptr_array_index(manifest->disks, 0);
}

static struct manifest_volume *volume_of(Manifest *manifest)
{
	return g_ptr_array_index(disk_of(manifest)->volumes, 0);
}

static void set(char **text, const char *value)
{
	g_free(*text);
	*text = g_strdup(value);
}

static void same(Manifest *then, Manifest *now)
{
}

static void other_machine(Manifest *then, Manifest *now)
{
	set(&now->uuid, "00000000-0043-3510-8052-b4c04f564231");
}

static void no_machine(Manifest *then, Manifest *now)
{
	set(&now->uuid, NULL);
}

static void other_size(Manifest *then, Manifest *now)
{
	disk_of(now)->size += 512;
}

static void other_sectors(Manifest *then, Manifest *now)
{
	disk_of(now)->sector_size = 4096;
}

static void other_wwn(Manifest *then, Manifest *now)
{
	set(&disk_of(now)->wwn, "0x5000c500a1b2c3d5");
}

static void no_wwn(Manifest *then, Manifest *now)
{
	set(&disk_of(now)->wwn, NULL);
}

static void other_serial(Manifest *then, Manifest *now)
{
	set(&disk_of(now)->serial, "ZA1B2C3E");
}

static void other_table(Manifest *then, Manifest *now)
{
	set(&disk_of(now)->table_id, "00000000-4bd1-4b0a-9d4e-0f6d6a1f7f10");
}

static void other_content(Manifest *then, Manifest *now)
{
	set(&volume_of(now)->uuid, "00000000-95a4-4b6f-8f53-6c0e1f2a3b4c");
}

static void no_names(Manifest *then, Manifest *now)
{
	Manifest *both[] = { then, now };

	for (size_t i = 0; i < G_N_ELEMENTS(both); i++) {
		set(&disk_of(both[i])->wwn, NULL);
		set(&disk_of(both[i])->serial, NULL);
		set(&both[i]->uuid, NULL);
	}
}

static void no_names_other_table(Manifest *then, Manifest *now)
{
	no_names(then, now);
	other_table(then, now);
}

static void no_names_no_table(Manifest *then, Manifest *now)
{
	no_names(then, now);
	set(&disk_of(now)->table_id, NULL);
}

static void no_names_other_content(Manifest *then, Manifest *now)
{
	no_names(then, now);
	other_content(then, now);
}

/* One of several filesystems was made anew. */
static void no_names_one_content(Manifest *then, Manifest *now)
{
	no_names_other_content(then, now);
	manifest_add_volume(disk_of(then))->uuid = g_strdup("5A3F-11C2");
	manifest_add_volume(disk_of(now))->uuid = g_strdup("5A3F-11C2");
}

/* As a bundle of an older version has it. */
static void no_names_nothing_known(Manifest *then, Manifest *now)
{
	no_names(then, now);
	set(&disk_of(then)->table_id, NULL);
	set(&volume_of(then)->uuid, NULL);
}

static void last_generation(Manifest *then, Manifest *now)
{
	then->generation = UINT32_MAX;
}

static void test_manifests(void **state)
{
	static const struct {
		void (*change)(Manifest *then, Manifest *now);
		int code;
		const char *words; /* NULL: it is the same */
	} cases[] = {
		{ same, 0, NULL },
		{ no_machine, 0, NULL },
		{ other_table, 0, NULL },   /* by its WWN it is the disk */
		{ other_content, 0, NULL }, /* made anew */
		{ no_names, 0, NULL },
		{ no_names_one_content, 0, NULL },
		{ no_names_nothing_known, 0, NULL },
		{ other_machine, WHERRY_ERROR_DIFFERENT, "but the bundle holds machine 4c4c4544" },
		{ other_size, WHERRY_ERROR_DIFFERENT, "its size is 1000204886528 bytes, and was" },
		{ other_sectors, WHERRY_ERROR_DIFFERENT, "its sector size is 4096 bytes, and was" },
		{ other_wwn, WHERRY_ERROR_DIFFERENT, "its WWN is 0x5000c500a1b2c3d5, and was" },
		{ no_wwn, WHERRY_ERROR_DIFFERENT, "its WWN is not known, and was" },
		{ other_serial, WHERRY_ERROR_DIFFERENT, "its serial number is ZA1B2C3E, and was" },
		{ no_names_other_table, WHERRY_ERROR_DIFFERENT, "identifier is 00000000-4bd1" },
		{ no_names_no_table, WHERRY_ERROR_DIFFERENT, "identifier is not known, and was" },
		{ no_names_other_content, WHERRY_ERROR_DIFFERENT, "has a UUID that was there" },
		{ last_generation, WHERRY_ERROR_UNSUPPORTED, "generation 4294967295" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(Manifest) then = sample_manifest(), now = sample_manifest();
		g_autoptr(GError) error = NULL;
		bool ok;

		cases[i].change(then, now);
		ok = update_match_manifests(then, now, &error);
		if (cases[i].words) {
			assert_false(ok);
			assert_error(&error, cases[i].code, cases[i].words);
		} else {
			assert_ok(ok, error);
		}
	}
}

/* Disks have got other names since: by WWN, else by serial number and model, else by path. */
static void test_found(void **state)
{
	char model[] = "Platte für alles", serial[] = "ZA1B2C3D", wwn[] = "0x5000c500a1b2c3d4";
	char other[] = "S1", paths[][9] = { "/dev/sda", "/dev/sdb", "/dev/sdc" };
	struct facts_disk a = { .path = paths[0], .serial = other, .model = model };
	struct facts_disk b = { .path = paths[1], .wwn = wwn, .model = model };
	struct facts_disk c = { .path = paths[2], .serial = serial, .model = model };
	g_autoptr(GPtrArray) disks = g_ptr_array_new();
	const Facts facts = { .disks = disks };
	g_autoptr(Manifest) old = sample_manifest();
	g_auto(GStrv) by_wwn = NULL, by_serial = NULL, by_path = NULL;
	g_autoptr(GError) error = NULL;

	g_ptr_array_add(disks, &a);
	g_ptr_array_add(disks, &b);
	by_wwn = update_match_disks(&facts, old, NULL, &error);
	assert_ok(by_wwn, error);
	assert_string_equal(by_wwn[0], "/dev/sdb");
	g_ptr_array_remove_index(disks, 1);
	assert_null(update_match_disks(&facts, old, NULL, &error));
	assert_error(&error, WHERRY_ERROR_NOT_FOUND, "no disk with the WWN 0x5000c500a1b2c3d4");
	set(&disk_of(old)->wwn, NULL);
	assert_null(update_match_disks(&facts, old, NULL, &error));
	assert_error(&error, WHERRY_ERROR_NOT_FOUND, "no disk with the serial number ZA1B2C3D");
	g_ptr_array_add(disks, &c);
	by_serial = update_match_disks(&facts, old, NULL, &error);
	assert_ok(by_serial, error);
	assert_string_equal(by_serial[0], "/dev/sdc");
	set(&disk_of(old)->serial, NULL);
	by_path = update_match_disks(&facts, old, NULL, &error);
	assert_ok(by_path, error);
	assert_string_equal(by_path[0], "/dev/sda");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_manifests),
		cmocka_unit_test(test_found),
	};

	return cmocka_run_group_tests_name("update-match", tests, NULL, NULL);
}
