/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cloud/libvirt-xml.h"

#include "base/error.h"
#include "cloud/cloud-check.h"
#include "cloud/xml-reader.h"

#include <inttypes.h>
#include <libxml/xmlwriter.h>
#include <string.h>

char *libvirt_read_host_uuid(const char *capabilities)
{
	g_autoptr(XmlReader) reader = xml_reader_try(capabilities, "capabilities");
	g_autofree char *uuid = reader ? xml_read_text(reader, "/capabilities/host/uuid") : NULL;

	return uuid ? g_ascii_strdown(uuid, -1) : NULL;
}

char *libvirt_read_host_cpu(const char *capabilities)
{
	g_autoptr(XmlReader) reader = xml_reader_try(capabilities, "capabilities");

	return reader ? xml_read_element(reader, "/capabilities/host/cpu") : NULL;
}

char *libvirt_read_cpu_model(const char *capabilities)
{
	g_autoptr(XmlReader) reader = xml_reader_try(capabilities, "capabilities");

	return reader ? xml_read_text(reader, "/capabilities/host/cpu/model") : NULL;
}

bool libvirt_read_is_bridge(const char *interface)
{
	g_autoptr(XmlReader) reader = xml_reader_try(interface, "interface");

	return reader && xml_has(reader, "/interface[@type='bridge']/@name");
}

bool libvirt_read_cpu_virtualizes(const char *cpu)
{
	g_autoptr(XmlReader) reader = xml_reader_try(cpu, "cpu");

	return reader && xml_has(reader, "/cpu/feature[@name='vmx' or @name='svm']"
					 "[not(@policy) or @policy='require' or @policy='force']"
					 "/@name");
}

/* The emulator for domains of @type on a guest's architecture, which is quoted by its caller. */
static char *read_emulator(const XmlReader *reader, const char *arch, const char *type)
{
	g_autofree char *own = g_strdup_printf("/capabilities/guest[os_type='hvm']/arch[@name='%s']"
					       "/domain[@type='%s']/emulator",
					       arch, type);
	g_autofree char *common =
	    g_strdup_printf("/capabilities/guest[os_type='hvm']/arch[@name='%s'][domain/@type='%s']"
			    "/emulator",
			    arch, type);
	char *emulator = xml_read_text(reader, own);

	return emulator ? emulator : xml_read_text(reader, common);
}

bool libvirt_read_capabilities(const char *capabilities, CloudCapacity *ret, GError **error)
{
	g_autoptr(XmlReader) reader = xml_reader_open(capabilities, "capabilities", error);
	g_autofree char *arch = NULL, *machines = NULL;

	if (!reader)
		return false;
	arch = xml_read_text(reader, "/capabilities/host/cpu/arch");
	if (!arch || strspn(arch, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(arch)) {
		g_set_error_literal(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
				    "the host does not say what architecture it has");
		return false;
	}
	machines = g_strdup_printf("/capabilities/guest[os_type='hvm']/arch[@name='%s']"
				   "//machine",
				   arch);
	ret->machines = xml_read_all(reader, machines);
	ret->qemu_emulator = read_emulator(reader, arch, "qemu");
	ret->kvm_emulator = read_emulator(reader, arch, "kvm");
	ret->arch = g_steal_pointer(&arch);
	return true;
}

bool libvirt_read_domain_capabilities(const char *xml, CloudCapacity *ret, GError **error)
{
	g_autoptr(XmlReader) reader = xml_reader_open(xml, "domainCapabilities", error);

	if (!reader)
		return false;
	ret->cpus_max =
	    (unsigned int)MIN(xml_read_number(reader, "/domainCapabilities/vcpu/@max"), UINT_MAX);
	ret->uefi = xml_has(reader, "/domainCapabilities/os/enum[@name='firmware'][value='efi']");
	ret->secure_boot = ret->uefi && xml_has(reader, "/domainCapabilities/os/loader"
							"/enum[@name='secure'][value='yes']");
	return true;
}

bool libvirt_read_pool(const char *xml, CloudPool *ret, GError **error)
{
	g_autoptr(XmlReader) reader = xml_reader_open(xml, "pool", error);

	if (!reader)
		return false;
	ret->type = xml_read_text(reader, "/pool/@type");
	ret->path = xml_read_text(reader, "/pool/target/path");
	if (!ret->type)
		ret->type = g_strdup("unknown");
	return true;
}

/* "1700000000.123456789": the nanoseconds have nine digits. */
static void read_time(const XmlReader *reader, struct libvirt_file *file)
{
	g_autofree char *text = xml_read_text(reader, "/volume/target/timestamps/mtime");
	g_auto(GStrv) parts = text ? g_strsplit(text, ".", 2) : NULL;
	guint64 number;

	if (!parts || !parts[0])
		return;
	if (g_ascii_string_to_unsigned(parts[0], 10, 0, G_MAXINT64, &number, NULL))
		file->mtime_s = number;
	if (parts[1] && g_ascii_string_to_unsigned(parts[1], 10, 0, 999999999, &number, NULL))
		file->mtime_ns = number;
}

/* What no two files have in common; as words.  NULL: the host does not say enough. */
static char *read_file(const XmlReader *reader)
{
	g_autofree char *changed = xml_read_text(reader, "/volume/target/timestamps/ctime");
	g_autofree char *written = xml_read_text(reader, "/volume/target/timestamps/mtime");

	if (!changed || !written)
		return NULL;
	return g_strdup_printf("%" PRIu64 " bytes, changed %s, written %s",
			       xml_read_number(reader, "/volume/physical"), changed, written);
}

bool libvirt_read_volume(const char *xml, CloudVolume *ret, struct libvirt_file *ret_file,
			 GError **error)
{
	g_autoptr(XmlReader) reader = xml_reader_open(xml, "volume", error);

	if (!reader)
		return false;
	ret->path = xml_read_text(reader, "/volume/target/path");
	ret->format = xml_read_text(reader, "/volume/target/format/@type");
	ret->backing = xml_read_text(reader, "/volume/backingStore/path");
	ret->capacity = xml_read_number(reader, "/volume/capacity");
	ret->allocation = xml_read_number(reader, "/volume/allocation");
	ret->file = read_file(reader);
	if (!ret->path)
		ret->path = g_strdup("");
	if (!ret->format)
		ret->format = g_strdup("unknown");
	if (!ret_file)
		return true;
	*ret_file = (struct libvirt_file){
		.physical = xml_read_number(reader, "/volume/physical"),
		.owner = (unsigned int)xml_read_number(reader, "/volume/target/permissions/owner"),
		.group = (unsigned int)xml_read_number(reader, "/volume/target/permissions/group"),
	};
	read_time(reader, ret_file);
	return true;
}

/* Move into @into the texts of @from that it has not. */
static void add_new(GPtrArray *into, GPtrArray *from)
{
	for (unsigned int i = 0; i < from->len; i++)
		if (!g_ptr_array_find_with_equal_func(into, from->pdata[i], g_str_equal, NULL))
			g_ptr_array_add(into, g_strdup(from->pdata[i]));
	g_ptr_array_unref(from);
}

/* Those of a pool and its volume by turns. */
static void add_volumes(const XmlReader *reader, GPtrArray *into)
{
	g_autoptr(GPtrArray) pools =
	    xml_read_all(reader, "/domain/devices/disk//source[@pool and @volume]/@pool");
	g_autoptr(GPtrArray) names =
	    xml_read_all(reader, "/domain/devices/disk//source[@pool and @volume]/@volume");

	for (unsigned int i = 0; i < MIN(pools->len, names->len); i++) {
		g_ptr_array_add(into, g_strdup(pools->pdata[i]));
		g_ptr_array_add(into, g_strdup(names->pdata[i]));
	}
}

bool libvirt_read_domain(const char *xml, CloudDomain *ret, GPtrArray *volumes, GError **error)
{
	g_autoptr(XmlReader) reader = xml_reader_open(xml, "domain", error);
	GPtrArray *macs;

	if (!reader)
		return false;
	macs = xml_read_all(reader, "/domain/devices/interface/mac/@address");
	for (unsigned int i = 0; i < macs->len; i++) {
		char *lower = g_ascii_strdown(macs->pdata[i], -1);

		g_free(macs->pdata[i]);
		macs->pdata[i] = lower;
	}
	add_new(ret->macs, macs);
	/* A mirror and a backing chain are paths in use, too. */
	add_new(ret->paths, xml_read_all(reader, "/domain/devices/disk//source/@file | "
						 "/domain/devices/disk//source/@dev | "
						 "/domain/devices/disk//source/@dir"));
	add_volumes(reader, volumes);
	return true;
}

bool libvirt_read_domain_names(const char *xml, char **ret_name, char **ret_uuid, GError **error)
{
	g_autoptr(XmlReader) reader = xml_reader_try(xml, "domain");
	g_autofree char *name = NULL, *uuid = NULL;

	if (!reader) {
		g_set_error_literal(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
				    "what shall be defined is no XML of a <domain>");
		return false;
	}
	name = xml_read_text(reader, "/domain/name");
	uuid = xml_read_text(reader, "/domain/uuid");
	if (!cloud_check_name("the VM's name", name ? name : "", error) ||
	    !cloud_check_uuid("the VM's UUID", uuid ? uuid : "", error))
		return false;
	*ret_name = g_steal_pointer(&name);
	*ret_uuid = g_steal_pointer(&uuid);
	return true;
}

/* ---- Out ---- */

/* The writer works in memory, so only the allocation of that can fail. */
static void must(int r)
{
	g_assert(r >= 0);
}

static xmlTextWriter *begin_text(xmlBuffer **ret_buffer)
{
	xmlTextWriter *w;

	*ret_buffer = xmlBufferCreate();
	w = xmlNewTextWriterMemory(*ret_buffer, 0);
	g_assert(w);
	return w;
}

static char *end_text(xmlTextWriter *w, xmlBuffer *buffer)
{
	char *xml;

	must(xmlTextWriterEndDocument(w)); /* closes every element that is open */
	xmlFreeTextWriter(w);
	xml = g_strdup((const char *)xmlBufferContent(buffer));
	xmlBufferFree(buffer);
	return xml;
}

static void begin(xmlTextWriter *w, const char *name)
{
	must(xmlTextWriterStartElement(w, (const xmlChar *)name));
}

static void attribute(xmlTextWriter *w, const char *name, const char *value)
{
	must(xmlTextWriterWriteAttribute(w, (const xmlChar *)name, (const xmlChar *)value));
}

static void element(xmlTextWriter *w, const char *name, const char *text)
{
	must(xmlTextWriterWriteElement(w, (const xmlChar *)name, (const xmlChar *)text));
}

char *libvirt_write_pool(const char *uuid, const char *name, const char *path)
{
	xmlBuffer *buffer;
	xmlTextWriter *w = begin_text(&buffer);

	begin(w, "pool");
	attribute(w, "type", "dir");
	element(w, "name", name);
	element(w, "uuid", uuid);
	begin(w, "target");
	element(w, "path", path);
	return end_text(w, buffer);
}

char *libvirt_write_volume(const char *name, const char *format, uint64_t capacity)
{
	g_autofree char *bytes = g_strdup_printf("%" PRIu64, capacity);
	xmlBuffer *buffer;
	xmlTextWriter *w = begin_text(&buffer);

	begin(w, "volume");
	element(w, "name", name);
	element(w, "capacity", bytes);
	element(w, "allocation", "0");
	begin(w, "target");
	begin(w, "format");
	attribute(w, "type", format);
	must(xmlTextWriterEndElement(w));
	if (strcmp(format, "qcow2") == 0)
		element(w, "compat", "1.1");
	return end_text(w, buffer);
}
