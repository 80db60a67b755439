/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What libvirt says of hosts, pools, volumes and VMs, as ours; and what is no such thing. */
#include "unit.h"

#include "cloud/libvirt-xml.h"

#include <libxml/parser.h>

/* Of libvirt 9.0, shortened. */
static const char capabilities[] =
    "<capabilities><host><uuid>5F112445-0ca7-4ab0-a600-515940853b7a</uuid>"
    "<cpu><arch>x86_64</arch><model>EPYC</model><feature name='svme-addr-chk'/></cpu></host>"
    "<guest><os_type>xen</os_type><arch name='x86_64'><machine>xenfv</machine></arch></guest>"
    "<guest><os_type>hvm</os_type><arch name='i686'><emulator>/q-i386</emulator>"
    "<machine>isapc</machine><domain type='kvm'/></arch></guest>"
    "<guest><os_type>hvm</os_type><arch name='x86_64'><emulator>/q-x86</emulator>"
    "<machine maxCpus='288'>pc-q35-7.2</machine><machine canonical='pc-q35-7.2'>q35</machine>"
    "<domain type='qemu'/><domain type='kvm'><emulator>/q-kvm</emulator>"
    "<machine>pc</machine></domain></arch></guest></capabilities>";

static void test_capabilities(void **state)
{
	g_autofree char *uuid = libvirt_read_host_uuid(capabilities);
	g_autofree char *cpu = libvirt_read_host_cpu(capabilities);
	g_autoptr(CloudCapacity) capacity = g_new0(CloudCapacity, 1);
	g_autoptr(GError) error = NULL;

	assert_string_equal(uuid, "5f112445-0ca7-4ab0-a600-515940853b7a");
	assert_string_equal(cpu, "<cpu><arch>x86_64</arch><model>EPYC</model>"
				 "<feature name=\"svme-addr-chk\"/></cpu>");
	assert_ok(libvirt_read_capabilities(capabilities, capacity, &error), error);
	assert_string_equal(capacity->arch, "x86_64");
	assert_string_equal(capacity->qemu_emulator, "/q-x86");
	assert_string_equal(capacity->kvm_emulator, "/q-kvm");
	assert_true(cloud_capacity_has_machine(capacity, "q35"));
	assert_true(cloud_capacity_has_machine(capacity, "pc"));
	assert_false(cloud_capacity_has_machine(capacity, "isapc"));
	assert_false(cloud_capacity_has_machine(capacity, "xenfv"));
}

static void test_no_emulator(void **state)
{
	static const char bare[] = "<capabilities><host><cpu><arch>aarch64</arch></cpu></host>"
				   "<guest><os_type>hvm</os_type><arch name='x86_64'><emulator>/q"
				   "</emulator><domain type='qemu'/></arch></guest></capabilities>";
	g_autoptr(CloudCapacity) capacity = g_new0(CloudCapacity, 1);
	g_autoptr(GError) error = NULL;

	assert_null(libvirt_read_host_uuid(bare));
	assert_ok(libvirt_read_capabilities(bare, capacity, &error), error);
	assert_null(capacity->qemu_emulator);
	assert_null(capacity->kvm_emulator);
	assert_int_equal(capacity->machines->len, 0);
}

static const struct {
	const char *cpu;
	bool virtualizes;
} cpus[] = {
	{ "<cpu><model>Haswell</model><feature policy='require' name='vmx'/></cpu>", true },
	{ "<cpu><feature name='svm'/></cpu>", true },
	{ "<cpu><feature policy='force' name='svm'/></cpu>", true },
	{ "<cpu><feature policy='disable' name='vmx'/></cpu>", false },
	{ "<cpu><feature policy='forbid' name='svm'/></cpu>", false },
	{ "<cpu><feature name='svme-addr-chk'/><feature name='vmx-ept'/></cpu>", false },
	{ "<cpu><model>svm</model></cpu>", false },
	{ "<cpu/>", false },
	{ "<domain><feature name='svm'/></domain>", false },
	{ "", false },
};

static void test_virtualizes(void **state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cpus); i++)
		if (libvirt_read_cpu_virtualizes(cpus[i].cpu) != cpus[i].virtualizes)
			fail_msg("wrong: %s", cpus[i].cpu);
}

static void test_domain_capabilities(void **state)
{
	static const char both[] =
	    "<domainCapabilities><vcpu max='288'/><os><enum name='firmware'><value>bios</value>"
	    "<value>efi</value></enum><loader><enum name='secure'><value>yes</value>"
	    "<value>no</value></enum></loader></os></domainCapabilities>";
	static const char plain[] =
	    "<domainCapabilities><os><enum name='firmware'><value>efi</value></enum><loader>"
	    "<enum name='secure'><value>no</value></enum></loader></os></domainCapabilities>";
	static const char none[] =
	    "<domainCapabilities><os><enum name='firmware'/><loader><enum name='secure'>"
	    "<value>yes</value></enum></loader></os></domainCapabilities>";
	g_autoptr(CloudCapacity) capacity = g_new0(CloudCapacity, 1);
	g_autoptr(GError) error = NULL;

	assert_ok(libvirt_read_domain_capabilities(both, capacity, &error), error);
	assert_true(capacity->uefi && capacity->secure_boot);
	assert_int_equal(capacity->cpus_max, 288);
	assert_ok(libvirt_read_domain_capabilities(plain, capacity, &error), error);
	assert_true(capacity->uefi && !capacity->secure_boot);
	assert_ok(libvirt_read_domain_capabilities(none, capacity, &error), error);
	assert_false(capacity->uefi || capacity->secure_boot);
}

static void test_pool(void **state)
{
	g_autofree char *xml = libvirt_write_pool("u-u-i-d", "a&<b>", "/p/'\"&");
	g_autoptr(CloudPool) dir = g_new0(CloudPool, 1), iscsi = g_new0(CloudPool, 1);
	g_autoptr(GError) error = NULL;

	assert_ok(libvirt_read_pool(xml, dir, &error), error);
	assert_string_equal(dir->type, "dir");
	assert_string_equal(dir->path, "/p/'\"&");
	assert_non_null(strstr(xml, "<name>a&amp;&lt;b&gt;</name><uuid>u-u-i-d</uuid>"));
	assert_ok(libvirt_read_pool("<pool type='iscsi-direct'/>", iscsi, &error), error);
	assert_null(iscsi->path);
}

static void test_volume(void **state)
{
	static const char xml[] =
	    "<volume type='file'><name>v</name><key>/p/v</key><capacity unit='bytes'>1073741824"
	    "</capacity><allocation unit='bytes'>200704</allocation><physical unit='bytes'>196616"
	    "</physical><target><path>/p/v</path><format type='qcow2'/><permissions><mode>0600"
	    "</mode><owner>64055</owner><group>107</group></permissions><timestamps><mtime>"
	    "1790000000.001234567</mtime><ctime>1790000001.5</ctime></timestamps></target><backingStore><path>/p/base</path>"
	    "</backingStore></volume>";
	g_autoptr(CloudVolume) volume = g_new0(CloudVolume, 1), bare = g_new0(CloudVolume, 1);
	g_autoptr(GError) error = NULL;
	struct libvirt_file file;

	assert_ok(libvirt_read_volume(xml, volume, &file, &error), error);
	assert_string_equal(volume->path, "/p/v");
	assert_string_equal(volume->format, "qcow2");
	assert_string_equal(volume->backing, "/p/base");
	assert_string_equal(volume->file,
			    "196616 bytes, changed 1790000001.5, written 1790000000.001234567");
	assert_int_equal(volume->capacity, 1073741824);
	assert_int_equal(volume->allocation, 200704);
	assert_int_equal(file.physical, 196616);
	assert_int_equal(file.mtime_s, 1790000000);
	assert_int_equal(file.mtime_ns, 1234567);
	assert_int_equal(file.owner, 64055);
	assert_int_equal(file.group, 107);

	assert_ok(libvirt_read_volume("<volume><capacity>x</capacity></volume>", bare, &file,
				      &error),
		  error);
	assert_string_equal(bare->path, "");
	assert_null(bare->file);
	assert_string_equal(bare->format, "unknown");
	assert_null(bare->backing);
	assert_int_equal(bare->capacity, 0);
	assert_int_equal(file.mtime_s, 0);
}

static void test_written_volume(void **state)
{
	g_autofree char *raw = libvirt_write_volume("a&b", "raw", UINT64_MAX);
	g_autofree char *qcow2 = libvirt_write_volume("v", "qcow2", 512);

	assert_non_null(strstr(raw, "<name>a&amp;b</name><capacity>18446744073709551615</capacity>"
				    "<allocation>0</allocation><target><format type=\"raw\"/>"
				    "</target>"));
	assert_non_null(strstr(qcow2, "<format type=\"qcow2\"/><compat>1.1</compat>"));
}

static void test_domain(void **state)
{
	static const char live[] =
	    "<domain><devices>"
	    "<interface><mac address='52:54:00:AA:00:01'/></interface>"
	    "<interface><mac address='52:54:00:aa:00:02'/></interface>"
	    "<disk><source file='/p/top'/><backingStore><source file='/p/base'/></backingStore>"
	    "<mirror><source file='/p/mirror'/></mirror></disk>"
	    "<disk><source dev='/dev/sdb'/></disk><disk device='cdrom'/>"
	    "<disk type='volume'><source pool='fast' volume='web.qcow2'/></disk>"
	    "<disk type='network'><source protocol='nbd' name='n'/></disk></devices></domain>";
	static const char defined[] =
	    "<domain><devices><interface><mac address='52:54:00:aa:00:01'/></interface>"
	    "<disk><source file='/p/top'/></disk><disk><source file='/p/new'/></disk>"
	    "</devices></domain>";
	static const char *const macs[] = { "52:54:00:aa:00:01", "52:54:00:aa:00:02" };
	static const char *const paths[] = { "/p/top", "/p/base", "/p/mirror", "/dev/sdb",
					     "/p/new" };
	g_autoptr(GPtrArray) volumes = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(CloudDomain) domain = g_new0(CloudDomain, 1);
	g_autoptr(GError) error = NULL;

	domain->macs = g_ptr_array_new_with_free_func(g_free);
	domain->paths = g_ptr_array_new_with_free_func(g_free);
	assert_ok(libvirt_read_domain(live, domain, volumes, &error), error);
	assert_ok(libvirt_read_domain(defined, domain, volumes, &error), error);
	assert_int_equal(domain->macs->len, G_N_ELEMENTS(macs));
	assert_int_equal(domain->paths->len, G_N_ELEMENTS(paths));
	for (size_t i = 0; i < G_N_ELEMENTS(macs); i++)
		assert_string_equal(domain->macs->pdata[i], macs[i]);
	for (size_t i = 0; i < G_N_ELEMENTS(paths); i++)
		assert_string_equal(domain->paths->pdata[i], paths[i]);
	assert_int_equal(volumes->len, 2);
	assert_string_equal(volumes->pdata[0], "fast");
	assert_string_equal(volumes->pdata[1], "web.qcow2");
}

static const struct {
	const char *xml;
	const char *words; /* NULL: all right */
} domains[] = {
	{ "<domain><name>web</name><uuid>5a1d1c3e-0000-4000-8000-00000000000a</uuid></domain>",
	  NULL },
	{ "<domain><uuid>5a1d1c3e-0000-4000-8000-00000000000a</uuid></domain>", "is empty" },
	{ "<domain><name>web</name></domain>", "is no UUID" },
	{ "<domain><name>a/b</name><uuid>5a1d1c3e-0000-4000-8000-00000000000a</uuid></domain>",
	  "contains '/'" },
	{ "<pool><name>web</name></pool>", "no XML of a <domain>" },
	{ "<domain><name>web</name>", "no XML of a <domain>" },
	{ "", "no XML of a <domain>" },
	/* An entity would be a way to files. */
	{ "<!DOCTYPE domain [<!ENTITY e SYSTEM 'file:///etc/hostname'>]><domain><name>&e;</name>"
	  "<uuid>5a1d1c3e-0000-4000-8000-00000000000a</uuid></domain>",
	  "is empty" },
};

static void test_domain_names(void **state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(domains); i++) {
		g_autofree char *name = NULL, *uuid = NULL;
		g_autoptr(GError) error = NULL;
		bool ok = libvirt_read_domain_names(domains[i].xml, &name, &uuid, &error);

		if (!domains[i].words) {
			assert_ok(ok, error);
			assert_string_equal(name, "web");
			assert_string_equal(uuid, "5a1d1c3e-0000-4000-8000-00000000000a");
			continue;
		}
		assert_false(ok);
		assert_error(&error, WHERRY_ERROR_INVALID_INPUT, domains[i].words);
	}
}

static void test_damaged(void **state)
{
	g_autoptr(CloudCapacity) capacity = g_new0(CloudCapacity, 1);
	g_autoptr(CloudPool) pool = g_new0(CloudPool, 1);
	g_autoptr(CloudVolume) volume = g_new0(CloudVolume, 1);
	g_autoptr(GError) error = NULL;

	assert_null(libvirt_read_host_uuid("nonsense"));
	assert_null(libvirt_read_host_cpu("<capabilities/>"));
	assert_false(libvirt_read_capabilities("<capabilities>", capacity, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "no XML of a <capabilities>");
	assert_false(libvirt_read_capabilities("<capabilities><host><cpu><arch>x'y</arch></cpu>"
					       "</host></capabilities>",
					       capacity, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "architecture");
	assert_false(libvirt_read_domain_capabilities("<x/>", capacity, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "<domainCapabilities>: '<x/>'");
	assert_false(libvirt_read_pool("", pool, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "<pool>");
	assert_false(libvirt_read_volume("<pool/>", volume, NULL, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "<volume>");
}

static int end_library(void **state)
{
	xmlCleanupParser();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_capabilities),   cmocka_unit_test(test_no_emulator),
		cmocka_unit_test(test_virtualizes),    cmocka_unit_test(test_domain_capabilities),
		cmocka_unit_test(test_pool),           cmocka_unit_test(test_volume),
		cmocka_unit_test(test_written_volume), cmocka_unit_test(test_domain),
		cmocka_unit_test(test_domain_names),   cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, end_library);
}
