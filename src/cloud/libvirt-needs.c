/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cloud/libvirt-needs.h"

#include "cloud/xml-reader.h"

#include <string.h>

LibvirtNeeds *libvirt_read_needs(const char *domain, GError **error)
{
	g_autoptr(XmlReader) reader = xml_reader_open(domain, "domain", error);
	LibvirtNeeds *needs;

	if (!reader)
		return NULL;
	needs = g_new0(LibvirtNeeds, 1);
	needs->arch = xml_read_text(reader, "/domain/os/type/@arch");
	needs->machine = xml_read_text(reader, "/domain/os/type/@machine");
	needs->type = xml_read_text(reader, "/domain/@type");
	needs->emulator = xml_read_text(reader, "/domain/devices/emulator");
	needs->host_cpu =
	    xml_has(reader, "/domain/cpu[@mode='host-passthrough' or @mode='maximum']/@mode");
	needs->cpu = needs->host_cpu ? NULL : xml_read_element(reader, "/domain/cpu");
	needs->networks = xml_read_all(reader, "/domain/devices/interface/source/@network");
	needs->bridges =
	    xml_read_all(reader, "/domain/devices/interface[@type='bridge']/source/@bridge");
	needs->devices =
	    xml_read_all(reader, "/domain/devices/interface[@type='direct']/source/@dev");
	return needs;
}

void libvirt_needs_free(LibvirtNeeds *needs)
{
	if (!needs)
		return;
	g_free(needs->arch);
	g_free(needs->machine);
	g_free(needs->type);
	g_free(needs->emulator);
	g_free(needs->cpu);
	g_ptr_array_unref(needs->networks);
	g_ptr_array_unref(needs->bridges);
	g_ptr_array_unref(needs->devices);
	g_free(needs);
}

/* ---- Ties ---- */

bool libvirt_read_ties(const char *domain, GPtrArray *ties, GError **error)
{
	static const struct {
		const char *path, *what;
	} kinds[] = {
		{ "/domain/devices/hostdev/@type | /domain/devices/hostdev[not(@type)]/@mode",
		  "a device of its host (hostdev, %s)" },
		{ "/domain/devices/interface[@type='hostdev' or @type='vdpa']/@type",
		  "a NIC of its host (%s)" },
		{ "/domain/devices/filesystem/target/@dir", "a shared directory of its host (%s)" },
		{ "/domain/devices/shmem/@name", "shared memory of its host (%s)" },
	};
	g_autoptr(XmlReader) reader = xml_reader_open(domain, "domain", error);

	if (!reader)
		return false;
	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
		g_autoptr(GPtrArray) found = xml_read_all(reader, kinds[i].path);

		for (unsigned int j = 0; j < found->len; j++) {
			g_auto(GStrv) parts = g_strsplit(kinds[i].what, "%s", 2);

			g_ptr_array_add(ties, g_strconcat("the VM uses ", parts[0],
							  (char *)found->pdata[j], parts[1], NULL));
		}
	}
	return true;
}

/* ---- Lacks ---- */

/* A property of devices in a domain, and the element and enum of the capabilities that list it. */
static const struct {
	const char *words;
	const char *wanted;           /* XPath in the domain */
	const char *element, *values; /* below /domainCapabilities */
} properties[] = {
	{ "a disk of kind", "/domain/devices/disk/@device", "devices/disk", "diskDevice" },
	{ "a disk on bus", "/domain/devices/disk/target/@bus", "devices/disk", "bus" },
	{ "a graphics server of type", "/domain/devices/graphics/@type", "devices/graphics",
	  "type" },
	{ "a video card", "/domain/devices/video/model/@type", "devices/video", "modelType" },
	{ "a random number generator", "/domain/devices/rng/@model", "devices/rng", "model" },
	{ "a random number source", "/domain/devices/rng/backend/@model", "devices/rng",
	  "backendModel" },
	{ "a TPM", "/domain/devices/tpm/@model", "devices/tpm", "model" },
	{ "a TPM backend", "/domain/devices/tpm/backend/@type", "devices/tpm", "backendModel" },
};

static void add_lack(GPtrArray *lacks, const char *words, const char *value)
{
	char *lack = g_strdup_printf("it cannot give the VM %s %s", words, value);

	if (g_ptr_array_find_with_equal_func(lacks, lack, g_str_equal, NULL))
		g_free(lack); /* of another disk */
	else
		g_ptr_array_add(lacks, lack);
}

static void compare(const XmlReader *domain, const XmlReader *capabilities, size_t property,
		    GPtrArray *lacks)
{
	g_autofree char *missing =
	    g_strdup_printf("/domainCapabilities/%s[@supported='no']/@supported",
			    properties[property].element);
	g_autofree char *listed =
	    g_strdup_printf("/domainCapabilities/%s/enum[@name='%s']/@name",
			    properties[property].element, properties[property].values);
	g_autofree char *path =
	    g_strdup_printf("/domainCapabilities/%s/enum[@name='%s']/value",
			    properties[property].element, properties[property].values);
	g_autoptr(GPtrArray) wanted = xml_read_all(domain, properties[property].wanted);
	g_autoptr(GPtrArray) values = xml_read_all(capabilities, path);

	if (!xml_has(capabilities, missing) && !xml_has(capabilities, listed))
		return;
	for (unsigned int i = 0; i < wanted->len; i++)
		if (!g_ptr_array_find_with_equal_func(values, wanted->pdata[i], g_str_equal, NULL))
			add_lack(lacks, properties[property].words, wanted->pdata[i]);
}

bool libvirt_read_lacks(const char *domain, const char *capabilities, GPtrArray *lacks,
			GError **error)
{
	g_autoptr(XmlReader) wants = xml_reader_open(domain, "domain", error);
	g_autoptr(XmlReader) has =
	    wants ? xml_reader_open(capabilities, "domainCapabilities", error) : NULL;
	g_autofree char *loader = wants ? xml_read_text(wants, "/domain/os/loader") : NULL;
	g_autoptr(GPtrArray) loaders =
	    has ? xml_read_all(has, "/domainCapabilities/os/loader/value") : NULL;

	if (!has)
		return false;
	for (size_t i = 0; i < G_N_ELEMENTS(properties); i++)
		compare(wants, has, i, lacks);
	if (loader && !g_ptr_array_find_with_equal_func(loaders, loader, g_str_equal, NULL))
		add_lack(lacks, "the firmware", loader);
	return true;
}
