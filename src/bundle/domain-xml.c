/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes the domain with everything spelt out that libvirt would otherwise choose to the guest's
 * harm: Secure Boot, the controllers, the addresses of disks on them.  Which choices start and
 * reach a boot loader is held by tests/scripts/domain-boots.sh.
 */
#include "bundle/domain-xml.h"

#include <inttypes.h>
#include <libxml/xmlwriter.h>
#include <string.h>

/* How disks of a bus are attached.  One disk of virtio is a device of its own. */
struct bus {
	const char *bus;     /* libvirt's word */
	const char *prefix;  /* of the target's name */
	const char *type;    /* of the controller; NULL: none */
	const char *model;   /* of the controller; NULL: libvirt's own choice */
	unsigned int ports;  /* disks on one controller */
	bool many_targets;   /* a disk's port is its target, not its unit */
	size_t serial_bytes; /* QEMU cuts or refuses longer ones */
};

static const struct bus buses[] = {
	[MANIFEST_BUS_SATA] = { "sata", "sd", "sata", NULL, 6, false, 20 },
	[MANIFEST_BUS_VIRTIO] = { "virtio", "vd", NULL, NULL, 1, false, 20 },
	[MANIFEST_BUS_VIRTIO_SCSI] = { "scsi", "sd", "scsi", "virtio-scsi", 256, true, 36 },
	[MANIFEST_BUS_LSISAS1068] = { "scsi", "sd", "scsi", "lsisas1068", 8, true, 36 },
	[MANIFEST_BUS_LSISAS1078] = { "scsi", "sd", "scsi", "lsisas1078", 64, true, 36 },
};

enum manifest_bus domain_choose_bus(const char *driver, uint32_t sector_size,
				    enum manifest_firmware firmware, char **ret_reason)
{
	const char *name = driver ? driver : "unknown controller";
	bool bios = firmware == MANIFEST_FIRMWARE_BIOS;
	bool megaraid = g_strcmp0(driver, "megaraid_sas") == 0;
	bool mptsas = g_strcmp0(driver, "mptsas") == 0;

	if (g_strcmp0(driver, "virtio_blk") == 0) {
		*ret_reason = g_strdup("virtio_blk at the source");
		return MANIFEST_BUS_VIRTIO;
	}
	if (g_strcmp0(driver, "virtio_scsi") == 0) {
		*ret_reason = g_strdup("virtio_scsi at the source");
		return MANIFEST_BUS_VIRTIO_SCSI;
	}
	if (sector_size == 4096) {
		*ret_reason = g_strdup_printf("%s with 4096-byte sectors, which QEMU has not on "
					      "SATA: the guest needs the virtio_scsi driver",
					      name);
		return MANIFEST_BUS_VIRTIO_SCSI;
	}
	if ((megaraid || mptsas) && bios) {
		*ret_reason = g_strdup_printf("%s with BIOS firmware", name);
		return megaraid ? MANIFEST_BUS_LSISAS1078 : MANIFEST_BUS_LSISAS1068;
	}
	if (megaraid || mptsas)
		*ret_reason = g_strdup_printf("%s, but UEFI firmware cannot boot from its like: "
					      "the guest needs the ahci driver",
					      name);
	else
		*ret_reason =
		    g_strdup_printf("%s: SATA needs no driver that is not everywhere", name);
	return MANIFEST_BUS_SATA;
}

/*
 * The writer works in memory, so nothing in it can fail but the allocation of that memory; and
 * without a domain there is nothing to go on with.
 */
static void must(int r)
{
	g_assert(r >= 0);
}

static void begin(xmlTextWriter *w, const char *name)
{
	must(xmlTextWriterStartElement(w, (const xmlChar *)name));
}

static void end(xmlTextWriter *w)
{
	must(xmlTextWriterEndElement(w));
}

static void attribute(xmlTextWriter *w, const char *name, const char *value)
{
	must(xmlTextWriterWriteAttribute(w, (const xmlChar *)name, (const xmlChar *)value));
}

static void attribute_number(xmlTextWriter *w, const char *name, unsigned int value)
{
	must(xmlTextWriterWriteFormatAttribute(w, (const xmlChar *)name, "%u", value));
}

static void text(xmlTextWriter *w, const char *value)
{
	must(xmlTextWriterWriteString(w, (const xmlChar *)value));
}

/* <@name @attr='@value'/>; without the attribute if @attr is NULL. */
static void element(xmlTextWriter *w, const char *name, const char *attr, const char *value)
{
	begin(w, name);
	if (attr)
		attribute(w, attr, value);
	end(w);
}

static void element_text(xmlTextWriter *w, const char *name, const char *value)
{
	begin(w, name);
	text(w, value);
	end(w);
}

static void write_size(xmlTextWriter *w, const Manifest *m)
{
	g_autofree char *mib = g_strdup_printf("%" PRIu64, m->memory >> 20);
	g_autofree char *cpus = g_strdup_printf("%u", m->sockets * m->cores * m->threads);

	begin(w, "memory");
	attribute(w, "unit", "MiB");
	text(w, mib);
	end(w);
	element_text(w, "vcpu", cpus);
}

static void write_feature(xmlTextWriter *w, const char *name, bool enabled)
{
	begin(w, "feature");
	attribute(w, "enabled", enabled ? "yes" : "no");
	attribute(w, "name", name);
	end(w);
}

static void write_firmware(xmlTextWriter *w, const Manifest *m, const struct domain_place *place)
{
	begin(w, "os");
	if (m->firmware == MANIFEST_FIRMWARE_UEFI)
		attribute(w, "firmware", "efi");
	begin(w, "type");
	attribute(w, "arch", "x86_64");
	attribute(w, "machine", place->machine);
	text(w, "hvm");
	end(w);
	if (m->firmware == MANIFEST_FIRMWARE_UEFI) {
		/* Left out, libvirt takes the first firmware there is: Secure Boot, Microsoft's
		 * keys. */
		begin(w, "firmware");
		write_feature(w, "enrolled-keys", m->secure_boot);
		write_feature(w, "secure-boot", m->secure_boot);
		end(w);
	}
	end(w);

	begin(w, "features");
	element(w, "acpi", NULL, NULL);
	element(w, "apic", NULL, NULL);
	if (m->secure_boot)
		element(w, "smm", "state", "on"); /* else the guest could write the keys */
	end(w);
}

static void write_cpu(xmlTextWriter *w, const Manifest *m, const struct domain_place *place)
{
	begin(w, "cpu");
	if (strcmp(place->type, "kvm") == 0) {
		attribute(w, "mode", "host-model");
	} else {
		/* There is no host to model.  The least that today's distributions start on. */
		attribute(w, "mode", "custom");
		attribute(w, "match", "exact");
		attribute(w, "check", "none");
		begin(w, "model");
		attribute(w, "fallback", "forbid");
		text(w, "Nehalem");
		end(w);
	}
	begin(w, "topology");
	attribute_number(w, "sockets", m->sockets);
	attribute_number(w, "dies", 1);
	attribute_number(w, "cores", m->cores);
	attribute_number(w, "threads", m->threads);
	end(w);
	end(w);
}

/* "sda" ... "sdz", "sdaa" ...; owned by the caller. */
static char *target_name(const char *prefix, unsigned int index)
{
	GString *letters = g_string_new(NULL);

	for (index++; index > 0; index = (index - 1) / 26)
		(void)g_string_prepend_c(letters, (char)('a' + (index - 1) % 26));
	(void)g_string_prepend(letters, prefix);
	return g_string_free(letters, false);
}

/* Whether QEMU and libvirt's schema take @serial as it is. */
static bool serial_allowed(const char *serial, const struct bus *bus)
{
	const char *c = serial;

	for (; *c; c++)
		if (!g_ascii_isalnum(*c) && !strchr("_.+- ", *c))
			return false;
	return c > serial && (size_t)(c - serial) <= bus->serial_bytes && *serial != ' ' &&
	       c[-1] != ' ';
}

/*
 * Linux takes no disk on a mptsas that has no WWN, which is its SAS address: without the source's
 * it gets one of its own, NAA 5 with QEMU's OUI and the number of the disk.  libvirt knows a WWN on
 * its bus "scsi" only.  Owned by the caller; NULL: none.
 */
static char *choose_wwn(const struct manifest_disk *disk, const struct bus *bus)
{
	const char *digits = disk->wwn ? disk->wwn + MIN(strlen(disk->wwn), 2) : "";

	if (strcmp(bus->bus, "scsi") != 0)
		return NULL;
	if (strlen(digits) == 16 && g_str_has_prefix(disk->wwn, "0x") &&
	    strspn(digits, "0123456789abcdefABCDEF") == 16 && strspn(digits, "0") < 16)
		return g_strdup(digits);
	if (disk->bus == MANIFEST_BUS_LSISAS1068)
		return g_strdup_printf("5525400%09x", disk->boot_order);
	return NULL;
}

static void write_address(xmlTextWriter *w, const struct bus *bus, unsigned int controller,
			  unsigned int port)
{
	begin(w, "address");
	attribute(w, "type", "drive");
	attribute_number(w, "controller", controller);
	attribute_number(w, "bus", 0);
	attribute_number(w, "target", bus->many_targets ? port : 0);
	attribute_number(w, "unit", bus->many_targets ? 0 : port);
	end(w);
}

/* What is numbered across the disks. */
struct counts {
	unsigned int names[2];                     /* of targets: "sd", "vd" */
	unsigned int controllers[2];               /* of types: "sata", "scsi" */
	unsigned int on_bus[G_N_ELEMENTS(buses)];  /* disks */
	unsigned int current[G_N_ELEMENTS(buses)]; /* the controller that has room, if any has */
};

/* The controller of the next disk on @which, which is written if it is a new one. */
static unsigned int find_controller(xmlTextWriter *w, enum manifest_bus which,
				    struct counts *counts)
{
	const struct bus *bus = &buses[which];
	unsigned int *next = &counts->controllers[strcmp(bus->type, "scsi") == 0];

	if (counts->on_bus[which] % bus->ports > 0)
		return counts->current[which];

	counts->current[which] = (*next)++;
	begin(w, "controller");
	attribute(w, "type", bus->type);
	attribute_number(w, "index", counts->current[which]);
	if (bus->model)
		attribute(w, "model", bus->model);
	end(w);
	return counts->current[which];
}

static void write_disk(xmlTextWriter *w, const struct manifest_disk *disk, const char *path,
		       struct counts *counts)
{
	const struct bus *bus = &buses[disk->bus];
	unsigned int *names = &counts->names[strcmp(bus->prefix, "vd") == 0];
	g_autofree char *target = target_name(bus->prefix, (*names)++);
	g_autofree char *wwn = choose_wwn(disk, bus);
	unsigned int controller = bus->type ? find_controller(w, disk->bus, counts) : 0;

	begin(w, "disk");
	attribute(w, "type", "file");
	attribute(w, "device", "disk");
	begin(w, "driver");
	attribute(w, "name", "qemu");
	attribute(w, "type", "qcow2");
	attribute(w, "discard", "unmap");
	end(w);
	element(w, "source", "file", path);
	if (disk->sector_size != 512) {
		begin(w, "blockio");
		attribute_number(w, "logical_block_size", disk->sector_size);
		attribute_number(w, "physical_block_size", disk->sector_size);
		end(w);
	}
	begin(w, "target");
	attribute(w, "dev", target);
	attribute(w, "bus", bus->bus);
	end(w);
	if (disk->serial && serial_allowed(disk->serial, bus))
		element_text(w, "serial", disk->serial);
	if (wwn)
		element_text(w, "wwn", wwn);
	begin(w, "boot");
	attribute_number(w, "order", disk->boot_order);
	end(w);
	if (bus->type)
		write_address(w, bus, controller, counts->on_bus[disk->bus] % bus->ports);
	end(w);
	counts->on_bus[disk->bus]++;
}

/* The disk of @m that is booted from as number @order; manifest_parse() holds that there is one. */
static unsigned int find_boot_order(const Manifest *m, unsigned int order)
{
	for (unsigned int i = 0; i < m->disks->len; i++)
		if (((const struct manifest_disk *)g_ptr_array_index(m->disks, i))->boot_order ==
		    order)
			return i;
	g_assert_not_reached();
}

static void write_disks(xmlTextWriter *w, const Manifest *m, const struct domain_place *place)
{
	struct counts counts = { 0 };

	for (unsigned int order = 1; order <= m->disks->len; order++) {
		unsigned int i = find_boot_order(m, order);
		const struct manifest_disk *disk = g_ptr_array_index(m->disks, i);
		g_autofree char *path = NULL;

		path = place->images ? g_strdup(place->images[i])
				     : g_build_filename(place->image_dir, disk->image, NULL);
		write_disk(w, disk, path, &counts);
	}
}

static void write_nic(xmlTextWriter *w, const struct manifest_nic *nic, const char *network,
		      const struct domain_place *place)
{
	bool no_pcie = strcmp(place->machine, "pc") == 0;
	const char *model = nic->model;

	if (no_pcie && strcmp(model, "e1000e") == 0)
		model = "e1000";
	begin(w, "interface");
	attribute(w, "type", "network");
	element(w, "mac", "address", nic->mac);
	element(w, "source", "network", network);
	element(w, "model", "type", model);
	end(w);
}

/* The serial console, and a screen on a socket that only the host's root can reach. */
static void write_consoles(xmlTextWriter *w)
{
	element(w, "serial", "type", "pty");
	begin(w, "console");
	attribute(w, "type", "pty");
	element(w, "target", "type", "serial");
	end(w);
	begin(w, "graphics");
	attribute(w, "type", "vnc");
	element(w, "listen", "type", "socket");
	end(w);
	begin(w, "video");
	element(w, "model", "type", "vga");
	end(w);
}

char *domain_xml(const Manifest *manifest, const struct domain_place *place)
{
	xmlBuffer *buffer = xmlBufferCreate();
	xmlTextWriter *w = xmlNewTextWriterMemory(buffer, 0);
	char *xml;

	g_assert(w);
	must(xmlTextWriterSetIndent(w, 1));
	must(xmlTextWriterSetIndentString(w, (const xmlChar *)"  "));
	begin(w, "domain");
	attribute(w, "type", place->type);
	element_text(w, "name", place->name);
	if (place->uuid)
		element_text(w, "uuid", place->uuid);
	write_size(w, manifest);
	write_firmware(w, manifest, place);
	write_cpu(w, manifest, place);
	element(w, "clock", "offset", manifest->rtc_local ? "localtime" : "utc");

	begin(w, "devices");
	write_disks(w, manifest, place);
	for (unsigned int i = 0; i < manifest->nics->len; i++)
		write_nic(w, g_ptr_array_index(manifest->nics, i),
			  place->networks ? place->networks[i] : place->network, place);
	write_consoles(w);
	end(w);
	end(w);
	must(xmlTextWriterEndDocument(w));

	xmlFreeTextWriter(w);
	xml = g_strdup((const char *)xmlBufferContent(buffer));
	xmlBufferFree(buffer);
	return xml;
}
