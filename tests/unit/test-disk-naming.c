/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every name that a disk may have, and every place in the tree of devices. */
#include "unit.h"

#include "source/disk-naming.h"

#include <glib.h>

static void test_names(void **state)
{
	static const struct {
		const char *name, *kind, *path;
	} cases[] = {
		{ "sda", "disk", "/dev/sda" },
		{ "sdaaa", "disk", "/dev/sdaaa" },
		{ "hdc", "disk", "/dev/hdc" },
		{ "nvme0n1", "disk", "/dev/nvme0n1" },
		{ "vda", "disk", "/dev/vda" },
		{ "xvda", "disk", "/dev/xvda" },
		{ "mmcblk0", "disk", "/dev/mmcblk0" },
		{ "mmcblk0boot0", "boot-part", "/dev/mmcblk0boot0" },
		{ "mmcblk1boot1", "boot-part", "/dev/mmcblk1boot1" },
		{ "mmcblk0rpmb", "boot-part", "/dev/mmcblk0rpmb" },
		{ "mmcblk0gp0", "disk", "/dev/mmcblk0gp0" },
		{ "pmem0", "disk", "/dev/pmem0" },
		{ "pmem0.1s", "disk", "/dev/pmem0.1s" },
		{ "cciss!c0d0", "disk", "/dev/cciss/c0d0" },
		{ "ida!c0d0", "disk", "/dev/ida/c0d0" },
		{ "md127", "md", "/dev/md127" },
		{ "md_d0", "md", "/dev/md_d0" },
		{ "mdx", "disk", "/dev/mdx" },
		{ "dm-0", "dm", "/dev/dm-0" },
		{ "loop7", "loop", "/dev/loop7" },
		{ "zram0", "zram", "/dev/zram0" },
		{ "ram15", "ram", "/dev/ram15" },
		{ "sr0", "optical", "/dev/sr0" },
		{ "scd0", "optical", "/dev/scd0" },
		{ "fd0", "floppy", "/dev/fd0" },
		{ "nbd3", "nbd", "/dev/nbd3" },
		{ "rbd0", "nbd", "/dev/rbd0" },
		{ "drbd1", "nbd", "/dev/drbd1" },
		{ "bcache0", "nbd", "/dev/bcache0" },
		{ "zd16", "nbd", "/dev/zd16" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *path = disk_path(cases[i].name);

		if (strcmp(disk_kind(cases[i].name), cases[i].kind) != 0)
			fail_msg("%s is a '%s'", cases[i].name, disk_kind(cases[i].name));
		assert_string_equal(path, cases[i].path);
	}
}

#define PCI "sys/devices/pci0000:00/0000:00:1f.2/"

static void test_transports(void **state)
{
	static const struct {
		const char *device, *driver, *want;
	} cases[] = {
		{ PCI "ata1/host0/target0:0:0/0:0:0:0/block/sda", "ahci", "sata" },
		{ PCI "ata1/host0/target0:0:0/0:0:0:0/block/sda", NULL, "sata" },
		{ PCI "ata1/host0/target0:0:0/0:0:0:0/block/sda", "ata_piix", "ide" },
		{ PCI "ata1/host0/target0:0:0/0:0:0:0/block/sda", "pata_jmicron", "ide" },
		{ PCI "ata1/host0/target0:0:0/0:0:0:0/block/sda", "ata_generic", "ide" },
		{ PCI "ide0/0.0/block/hdc", "PIIX_IDE", "ide" },
		{ PCI "host0/target0:2:0/0:2:0:0/block/sda", "megaraid_sas", "scsi" },
		{ PCI "host6/port-6:0/end_device-6:0/target6:0:0/6:0:0:0/block/sdd", "mptsas",
		  "sas" },
		{ PCI "host6/port-6:0/expander-6:0/port-6:0:1/end_device-6:0:1/target6:0:1/"
		      "6:0:1:0/block/sde",
		  "mpt3sas", "sas" },
		{ PCI "host1/rport-1:0-2/target1:0:0/1:0:0:4/block/sdq", "qla2xxx", "fc" },
		{ "sys/devices/platform/host2/session1/target2:0:0/2:0:0:1/block/sdb", "iscsi_tcp",
		  "iscsi" },
		{ PCI "usb2/2-1/2-1:1.0/host3/target3:0:0/3:0:0:0/block/sdc", "usb-storage",
		  "usb" },
		{ PCI "fw1/fw1.0/host9/target9:0:0/9:0:0:0/block/sdf", "sbp2", "firewire" },
		{ PCI "virtio1/block/vda", "virtio_blk", "virtio" },
		{ PCI "virtio2/host2/target2:0:0/2:0:0:0/block/sda", "virtio_scsi", "virtio" },
		{ PCI "nvme/nvme0/nvme0n1", "nvme", "nvme" },
		{ "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1", NULL, "nvme" },
		{ "sys/devices/vbd-51712/block/xvda", "xen-blkfront", "xen" },
		{ PCI "mmc_host/mmc0/mmc0:0001/block/mmcblk0", "sdhci-pci", "mmc" },
		{ PCI "cciss0/c0d0/block/cciss!c0d0", "cciss", "raid" },
		{ "sys/devices/LNXSYSTM:00/LNXSYBUS:00/ACPI0012:00/ndbus0/region0/namespace0.0/"
		  "block/pmem0",
		  "nd_pmem", "pmem" },
		{ "sys/devices/LNXSYSTM:00/ACPI0004:00/VMBUS:00/00000000-0000-8899-0000-"
		  "000000000000/host0/target0:0:0/0:0:0:0/block/sda",
		  "hv_storvsc", "scsi" },
		{ "sys/devices/virtual/block/dm-0", NULL, NULL },
		{ "sys/block/sda", NULL, NULL },
		/* The name alone, without a number, is somebody else's. */
		{ "sys/devices/usbmisc/atari/hostess/block/sda", NULL, NULL },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		const char *got = disk_transport(cases[i].device, cases[i].driver);

		if (g_strcmp0(got, cases[i].want) != 0)
			fail_msg("%s: got %s, not %s", cases[i].device, got, cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_transports),
	};

	return cmocka_run_group_tests_name("disk-naming", tests, NULL, NULL);
}
