/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A domain's XML against domain capabilities, one device at a time. */
#include "unit.h"

#include "cloud/libvirt-needs.h"

#define DOMAIN(devices)                                                                    \
	"<domain type='qemu'><name>web</name><os><type arch='x86_64' machine='pc-7.2'>hvm" \
	"</type><loader>/usr/share/OVMF.fd</loader></os><cpu mode='custom'><model>qemu64"  \
	"</model></cpu><devices><emulator>/usr/bin/qemu</emulator>" devices "</devices></domain>"

#define CAPABILITIES                                                                             \
	"<domainCapabilities><os><loader supported='yes'><value>/usr/share/OVMF.fd</value>"      \
	"</loader></os><devices><disk supported='yes'><enum name='diskDevice'><value>disk"       \
	"</value></enum><enum name='bus'><value>virtio</value><value>sata</value></enum>"        \
	"</disk><video supported='no'/><rng supported='yes'><enum name='model'/></rng><graphics" \
	" supported='yes'><enum name='type'><value>vnc</value></enum></graphics></devices>"      \
	"</domainCapabilities>"

static void test_needs(void **state)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(LibvirtNeeds) needs = libvirt_read_needs(
	    DOMAIN("<interface type='network'><source network='lan' bridge='virbr0'/></interface>"
		   "<interface type='bridge'><source bridge='br0'/></interface>"
		   "<interface type='direct'><source dev='eth0'/></interface>"
		   "<interface type='user'/>"),
	    &error);

	assert_ok(needs != NULL, error);
	assert_string_equal(needs->arch, "x86_64");
	assert_string_equal(needs->machine, "pc-7.2");
	assert_string_equal(needs->type, "qemu");
	assert_string_equal(needs->emulator, "/usr/bin/qemu");
	assert_string_equal(needs->cpu, "<cpu mode=\"custom\"><model>qemu64</model></cpu>");
	assert_false(needs->host_cpu);
	assert_int_equal(needs->networks->len, 1);
	assert_string_equal(needs->networks->pdata[0], "lan");
	assert_int_equal(needs->bridges->len, 1);
	assert_string_equal(needs->bridges->pdata[0], "br0");
	assert_int_equal(needs->devices->len, 1);
	assert_string_equal(needs->devices->pdata[0], "eth0");
	assert_null(libvirt_read_needs("<pool/>", &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "no XML of a <domain>");
}

static void test_host_cpu(void **state)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(LibvirtNeeds) needs =
	    libvirt_read_needs("<domain><cpu mode='host-passthrough'/></domain>", &error);

	assert_ok(needs != NULL, error);
	assert_true(needs->host_cpu);
	assert_null(needs->cpu);
}

static void test_ties(void **state)
{
	static const struct {
		const char *xml, *words; /* NULL: none */
	} cases[] = {
		{ DOMAIN("<disk/>"), NULL },
		{ DOMAIN("<hostdev mode='subsystem' type='pci'/>"),
		  "the VM uses a device of its host (hostdev, pci)" },
		{ DOMAIN("<interface type='hostdev'/>"),
		  "the VM uses a NIC of its host (hostdev)" },
		{ DOMAIN("<filesystem><source dir='/x'/><target dir='share'/></filesystem>"),
		  "the VM uses a shared directory of its host (share)" },
		{ DOMAIN("<shmem name='lg'/>"), "the VM uses shared memory of its host (lg)" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GPtrArray) ties = g_ptr_array_new_with_free_func(g_free);
		g_autoptr(GError) error = NULL;

		assert_ok(libvirt_read_ties(cases[i].xml, ties, &error), error);
		assert_int_equal(ties->len, cases[i].words != NULL);
		if (cases[i].words)
			assert_string_equal(ties->pdata[0], cases[i].words);
	}
}

static void test_lacks(void **state)
{
	static const struct {
		const char *xml, *words; /* NULL: none */
	} cases[] = {
		{ DOMAIN("<disk device='disk'><target bus='virtio'/></disk>"), NULL },
		{ DOMAIN("<disk device='disk'><target bus='sata'/></disk><tpm model='tpm-tis'/>"),
		  NULL }, /* of TPMs nothing is said */
		{ DOMAIN("<disk device='disk'><target bus='usb'/></disk>"
			 "<disk device='disk'><target bus='usb'/></disk>"),
		  "it cannot give the VM a disk on bus usb" },
		{ DOMAIN("<disk device='cdrom'/>"), "a disk of kind cdrom" },
		{ DOMAIN("<video><model type='vga'/></video>"), "a video card vga" },
		{ DOMAIN("<graphics type='spice'/>"), "a graphics server of type spice" },
		{ DOMAIN("<rng model='virtio'/>"), "a random number generator virtio" },
		{ "<domain><os><loader>/x.fd</loader></os></domain>", "the firmware /x.fd" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GPtrArray) lacks = g_ptr_array_new_with_free_func(g_free);
		g_autoptr(GError) error = NULL;

		assert_ok(libvirt_read_lacks(cases[i].xml, CAPABILITIES, lacks, &error), error);
		if (lacks->len != (cases[i].words != NULL))
			fail_msg("case %zu: %u lacks", i, lacks->len);
		if (cases[i].words)
			assert_non_null(strstr(lacks->pdata[0], cases[i].words));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_needs),
		cmocka_unit_test(test_host_cpu),
		cmocka_unit_test(test_ties),
		cmocka_unit_test(test_lacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
