/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads with XPath; no entity, file or network is ever loaded. */
#include "cloud/libvirt-xml.h"

#include "base/error.h"
#include "cloud/cloud-check.h"

#include <inttypes.h>
#include <libxml/parser.h>
#include <libxml/xmlwriter.h>
#include <libxml/xpath.h>
#include <string.h>

/* A parsed text. */
typedef struct reader {
	xmlDoc *doc;
	xmlXPathContext *context;
} Reader;

static void reader_free(Reader *reader)
{
	if (!reader)
		return;
	xmlXPathFreeContext(reader->context);
	xmlFreeDoc(reader->doc);
	g_free(reader);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Reader, reader_free)

/* NULL: @xml is none, or its root is not @root. */
static Reader *reader_new(const char *xml, const char *root)
{
	g_autoptr(Reader) reader = NULL;
	const xmlNode *node;
	xmlDoc *doc;

	if (strlen(xml) > INT_MAX)
		return NULL;
	doc = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL,
			    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	if (!doc)
		return NULL;
	reader = g_new0(Reader, 1);
	reader->doc = doc;
	reader->context = xmlXPathNewContext(doc);
	g_assert(reader->context);
	node = xmlDocGetRootElement(doc);
	if (!node || strcmp((const char *)node->name, root) != 0)
		return NULL;
	return g_steal_pointer(&reader);
}

static Reader *reader_new_or_fail(const char *xml, const char *root, GError **error)
{
	Reader *reader = reader_new(xml, root);

	if (!reader)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "the host's answer is no XML of a <%s>: '%.60s'", root, xml);
	return reader;
}

/* Every text that @path leads to, without empty ones: char *, owned. */
static GPtrArray *read_all(const Reader *reader, const char *path)
{
	GPtrArray *all = g_ptr_array_new_with_free_func(g_free);
	xmlXPathObject *found = xmlXPathEval((const xmlChar *)path, reader->context);
	int count = found && found->nodesetval ? found->nodesetval->nodeNr : 0;

	for (int i = 0; i < count; i++) {
		xmlChar *text = xmlNodeGetContent(found->nodesetval->nodeTab[i]);

		if (text && *text)
			g_ptr_array_add(all, g_strstrip(g_strdup((const char *)text)));
		xmlFree(text);
	}
	xmlXPathFreeObject(found);
	return all;
}

/* The first of them; NULL: there is none. */
static char *read_text(const Reader *reader, const char *path)
{
	g_autoptr(GPtrArray) all = read_all(reader, path);

	return all->len > 0 ? g_strdup(all->pdata[0]) : NULL;
}

/* 0 where there is no number. */
static uint64_t read_number(const Reader *reader, const char *path)
{
	g_autofree char *text = read_text(reader, path);
	guint64 number = 0;

	if (!text || !g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, &number, NULL))
		return 0;
	return number;
}

static bool has(const Reader *reader, const char *path)
{
	g_autoptr(GPtrArray) all = read_all(reader, path);

	return all->len > 0;
}

char *libvirt_read_host_uuid(const char *capabilities)
{
	g_autoptr(Reader) reader = reader_new(capabilities, "capabilities");
	g_autofree char *uuid = reader ? read_text(reader, "/capabilities/host/uuid") : NULL;

	return uuid ? g_ascii_strdown(uuid, -1) : NULL;
}

char *libvirt_read_host_cpu(const char *capabilities)
{
	g_autoptr(Reader) reader = reader_new(capabilities, "capabilities");
	xmlXPathObject *found;
	char *text = NULL;

	if (!reader)
		return NULL;
	found = xmlXPathEval((const xmlChar *)"/capabilities/host/cpu", reader->context);
	if (found && found->nodesetval && found->nodesetval->nodeNr > 0) {
		xmlBuffer *buffer = xmlBufferCreate();

		g_assert(buffer);
		if (xmlNodeDump(buffer, reader->doc, found->nodesetval->nodeTab[0], 0, 0) >= 0)
			text = g_strdup((const char *)xmlBufferContent(buffer));
		xmlBufferFree(buffer);
	}
	xmlXPathFreeObject(found);
	return text;
}

char *libvirt_read_cpu_model(const char *capabilities)
{
	g_autoptr(Reader) reader = reader_new(capabilities, "capabilities");

	return reader ? read_text(reader, "/capabilities/host/cpu/model") : NULL;
}

bool libvirt_read_is_bridge(const char *interface)
{
	g_autoptr(Reader) reader = reader_new(interface, "interface");

	return reader && has(reader, "/interface[@type='bridge']/@name");
}

bool libvirt_read_cpu_virtualizes(const char *cpu)
{
	g_autoptr(Reader) reader = reader_new(cpu, "cpu");

	return reader && has(reader, "/cpu/feature[@name='vmx' or @name='svm']"
				     "[not(@policy) or @policy='require' or @policy='force']"
				     "/@name");
}

/* The emulator for domains of @type on a guest's architecture, which is quoted by its caller. */
static char *read_emulator(const Reader *reader, const char *arch, const char *type)
{
	g_autofree char *own = g_strdup_printf("/capabilities/guest[os_type='hvm']/arch[@name='%s']"
					       "/domain[@type='%s']/emulator",
					       arch, type);
	g_autofree char *common =
	    g_strdup_printf("/capabilities/guest[os_type='hvm']/arch[@name='%s'][domain/@type='%s']"
			    "/emulator",
			    arch, type);
	char *emulator = read_text(reader, own);

	return emulator ? emulator : read_text(reader, common);
}

bool libvirt_read_capabilities(const char *capabilities, CloudCapacity *ret, GError **error)
{
	g_autoptr(Reader) reader = reader_new_or_fail(capabilities, "capabilities", error);
	g_autofree char *arch = NULL, *machines = NULL;

	if (!reader)
		return false;
	arch = read_text(reader, "/capabilities/host/cpu/arch");
	if (!arch || strspn(arch, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(arch)) {
		g_set_error_literal(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
				    "the host does not say what architecture it has");
		return false;
	}
	machines = g_strdup_printf("/capabilities/guest[os_type='hvm']/arch[@name='%s']"
				   "//machine",
				   arch);
	ret->machines = read_all(reader, machines);
	ret->qemu_emulator = read_emulator(reader, arch, "qemu");
	ret->kvm_emulator = read_emulator(reader, arch, "kvm");
	ret->arch = g_steal_pointer(&arch);
	return true;
}

bool libvirt_read_domain_capabilities(const char *xml, CloudCapacity *ret, GError **error)
{
	g_autoptr(Reader) reader = reader_new_or_fail(xml, "domainCapabilities", error);

	if (!reader)
		return false;
	ret->cpus_max =
	    (unsigned int)MIN(read_number(reader, "/domainCapabilities/vcpu/@max"), UINT_MAX);
	ret->uefi = has(reader, "/domainCapabilities/os/enum[@name='firmware'][value='efi']");
	ret->secure_boot = ret->uefi && has(reader, "/domainCapabilities/os/loader"
						    "/enum[@name='secure'][value='yes']");
	return true;
}

bool libvirt_read_pool(const char *xml, CloudPool *ret, GError **error)
{
	g_autoptr(Reader) reader = reader_new_or_fail(xml, "pool", error);

	if (!reader)
		return false;
	ret->type = read_text(reader, "/pool/@type");
	ret->path = read_text(reader, "/pool/target/path");
	if (!ret->type)
		ret->type = g_strdup("unknown");
	return true;
}

/* "1700000000.123456789": the nanoseconds have nine digits. */
static void read_time(const Reader *reader, struct libvirt_file *file)
{
	g_autofree char *text = read_text(reader, "/volume/target/timestamps/mtime");
	g_auto(GStrv) parts = text ? g_strsplit(text, ".", 2) : NULL;
	guint64 number;

	if (!parts || !parts[0])
		return;
	if (g_ascii_string_to_unsigned(parts[0], 10, 0, G_MAXINT64, &number, NULL))
		file->mtime_s = number;
	if (parts[1] && g_ascii_string_to_unsigned(parts[1], 10, 0, 999999999, &number, NULL))
		file->mtime_ns = number;
}

bool libvirt_read_volume(const char *xml, CloudVolume *ret, struct libvirt_file *ret_file,
			 GError **error)
{
	g_autoptr(Reader) reader = reader_new_or_fail(xml, "volume", error);

	if (!reader)
		return false;
	ret->path = read_text(reader, "/volume/target/path");
	ret->format = read_text(reader, "/volume/target/format/@type");
	ret->backing = read_text(reader, "/volume/backingStore/path");
	ret->capacity = read_number(reader, "/volume/capacity");
	ret->allocation = read_number(reader, "/volume/allocation");
	if (!ret->path)
		ret->path = g_strdup("");
	if (!ret->format)
		ret->format = g_strdup("unknown");
	if (!ret_file)
		return true;
	*ret_file = (struct libvirt_file){
		.physical = read_number(reader, "/volume/physical"),
		.owner = (unsigned int)read_number(reader, "/volume/target/permissions/owner"),
		.group = (unsigned int)read_number(reader, "/volume/target/permissions/group"),
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

bool libvirt_read_domain(const char *xml, CloudDomain *ret, GError **error)
{
	g_autoptr(Reader) reader = reader_new_or_fail(xml, "domain", error);
	GPtrArray *macs;

	if (!reader)
		return false;
	macs = read_all(reader, "/domain/devices/interface/mac/@address");
	for (unsigned int i = 0; i < macs->len; i++) {
		char *lower = g_ascii_strdown(macs->pdata[i], -1);

		g_free(macs->pdata[i]);
		macs->pdata[i] = lower;
	}
	add_new(ret->macs, macs);
	/* A mirror and a backing chain are paths in use, too. */
	add_new(ret->paths, read_all(reader, "/domain/devices/disk//source/@file | "
					     "/domain/devices/disk//source/@dev | "
					     "/domain/devices/disk//source/@dir"));
	return true;
}

bool libvirt_read_domain_names(const char *xml, char **ret_name, char **ret_uuid, GError **error)
{
	g_autoptr(Reader) reader = reader_new(xml, "domain");
	g_autofree char *name = NULL, *uuid = NULL;

	if (!reader) {
		g_set_error_literal(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
				    "what shall be defined is no XML of a <domain>");
		return false;
	}
	name = read_text(reader, "/domain/name");
	uuid = read_text(reader, "/domain/uuid");
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
