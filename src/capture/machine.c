/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every guess is a warning: a VM that differs from its machine must not come as a surprise. */
#include "capture/machine.h"

#include "bundle/domain-xml.h"
#include "capture/plan.h"
#include "image/image-writer.h"
#include "source/facts-json.h"

#include <string.h>

#define MEMORY_UNIT    (UINT64_C(1) << 20)
#define MEMORY_UNKNOWN (UINT64_C(2) << 30)

/* libvirt defines no more without an IOMMU in extended interrupt mode. */
#define CPUS_MAX 255

/* UEFI 2.10, section 5.3.3. */
#define TYPE_ESP "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"

static void warn(Manifest *manifest, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void warn(Manifest *manifest, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	g_ptr_array_add(manifest->warnings, g_strdup_vprintf(format, ap));
	va_end(ap);
}

static bool disk_has_type(const struct plan_disk *disk, const char *type)
{
	for (unsigned int i = 0; i < disk->map->volumes->len; i++) {
		const struct map_volume *volume = g_ptr_array_index(disk->map->volumes, i);

		if (g_strcmp0(volume->type, type) == 0)
			return true;
	}
	return false;
}

static bool disk_has_partition(const struct plan_disk *disk, const char *uuid)
{
	for (unsigned int i = 0; i < disk->map->volumes->len; i++) {
		const struct map_volume *volume = g_ptr_array_index(disk->map->volumes, i);

		if (g_strcmp0(volume->uuid, uuid) == 0)
			return true;
	}
	return false;
}

static bool has_esp(const GPtrArray *disks)
{
	for (unsigned int i = 0; i < disks->len; i++)
		if (disk_has_type(g_ptr_array_index(disks, i), TYPE_ESP))
			return true;
	return false;
}

static bool has_boot_code(const GPtrArray *disks)
{
	for (unsigned int i = 0; i < disks->len; i++) {
		const struct plan_disk *disk = g_ptr_array_index(disks, i);

		if (disk->map->boot_code)
			return true;
	}
	return false;
}

static void describe_firmware(const Facts *facts, const GPtrArray *disks, Manifest *manifest)
{
	bool made_for_uefi = has_esp(disks) && !has_boot_code(disks);
	bool uefi = facts->firmware == FACTS_FIRMWARE_UEFI;

	if (facts->firmware == FACTS_FIRMWARE_UNKNOWN) {
		uefi = made_for_uefi;
		warn(manifest, "the firmware is not known; %s is taken, by the boot disk",
		     uefi ? "UEFI" : "BIOS");
	} else if (!uefi && made_for_uefi) {
		warn(manifest, "the machine was started by BIOS, but its disks have an EFI system "
			       "partition and no boot code: the VM may not start");
	} else if (uefi && !has_esp(disks)) {
		warn(manifest, "the machine was started by UEFI, but its disks have no EFI system "
			       "partition: the VM may not start");
	}
	manifest->firmware = uefi ? MANIFEST_FIRMWARE_UEFI : MANIFEST_FIRMWARE_BIOS;
	manifest->secure_boot = uefi && facts->secure_boot == FACTS_YES;
}

static void describe_memory(const Facts *facts, Manifest *manifest)
{
	uint64_t bytes = facts->memory_installed ? facts->memory_installed : facts->memory_usable;

	if (bytes == 0) {
		bytes = MEMORY_UNKNOWN;
		warn(manifest, "the memory is not known; 2 GiB are taken");
	}
	manifest->memory = (bytes + MEMORY_UNIT - 1) / MEMORY_UNIT * MEMORY_UNIT;
}

/* Of too many, first the second threads of the cores go, which are the least worth. */
static void describe_cpus(const Facts *facts, Manifest *manifest)
{
	uint64_t sockets = CLAMP(facts->sockets, 1, CPUS_MAX), cores = MAX(facts->cores, 1);
	uint64_t threads = MAX(facts->threads, 1);

	if (cores > CPUS_MAX || threads > CPUS_MAX || sockets * cores * threads > CPUS_MAX)
		threads = 1;
	cores = MIN(cores, CPUS_MAX / sockets);
	manifest->sockets = (unsigned int)sockets;
	manifest->cores = (unsigned int)cores;
	manifest->threads = (unsigned int)threads;
	if (sockets < facts->sockets || cores < facts->cores || threads < facts->threads)
		warn(
		    manifest,
		    "the machine has %u sockets x %u cores x %u threads; the VM gets %u x %u x %u, "
		    "for libvirt defines at most %u CPUs",
		    facts->sockets, facts->cores, facts->threads, manifest->sockets,
		    manifest->cores, manifest->threads, CPUS_MAX);
}

/* Six bytes, and not the address of a group: FireWire has eight, an erased EEPROM all ones. */
static bool is_vm_mac(const char *mac)
{
	return strlen(mac) == strlen("xx:xx:xx:xx:xx:xx") && g_ascii_xdigit_value(mac[1]) % 2 == 0;
}

/* libblkid's names of what only Linux puts on a disk. */
static const char *const linux_contents[] = {
	"ext2",        "ext3",        "ext4",
	"xfs",         "btrfs",       "swap",
	"swsuspend",   "LVM2_member", "linux_raid_member",
	"crypto_LUKS", NULL,
};

static bool holds_linux(const StorageMap *map)
{
	for (unsigned int i = 0; i < map->disks->len; i++) {
		const DiskMap *disk = g_ptr_array_index(map->disks, i);

		for (unsigned int j = 0; j < disk->volumes->len; j++) {
			const struct map_volume *volume = g_ptr_array_index(disk->volumes, j);

			if (volume->content && g_strv_contains(linux_contents, volume->content))
				return true;
		}
	}
	return false;
}

/*
 * What the system surely has a driver for: that of the source's own NIC where QEMU has such a one;
 * virtio if it is Linux, which has had that since 2.6.25; else what most systems have.
 */
static const char *choose_nic_model(const char *driver, bool is_linux)
{
	static const struct {
		const char *driver, *model;
	} same[] = {
		{ "virtio_net", "virtio" },
		{ "e1000", "e1000" },
		{ "e1000e", "e1000e" },
		{ "8139cp", "rtl8139" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(same); i++)
		if (g_strcmp0(driver, same[i].driver) == 0)
			return same[i].model;
	return is_linux ? "virtio" : "e1000e";
}

static void describe_nics(const Facts *facts, const StorageMap *map, Manifest *manifest)
{
	bool is_linux = holds_linux(map);

	for (unsigned int i = 0; i < facts->nics->len; i++) {
		const struct facts_nic *nic = g_ptr_array_index(facts->nics, i);
		struct manifest_nic *vm_nic;

		if (!nic->permanent_mac || g_strcmp0(nic->kind, "ethernet") != 0)
			continue;
		if (!is_vm_mac(nic->permanent_mac)) {
			warn(manifest,
			     "%s has the address %s, which no NIC of a VM can have: it is "
			     "left out",
			     nic->name, nic->permanent_mac);
			continue;
		}
		vm_nic = manifest_add_nic(manifest);
		vm_nic->name = g_strdup(nic->name);
		vm_nic->mac = g_strdup(nic->permanent_mac);
		vm_nic->model = g_strdup(choose_nic_model(nic->driver, is_linux));
	}
}

static void describe_partitions(const DiskMap *map, struct manifest_disk *disk)
{
	for (unsigned int i = 0; i < map->volumes->len; i++) {
		const struct map_volume *from = g_ptr_array_index(map->volumes, i);
		struct manifest_volume *to = manifest_add_volume(disk);

		to->number = from->number;
		to->offset = from->offset;
		to->size = from->size;
		to->used = from->used;
		to->type = g_strdup(from->type);
		to->content = g_strdup(from->content);
		to->uuid = g_strdup(from->content_uuid);
		to->how = g_strdup(from->how);
	}
}

/* Those that lie across disks, or on what does. */
static void describe_volumes(const StorageMap *map, Manifest *manifest)
{
	for (unsigned int i = 0; i < map->volumes->len; i++) {
		const struct map_volume *from = g_ptr_array_index(map->volumes, i);
		struct manifest_layer_volume *to = manifest_add_layer_volume(manifest);

		to->layer = g_strdup(from->layer);
		to->name = g_strdup(from->name);
		to->size = from->size;
		to->used = from->used;
		to->content = g_strdup(from->content);
		to->how = g_strdup(from->how);
	}
	for (unsigned int i = 0; i < map->warnings->len; i++)
		warn(manifest, "%s", (const char *)g_ptr_array_index(map->warnings, i));
}

static void describe_disk(const Facts *facts, const struct plan_disk *plan, Manifest *manifest)
{
	const struct facts_disk *known = facts_find_disk(facts, plan->dev->name);
	struct manifest_disk *disk = manifest_add_disk(manifest);
	unsigned int number = manifest->disks->len - 1;

	disk->path = g_strdup(plan->dev->name);
	if (known) {
		disk->wwn = g_strdup(known->wwn);
		disk->serial = g_strdup(known->serial);
		disk->model = g_strdup(known->model);
		disk->driver = g_strdup(known->driver);
	}
	disk->size = plan->dev->size;
	disk->sector_size = plan->map->sector_size;
	disk->table = g_strdup(plan->map->table);
	disk->table_id = g_strdup(plan->map->table_id);
	disk->used = plan->used;
	describe_partitions(plan->map, disk);
	disk->bus = domain_choose_bus(disk->driver, disk->sector_size, manifest->firmware,
				      &disk->bus_reason);
	if (disk->sector_size == 4096 && disk->bus == MANIFEST_BUS_VIRTIO_SCSI)
		warn(manifest,
		     "%s has sectors of 4096 bytes and goes on virtio-scsi, since QEMU has no "
		     "such SATA disk: the system needs that driver to start",
		     disk->path);
	disk->image = g_strdup_printf("disk-%u.qcow2", number);
	disk->sums = g_strdup_printf("disk-%u.sums", number);
	disk->image_size =
	    IMAGE_CLUSTER_SIZE; /* what a manifest allows at least, until it is known */
	(void)manifest_set_file(manifest, disk->sums);
	for (unsigned int i = 0; i < plan->map->warnings->len; i++)
		warn(manifest, "%s", (const char *)g_ptr_array_index(plan->map->warnings, i));
}

/* The disk that the firmware starts from: by UEFI's own list, else the first that could. */
static unsigned int find_boot_disk(const Facts *facts, const GPtrArray *disks,
				   const Manifest *manifest)
{
	bool uefi = manifest->firmware == MANIFEST_FIRMWARE_UEFI;

	for (unsigned int i = 0; uefi && i < facts->boot_entries->len; i++) {
		const struct facts_boot_entry *entry = g_ptr_array_index(facts->boot_entries, i);

		for (unsigned int j = 0; entry->partition_uuid && j < disks->len; j++)
			if (disk_has_partition(g_ptr_array_index(disks, j), entry->partition_uuid))
				return j;
	}
	for (unsigned int j = 0; j < disks->len; j++) {
		const struct plan_disk *disk = g_ptr_array_index(disks, j);

		if (uefi ? disk_has_type(disk, TYPE_ESP) : disk->map->boot_code)
			return j;
	}
	return 0;
}

/* The boot disk first, the others as they come. */
static void describe_boot_order(const Facts *facts, const GPtrArray *disks, Manifest *manifest)
{
	unsigned int boot = find_boot_disk(facts, disks, manifest), order = 2;

	for (unsigned int i = 0; i < manifest->disks->len; i++) {
		struct manifest_disk *disk = g_ptr_array_index(manifest->disks, i);

		disk->boot_order = i == boot ? 1 : order++;
	}
}

void machine_describe(const Facts *facts, const GPtrArray *disks, const StorageMap *map,
		      Manifest *manifest)
{
	manifest->uuid = g_strdup(facts->uuid);
	manifest->rtc_local = facts->rtc == FACTS_RTC_LOCAL;
	manifest->facts = facts_to_json(facts);
	describe_cpus(facts, manifest);
	describe_memory(facts, manifest);
	describe_firmware(facts, disks, manifest);
	describe_nics(facts, map, manifest);
	for (unsigned int i = 0; i < disks->len; i++)
		describe_disk(facts, g_ptr_array_index(disks, i), manifest);
	describe_volumes(map, manifest);
	describe_boot_order(facts, disks, manifest);
}
