/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is decided from the sample machine (16 CPUs, 2 GiB, one disk, one NIC "eno1") and a host
 * with room for it; then one thing changed at a time, with the words of the refusal.
 */
#include "unit.h"

#include "import/import-plan.h"
#include "manifest-sample.h"

static CloudPool *add_pool(ImportSite *site, const char *name, const char *type, const char *path)
{
	CloudPool *pool = g_new0(CloudPool, 1);

	pool->name = g_strdup(name);
	pool->uuid = g_uuid_string_random();
	pool->type = g_strdup(type);
	pool->path = g_strdup(path);
	pool->active = true;
	pool->available = UINT64_C(1) << 40;
	g_ptr_array_add(site->pools, pool);
	return pool;
}

static CloudNetwork *add_network(ImportSite *site, const char *name)
{
	CloudNetwork *network = g_new0(CloudNetwork, 1);

	network->name = g_strdup(name);
	network->active = true;
	g_ptr_array_add(site->networks, network);
	return network;
}

static CloudDomain *add_domain(ImportSite *site, const char *name, const char *uuid)
{
	CloudDomain *domain = g_new0(CloudDomain, 1);

	domain->name = g_strdup(name);
	domain->uuid = g_strdup(uuid);
	domain->macs = g_ptr_array_new_with_free_func(g_free);
	domain->paths = g_ptr_array_new_with_free_func(g_free);
	g_ptr_array_add(site->domains, domain);
	return domain;
}

static CloudCapacity *make_capacity(void)
{
	CloudCapacity *capacity = g_new0(CloudCapacity, 1);

	capacity->arch = g_strdup("x86_64");
	capacity->cpus = 16;
	capacity->cpus_max = 255;
	capacity->memory = UINT64_C(8) << 30;
	capacity->qemu_emulator = g_strdup("/usr/bin/qemu-system-x86_64");
	capacity->kvm_emulator = g_strdup("/usr/bin/qemu-system-x86_64");
	capacity->machines = g_ptr_array_new_with_free_func(g_free);
	g_ptr_array_add(capacity->machines, g_strdup("q35"));
	capacity->uefi = capacity->secure_boot = true;
	return capacity;
}

/* A host with the network and the pool "default", and one VM of another name. */
static ImportSite make_site(void)
{
	ImportSite site = {
		.capacity = make_capacity(),
		.networks = g_ptr_array_new_with_free_func((GDestroyNotify)cloud_network_free),
		.pools = g_ptr_array_new_with_free_func((GDestroyNotify)cloud_pool_free),
		.domains = g_ptr_array_new_with_free_func((GDestroyNotify)cloud_domain_free),
	};
	CloudDomain *other;

	add_network(&site, "default");
	add_pool(&site, "default", "dir", "/var/lib/libvirt/images");
	other = add_domain(&site, "other", "11111111-2222-4333-8444-555555555555");
	g_ptr_array_add(other->macs, g_strdup("52:54:00:99:99:99"));
	return site;
}

/* What one case changes, each of them if it is set. */
struct change {
	const char *title;
	struct import_options options;
	void (*site)(ImportSite *site);
	void (*machine)(Manifest *manifest);
	enum wherry_error code; /* of the refusal; */
	const char *text;       /* in its message */
};

static ImportPlan *decide(const struct change *change, GError **error)
{
	g_autoptr(Manifest) manifest = sample_manifest();
	g_auto(ImportSite) site = make_site();

	if (change->site)
		change->site(&site);
	if (change->machine)
		change->machine(manifest);
	return import_plan_new(&change->options, manifest, &site, error);
}

static ImportPlan *decide_well(const struct change *change)
{
	g_autoptr(GError) error = NULL;
	ImportPlan *plan = decide(change, &error);

	assert_ok(plan, error);
	return plan;
}

static void no_kvm(ImportSite *site)
{
	g_clear_pointer(&site->capacity->kvm_emulator, g_free);
	site->capacity->no_kvm_reason = g_strdup("its CPU has neither vmx nor svm");
}

static void no_emulator(ImportSite *site)
{
	no_kvm(site);
	g_clear_pointer(&site->capacity->qemu_emulator, g_free);
}

static void few_cpus(ImportSite *site)
{
	site->capacity->cpus = 2;
}

static void little_memory(ImportSite *site)
{
	site->capacity->memory = UINT64_C(1) << 30;
}

static void no_networks(ImportSite *site)
{
	g_ptr_array_set_size(site->networks, 0);
	add_network(site, "lan");
	add_network(site, "lab")->active = false;
}

static void more_networks(ImportSite *site)
{
	add_network(site, "lan");
	add_network(site, "lab")->active = false;
}

static void same_name(ImportSite *site)
{
	add_domain(site, "web1", "11111111-2222-4333-8444-666666666666");
}

static void same_uuid(ImportSite *site)
{
	add_domain(site, "older", "4c4c4544-0043-3510-8052-b4c04f564231");
}

static void same_mac(ImportSite *site)
{
	CloudDomain *domain = add_domain(site, "older", "11111111-2222-4333-8444-777777777777");

	g_ptr_array_add(domain->macs, g_strdup("52:54:00:12:34:56"));
}

static void no_uefi(ImportSite *site)
{
	site->capacity->uefi = site->capacity->secure_boot = false;
}

static void no_secure_boot(ImportSite *site)
{
	site->capacity->secure_boot = false;
}

static void no_q35(ImportSite *site)
{
	g_ptr_array_set_size(site->capacity->machines, 0);
}

static void no_pools(ImportSite *site)
{
	g_ptr_array_set_size(site->pools, 0);
}

static void full_pool(ImportSite *site)
{
	((CloudPool *)g_ptr_array_index(site->pools, 0))->available = 345677;
}

static void stopped_pool(ImportSite *site)
{
	((CloudPool *)g_ptr_array_index(site->pools, 0))->active = false;
}

static void other_pools(ImportSite *site)
{
	no_pools(site);
	add_pool(site, "images", "dir", "/srv/images/");
	add_pool(site, "vg0", "logical", "/dev/vg0");
}

static void uefi(Manifest *manifest)
{
	manifest->firmware = MANIFEST_FIRMWARE_UEFI;
	((struct manifest_disk *)g_ptr_array_index(manifest->disks, 0))->bus = MANIFEST_BUS_SATA;
}

static void secure(Manifest *manifest)
{
	uefi(manifest);
	manifest->secure_boot = true;
}

static void large_sectors(Manifest *manifest)
{
	struct manifest_disk *disk = g_ptr_array_index(manifest->disks, 0);

	disk->sector_size = 4096;
	disk->bus = MANIFEST_BUS_VIRTIO_SCSI;
}

static void second_nic(Manifest *manifest)
{
	struct manifest_nic *nic = manifest_add_nic(manifest);

	nic->name = g_strdup("eno2");
	nic->mac = g_strdup("52:54:00:12:34:57");
	nic->model = g_strdup("virtio");
}

static void same_nic(Manifest *manifest)
{
	second_nic(manifest);
	g_free(((struct manifest_nic *)g_ptr_array_index(manifest->nics, 1))->mac);
	((struct manifest_nic *)g_ptr_array_index(manifest->nics, 1))->mac =
	    g_strdup("52:54:00:12:34:56");
}

static void no_uuid(Manifest *manifest)
{
	g_clear_pointer(&manifest->uuid, g_free);
}

static void blank_uuid(Manifest *manifest)
{
	g_free(manifest->uuid);
	manifest->uuid = g_strdup("ffffffff-ffff-ffff-ffff-ffffffffffff");
}

#define NETWORKS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static const struct change refused[] = {
	{ "name", { .name = "../x" }, NULL, NULL, WHERRY_ERROR_USAGE, "cannot name a VM" },
	{ "taken name",
	  { 0 },
	  same_name,
	  NULL,
	  WHERRY_ERROR_EXISTS,
	  "a VM of the name 'web1' already (UUID 11111111-2222-4333-8444-666666666666)" },
	{ "taken UUID",
	  { .name = "web2" },
	  same_uuid,
	  NULL,
	  WHERRY_ERROR_EXISTS,
	  "the VM 'older' has this machine's UUID" },
	{ "taken MAC",
	  { 0 },
	  same_mac,
	  NULL,
	  WHERRY_ERROR_EXISTS,
	  "the VM 'older' has the MAC 52:54:00:12:34:56 of this machine's NIC eno1" },
	{ "CPUs of the bundle",
	  { 0 },
	  few_cpus,
	  NULL,
	  WHERRY_ERROR_INVALID_INPUT,
	  "16 vCPUs are in the bundle, but the host has 2 CPUs: give --vcpus a number up to 2" },
	{ "CPUs asked for",
	  { .vcpus = 17 },
	  NULL,
	  NULL,
	  WHERRY_ERROR_INVALID_INPUT,
	  "17 vCPUs are asked for, but the host has 16 CPUs" },
	{ "memory of the bundle",
	  { 0 },
	  little_memory,
	  NULL,
	  WHERRY_ERROR_INVALID_INPUT,
	  "2.0 GiB of memory (2147483648 bytes) are in the bundle, but the host has 1.0 GiB" },
	{ "memory asked for",
	  { .memory = UINT64_C(9) << 30 },
	  NULL,
	  NULL,
	  WHERRY_ERROR_INVALID_INPUT,
	  "9.0 GiB of memory (9663676416 bytes) are asked for" },
	{ "KVM",
	  { .virt = IMPORT_VIRT_KVM },
	  no_kvm,
	  NULL,
	  WHERRY_ERROR_UNSUPPORTED,
	  "the host has no KVM: its CPU has neither vmx nor svm; --virt-type qemu" },
	{ "QEMU", { 0 }, no_emulator, NULL, WHERRY_ERROR_UNSUPPORTED, "no QEMU for x86_64" },
	{ "UEFI", { 0 }, no_uefi, uefi, WHERRY_ERROR_UNSUPPORTED, "needs UEFI, which" },
	{ "Secure Boot",
	  { 0 },
	  no_secure_boot,
	  secure,
	  WHERRY_ERROR_UNSUPPORTED,
	  "needs UEFI with Secure Boot" },
	{ "q35", { 0 }, no_q35, NULL, WHERRY_ERROR_UNSUPPORTED, "type q35" },
	{ "bus", { .bus = "ide" }, NULL, NULL, WHERRY_ERROR_USAGE, "not 'ide'" },
	{ "bus and sectors",
	  { .bus = "sata" },
	  NULL,
	  large_sectors,
	  WHERRY_ERROR_UNSUPPORTED,
	  "/dev/sda cannot go on bus sata: QEMU has no SATA disk with sectors of 4096 bytes" },
	{ "bus and UEFI",
	  { .bus = "lsisas1078" },
	  NULL,
	  uefi,
	  WHERRY_ERROR_UNSUPPORTED,
	  "UEFI cannot start from it" },
	{ "no default network",
	  { 0 },
	  no_networks,
	  NULL,
	  WHERRY_ERROR_NOT_FOUND,
	  "there is no network 'default' for NIC eno1; there are: 'lan', 'lab' (not active)" },
	{ "unknown network",
	  { .networks = NETWORKS("eno1=wan") },
	  NULL,
	  NULL,
	  WHERRY_ERROR_NOT_FOUND,
	  "there is no network 'wan' for NIC eno1; there are: 'default'" },
	{ "stopped network",
	  { .networks = NETWORKS("eno1=lab") },
	  more_networks,
	  NULL,
	  WHERRY_ERROR_INVALID_INPUT,
	  "the network 'lab' for NIC eno1 is not active" },
	{ "unknown NIC",
	  { .networks = NETWORKS("eno9=default") },
	  NULL,
	  NULL,
	  WHERRY_ERROR_NOT_FOUND,
	  "no such NIC; it has: eno1 (52:54:00:12:34:56)" },
	{ "no equals",
	  { .networks = NETWORKS("eno1") },
	  NULL,
	  NULL,
	  WHERRY_ERROR_USAGE,
	  "FROM=TO" },
	{ "no FROM",
	  { .networks = NETWORKS("=default") },
	  NULL,
	  NULL,
	  WHERRY_ERROR_USAGE,
	  "FROM=TO" },
	{ "no TO", { .networks = NETWORKS("eno1=") }, NULL, NULL, WHERRY_ERROR_USAGE, "FROM=TO" },
	{ "NIC twice",
	  { .networks = NETWORKS("eno1=default", "52:54:00:12:34:56=default") },
	  NULL,
	  NULL,
	  WHERRY_ERROR_USAGE,
	  "goes to 'default' already" },
	{ "two NICs, one MAC",
	  { 0 },
	  NULL,
	  same_nic,
	  WHERRY_ERROR_DAMAGED,
	  "two NICs of the machine have the MAC 52:54:00:12:34:56" },
	{ "unknown pool",
	  { .pool = "fast" },
	  NULL,
	  NULL,
	  WHERRY_ERROR_NOT_FOUND,
	  "there is no pool 'fast'; there are: 'default' (/var/lib/libvirt/images)" },
	{ "full pool",
	  { 0 },
	  full_pool,
	  NULL,
	  WHERRY_ERROR_NO_SPACE,
	  "has 337.6 KiB free (345677 bytes), but the images take 337.6 KiB (345678 bytes)" },
	{ "stopped pool",
	  { 0 },
	  stopped_pool,
	  NULL,
	  WHERRY_ERROR_INVALID_INPUT,
	  "the pool 'default' is not active" },
	{ "LVM pool",
	  { .pool = "vg0" },
	  other_pools,
	  NULL,
	  WHERRY_ERROR_UNSUPPORTED,
	  "the pool 'vg0' is of type logical" },
	{ "path with ..",
	  { .pool = "/srv/../etc" },
	  NULL,
	  NULL,
	  WHERRY_ERROR_INVALID_INPUT,
	  "--pool" },
	{ "path /", { .pool = "/" }, NULL, NULL, WHERRY_ERROR_INVALID_INPUT, "--pool" },
};

static void test_refused(void **state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(ImportPlan) plan = decide(&refused[i], &error);

		if (plan)
			fail_msg("%s: taken", refused[i].title);
		if (!g_error_matches(error, WHERRY_ERROR, (int)refused[i].code) ||
		    !strstr(error->message, refused[i].text))
			fail_msg("%s: code %d: %s", refused[i].title, error->code, error->message);
	}
}

static void test_defaults(void **state)
{
	const struct change nothing = { .title = "nothing" };
	g_autoptr(ImportPlan) plan = decide_well(&nothing);
	const struct import_disk *disk = g_ptr_array_index(plan->disks, 0);
	const struct import_nic *nic = g_ptr_array_index(plan->nics, 0);
	g_autofree char *volume = g_strdup_printf("web1-%s-0.qcow2", plan->tag);
	g_autofree char *path = g_strdup_printf("/var/lib/libvirt/images/%s", volume);

	assert_string_equal(plan->name, "web1");
	assert_string_equal(plan->uuid, "4c4c4544-0043-3510-8052-b4c04f564231");
	assert_string_equal(plan->type, "kvm");
	assert_int_equal(plan->vcpus, 16);
	assert_int_equal(plan->memory, UINT64_C(2) << 30);
	assert_string_equal(plan->pool_name, "default");
	assert_false(plan->pool_is_new);
	assert_int_equal(strlen(plan->tag), 8);
	assert_string_equal(disk->volume, volume);
	assert_string_equal(disk->path, path);
	assert_true(disk->virtual_size == 1000204886016);
	assert_string_equal(nic->network, "default");
	assert_int_equal(plan->warnings->len, 0);
	assert_non_null(strstr(plan->xml, path));
	assert_non_null(strstr(plan->xml, "sockets=\"2\""));
}

static void test_chosen(void **state)
{
	const struct change chosen = {
		.options = { .name = "web2",
			     .vcpus = 3,
			     .memory = UINT64_C(3) << 30,
			     .bus = "virtio",
			     .virt = IMPORT_VIRT_QEMU,
			     .networks = NETWORKS("52:54:00:12:34:57=lan") },
		.site = more_networks,
		.machine = second_nic,
	};
	g_autoptr(ImportPlan) plan = decide_well(&chosen);

	assert_string_equal(plan->name, "web2");
	assert_string_equal(plan->type, "qemu");
	assert_int_equal(plan->vcpus, 3);
	assert_int_equal(plan->warnings->len, 0);
	assert_string_equal(((struct import_nic *)g_ptr_array_index(plan->nics, 0))->network,
			    "default");
	assert_string_equal(((struct import_nic *)g_ptr_array_index(plan->nics, 1))->network,
			    "lan");
	assert_non_null(strstr(plan->xml, "<vcpu>3</vcpu>"));
	assert_non_null(strstr(plan->xml, "cores=\"3\""));
	assert_non_null(strstr(plan->xml, "<memory unit=\"MiB\">3072</memory>"));
	assert_non_null(strstr(plan->xml, "bus=\"virtio\""));
	assert_non_null(strstr(plan->xml, "network=\"lan\""));
}

static void test_without_kvm(void **state)
{
	const struct change change = { .site = no_kvm };
	g_autoptr(ImportPlan) plan = decide_well(&change);

	assert_string_equal(plan->type, "qemu");
	assert_int_equal(plan->warnings->len, 1);
	assert_non_null(strstr(g_ptr_array_index(plan->warnings, 0), "neither vmx nor svm"));
}

/* A machine that does not know its UUID gets a new one, each time another. */
static void test_uuid(void **state)
{
	const struct change none = { .machine = no_uuid }, blank = { .machine = blank_uuid };
	g_autoptr(ImportPlan) first = decide_well(&none), second = decide_well(&blank);

	assert_true(g_uuid_string_is_valid(first->uuid));
	assert_true(g_uuid_string_is_valid(second->uuid));
	assert_string_not_equal(first->uuid, second->uuid);
	assert_string_not_equal(second->uuid, "ffffffff-ffff-ffff-ffff-ffffffffffff");
}

/* Which pool, by name, by path, or a new one. */
static void test_pools(void **state)
{
	static const struct {
		const char *pool;
		void (*site)(ImportSite *site);
		const char *name, *path;
		bool is_new;
	} cases[] = {
		{ NULL, NULL, "default", "/var/lib/libvirt/images", false },
		{ "/var/lib/libvirt/images/", NULL, "default", "/var/lib/libvirt/images", false },
		{ NULL, no_pools, "default", "/var/lib/libvirt/images", true },
		{ NULL, other_pools, "default", "/var/lib/libvirt/images", true },
		{ "images", other_pools, "images", "/srv/images/", false },
		{ "/srv/images", other_pools, "images", "/srv/images/", false },
		{ "/mnt/images//", other_pools, "images-2", "/mnt/images", true },
		{ "/mnt/.hidden", other_pools, "wherry", "/mnt/.hidden", true },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		const struct change change = { .options = { .pool = cases[i].pool },
					       .site = cases[i].site };
		g_autoptr(ImportPlan) plan = decide_well(&change);

		assert_string_equal(plan->pool_name, cases[i].name);
		assert_string_equal(plan->pool_path, cases[i].path);
		assert_int_equal(plan->pool_is_new, cases[i].is_new);
	}
}

/* What the job remembers is the plan, all of it. */
static void test_json(void **state)
{
	const struct change change = { .options = { .start = true }, .machine = second_nic };
	g_autoptr(ImportPlan) plan = decide_well(&change), again = NULL;
	g_autofree char *text = NULL, *text_again = NULL;
	g_autoptr(GError) error = NULL;

	plan->bundle = g_strdup("/mnt/wherry/web1");
	plan->cloud = g_strdup("qemu:///system");
	plan->state = g_strdup("/var/lib/wherry/wherry.db");
	text = import_plan_to_json(plan);
	again = import_plan_from_json(text, &error);
	assert_ok(again, error);
	text_again = import_plan_to_json(again);
	assert_string_equal(text, text_again);
	assert_string_equal(again->xml, plan->xml);
	assert_true(again->start);

	for (const char *at = strchr(text, '"'); at; at = strchr(at + 1, '"')) {
		g_autofree char *broken = g_strdup(text);
		g_autoptr(GError) why = NULL;

		broken[at - text + 1] = '\x01';
		assert_null(import_plan_from_json(broken, &why));
		assert_true(g_error_matches(why, WHERRY_ERROR, WHERRY_ERROR_DAMAGED));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused), cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_chosen),  cmocka_unit_test(test_without_kvm),
		cmocka_unit_test(test_uuid),    cmocka_unit_test(test_pools),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests_name("import-plan", tests, NULL, NULL);
}
