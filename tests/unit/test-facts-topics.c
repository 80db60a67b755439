/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Roots of a few files each, and what one member of the facts is then: the cases that the recorded
 * machines do not have.
 */
#include "unit.h"

#include "source/facts-json.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CPU    "sys/devices/system/cpu/"
#define VARS   "sys/firmware/efi/efivars/"
#define GLOBAL "-8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define LOAD_OPTION \
	"\7\0\0\0"  \
	"\1\0\0\0"  \
	"\0\0"      \
	"x\0\0\0"
#define BYTES(s)     s, sizeof(s) - 1
#define TEXT(s)      s, 0
#define PACKAGE(cpu) CPU cpu "/topology/physical_package_id"
#define CORE(cpu)    CPU cpu "/topology/core_id"
#define DIE(cpu)     CPU cpu "/topology/die_id"

struct file {
	const char *path, *bytes;
	size_t len;         /* 0: up to the NUL */
	const char *target; /* of a symlink; then there are no bytes */
};

static const struct {
	const char *what;
	struct file files[12];
	const char *member, *want; /* of the JSON */
	const char *note;          /* NULL: nothing is said of these files */
} cases[] = {
	{ "rtc: UTC", { { "etc/adjtime", TEXT("0.0 0 0.0\n0\nUTC\n") } }, "rtc", "\"utc\"", NULL },
	{ "rtc: local", { { "etc/adjtime", TEXT("0 0 0\n0\nLOCAL") } }, "rtc", "\"local\"", NULL },
	{ "rtc: no file", { { 0 } }, "rtc", "null", NULL },
	{ "rtc: two lines", { { "etc/adjtime", TEXT("0.0 0 0.0\n0\n") } }, "rtc", "null", NULL },
	{ "rtc: garbage",
	  { { "etc/adjtime", TEXT("0.0 0 0.0\n0\nMOON\n") } },
	  "rtc",
	  "null",
	  "/etc/adjtime: its third line is neither UTC nor LOCAL" },

	{ "memory",
	  { { "proc/meminfo", TEXT("MemTotal:       16384 kB\nMemFree: 1 kB\n") } },
	  "memory_usable",
	  "16777216",
	  NULL },
	{ "memory: another unit",
	  { { "proc/meminfo", TEXT("MemTotal: 16384 MB\n") } },
	  "memory_usable",
	  "null",
	  "/proc/meminfo: does not say how much memory there is" },
	{ "memory: too much",
	  { { "proc/meminfo", TEXT("MemTotal: 99999999999999999999 kB\n") } },
	  "memory_usable",
	  "null",
	  "/proc/meminfo: does not say how much memory there is" },

	{ "cpu: two sockets of two threads",
	  { { PACKAGE("cpu0"), TEXT("0") },
	    { CORE("cpu0"), TEXT("0") },
	    { PACKAGE("cpu1"), TEXT("0") },
	    { CORE("cpu1"), TEXT("0") },
	    { PACKAGE("cpu2"), TEXT("1") },
	    { CORE("cpu2"), TEXT("0") },
	    { PACKAGE("cpu3"), TEXT("1") },
	    { CORE("cpu3"), TEXT("0") } },
	  "cpus",
	  "[2, 1, 2]",
	  NULL },
	{ "cpu: the same core on two dies",
	  { { PACKAGE("cpu0"), TEXT("0") },
	    { DIE("cpu0"), TEXT("0") },
	    { CORE("cpu0"), TEXT("0") },
	    { PACKAGE("cpu1"), TEXT("0") },
	    { DIE("cpu1"), TEXT("1") },
	    { CORE("cpu1"), TEXT("0") } },
	  "cpus",
	  "[1, 2, 1]",
	  NULL },
	{ "cpu: a core with two threads, one with one",
	  { { CORE("cpu0"), TEXT("0") }, { CORE("cpu1"), TEXT("0") }, { CORE("cpu2"), TEXT("1") } },
	  "cpus",
	  "[1, 3, 1]",
	  "3 CPUs do not spread evenly over 2 cores on 1 sockets" },
	{ "cpu: sockets of two cores and of one",
	  { { PACKAGE("cpu0"), TEXT("0") },
	    { CORE("cpu0"), TEXT("0") },
	    { PACKAGE("cpu1"), TEXT("0") },
	    { CORE("cpu1"), TEXT("1") },
	    { PACKAGE("cpu2"), TEXT("1") },
	    { CORE("cpu2"), TEXT("0") } },
	  "cpus",
	  "[1, 3, 1]",
	  "3 CPUs do not spread evenly over 3 cores on 2 sockets" },
	{ "cpu: one is offline",
	  { { CORE("cpu0"), TEXT("0") }, { CPU "cpu1/online", TEXT("0") } },
	  "cpus",
	  "[1, 1, 1]",
	  NULL },
	{ "cpu: garbage",
	  { { CORE("cpu0"), TEXT("zero") }, { CORE("cpu1"), TEXT("0") } },
	  "cpus",
	  "[1, 2, 1]",
	  "/" CORE("cpu0") ": 'zero' makes no sense" },
	{ "cpu: only /proc/cpuinfo",
	  { { "proc/cpuinfo",
	      TEXT("processor\t: 0\nmodel name\t: Xeon\nphysical id\t: 0\ncore id\t\t: 0\n\n"
		   "processor\t: 1\nmodel name\t: Xeon\nphysical id\t: 3\ncore id\t\t: 0\n\n") } },
	  "cpus",
	  "[2, 1, 1]",
	  NULL },
	{ "cpu: a /proc/cpuinfo without topology",
	  { { "proc/cpuinfo", TEXT("processor: 0\nprocessor: 1\nprocessor: 2\n") } },
	  "cpus",
	  "[1, 3, 1]",
	  "/proc/cpuinfo: no model name" },

	{ "dns",
	  { { "etc/resolv.conf",
	      TEXT("# nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver\t2001:db8::1 \n"
		   "nameserver fe80::1%eth0\noptions ndots:1\n") } },
	  "dns",
	  "[\"192.0.2.2\", \"2001:db8::1\", \"fe80::1%eth0\"]",
	  NULL },
	{ "dns: garbage",
	  { { "etc/resolv.conf", TEXT("nameserver dns.example.org\nnameserver 192.0.2.2\n") } },
	  "dns",
	  "[\"192.0.2.2\"]",
	  "/etc/resolv.conf: 'nameserver dns.example.org' is no name server" },
	{ "dns: a stub and what is behind it",
	  { { "etc/resolv.conf", NULL, 0, "../run/systemd/resolve/stub-resolv.conf" },
	    { "run/systemd/resolve/stub-resolv.conf", TEXT("nameserver 127.0.0.53\n") },
	    { "run/systemd/resolve/resolv.conf", TEXT("nameserver 192.0.2.9\n") } },
	  "dns",
	  "[\"192.0.2.9\"]",
	  NULL },
	{ "dns: a stub and another",
	  { { "etc/resolv.conf", TEXT("nameserver 127.0.0.53\nnameserver 192.0.2.2\n") },
	    { "run/systemd/resolve/resolv.conf", TEXT("nameserver 192.0.2.9\n") } },
	  "dns",
	  "[\"127.0.0.53\", \"192.0.2.2\"]",
	  NULL },

	{ "firmware: no trace", { { 0 } }, "firmware", "null", "/sys/firmware: missing" },
	{ "firmware: BIOS",
	  { { "sys/firmware/memmap/0/type", TEXT("System RAM") } },
	  "firmware",
	  "\"bios\"",
	  NULL },
	{ "firmware: UEFI, efivarfs not mounted",
	  { { "sys/firmware/efi/fw_platform_size", TEXT("64") } },
	  "firmware",
	  "\"uefi\"",
	  "/sys/firmware/efi/efivars: no variables: is efivarfs mounted?" },
	{ "secure boot: on",
	  { { VARS "SecureBoot" GLOBAL, BYTES("\6\0\0\0\1") } },
	  "secure_boot",
	  "true",
	  NULL },
	{ "secure boot: off",
	  { { VARS "SecureBoot" GLOBAL, BYTES("\6\0\0\0\0") } },
	  "secure_boot",
	  "false",
	  NULL },
	{ "secure boot: firmware that has none",
	  { { VARS "BootCurrent" GLOBAL, BYTES("\6\0\0\0\1\0") } },
	  "secure_boot",
	  "false",
	  NULL },
	{ "secure boot: garbage",
	  { { VARS "SecureBoot" GLOBAL, BYTES("\6\0\0\0\7") } },
	  "secure_boot",
	  "null",
	  "SecureBoot" GLOBAL ": 1 bytes, the first 0x07, make no sense" },
	{ "secure boot: no value",
	  { { VARS "SecureBoot" GLOBAL, BYTES("\6\0\0\0") } },
	  "secure_boot",
	  "null",
	  "SecureBoot" GLOBAL ": 4 bytes hold no value" },
	{ "boot entries: the order, then the others, each once",
	  { { VARS "BootOrder" GLOBAL, BYTES("\7\0\0\0\x0a\0\1\0\x0a\0") },
	    { VARS "Boot0000" GLOBAL, BYTES(LOAD_OPTION) },
	    { VARS "Boot0001" GLOBAL, BYTES(LOAD_OPTION) },
	    { VARS "Boot000A" GLOBAL, BYTES(LOAD_OPTION) },
	    { VARS "BootCurrent" GLOBAL, BYTES("\6\0\0\0\1\0") },
	    { VARS "Boot0002-11111111-2222-3333-4444-555555555555", BYTES("x") } },
	  "boot_numbers",
	  "[10, 1, 0]",
	  NULL },
	{ "boot entries: one is missing, one damaged",
	  { { VARS "BootOrder" GLOBAL, BYTES("\7\0\0\0\1\0\2\0\3\0") },
	    { VARS "Boot0002" GLOBAL, BYTES("\7\0\0\0\1\0\0") },
	    { VARS "Boot0003" GLOBAL, BYTES(LOAD_OPTION) } },
	  "boot_numbers",
	  "[3]",
	  "Boot0002" GLOBAL ": load option of 3 bytes" },

	{ "uuid: in lower case",
	  { { "sys/class/dmi/id/product_uuid", TEXT("4C4C4544-0058-4B10-8032-B7C04F4D344A\n") } },
	  "uuid",
	  "\"4c4c4544-0058-4b10-8032-b7c04f4d344a\"",
	  NULL },
	{ "uuid: not set",
	  { { "sys/class/dmi/id/product_uuid", TEXT("FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF\n") } },
	  "uuid",
	  "null",
	  "is a placeholder" },
	{ "uuid: garbage",
	  { { "sys/class/dmi/id/product_uuid", TEXT("4C4C4544\n") } },
	  "uuid",
	  "null",
	  "'4C4C4544' is no UUID" },
	{ "serial: a placeholder",
	  { { "sys/class/dmi/id/product_serial", TEXT("To Be Filled By O.E.M.\n") } },
	  "serial",
	  "null",
	  "'To Be Filled By O.E.M.' is a placeholder" },

	{ "disk: what an old kernel has, and cciss",
	  { { "sys/block/cciss!c0d0/dev", TEXT("104:0") },
	    { "sys/block/cciss!c0d0/size", TEXT("2097152") },
	    { "sys/block/cciss!c0d0/device", NULL, 0,
	      "../../devices/pci0000:00/0000:00:06.0/cciss0/c0d0" },
	    { "sys/devices/pci0000:00/0000:00:06.0/driver", NULL, 0,
	      "../../../bus/pci/drivers/cciss" } },
	  "disk",
	  "[\"/dev/cciss/c0d0\", 1073741824, \"raid\", \"cciss\"]",
	  "/sys/block/cciss!c0d0/queue/rotational: missing" },
	{ "disk: Xen",
	  { { "sys/block/xvda", NULL, 0, "../devices/vbd-51712/block/xvda" },
	    { "sys/devices/vbd-51712/block/xvda/size", TEXT("8") },
	    { "sys/devices/vbd-51712/driver", NULL, 0, "../../bus/xen/drivers/vbd" },
	    { "sys/devices/vbd-51712/subsystem", NULL, 0, "../../bus/xen" } },
	  "disk",
	  "[\"/dev/xvda\", 4096, \"xen\", \"xen-blkfront\"]",
	  "/sys/block/xvda/dev: missing" },
	{ "disk: iSCSI over TCP",
	  { { "sys/block/sdb", NULL, 0,
	      "../devices/platform/host2/session1/target2:0:0/2:0:0:1/block/sdb" },
	    { "sys/devices/platform/host2/session1/target2:0:0/2:0:0:1/block/sdb/size", TEXT("8") },
	    { "sys/class/scsi_host/host2/proc_name", TEXT("iscsi_tcp") } },
	  "disk",
	  "[\"/dev/sdb\", 4096, \"iscsi\", \"iscsi_tcp\"]",
	  "/sys/block/sdb/dev: missing" },
	{ "disk: NVMe over TCP",
	  { { "sys/block/nvme0n1", NULL, 0, "../devices/virtual/nvme-fabrics/ctl/nvme0/nvme0n1" },
	    { "sys/devices/virtual/nvme-fabrics/ctl/nvme0/nvme0n1/size", TEXT("8") },
	    { "sys/devices/virtual/nvme-fabrics/ctl/nvme0/transport", TEXT("tcp") } },
	  "disk",
	  "[\"/dev/nvme0n1\", 4096, \"nvme-tcp\", null]",
	  "/sys/block/nvme0n1/dev: missing" },
	{ "disk: a size that would wrap",
	  { { "sys/block/sda/size", TEXT("36028797018963968") } },
	  "disk",
	  "[\"/dev/sda\", null, null, null]",
	  "/sys/block/sda/size: '36028797018963968' makes no sense" },
	{ "disk: a sector size that is no power of two",
	  { { "sys/block/sda/queue/logical_block_size", TEXT("520") } },
	  "disk",
	  "[\"/dev/sda\", null, null, null]",
	  "/sys/block/sda/queue/logical_block_size: '520' makes no sense" },
	{ "disk: idle loop devices do not count",
	  { { "sys/block/loop0/size", TEXT("0") }, { "sys/block/zram0/size", TEXT("0") } },
	  "disks",
	  "[]",
	  "/sys/block/loop0/dev: missing" },
	{ "disk: an array of unknown size does",
	  { { "sys/block/md0/size", TEXT("many") } },
	  "disk",
	  "[\"/dev/md0\", null, null, null]",
	  "/sys/block/md0/size: 'many' makes no sense" },
	{ "disk: a second way to a namespace does not count",
	  { { "sys/block/nvme0c0n1/size", TEXT("8") },
	    { "sys/block/nvme0c0n1/hidden", TEXT("1") } },
	  "disks",
	  "[]",
	  NULL },
};

static void put_file(const char *root, const struct file *file)
{
	g_autofree char *path = g_build_filename(root, file->path, NULL);
	g_autofree char *parent = g_path_get_dirname(path);

	assert_int_equal(g_mkdir_with_parents(parent, 0755), 0);
	if (file->target)
		assert_int_equal(symlink(file->target, path), 0);
	else
		assert_true(
		    g_file_set_contents(path, file->bytes,
					(gssize)(file->len ? file->len : strlen(file->bytes)),
					NULL));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	return remove(path);
}

/* Three numbers, an entry's number, four members of a disk: what no member alone would show. */
static json_t *get_member(const json_t *json, const char *name)
{
	const json_t *disk = json_array_get(json_object_get(json, "disks"), 0);
	const json_t *entries = json_object_get(json, "boot_entries");
	json_t *list;

	if (strcmp(name, "cpus") == 0)
		return json_pack("[O, O, O]", json_object_get(json, "sockets"),
				 json_object_get(json, "cores"), json_object_get(json, "threads"));
	if (strcmp(name, "disk") == 0)
		return json_pack("[O, O, O, O]", json_object_get(disk, "path"),
				 json_object_get(disk, "size"), json_object_get(disk, "transport"),
				 json_object_get(disk, "driver"));
	if (strcmp(name, "boot_numbers") != 0)
		return json_incref(json_object_get(json, name));
	list = json_array();
	for (size_t i = 0; i < json_array_size(entries); i++)
		json_array_append(list, json_object_get(json_array_get(entries, i), "number"));
	return list;
}

/* The expected note is there; or without one, none is about the files of the case. */
static bool check_notes(const GPtrArray *notes, const struct file *files, const char *want)
{
	for (unsigned int i = 0; i < notes->len; i++) {
		const char *note = g_ptr_array_index(notes, i);

		if (want && strstr(note, want))
			return true;
		for (const struct file *file = files; !want && file->path; file++)
			if (strstr(note, file->path))
				return false;
	}
	return !want;
}

static void test_cases(void **state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *root = g_dir_make_tmp("facts-XXXXXX", NULL);
		g_autoptr(GError) error = NULL;
		g_autoptr(Facts) facts = NULL;
		json_t *json, *member;
		char *got;

		for (const struct file *file = cases[i].files; file->path; file++)
			put_file(root, file);
		facts = facts_read(root, &error);
		assert_ok(facts, error);
		json = facts_to_json(facts);
		member = get_member(json, cases[i].member);
		got = json_dumps(member, JSON_ENCODE_ANY);
		if (g_strcmp0(got, cases[i].want) != 0)
			fail_msg("%s: got %s, not %s", cases[i].what, got, cases[i].want);
		if (!check_notes(facts->notes, cases[i].files, cases[i].note))
			fail_msg("%s: notes are %s", cases[i].what,
				 json_dumps(json_object_get(json, "notes"), 0));

		free(got);
		json_decref(member);
		json_decref(json);
		assert_int_equal(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
	}
}

static void test_no_root(void **state)
{
	g_autoptr(GError) error = NULL;

	assert_null(facts_read("/nonexistent/root", &error));
	assert_error(&error, WHERRY_ERROR_NOT_FOUND, "cannot open the root '/nonexistent/root'");
}

/* This machine, whatever it is and whoever asks. */
static void test_here(void **state)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Facts) facts = facts_read("/", &error);

	assert_ok(facts, error);
	assert_non_null(facts->hostname);
	assert_true(facts->memory_usable > 0);
	assert_true(facts->sockets * facts->cores * facts->threads > 0);
}

static void test_find_disk(void **state)
{
	g_autofree char *dir = g_dir_make_tmp("facts-XXXXXX", NULL);
	g_autofree char *link = g_build_filename(dir, "link", NULL);
	g_autoptr(Facts) facts = facts_new();
	struct facts_disk *disk = facts_add_disk(facts);

	disk->path = g_strdup("/dev/null"); /* it exists everywhere */
	assert_int_equal(symlink("/dev/null", link), 0);
	assert_ptr_equal(facts_find_disk(facts, "/dev/null"), disk);
	assert_ptr_equal(facts_find_disk(facts, link), disk);
	assert_null(facts_find_disk(facts, "/dev/zero"));
	assert_null(facts_find_disk(facts, "/dev/null1"));

	g_free(disk->path);
	disk->path = g_strdup("/dev/of-another-machine");
	assert_ptr_equal(facts_find_disk(facts, "/dev/of-another-machine"), disk);
	assert_int_equal(unlink(link), 0);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_no_root),
		cmocka_unit_test(test_here),
		cmocka_unit_test(test_find_disk),
	};

	return cmocka_run_group_tests_name("facts-topics", tests, NULL, NULL);
}
