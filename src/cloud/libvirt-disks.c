/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks the tree: what is changed must stay where it stands, for the rest is not ours. */
#include "cloud/libvirt-disks.h"

#include "base/error.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <string.h>

static xmlDoc *parse(const char *xml, GError **error)
{
	xmlDoc *doc = NULL;
	const xmlNode *root;

	if (strlen(xml) <= INT_MAX)
		doc = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL,
				    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	root = doc ? xmlDocGetRootElement(doc) : NULL;
	if (root && strcmp((const char *)root->name, "domain") == 0)
		return doc;
	xmlFreeDoc(doc);
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "the host's answer is no XML of a <domain>: '%.60s'", xml);
	return NULL;
}

static bool is_named(const xmlNode *node, const char *name)
{
	return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

/* The first child of that name; NULL: there is none, or no @node. */
static xmlNode *child(const xmlNode *node, const char *name)
{
	for (xmlNode *it = node ? node->children : NULL; it; it = it->next)
		if (is_named(it, name))
			return it;
	return NULL;
}

/* Owned; NULL: no such attribute, or no @node. */
static char *attribute(xmlNode *node, const char *name)
{
	xmlChar *value = node ? xmlGetNoNsProp(node, (const xmlChar *)name) : NULL;
	char *text = g_strdup((const char *)value);

	xmlFree(value);
	return text;
}

/* What a <source> leads to, by the kinds that have a word for it; owned. */
static char *source_of(xmlNode *source)
{
	static const char *const names[] = { "file", "dev", "dir", "name", "volume" };
	char *text = NULL;

	for (size_t i = 0; !text && i < G_N_ELEMENTS(names); i++)
		text = attribute(source, names[i]);
	return text;
}

static void free_disk(void *disk)
{
	cloud_disk_free(disk);
}

static CloudDisk *read_disk(xmlNode *node)
{
	xmlNode *backing = child(node, "backingStore");
	CloudDisk *disk = g_new0(CloudDisk, 1);

	disk->target = attribute(child(node, "target"), "dev");
	disk->type = attribute(node, "type");
	disk->device = attribute(node, "device");
	disk->source = source_of(child(node, "source"));
	disk->format = attribute(child(node, "driver"), "type");
	disk->backing = source_of(child(backing, "source"));
	disk->readonly = child(node, "readonly") != NULL;
	disk->shareable = child(node, "shareable") != NULL;
	disk->mirrored = child(node, "mirror") != NULL;
	disk->target = disk->target ?: g_strdup("");
	disk->type = disk->type ?: g_strdup("unknown");
	disk->device = disk->device ?: g_strdup("disk");
	disk->format = disk->format ?: g_strdup("unknown");
	return disk;
}

GPtrArray *libvirt_read_disks(const char *xml, GError **error)
{
	xmlDoc *doc = parse(xml, error);
	GPtrArray *disks;
	xmlNode *devices;

	if (!doc)
		return NULL;
	disks = g_ptr_array_new_with_free_func(free_disk);
	devices = child(xmlDocGetRootElement(doc), "devices");
	for (xmlNode *it = devices ? devices->children : NULL; it; it = it->next)
		if (is_named(it, "disk"))
			g_ptr_array_add(disks, read_disk(it));
	xmlFreeDoc(doc);
	return disks;
}

static void remove_child(xmlNode *node, const char *name)
{
	xmlNode *found = child(node, name);

	if (!found)
		return;
	xmlUnlinkNode(found);
	xmlFreeNode(found);
}

/* A <source> anew: seclabels, indexes and slices are of the old file. */
static void move_disk(xmlNode *disk, const char *path)
{
	xmlNode *source;

	remove_child(disk, "backingStore");
	remove_child(disk, "mirror");
	remove_child(disk, "source");
	xmlSetProp(disk, (const xmlChar *)"type", (const xmlChar *)"file");
	source = xmlNewChild(disk, NULL, (const xmlChar *)"source", NULL);
	xmlSetProp(source, (const xmlChar *)"file", (const xmlChar *)path);
}

static void move_if_named(xmlNode *disk, const struct cloud_move *moves, size_t count)
{
	g_autofree char *target = attribute(child(disk, "target"), "dev");

	for (size_t i = 0; i < count; i++)
		if (g_strcmp0(target, moves[i].target) == 0)
			move_disk(disk, moves[i].path);
}

char *libvirt_move_disks(const char *xml, const struct cloud_move *moves, size_t count,
			 GError **error)
{
	xmlDoc *doc = parse(xml, error);
	xmlChar *dumped = NULL;
	xmlNode *devices;
	char *text;

	if (!doc)
		return NULL;
	devices = child(xmlDocGetRootElement(doc), "devices");
	for (xmlNode *it = devices ? devices->children : NULL; it; it = it->next)
		if (is_named(it, "disk"))
			move_if_named(it, moves, count);
	xmlDocDumpMemory(doc, &dumped, NULL);
	text = g_strdup((const char *)dumped);
	xmlFree(dumped);
	xmlFreeDoc(doc);
	return text;
}
