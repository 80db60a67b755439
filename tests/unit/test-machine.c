/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which VM a machine becomes: firmware, bus, boot order, NICs, and what had to be guessed.  The
 * disks are memfds with as much of a partition table as the question needs.
 */
#include "disk.h"

#include "capture/machine.h"
#include "capture/plan.h"

#define MIB (UINT64_C(1) << 20)
#define ESP "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"

static void add_volume(struct plan_disk *disk, const char *type, const char *uuid)
{
	struct map_volume *volume = g_new0(struct map_volume, 1);

	volume->number = disk->map->volumes->len + 1;
	volume->size = MIB;
	volume->type = g_strdup(type);
	volume->uuid = g_strdup(uuid);
	volume->how = g_strdup("a test");
	g_ptr_array_add(disk->map->volumes, volume);
}

/* A plan's disk, and what its map is part of. */
struct test_disk {
	struct plan_disk plan;
	StorageMap *all;
};

/* A disk of 4 MiB without anything on it, added to @disks. */
static struct plan_disk *add_disk(GPtrArray *disks, const char *path)
{
	struct test_disk *test = g_new0(struct test_disk, 1);
	struct plan_disk *disk = &test->plan;

	disk->dev = disk_new(4 * MIB, 512);
	test->all = storage_map_read((const Blkdev *const *)&disk->dev, 1, NULL);
	disk->map = g_ptr_array_index(test->all->disks, 0);
	g_free(disk->dev->name);
	disk->dev->name = g_strdup(path);
	g_ptr_array_add(disks, test);
	return disk;
}

static void disk_free(void *p)
{
	struct test_disk *test = p;

	storage_map_free(test->all);
	blkdev_free(test->plan.dev);
	g_free(test);
}

static void describe(const Facts *facts, const GPtrArray *disks, Manifest *manifest)
{
	g_autoptr(GPtrArray) maps = g_ptr_array_new(), none = g_ptr_array_new();
	const StorageMap map = { maps, none, none };

	for (unsigned int i = 0; i < disks->len; i++)
		g_ptr_array_add(maps, ((struct plan_disk *)g_ptr_array_index(disks, i))->map);
	machine_describe(facts, disks, &map, manifest);
}

static const char *warning(const Manifest *manifest, unsigned int i)
{
	return i < manifest->warnings->len ? g_ptr_array_index(manifest->warnings, i) : "";
}

static const struct manifest_disk *vm_disk(const Manifest *manifest, unsigned int i)
{
	return g_ptr_array_index(manifest->disks, i);
}

static void test_firmware(void **state)
{
	static const struct {
		enum facts_firmware known;
		enum facts_answer secure;
		bool esp, boot_code;
		enum manifest_firmware want;
		bool want_secure;
		const char *want_warning;
	} cases[] = {
		{ FACTS_FIRMWARE_BIOS, FACTS_UNKNOWN, false, true, MANIFEST_FIRMWARE_BIOS, false,
		  "" },
		{ FACTS_FIRMWARE_BIOS, FACTS_YES, true, true, MANIFEST_FIRMWARE_BIOS, false, "" },
		{ FACTS_FIRMWARE_BIOS, FACTS_NO, true, false, MANIFEST_FIRMWARE_BIOS, false,
		  "an EFI system partition and no boot code" },
		{ FACTS_FIRMWARE_UEFI, FACTS_NO, true, true, MANIFEST_FIRMWARE_UEFI, false, "" },
		{ FACTS_FIRMWARE_UEFI, FACTS_YES, true, false, MANIFEST_FIRMWARE_UEFI, true, "" },
		{ FACTS_FIRMWARE_UEFI, FACTS_UNKNOWN, false, true, MANIFEST_FIRMWARE_UEFI, false,
		  "no EFI system partition" },
		{ FACTS_FIRMWARE_UNKNOWN, FACTS_NO, true, false, MANIFEST_FIRMWARE_UEFI, false,
		  "not known; UEFI is taken" },
		{ FACTS_FIRMWARE_UNKNOWN, FACTS_NO, true, true, MANIFEST_FIRMWARE_BIOS, false,
		  "not known; BIOS is taken" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GPtrArray) disks = g_ptr_array_new_with_free_func(disk_free);
		g_autoptr(Manifest) manifest = manifest_new();
		g_autoptr(Facts) facts = facts_new();
		struct plan_disk *disk = add_disk(disks, "/dev/sda");

		facts->memory_usable = MIB;
		facts->firmware = cases[i].known;
		facts->secure_boot = cases[i].secure;
		disk->map->boot_code = cases[i].boot_code;
		if (cases[i].esp)
			add_volume(disk, ESP, "1");
		describe(facts, disks, manifest);
		assert_int_equal(manifest->firmware, cases[i].want);
		assert_int_equal(manifest->secure_boot, cases[i].want_secure);
		assert_int_equal(manifest->warnings->len, cases[i].want_warning[0] != '\0');
		assert_non_null(strstr(warning(manifest, 0), cases[i].want_warning));
	}
}

static void test_numbers(void **state)
{
	g_autoptr(GPtrArray) disks = g_ptr_array_new_with_free_func(disk_free);
	g_autoptr(Manifest) manifest = manifest_new(), other = manifest_new();
	g_autoptr(Facts) facts = facts_new(), unknown = facts_new();

	facts->firmware = FACTS_FIRMWARE_BIOS;
	facts->memory_installed = 4096 * MIB;
	facts->memory_usable = 3900 * MIB + 1;
	facts->sockets = 2;
	facts->cores = 4;
	facts->rtc = FACTS_RTC_LOCAL;
	describe(facts, disks, manifest);
	assert_true(manifest->memory == 4096 * MIB);
	assert_int_equal(manifest->sockets * manifest->cores * manifest->threads, 8);
	assert_true(manifest->rtc_local);
	assert_int_equal(manifest->warnings->len, 0);

	unknown->firmware = FACTS_FIRMWARE_BIOS;
	describe(unknown, disks, other);
	assert_true(other->memory == 2048 * MIB);
	assert_int_equal(other->sockets * other->cores * other->threads, 1);
	assert_false(other->rtc_local);
	assert_non_null(strstr(warning(other, 0), "the memory is not known"));

	g_clear_pointer(&manifest, manifest_free);
	manifest = manifest_new();
	facts->memory_installed = 0; /* then what is usable, rounded up */
	describe(facts, disks, manifest);
	assert_true(manifest->memory == 3901 * MIB);
}

/* More than libvirt defines. */
static void test_many_cpus(void **state)
{
	static const struct {
		unsigned int sockets, cores, threads;
		unsigned int want_sockets, want_cores, want_threads;
	} cases[] = {
		{ 1, 255, 1, 1, 255, 1 },
		{ 2, 64, 2, 2, 64, 1 },
		{ 2, 128, 2, 2, 127, 1 },
		{ 8, 60, 2, 8, 31, 1 },
		{ 300, 1, 1, 255, 1, 1 },
		{ 1, 1, 300, 1, 1, 1 },
		{ UINT_MAX, UINT_MAX, UINT_MAX, 255, 1, 1 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GPtrArray) disks = g_ptr_array_new_with_free_func(disk_free);
		g_autoptr(Manifest) manifest = manifest_new();
		g_autoptr(Facts) facts = facts_new();

		add_disk(disks, "/dev/sda");
		facts->firmware = FACTS_FIRMWARE_BIOS;
		facts->memory_usable = MIB;
		facts->sockets = cases[i].sockets;
		facts->cores = cases[i].cores;
		facts->threads = cases[i].threads;
		describe(facts, disks, manifest);
		assert_int_equal(manifest->sockets, cases[i].want_sockets);
		assert_int_equal(manifest->cores, cases[i].want_cores);
		assert_int_equal(manifest->threads, cases[i].want_threads);
		assert_int_equal(manifest->warnings->len, i > 0);
		if (i > 0)
			assert_non_null(strstr(warning(manifest, 0), "at most 255 CPUs"));
	}
}

static void test_nics(void **state)
{
	static const struct {
		const char *kind, *mac, *driver;
		const char *want;       /* the model; NULL: not a NIC of the VM */
		const char *want_linux; /* the same when the disks show that it is Linux */
	} cases[] = {
		{ "ethernet", "52:54:00:00:00:01", "ixgbe", "e1000e", "virtio" },
		{ "bond", "52:54:00:00:00:01", NULL, NULL },
		{ "ethernet", NULL, "dummy", NULL },
		{ "ethernet", "52:54:00:00:00:02", "virtio_net", "virtio", "virtio" },
		{ "ethernet", "52:54:00:00:00:03", "e1000", "e1000", "e1000" },
		{ "ethernet", "52:54:00:00:00:04", NULL, "e1000e", "virtio" },
		{ "ethernet", "ff:ff:ff:ff:ff:ff", "broken", NULL, NULL },
		{ "ethernet", "00:11:22:33:44:55:66:77", "firewire_net", NULL, NULL },
	};
	g_autoptr(GPtrArray) disks = g_ptr_array_new_with_free_func(disk_free);
	g_autoptr(Facts) facts = facts_new();
	struct plan_disk *disk = add_disk(disks, "/dev/sda");

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct facts_nic *nic = facts_add_nic(facts);

		nic->kind = g_strdup(cases[i].kind);
		nic->permanent_mac = g_strdup(cases[i].mac);
		nic->driver = g_strdup(cases[i].driver);
	}
	for (int is_linux = 0; is_linux < 2; is_linux++) {
		g_autoptr(Manifest) manifest = manifest_new();
		unsigned int n = 0;

		if (is_linux) {
			add_volume(disk, "0x83", NULL);
			((struct map_volume *)g_ptr_array_index(disk->map->volumes, 1))->content =
			    g_strdup("xfs");
		}
		describe(facts, disks, manifest);
		for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
			const struct manifest_nic *nic;

			if (!cases[i].want)
				continue;
			assert_true(n < manifest->nics->len);
			nic = g_ptr_array_index(manifest->nics, n++);
			assert_string_equal(nic->mac, cases[i].mac);
			assert_string_equal(nic->model,
					    is_linux ? cases[i].want_linux : cases[i].want);
		}
		assert_int_equal(manifest->nics->len, n);
	}
}

static void add_entry(Facts *facts, const char *partition)
{
	facts_add_boot_entry(facts)->partition_uuid = g_strdup(partition);
}

/* By UEFI's own list, else by what could be started from. */
static void test_boot_order(void **state)
{
	g_autoptr(GPtrArray) disks = g_ptr_array_new_with_free_func(disk_free);
	g_autoptr(Manifest) bios = manifest_new(), uefi = manifest_new(), guess = manifest_new();
	g_autoptr(Facts) facts = facts_new();

	add_disk(disks, "/dev/sda");
	add_volume(add_disk(disks, "/dev/sdb"), ESP, "b");
	add_volume(add_disk(disks, "/dev/sdc"), ESP, "c");
	((struct plan_disk *)g_ptr_array_index(disks, 2))->map->boot_code = true;

	facts->firmware = FACTS_FIRMWARE_BIOS;
	describe(facts, disks, bios);
	assert_int_equal(vm_disk(bios, 0)->boot_order, 2);
	assert_int_equal(vm_disk(bios, 1)->boot_order, 3);
	assert_int_equal(vm_disk(bios, 2)->boot_order, 1);
	assert_string_equal(vm_disk(bios, 2)->image, "disk-2.qcow2");

	facts->firmware = FACTS_FIRMWARE_UEFI;
	describe(facts, disks, guess);
	assert_int_equal(vm_disk(guess, 1)->boot_order, 1);

	add_entry(facts, NULL); /* the network */
	add_entry(facts, "a disk that is gone");
	add_entry(facts, "c");
	add_entry(facts, "b");
	describe(facts, disks, uefi);
	assert_int_equal(vm_disk(uefi, 2)->boot_order, 1);
	assert_int_equal(vm_disk(uefi, 0)->boot_order, 2);
}

static void test_large_sectors(void **state)
{
	g_autoptr(GPtrArray) disks = g_ptr_array_new_with_free_func(disk_free);
	g_autoptr(Manifest) manifest = manifest_new();
	g_autoptr(Facts) facts = facts_new();

	facts->firmware = FACTS_FIRMWARE_UEFI;
	facts->memory_usable = MIB;
	add_volume(add_disk(disks, "/dev/sda"), ESP, "a");
	((struct plan_disk *)g_ptr_array_index(disks, 0))->map->sector_size = 4096;
	describe(facts, disks, manifest);
	assert_int_equal(vm_disk(manifest, 0)->bus, MANIFEST_BUS_VIRTIO_SCSI);
	assert_non_null(strstr(warning(manifest, 0), "sectors of 4096 bytes"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_firmware),   cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_many_cpus),  cmocka_unit_test(test_nics),
		cmocka_unit_test(test_boot_order), cmocka_unit_test(test_large_sectors),
	};

	return cmocka_run_group_tests_name("machine", tests, NULL, NULL);
}
