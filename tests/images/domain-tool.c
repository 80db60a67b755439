/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Prints the domain of a machine with one kind of disks, for scripts that hand it to libvirt:
 *
 *   domain-tool NAME TYPE MACHINE FIRMWARE BUS SECTOR-SIZE DISKS NICS [IMAGE-DIR]
 *
 * FIRMWARE is bios, uefi or secure.  The images are disk-0.qcow2 and so on.
 */
#include "bundle/domain-xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum manifest_bus find_bus(const char *name)
{
	static const enum manifest_bus all[] = {
		MANIFEST_BUS_SATA,       MANIFEST_BUS_VIRTIO,     MANIFEST_BUS_VIRTIO_SCSI,
		MANIFEST_BUS_LSISAS1068, MANIFEST_BUS_LSISAS1078,
	};

	for (size_t i = 0; i < G_N_ELEMENTS(all); i++)
		if (strcmp(manifest_bus_name(all[i]), name) == 0)
			return all[i];
	g_error("no bus '%s'", name);
}

int main(int argc, char **argv)
{
	static const char *const models[] = { "e1000e", "virtio", "e1000", "rtl8139" };
	g_autoptr(Manifest) manifest = manifest_new();
	struct domain_place place = { .network = "default" };
	g_autofree char *xml = NULL;

	if (argc < 9)
		g_error("see the head of domain-tool.c");
	place.name = argv[1];
	place.type = argv[2];
	place.machine = argv[3];
	place.image_dir = argc > 9 ? argv[9] : "";

	manifest->firmware =
	    strcmp(argv[4], "bios") == 0 ? MANIFEST_FIRMWARE_BIOS : MANIFEST_FIRMWARE_UEFI;
	manifest->secure_boot = strcmp(argv[4], "secure") == 0;
	manifest->memory = UINT64_C(256) << 20;
	manifest->sockets = 1;
	manifest->cores = 1; /* with two, OVMF takes three times as long under TCG */
	manifest->threads = 1;
	for (unsigned int i = 0; i < (unsigned int)atoi(argv[7]); i++) {
		struct manifest_disk *disk = manifest_add_disk(manifest);

		disk->sector_size = (uint32_t)atoi(argv[6]);
		disk->bus = find_bus(argv[5]);
		disk->serial = g_strdup_printf("WHERRY-%u_.+", i);
		disk->boot_order = i + 1;
		disk->image = g_strdup_printf("disk-%u.qcow2", i);
	}
	for (unsigned int i = 0; i < (unsigned int)atoi(argv[8]); i++) {
		struct manifest_nic *nic = manifest_add_nic(manifest);

		nic->mac = g_strdup_printf("52:54:00:00:00:%02x", i);
		nic->model = g_strdup(models[i % G_N_ELEMENTS(models)]);
	}

	xml = domain_xml(manifest, &place);
	fputs(xml, stdout);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
