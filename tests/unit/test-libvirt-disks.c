/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The disks of a domain's XML, as libvirt 9.0 writes it; and the same XML for another host. */
#include "unit.h"

#include "cloud/libvirt-disks.h"

#include <libxml/parser.h>
#include <string.h>

static const char domain[] =
    "<domain type='qemu' id='3'><name>vm</name><devices><emulator>/q</emulator>"
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'/>"
    "<source file='/a/vm.qcow2' index='2'/><backingStore type='file' index='3'>"
    "<format type='qcow2'/><source file='/a/base.qcow2'/><backingStore/></backingStore>"
    "<mirror type='file' job='copy'><source file='/x'/></mirror>"
    "<target dev='vda' bus='virtio'/></disk>"
    "<disk type='block' device='disk'><driver name='qemu' type='raw'/><source dev='/dev/sdb'/>"
    "<target dev='vdb' bus='virtio'/><shareable/></disk>"
    "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>"
    "<disk type='network' device='disk'><driver type='raw'/><source protocol='rbd' name='p/i'>"
    "<host name='h'/></source><target dev='vdc'/></disk>"
    "<disk type='volume' device='disk'><source pool='p' volume='v'/><target dev='vdd'/></disk>"
    "</devices></domain>";

static const struct {
	const char *target, *type, *device, *source, *format, *backing;
	bool readonly, shareable, mirrored;
} expected[] = {
	{ .target = "vda",
	  .type = "file",
	  .device = "disk",
	  .source = "/a/vm.qcow2",
	  .format = "qcow2",
	  .backing = "/a/base.qcow2",
	  .mirrored = true },
	{ .target = "vdb",
	  .type = "block",
	  .device = "disk",
	  .source = "/dev/sdb",
	  .format = "raw",
	  .shareable = true },
	{ .target = "sda",
	  .type = "file",
	  .device = "cdrom",
	  .format = "unknown",
	  .readonly = true },
	{ .target = "vdc", .type = "network", .device = "disk", .source = "p/i", .format = "raw" },
	{ .target = "vdd", .type = "volume", .device = "disk", .source = "v", .format = "unknown" },
};

static void test_read(void **state)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) disks = libvirt_read_disks(domain, &error);

	assert_ok(disks != NULL, error);
	assert_int_equal(disks->len, G_N_ELEMENTS(expected));
	for (unsigned int i = 0; i < disks->len; i++) {
		const CloudDisk *disk = g_ptr_array_index(disks, i);

		assert_string_equal(disk->target, expected[i].target);
		assert_string_equal(disk->type, expected[i].type);
		assert_string_equal(disk->device, expected[i].device);
		assert_string_equal(disk->format, expected[i].format);
		assert_true(g_strcmp0(disk->source, expected[i].source) == 0);
		assert_true(g_strcmp0(disk->backing, expected[i].backing) == 0);
		assert_int_equal(disk->readonly, expected[i].readonly);
		assert_int_equal(disk->shareable, expected[i].shareable);
		assert_int_equal(disk->mirrored, expected[i].mirrored);
	}
}

static void test_move(void **state)
{
	static const struct cloud_move moves[] = {
		{ "vda", "/b/vm.qcow2" },
		{ "vdd", "/b/<&v" },
		{ "vdz", "/b/none" },
	};
	g_autoptr(GError) error = NULL;
	g_autofree char *moved = libvirt_move_disks(domain, moves, G_N_ELEMENTS(moves), &error);
	g_autoptr(GPtrArray) disks = NULL;

	assert_ok(moved != NULL, error);
	assert_null(strstr(moved, "/b/none"));
	disks = libvirt_read_disks(moved, &error);
	assert_ok(disks != NULL, error);
	for (unsigned int i = 0; i < disks->len; i++) {
		const CloudDisk *disk = g_ptr_array_index(disks, i);
		const char *path = i == 0 ? "/b/vm.qcow2" : i == 4 ? "/b/<&v" : expected[i].source;

		assert_true(g_strcmp0(disk->source, path) == 0);
		assert_null(disk->backing);
		assert_false(disk->mirrored);
	}
	assert_string_equal(((CloudDisk *)g_ptr_array_index(disks, 4))->type, "file");
	/* What was of the old file is gone, what was of the disk is not. */
	assert_null(strstr(moved, "index"));
	assert_non_null(strstr(moved, "cache=\"none\""));
}

static void test_damaged(void **state)
{
	static const char *const texts[] = { "", "<pool/>", "<domain>", "domain" };

	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_autoptr(GError) read_error = NULL, move_error = NULL;

		assert_null(libvirt_read_disks(texts[i], &read_error));
		assert_error(&read_error, WHERRY_ERROR_DAMAGED, "<domain>");
		assert_null(libvirt_move_disks(texts[i], NULL, 0, &move_error));
		assert_error(&move_error, WHERRY_ERROR_DAMAGED, "<domain>");
	}
}

static int clean_up(void **state)
{
	xmlCleanupParser(); /* or valgrind counts what it keeps */
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_move),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, clean_up);
}
