/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads with XPath; no entity, file or network is ever loaded. */
#include "cloud/xml-reader.h"

#include "base/error.h"

#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <string.h>

struct xml_reader {
	xmlDoc *doc;
	xmlXPathContext *context;
};

void xml_reader_free(XmlReader *reader)
{
	if (!reader)
		return;
	xmlXPathFreeContext(reader->context);
	xmlFreeDoc(reader->doc);
	g_free(reader);
}

XmlReader *xml_reader_try(const char *xml, const char *root)
{
	g_autoptr(XmlReader) reader = NULL;
	const xmlNode *node;
	xmlDoc *doc;

	if (strlen(xml) > INT_MAX)
		return NULL;
	doc = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL,
			    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	if (!doc)
		return NULL;
	reader = g_new0(XmlReader, 1);
	reader->doc = doc;
	reader->context = xmlXPathNewContext(doc);
	g_assert(reader->context);
	node = xmlDocGetRootElement(doc);
	if (!node || strcmp((const char *)node->name, root) != 0)
		return NULL;
	return g_steal_pointer(&reader);
}

XmlReader *xml_reader_open(const char *xml, const char *root, GError **error)
{
	XmlReader *reader = xml_reader_try(xml, root);

	if (!reader)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "the host's answer is no XML of a <%s>: '%.60s'", root, xml);
	return reader;
}

GPtrArray *xml_read_all(const XmlReader *reader, const char *path)
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

char *xml_read_text(const XmlReader *reader, const char *path)
{
	g_autoptr(GPtrArray) all = xml_read_all(reader, path);

	return all->len > 0 ? g_strdup(all->pdata[0]) : NULL;
}

uint64_t xml_read_number(const XmlReader *reader, const char *path)
{
	g_autofree char *text = xml_read_text(reader, path);
	guint64 number = 0;

	if (!text || !g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, &number, NULL))
		return 0;
	return number;
}

bool xml_has(const XmlReader *reader, const char *path)
{
	g_autoptr(GPtrArray) all = xml_read_all(reader, path);

	return all->len > 0;
}

char *xml_read_element(const XmlReader *reader, const char *path)
{
	xmlXPathObject *found = xmlXPathEval((const xmlChar *)path, reader->context);
	char *text = NULL;

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
