/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The choices, one function each; nothing is asked of the cloud here.  Every refusal says what was
 * wanted, what there is, and which option decides otherwise.
 */
#include "import/import-plan.h"

#include "base/error.h"
#include "base/units.h"
#include "bundle/bundle.h"
#include "bundle/domain-xml.h"
#include "import/import-plan-priv.h"

#include <inttypes.h>
#include <string.h>

void import_site_clear(ImportSite *site)
{
	g_clear_pointer(&site->capacity, cloud_capacity_free);
	g_clear_pointer(&site->networks, g_ptr_array_unref);
	g_clear_pointer(&site->pools, g_ptr_array_unref);
	g_clear_pointer(&site->domains, g_ptr_array_unref);
}

static void disk_free(void *data)
{
	struct import_disk *disk = data;

	g_free(disk->image);
	g_free(disk->sums);
	g_free(disk->volume);
	g_free(disk->path);
	g_free(disk);
}

static void nic_free(void *data)
{
	struct import_nic *nic = data;

	g_free(nic->name);
	g_free(nic->mac);
	g_free(nic->network);
	g_free(nic);
}

ImportPlan *import_plan_empty(void)
{
	ImportPlan *plan = g_new0(ImportPlan, 1);

	plan->disks = g_ptr_array_new_with_free_func(disk_free);
	plan->nics = g_ptr_array_new_with_free_func(nic_free);
	plan->warnings = g_ptr_array_new_with_free_func(g_free);
	return plan;
}

void import_refuse(GError **error, enum wherry_error code, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list ap;

	va_start(ap, format);
	text = g_strdup_vprintf(format, ap);
	va_end(ap);
	g_set_error_literal(error, WHERRY_ERROR, code, text);
}

/* ---- Identity ---- */

static bool choose_name(ImportPlan *plan, const struct import_options *options,
			const Manifest *manifest, GError **error)
{
	plan->name = g_strdup(options->name ?: manifest->name);
	if (bundle_name_valid(plan->name))
		return true;
	import_refuse(
	    error, WHERRY_ERROR_USAGE,
	    "'%s' cannot name a VM: 1 to 64 letters, digits, '.', '_' and '-', not first '.' "
	    "or '-'",
	    plan->name);
	return false;
}

/* What libvirt takes for a UUID: not all of its bytes alike, which firmware without one has. */
static bool is_real_uuid(const char *uuid)
{
	for (const char *c = uuid; *c; c++)
		if (*c != '-' && *c != *uuid)
			return true;
	return false;
}

/* The machine's own, as its system may be bound to it; else a random one. */
static void choose_uuid(ImportPlan *plan, const Manifest *manifest)
{
	if (manifest->uuid && is_real_uuid(manifest->uuid))
		plan->uuid = g_strdup(manifest->uuid);
	else
		plan->uuid = g_uuid_string_random();
}

static bool has_mac(const CloudDomain *domain, const char *mac)
{
	for (unsigned int i = 0; i < domain->macs->len; i++)
		if (g_ascii_strcasecmp(g_ptr_array_index(domain->macs, i), mac) == 0)
			return true;
	return false;
}

bool import_plan_check_free(const ImportPlan *plan, const GPtrArray *domains, GError **error)
{
	for (unsigned int i = 0; i < domains->len; i++) {
		const CloudDomain *other = g_ptr_array_index(domains, i);

		if (strcmp(other->name, plan->name) == 0) {
			import_refuse(
			    error, WHERRY_ERROR_EXISTS,
			    "there is a VM of the name '%s' already (UUID %s); --name gives "
			    "another",
			    other->name, other->uuid);
			return false;
		}
		if (strcmp(other->uuid, plan->uuid) == 0) {
			import_refuse(
			    error, WHERRY_ERROR_EXISTS,
			    "the VM '%s' has this machine's UUID, %s: has it been imported "
			    "already? Remove that VM first",
			    other->name, plan->uuid);
			return false;
		}
		for (unsigned int j = 0; j < plan->nics->len; j++) {
			const struct import_nic *nic = g_ptr_array_index(plan->nics, j);

			if (!has_mac(other, nic->mac))
				continue;
			import_refuse(
			    error, WHERRY_ERROR_EXISTS,
			    "the VM '%s' has the MAC %s of this machine's NIC %s: two of one "
			    "address cannot be told apart; remove that VM or its NIC first",
			    other->name, nic->mac, nic->name);
			return false;
		}
	}
	return true;
}

/* ---- Size and hardware ---- */

static bool choose_cpus(ImportPlan *plan, const struct import_options *options, Manifest *manifest,
			const CloudCapacity *host, GError **error)
{
	unsigned int limit = MIN(host->cpus, host->cpus_max ?: host->cpus);

	plan->vcpus = options->vcpus ?: manifest->sockets * manifest->cores * manifest->threads;
	if (plan->vcpus > limit) {
		import_refuse(
		    error, WHERRY_ERROR_INVALID_INPUT,
		    "%u vCPUs are %s, but the host has %u CPUs: give --vcpus a number up to %u",
		    plan->vcpus, options->vcpus ? "asked for" : "in the bundle", limit, limit);
		return false;
	}
	if (options->vcpus) {
		manifest->sockets = 1; /* systems that are licensed by sockets take any cores */
		manifest->cores = options->vcpus;
		manifest->threads = 1;
	}
	return true;
}

static bool choose_memory(ImportPlan *plan, const struct import_options *options,
			  Manifest *manifest, const CloudCapacity *host, GError **error)
{
	g_autofree char *wanted = NULL, *has = units_bytes(host->memory);

	plan->memory = manifest->memory = options->memory ?: manifest->memory;
	if (plan->memory <= host->memory)
		return true;
	wanted = units_bytes(plan->memory);
	import_refuse(error, WHERRY_ERROR_INVALID_INPUT,
		      "%s of memory (%" PRIu64 " bytes) are %s, but the host has %s (%" PRIu64
		      " bytes): give --memory less",
		      wanted, plan->memory, options->memory ? "asked for" : "in the bundle", has,
		      host->memory);
	return false;
}

static bool choose_type(ImportPlan *plan, const struct import_options *options,
			const CloudCapacity *host, GError **error)
{
	bool kvm = host->kvm_emulator && options->virt != IMPORT_VIRT_QEMU;

	if (options->virt == IMPORT_VIRT_KVM && !host->kvm_emulator) {
		import_refuse(error, WHERRY_ERROR_UNSUPPORTED,
			      "the host has no KVM: %s; --virt-type qemu emulates the VM, slowly",
			      host->no_kvm_reason ?: "libvirt does not offer it");
		return false;
	}
	if (!kvm && !host->qemu_emulator) {
		import_refuse(error, WHERRY_ERROR_UNSUPPORTED, "the host has no QEMU for x86_64");
		return false;
	}
	plan->type = g_strdup(kvm ? "kvm" : "qemu");
	if (!kvm && options->virt == IMPORT_VIRT_AUTO)
		g_ptr_array_add(plan->warnings,
				g_strdup_printf("the VM will be emulated, which is slow: %s",
						host->no_kvm_reason ?: "the host has no KVM"));
	return true;
}

static bool check_hardware(const Manifest *manifest, const CloudCapacity *host, GError **error)
{
	bool uefi = manifest->firmware == MANIFEST_FIRMWARE_UEFI;

	if (strcmp(host->arch, "x86_64") != 0 || !cloud_capacity_has_machine(host, "q35")) {
		import_refuse(
		    error, WHERRY_ERROR_UNSUPPORTED,
		    "the machine needs a host that runs x86_64 VMs of type q35; this one is %s",
		    host->arch);
		return false;
	}
	if (uefi && !(manifest->secure_boot ? host->secure_boot : host->uefi)) {
		import_refuse(
		    error, WHERRY_ERROR_UNSUPPORTED,
		    "the machine needs UEFI%s, which the host's libvirt does not offer: install "
		    "OVMF there (Debian: ovmf)",
		    manifest->secure_boot ? " with Secure Boot" : "");
		return false;
	}
	return true;
}

static bool find_bus(const char *name, enum manifest_bus *ret)
{
	for (enum manifest_bus bus = MANIFEST_BUS_SATA; bus <= MANIFEST_BUS_LSISAS1078; bus++) {
		if (strcmp(manifest_bus_name(bus), name) == 0) {
			*ret = bus;
			return true;
		}
	}
	return false;
}

/* What libvirt refuses, or OVMF does not start from. */
static bool check_bus(const struct manifest_disk *disk, enum manifest_bus bus,
		      enum manifest_firmware firmware, GError **error)
{
	const char *why = NULL;

	if (bus == MANIFEST_BUS_SATA && disk->sector_size != 512)
		why = "QEMU has no SATA disk with sectors of 4096 bytes";
	else if (firmware == MANIFEST_FIRMWARE_UEFI &&
		 (bus == MANIFEST_BUS_LSISAS1068 || bus == MANIFEST_BUS_LSISAS1078))
		why = "UEFI cannot start from it";
	if (!why)
		return true;
	import_refuse(error, WHERRY_ERROR_UNSUPPORTED, "%s cannot go on bus %s: %s", disk->path,
		      manifest_bus_name(bus), why);
	return false;
}

static bool choose_bus(const struct import_options *options, Manifest *manifest, GError **error)
{
	enum manifest_bus bus = MANIFEST_BUS_SATA;

	if (options->bus && !find_bus(options->bus, &bus)) {
		import_refuse(
		    error, WHERRY_ERROR_USAGE,
		    "--bus is sata, virtio, virtio-scsi, lsisas1068 or lsisas1078, not '%s'",
		    options->bus);
		return false;
	}
	for (unsigned int i = 0; i < manifest->disks->len; i++) {
		struct manifest_disk *disk = g_ptr_array_index(manifest->disks, i);

		if (options->bus)
			disk->bus = bus;
		if (!check_bus(disk, disk->bus, manifest->firmware, error))
			return false;
	}
	return true;
}

/* ---- All of it ---- */

static const struct manifest_file *find_file(const Manifest *manifest, const char *name)
{
	for (unsigned int i = 0; i < manifest->files->len; i++) {
		const struct manifest_file *file = g_ptr_array_index(manifest->files, i);

		if (strcmp(file->name, name) == 0)
			return file;
	}
	g_assert_not_reached(); /* manifest_parse() holds that each disk's sums are there */
}

static void list_disks(ImportPlan *plan, const Manifest *manifest)
{
	for (unsigned int i = 0; i < manifest->disks->len; i++) {
		const struct manifest_disk *from = g_ptr_array_index(manifest->disks, i);
		const struct manifest_file *sums = find_file(manifest, from->sums);
		struct import_disk *disk = g_new0(struct import_disk, 1);

		disk->image = g_strdup(from->image);
		disk->sums = g_strdup(from->sums);
		disk->image_size = from->image_size;
		disk->virtual_size = (from->size + 511) / 512 * 512;
		disk->sums_size = sums->size;
		disk->sums_digest = sums->digest;
		disk->volume = g_strdup_printf("%s-%s-%u.qcow2", plan->name, plan->tag, i);
		g_ptr_array_add(plan->disks, disk);
	}
}

uint64_t import_plan_bytes(const ImportPlan *plan)
{
	uint64_t bytes = 0; /* at most 256 times 8 PiB */

	for (unsigned int i = 0; i < plan->disks->len; i++)
		bytes +=
		    ((const struct import_disk *)g_ptr_array_index(plan->disks, i))->image_size;
	return bytes;
}

static void write_xml(ImportPlan *plan, const Manifest *manifest)
{
	g_autofree const char **images = g_new0(const char *, plan->disks->len + 1);
	g_autofree const char **networks = g_new0(const char *, plan->nics->len + 1);
	struct domain_place place = {
		.name = plan->name,
		.uuid = plan->uuid,
		.type = plan->type,
		.machine = "q35",
		.images = images,
		.networks = networks,
	};

	for (unsigned int i = 0; i < plan->disks->len; i++) {
		struct import_disk *disk = g_ptr_array_index(plan->disks, i);

		disk->path = g_build_filename(plan->pool_path, disk->volume, NULL);
		images[i] = disk->path;
	}
	for (unsigned int i = 0; i < plan->nics->len; i++)
		networks[i] =
		    ((const struct import_nic *)g_ptr_array_index(plan->nics, i))->network;
	plan->xml = domain_xml(manifest, &place);
}

ImportPlan *import_plan_new(const struct import_options *options, Manifest *manifest,
			    const ImportSite *site, GError **error)
{
	g_autoptr(ImportPlan) plan = import_plan_empty();
	g_autofree char *random = g_uuid_string_random();

	plan->tag = g_strndup(random, 8);
	plan->id = g_strdup(manifest->id);
	plan->generation = manifest->generation;
	plan->start = options->start;
	choose_uuid(plan, manifest);
	if (!choose_name(plan, options, manifest, error))
		return NULL;
	list_disks(plan, manifest);
	if (!import_choose_networks(plan, options, manifest, site->networks, error) ||
	    !import_plan_check_free(plan, site->domains, error) ||
	    !choose_cpus(plan, options, manifest, site->capacity, error) ||
	    !choose_memory(plan, options, manifest, site->capacity, error) ||
	    !choose_type(plan, options, site->capacity, error) ||
	    !check_hardware(manifest, site->capacity, error) ||
	    !choose_bus(options, manifest, error) ||
	    !import_choose_pool(plan, options, site->pools, error))
		return NULL;
	write_xml(plan, manifest);
	return g_steal_pointer(&plan);
}

void import_plan_free(ImportPlan *plan)
{
	if (!plan)
		return;
	g_free(plan->bundle);
	g_free(plan->id);
	g_free(plan->cloud);
	g_free(plan->state);
	g_free(plan->tag);
	g_free(plan->name);
	g_free(plan->uuid);
	g_free(plan->xml);
	g_free(plan->type);
	g_free(plan->pool_name);
	g_free(plan->pool_uuid);
	g_free(plan->pool_path);
	g_ptr_array_unref(plan->disks);
	g_ptr_array_unref(plan->nics);
	g_ptr_array_unref(plan->warnings);
	g_free(plan);
}
