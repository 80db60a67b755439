/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What stands in the domain of which machine, asked by XPath.  Whether libvirt agrees is the
 * business of tests/scripts/domain-boots.sh.
 */
#include "unit.h"

#include "bundle/domain-xml.h"
#include "manifest-sample.h"

#include <libxml/parser.h>
#include <libxml/xpath.h>

static const struct domain_place q35 = {
	.name = "web1", .type = "kvm", .machine = "q35", .image_dir = "/pool", .network = "default"
};

/* The value of the XPath expression @path as a string, owned by the caller. */
static char *ask(const char *xml, const char *path)
{
	xmlDoc *doc = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL, XML_PARSE_NONET);
	xmlXPathContext *context = xmlXPathNewContext(doc);
	xmlXPathObject *object = xmlXPathEval((const xmlChar *)path, context);
	xmlChar *value = xmlXPathCastToString(object);
	char *copy = g_strdup((const char *)value);

	assert_non_null(doc);
	xmlFree(value);
	xmlXPathFreeObject(object);
	xmlXPathFreeContext(context);
	xmlFreeDoc(doc);
	return copy;
}

static void assert_says(const Manifest *manifest, const struct domain_place *place,
			const char *path, const char *want)
{
	g_autofree char *xml = domain_xml(manifest, place), *got = ask(xml, path);

	if (strcmp(got, want) != 0)
		fail_msg("%s is '%s', not '%s', in:\n%s", path, got, want, xml);
}

static void test_machine(void **state)
{
	g_autoptr(Manifest) manifest = sample_manifest();
	struct domain_place place = q35;

	assert_says(manifest, &place, "/domain/@type", "kvm");
	assert_says(manifest, &place, "/domain/name", "web1");
	assert_says(manifest, &place, "count(/domain/uuid)", "0");
	assert_says(manifest, &place, "concat(/domain/memory, /domain/memory/@unit)", "2048MiB");
	assert_says(manifest, &place, "/domain/vcpu", "16");
	assert_says(manifest, &place,
		    "concat(//topology/@sockets, //topology/@cores, "
		    "//topology/@threads)",
		    "242");
	assert_says(manifest, &place, "//cpu/@mode", "host-model");
	assert_says(manifest, &place, "//os/type/@machine", "q35");
	assert_says(manifest, &place, "//clock/@offset", "utc");
	assert_says(manifest, &place, "count(//features/acpi | //features/apic)", "2");
	assert_says(manifest, &place, "count(//devices/serial | //console | //video)", "3");

	manifest->rtc_local = true;
	place.type = "qemu";
	place.uuid = manifest->uuid;
	assert_says(manifest, &place, "//clock/@offset", "localtime");
	assert_says(manifest, &place, "//cpu/model", "Nehalem");
	assert_says(manifest, &place, "/domain/uuid", "4c4c4544-0043-3510-8052-b4c04f564231");
}

static void test_firmware(void **state)
{
	g_autoptr(Manifest) manifest = sample_manifest();

	assert_says(manifest, &q35, "count(//os/@firmware | //os/firmware | //smm)", "0");

	manifest->firmware = MANIFEST_FIRMWARE_UEFI;
	assert_says(manifest, &q35, "//os/@firmware", "efi");
	assert_says(manifest, &q35, "//os//feature[@name='secure-boot']/@enabled", "no");
	assert_says(manifest, &q35, "//os//feature[@name='enrolled-keys']/@enabled", "no");
	assert_says(manifest, &q35, "count(//smm)", "0");

	manifest->secure_boot = true;
	assert_says(manifest, &q35, "//os//feature[@name='secure-boot']/@enabled", "yes");
	assert_says(manifest, &q35, "//os//feature[@name='enrolled-keys']/@enabled", "yes");
	assert_says(manifest, &q35, "//smm/@state", "on");
}

static void test_nics(void **state)
{
	g_autoptr(Manifest) manifest = sample_manifest();
	struct manifest_nic *virtio = manifest_add_nic(manifest);
	struct domain_place pc = q35;

	virtio->name = g_strdup("ens3");
	virtio->mac = g_strdup("52:54:00:00:00:01");
	virtio->model = g_strdup("virtio");
	pc.machine = "pc";
	assert_says(manifest, &q35, "//interface[1]/mac/@address", "52:54:00:12:34:56");
	assert_says(manifest, &q35, "//interface[1]/source/@network", "default");
	assert_says(manifest, &q35, "//interface[1]/model/@type", "e1000e");
	assert_says(manifest, &pc, "//interface[1]/model/@type", "e1000");
	assert_says(manifest, &pc, "//interface[2]/model/@type", "virtio");
}

/* The places that an import chooses one by one. */
static void test_places(void **state)
{
	g_autoptr(Manifest) manifest = sample_manifest();
	struct manifest_disk *second = sample_add_disk(manifest);
	struct manifest_nic *nic = manifest_add_nic(manifest);
	const char *const images[] = { "/a/first", "/b/second" };
	const char *const networks[] = { "red", "blue" };
	struct domain_place place = q35;

	nic->mac = g_strdup("52:54:00:00:00:01");
	nic->model = g_strdup("virtio");
	place.images = images;
	place.networks = networks;
	assert_says(manifest, &place, "//disk[boot/@order=1]/source/@file", "/a/first");
	assert_says(manifest, &place, "//disk[boot/@order=2]/source/@file", "/b/second");
	assert_says(manifest, &place,
		    "//interface[mac/@address='52:54:00:12:34:56']/source/@network", "red");
	assert_says(manifest, &place,
		    "//interface[mac/@address='52:54:00:00:00:01']/source/@network", "blue");

	((struct manifest_disk *)g_ptr_array_index(manifest->disks, 0))->boot_order = 2;
	second->boot_order = 1;
	assert_says(manifest, &place, "//disk[boot/@order=1]/source/@file", "/b/second");
	assert_says(manifest, &place, "//disk[1]/boot/@order", "1");
}

static void test_disk(void **state)
{
	g_autoptr(Manifest) manifest = sample_manifest();
	struct manifest_disk *disk = g_ptr_array_index(manifest->disks, 0);
	struct domain_place bare = q35;

	bare.image_dir = "";
	assert_says(manifest, &q35, "//disk/source/@file", "/pool/disk-0.qcow2");
	assert_says(manifest, &bare, "//disk/source/@file", "disk-0.qcow2");
	assert_says(manifest, &q35, "concat(//disk/driver/@type, //disk/driver/@discard)",
		    "qcow2unmap");
	assert_says(manifest, &q35, "//disk/boot/@order", "1");
	assert_says(manifest, &q35, "count(//disk/blockio)", "0");
	assert_says(manifest, &q35, "//controller/@model", "lsisas1078");
	disk->sector_size = 4096;
	disk->bus = MANIFEST_BUS_VIRTIO;
	assert_says(manifest, &q35, "//disk/blockio/@logical_block_size", "4096");
	assert_says(manifest, &q35, "//disk/blockio/@physical_block_size", "4096");
	assert_says(manifest, &q35, "//disk/target/@dev", "vda");
	assert_says(manifest, &q35, "count(//controller | //disk/address)", "0");
}

static void test_serial(void **state)
{
	static const struct {
		const char *serial;
		enum manifest_bus bus;
		const char *want;
	} cases[] = {
		{ "ZA1B 2C3D_.+-", MANIFEST_BUS_SATA, "ZA1B 2C3D_.+-" },
		{ "12345678901234567890", MANIFEST_BUS_VIRTIO, "12345678901234567890" },
		{ "123456789012345678901", MANIFEST_BUS_VIRTIO, "" },
		{ "123456789012345678901", MANIFEST_BUS_SATA, "" },
		{ "123456789012345678901234567890123456", MANIFEST_BUS_VIRTIO_SCSI,
		  "123456789012345678901234567890123456" },
		{ "1234567890123456789012345678901234567", MANIFEST_BUS_VIRTIO_SCSI, "" },
		{ "a,b", MANIFEST_BUS_SATA, "" },
		{ "a/b", MANIFEST_BUS_SATA, "" },
		{ " a", MANIFEST_BUS_SATA, "" },
		{ "a ", MANIFEST_BUS_SATA, "" },
		{ NULL, MANIFEST_BUS_SATA, "" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(Manifest) manifest = sample_manifest();
		struct manifest_disk *disk = g_ptr_array_index(manifest->disks, 0);

		g_free(disk->serial);
		disk->serial = g_strdup(cases[i].serial);
		disk->bus = cases[i].bus;
		assert_says(manifest, &q35, "//disk/serial", cases[i].want);
	}
}

static void test_wwn(void **state)
{
	static const struct {
		const char *wwn;
		enum manifest_bus bus;
		const char *want;
	} cases[] = {
		{ "0x5000c500a1b2c3d4", MANIFEST_BUS_LSISAS1068, "5000c500a1b2c3d4" },
		{ "0x5000c500a1b2c3d4", MANIFEST_BUS_LSISAS1078, "5000c500a1b2c3d4" },
		{ "0x5000c500a1b2c3d4", MANIFEST_BUS_VIRTIO_SCSI, "5000c500a1b2c3d4" },
		{ "0x5000c500a1b2c3d4", MANIFEST_BUS_SATA, "" },
		{ "0x5000c500a1b2c3d4", MANIFEST_BUS_VIRTIO, "" },
		{ "eui.0025385b71b0a1c2", MANIFEST_BUS_VIRTIO_SCSI, "" },
		{ "0x600508b1001c4d3e5f60718293a4b5c6", MANIFEST_BUS_VIRTIO_SCSI, "" },
		{ "0x0000000000000000", MANIFEST_BUS_VIRTIO_SCSI, "" },
		{ "0x5000c500a1b2c3'/", MANIFEST_BUS_VIRTIO_SCSI, "" },
		{ "0", MANIFEST_BUS_VIRTIO_SCSI, "" },
		{ "0x600508b1001c4d3e5f60718293a4b5c6", MANIFEST_BUS_LSISAS1068,
		  "5525400000000001" },
		{ NULL, MANIFEST_BUS_LSISAS1068, "5525400000000001" },
		{ NULL, MANIFEST_BUS_LSISAS1078, "" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(Manifest) manifest = sample_manifest();
		struct manifest_disk *disk = g_ptr_array_index(manifest->disks, 0);

		g_free(disk->wwn);
		disk->wwn = g_strdup(cases[i].wwn);
		disk->bus = cases[i].bus;
		assert_says(manifest, &q35, "//disk/wwn", cases[i].want);
	}
}

/* Where the last of so many disks on one bus ends up. */
static void test_many_disks(void **state)
{
	static const struct {
		enum manifest_bus bus;
		unsigned int disks;
		const char *target, *address, *controllers;
	} cases[] = {
		{ MANIFEST_BUS_SATA, 6, "sdf", "0/0/5", "1" },
		{ MANIFEST_BUS_SATA, 7, "sdg", "1/0/0", "2" },
		{ MANIFEST_BUS_SATA, 26, "sdz", "4/0/1", "5" },
		{ MANIFEST_BUS_SATA, 256, "sdiv", "42/0/3", "43" },
		{ MANIFEST_BUS_VIRTIO_SCSI, 256, "sdiv", "0/255/0", "1" },
		{ MANIFEST_BUS_LSISAS1068, 8, "sdh", "0/7/0", "1" },
		{ MANIFEST_BUS_LSISAS1068, 9, "sdi", "1/0/0", "2" },
		{ MANIFEST_BUS_LSISAS1078, 65, "sdbm", "1/0/0", "2" },
		{ MANIFEST_BUS_VIRTIO, 27, "vdaa", "//", "0" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(Manifest) manifest = sample_manifest();
		struct manifest_disk *disk = g_ptr_array_index(manifest->disks, 0);

		disk->bus = cases[i].bus;
		while (manifest->disks->len < cases[i].disks)
			(void)sample_add_disk(manifest);
		assert_says(manifest, &q35, "//disk[last()]/target/@dev", cases[i].target);
		assert_says(manifest, &q35,
			    "concat(//disk[last()]/address/@controller, '/', "
			    "//disk[last()]/address/@target, '/', //disk[last()]/address/@unit)",
			    cases[i].address);
		assert_says(manifest, &q35, "count(//controller)", cases[i].controllers);
	}
}

/* In boot order; controllers of one type share their numbers, disks of one prefix their names. */
static void test_mixed_disks(void **state)
{
	static const enum manifest_bus others[] = { MANIFEST_BUS_VIRTIO, MANIFEST_BUS_VIRTIO_SCSI,
						    MANIFEST_BUS_SATA, MANIFEST_BUS_VIRTIO_SCSI };
	g_autoptr(Manifest) manifest = sample_manifest();
	struct manifest_disk *first = g_ptr_array_index(manifest->disks, 0);

	for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
		struct manifest_disk *disk = sample_add_disk(manifest);

		disk->bus = others[i];
		disk->boot_order--;
	}
	first->boot_order = 5;

	assert_says(manifest, &q35, "//disk[1]/source/@file", "/pool/disk-1.qcow2");
	assert_says(manifest, &q35, "//disk[5]/source/@file", "/pool/disk-0.qcow2");
	assert_says(manifest, &q35, "//disk[5]/boot/@order", "5");
	assert_says(manifest, &q35, "//disk[1]/target/@dev", "vda");
	assert_says(manifest, &q35, "//disk[2]/target/@dev", "sda");
	assert_says(manifest, &q35, "//disk[5]/target/@dev", "sdd");
	assert_says(manifest, &q35, "//controller[@type='sata']/@index", "0");
	assert_says(manifest, &q35, "//controller[@model='virtio-scsi']/@index", "0");
	assert_says(manifest, &q35, "//controller[@model='lsisas1078']/@index", "1");
	assert_says(manifest, &q35, "//disk[4]/address/@target", "1");
	assert_says(manifest, &q35, "//disk[5]/address/@controller", "1");
}

static void test_choose_bus(void **state)
{
	static const struct {
		const char *driver;
		uint32_t sector_size;
		enum manifest_firmware firmware;
		enum manifest_bus want;
		const char *reason;
	} cases[] = {
#define BIOS MANIFEST_FIRMWARE_BIOS
#define UEFI MANIFEST_FIRMWARE_UEFI
		{ "virtio_blk", 512, BIOS, MANIFEST_BUS_VIRTIO, "virtio_blk at the source" },
		{ "virtio_blk", 4096, UEFI, MANIFEST_BUS_VIRTIO, "virtio_blk" },
		{ "virtio_scsi", 512, UEFI, MANIFEST_BUS_VIRTIO_SCSI, "virtio_scsi" },
		{ "virtio_scsi", 4096, BIOS, MANIFEST_BUS_VIRTIO_SCSI, "virtio_scsi" },
		{ "megaraid_sas", 512, BIOS, MANIFEST_BUS_LSISAS1078,
		  "megaraid_sas with BIOS firmware" },
		{ "megaraid_sas", 512, UEFI, MANIFEST_BUS_SATA, "UEFI firmware cannot boot" },
		{ "megaraid_sas", 4096, BIOS, MANIFEST_BUS_VIRTIO_SCSI, "4096-byte sectors" },
		{ "mptsas", 512, BIOS, MANIFEST_BUS_LSISAS1068, "mptsas with BIOS firmware" },
		{ "mptsas", 512, UEFI, MANIFEST_BUS_SATA, "UEFI firmware cannot boot" },
		{ "ahci", 512, BIOS, MANIFEST_BUS_SATA, "ahci" },
		{ "nvme", 4096, UEFI, MANIFEST_BUS_VIRTIO_SCSI,
		  "the guest needs the virtio_scsi driver" },
		{ NULL, 512, UEFI, MANIFEST_BUS_SATA, "unknown controller" },
		{ NULL, 4096, BIOS, MANIFEST_BUS_VIRTIO_SCSI, "unknown controller with 4096" },
#undef BIOS
#undef UEFI
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *reason = NULL;
		enum manifest_bus got = domain_choose_bus(cases[i].driver, cases[i].sector_size,
							  cases[i].firmware, &reason);

		if (got != cases[i].want || !strstr(reason, cases[i].reason))
			fail_msg("%s/%u/%d: %s, '%s'", cases[i].driver, cases[i].sector_size,
				 (int)cases[i].firmware, manifest_bus_name(got), reason);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_machine),     cmocka_unit_test(test_firmware),
		cmocka_unit_test(test_nics),        cmocka_unit_test(test_disk),
		cmocka_unit_test(test_places),      cmocka_unit_test(test_serial),
		cmocka_unit_test(test_wwn),         cmocka_unit_test(test_many_disks),
		cmocka_unit_test(test_mixed_disks), cmocka_unit_test(test_choose_bus),
	};

	return cmocka_run_group_tests_name("domain-xml", tests, NULL, NULL);
}
