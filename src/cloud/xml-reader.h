/* SPDX-License-Identifier: GPL-2.0-or-later */
/* XML from a host, asked by XPath. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct xml_reader XmlReader;

/* NULL: @xml is none, or its root is not @root. */
XmlReader *xml_reader_try(const char *xml, const char *root);

/* The same as a failure: DAMAGED. */
XmlReader *xml_reader_open(const char *xml, const char *root, GError **error);

void xml_reader_free(XmlReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(XmlReader, xml_reader_free)

/* Every text that @path leads to, without empty ones: char *, owned. */
GPtrArray *xml_read_all(const XmlReader *reader, const char *path);

/* The first of them, owned; NULL: there is none. */
char *xml_read_text(const XmlReader *reader, const char *path);

/* 0 where there is no number. */
uint64_t xml_read_number(const XmlReader *reader, const char *path);

bool xml_has(const XmlReader *reader, const char *path);

/* The first element that @path leads to, as XML; owned.  NULL: there is none. */
char *xml_read_element(const XmlReader *reader, const char *path);
