/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which disks of a machine with every kind of them are taken, and why the others are not. */
#include "unit.h"

#include "source/disk-choice.h"
#include "source/disk-naming.h"

#include <unistd.h>

#define GIB (UINT64_C(1) << 30)

struct row {
	const char *name, *transport;
	enum facts_answer removable;
	const char *wwn, *serial;
	uint64_t size;
	const char *reason; /* NULL: taken */
};

static void check(const struct row *rows, size_t n)
{
	g_autoptr(Facts) facts = facts_new();
	g_autoptr(GPtrArray) choices = NULL;
	g_autoptr(DeviceStack) medium = device_stack_below("/proc/self", NULL); /* on no disk */

	for (size_t i = 0; i < n; i++) {
		struct facts_disk *disk = facts_add_disk(facts);

		disk->name = g_strdup(rows[i].name);
		disk->path = disk_path(rows[i].name);
		disk->kind = g_strdup(disk_kind(rows[i].name));
		disk->transport = g_strdup(rows[i].transport);
		disk->removable = rows[i].removable;
		disk->wwn = g_strdup(rows[i].wwn);
		disk->serial = g_strdup(rows[i].serial);
		disk->size = rows[i].size;
	}

	choices = disk_choice_default(facts, medium);
	assert_int_equal(choices->len, n);
	for (size_t i = 0; i < n; i++) {
		const struct disk_choice *choice = g_ptr_array_index(choices, i);

		assert_ptr_equal(choice->disk, g_ptr_array_index(facts->disks, i));
		assert_int_equal(choice->taken, rows[i].reason == NULL);
		if (g_strcmp0(choice->reason, rows[i].reason) != 0)
			fail_msg("%s: got '%s', not '%s'", rows[i].name, choice->reason,
				 rows[i].reason);
	}
}

static void test_kinds(void **state)
{
	static const struct row rows[] = {
		{ "sda", "sata", FACTS_NO, NULL, NULL, GIB, NULL },
		{ "sdb", "sas", FACTS_UNKNOWN, NULL, NULL, GIB, NULL },
		{ "sdc", NULL, FACTS_NO, NULL, NULL, GIB, NULL },
		{ "nvme0n1", "nvme", FACTS_NO, NULL, NULL, GIB, NULL },
		{ "vda", "virtio", FACTS_NO, NULL, NULL, GIB, NULL },
		{ "xvda", "xen", FACTS_NO, NULL, NULL, GIB, NULL },
		{ "mmcblk0", "mmc", FACTS_NO, NULL, NULL, GIB, NULL },
		{ "mmcblk0boot0", "mmc", FACTS_NO, NULL, NULL, GIB, "a boot partition of an eMMC" },
		{ "md127", NULL, FACTS_NO, NULL, NULL, GIB, "an md array" },
		{ "dm-0", NULL, FACTS_NO, NULL, NULL, GIB, "a device-mapper device" },
		{ "pmem0", "pmem", FACTS_NO, NULL, NULL, GIB, NULL },
		{ "cciss!c0d0", "raid", FACTS_NO, NULL, NULL, GIB, NULL },
		{ "loop0", NULL, FACTS_NO, NULL, NULL, GIB, "a loop device" },
		{ "zram0", NULL, FACTS_NO, NULL, NULL, GIB, "memory (zram)" },
		{ "ram0", NULL, FACTS_NO, NULL, NULL, GIB, "memory" },
		{ "sr0", "sata", FACTS_YES, NULL, NULL, GIB, "an optical drive" },
		{ "fd0", NULL, FACTS_YES, NULL, NULL, GIB, "a floppy drive" },
		{ "nbd0", NULL, FACTS_NO, NULL, NULL, GIB, "no disk of this machine" },
		{ "sdd", "usb", FACTS_YES, NULL, NULL, GIB, "behind USB" },
		{ "sde", "usb", FACTS_NO, NULL, NULL, GIB, "behind USB" },
		{ "sdf", "fc", FACTS_NO, NULL, NULL, GIB, "behind FC" },
		{ "sdg", "iscsi", FACTS_NO, NULL, NULL, GIB, "behind iSCSI" },
		{ "nvme1n1", "nvme-tcp", FACTS_NO, NULL, NULL, GIB, "behind NVMe over TCP" },
		{ "nvme2n1", "nvme-rdma", FACTS_NO, NULL, NULL, GIB, "behind NVMe over RDMA" },
		{ "nvme3n1", "nvme-fc", FACTS_NO, NULL, NULL, GIB, "behind FC" },
		{ "sdh", "scsi", FACTS_YES, NULL, NULL, GIB, "removable" },
		{ "sdi", "scsi", FACTS_NO, NULL, NULL, 0, "no medium in it, or of unknown size" },
	};

	check(rows, G_N_ELEMENTS(rows));
}

static void test_twins(void **state)
{
	static const struct row rows[] = {
		{ "sda", "sas", FACTS_NO, "0x5000000000000001", "S1", GIB, NULL },
		{ "sdb", "sas", FACTS_NO, "0x5000000000000001", "S1", GIB, "same WWN as /dev/sda" },
		/* The same serial, but the WWNs say that they are two. */
		{ "sdc", "sas", FACTS_NO, "0x5000000000000003", "S1", GIB, NULL },
		/* No WWN: by serial and size. */
		{ "sdd", "sata", FACTS_NO, NULL, "S4", GIB, NULL },
		{ "sde", "sata", FACTS_NO, NULL, "S4", GIB, "same serial as /dev/sdd" },
		{ "sdf", "sata", FACTS_NO, NULL, "S4", 2 * GIB, NULL },
		{ "sdg", "sata", FACTS_NO, "0x5000000000000007", "S4", GIB,
		  "same serial as /dev/sdd" },
		/* One WWN for all that a maker sold: another size or serial is another disk. */
		{ "sdj", "sata", FACTS_NO, "0x5000000000000001", "S1", 2 * GIB, NULL },
		{ "sdk", "sata", FACTS_NO, "0x5000000000000001", "S11", GIB, NULL },
		{ "sdl", "sata", FACTS_NO, "0x5000000000000001", NULL, GIB,
		  "same WWN as /dev/sda" },
		/* Neither: only the path tells. */
		{ "vda", "virtio", FACTS_NO, NULL, NULL, GIB, NULL },
		{ "vdb", "virtio", FACTS_NO, NULL, NULL, GIB, NULL },
		{ "vda", "virtio", FACTS_NO, NULL, NULL, GIB, "same path as /dev/vda" },
		/* One that is left out has no twins. */
		{ "sdh", "usb", FACTS_NO, "0x5000000000000009", NULL, GIB, "behind USB" },
		{ "sdi", "sata", FACTS_NO, "0x5000000000000009", NULL, GIB, NULL },
	};

	check(rows, G_N_ELEMENTS(rows));
}

static void add_disk(Facts *facts, const char *path, const char *transport)
{
	struct facts_disk *disk = facts_add_disk(facts);

	disk->path = g_strdup(path);
	disk->kind = g_strdup("disk");
	disk->transport = g_strdup(transport);
	disk->size = GIB;
}

/* A file stands in for the disk that the target lies on. */
static void test_medium(void **state)
{
	g_autofree char *file = g_build_filename(g_get_tmp_dir(), "wherry-XXXXXX", NULL);
	g_autoptr(GPtrArray) choices = NULL;
	g_autoptr(DeviceStack) medium = NULL;
	g_autoptr(Facts) facts = facts_new();
	const struct disk_choice *choice;
	int fd = g_mkstemp(file);

	assert_true(fd >= 0);
	add_disk(facts, "/dev/nonexistent", "sata");
	add_disk(facts, file, "sata");
	add_disk(facts, file, "usb");
	medium = device_stack_below(file, NULL);
	choices = disk_choice_default(facts, medium);
	(void)unlink(file);
	(void)close(fd);

	choice = g_ptr_array_index(choices, 0);
	assert_true(choice->taken);
	choice = g_ptr_array_index(choices, 1);
	assert_false(choice->taken);
	assert_true(choice->is_medium);
	assert_string_equal(choice->reason, "the target lies on it");
	choice = g_ptr_array_index(choices, 2);
	assert_false(choice->is_medium);
	assert_string_equal(choice->reason, "behind USB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_twins),
		cmocka_unit_test(test_medium),
	};

	return cmocka_run_group_tests_name("disk-choice", tests, NULL, NULL);
}
