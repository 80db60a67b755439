/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text in which LVM2 keeps its metadata: named values, and sections of them, to some depth.
 *
 *	vg0 {
 *		seqno = 4
 *		status = ["READ", "WRITE"]	# a comment
 *		physical_volumes {
 *			pv0 { ... }
 *
 * The grammar is that of LVM2's lib/config and libdm/libdm-config.c, as far as LVM2 itself writes
 * it (lib/format_text/export.c).  What it reads but never writes is refused: paths as names, bare
 * strings, lists without commas.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LVM_TEXT_MAX_SIZE  ((size_t)16 << 20)
#define LVM_TEXT_MAX_NODES (1u << 20) /* of 32 bytes; a volume takes about 16 */
#define LVM_TEXT_MAX_DEPTH 16u        /* of sections */

enum lvm_kind {
	LVM_SECTION,
	LVM_ARRAY,
	LVM_STRING,
	LVM_NUMBER,
	LVM_OTHER, /* a fraction, or a number too large or octal: none that we have a use for */
};

struct lvm_node {
	const char *key; /* NULL: in an array */
	enum lvm_kind kind;
	union {
		struct lvm_node *first; /* of a section or an array, in their order; may be NULL */
		const char *string;
		int64_t number;
	} u;
	struct lvm_node *next;
};

typedef struct lvm_text LvmText;

/* @data is copied.  It ends after @len bytes or at its first 0, behind which are only more. */
LvmText *lvm_text_new(const char *data, size_t len, GError **error);

/* What stands outside of all sections.  It belongs to @text, as do all nodes below it. */
const struct lvm_node *lvm_text_root(const LvmText *text);

/*
 * The member @key of @section.  NULL: there is none, or two of that name, or it is not of @kind.
 */
const struct lvm_node *lvm_node_find(const struct lvm_node *section, const char *key,
				     enum lvm_kind kind, GError **error);

/* The number @key of @section, which is at most @max. */
bool lvm_node_number(const struct lvm_node *section, const char *key, uint64_t max, uint64_t *ret,
		     GError **error);

/* The string @key of @section; NULL: as lvm_node_find(). */
const char *lvm_node_string(const struct lvm_node *section, const char *key, GError **error);

/* Whether @section has a member of that name, of any kind. */
bool lvm_node_has(const struct lvm_node *section, const char *key);

void lvm_text_free(LvmText *text);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LvmText, lvm_text_free)
