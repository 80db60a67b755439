/* SPDX-License-Identifier: GPL-2.0-or-later */
/* By recursive descent, in place: names and strings of the nodes point into one copy of the text.
 */
#include "map/layer-lvm-text.h"

#include "base/error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_NODES 1024u

struct lvm_text {
	char *data;        /* owned; ends with a 0 */
	GPtrArray *blocks; /* of BLOCK_NODES nodes each */
	unsigned int n_nodes;
	struct lvm_node *root;
};

struct parser {
	LvmText *text; /* borrowed */
	char *at;      /* what is read next; a 0 ends all */
	unsigned int line;
};

static void wrong(const struct parser *p, GError **error, const char *what)
{
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED, "LVM metadata with %s in line %u",
		    what, p->line);
}

static struct lvm_node *new_node(struct parser *p, const char *key, enum lvm_kind kind,
				 GError **error)
{
	LvmText *text = p->text;
	struct lvm_node *node;

	if (text->n_nodes == LVM_TEXT_MAX_NODES) {
		wrong(p, error, "too many values");
		return NULL;
	}
	if (text->n_nodes % BLOCK_NODES == 0)
		g_ptr_array_add(text->blocks, g_new0(struct lvm_node, BLOCK_NODES));
	node = (struct lvm_node *)g_ptr_array_index(text->blocks, text->blocks->len - 1) +
	       text->n_nodes++ % BLOCK_NODES;
	node->key = key;
	node->kind = kind;
	return node;
}

/* Space and comments. */
static void skip_space(struct parser *p)
{
	for (; g_ascii_isspace(*p->at) || *p->at == '#'; p->at++) {
		if (*p->at == '#')
			p->at += strcspn(p->at, "\n");
		if (*p->at == '\0')
			return;
		p->line += *p->at == '\n';
	}
}

static bool is_name_char(char c)
{
	return g_ascii_isalnum(c) || (c != '\0' && strchr("_.+-", c));
}

/* "0.5" and what does not fit are of no use, but no reason to refuse all the rest. */
static bool parse_number(struct parser *p, struct lvm_node *node, GError **error)
{
	char *start = p->at, *digits = start + (*start == '-');

	p->at = digits + strspn(digits, "0123456789");
	if (p->at == digits) {
		wrong(p, error, "no value");
		return false;
	}
	errno = 0;
	node->u.number = g_ascii_strtoll(start, NULL, 10);
	node->kind = errno == 0 ? LVM_NUMBER : LVM_OTHER;
	if (*digits == '0' && p->at - digits > 1)
		node->kind = LVM_OTHER;
	if (*p->at == '.') {
		p->at += 1 + strspn(p->at + 1, "0123456789");
		node->kind = LVM_OTHER;
	}
	if (is_name_char(*p->at)) {
		wrong(p, error, "a number that goes on as a name");
		return false;
	}
	return true;
}

/* Of escapes only those of a quote and of a backslash are any: libdm's dm_unescape_double_quotes().
 */
static bool parse_string(struct parser *p, struct lvm_node *node, GError **error)
{
	char *to = ++p->at;

	node->kind = LVM_STRING;
	node->u.string = to;
	for (; *p->at != '"'; p->at++) {
		if (*p->at == '\\' && (p->at[1] == '"' || p->at[1] == '\\'))
			p->at++;
		if (*p->at == '\0') {
			wrong(p, error, "a string without an end");
			return false;
		}
		p->line += *p->at == '\n';
		*to++ = *p->at;
	}
	p->at++;
	*to = '\0';
	return true;
}

static bool parse_scalar(struct parser *p, struct lvm_node *node, GError **error)
{
	return *p->at == '"' ? parse_string(p, node, error) : parse_number(p, node, error);
}

static bool parse_array(struct parser *p, struct lvm_node *array, GError **error)
{
	struct lvm_node **link = &array->u.first;

	array->kind = LVM_ARRAY;
	p->at++;
	skip_space(p);
	while (*p->at != ']') { /* ends: every turn reads a value or fails */
		*link = new_node(p, NULL, LVM_OTHER, error);
		if (!*link || !parse_scalar(p, *link, error))
			return false;
		link = &(*link)->next;
		skip_space(p);
		if (*p->at == ']')
			break;
		if (*p->at != ',') {
			wrong(p, error, "no comma between two values");
			return false;
		}
		p->at++;
		skip_space(p);
	}
	p->at++;
	return true;
}

/* NULL: failed. */
static char *parse_name(struct parser *p, char **ret_end, GError **error)
{
	char *name = p->at;

	while (is_name_char(*p->at))
		p->at++;
	*ret_end = p->at;
	if (name == p->at) {
		wrong(p, error, "no name");
		return NULL;
	}
	return name;
}

static bool parse_members(struct parser *p, struct lvm_node *section, unsigned int depth,
			  GError **error);

/* NAME = VALUE, or NAME { MEMBERS }.  The end of the name is written once what follows was read. */
static struct lvm_node *parse_member(struct parser *p, unsigned int depth, GError **error)
{
	struct lvm_node *node;
	char *end = NULL, *name = parse_name(p, &end, error), follows;
	bool ok;

	if (!name)
		return NULL;
	skip_space(p);
	follows = *p->at;
	if (follows != '=' && follows != '{') {
		wrong(p, error, "a name without a value");
		return NULL;
	}
	p->at++;
	*end = '\0';
	node = new_node(p, name, LVM_SECTION, error);
	if (!node)
		return NULL;
	if (follows == '{')
		return parse_members(p, node, depth + 1, error) ? node : NULL;
	skip_space(p);
	ok = *p->at == '[' ? parse_array(p, node, error) : parse_scalar(p, node, error);
	return ok ? node : NULL;
}

/* Up to the brace that ends them, at depth 0 to the end of the text. */
static bool parse_members(struct parser *p, struct lvm_node *section, unsigned int depth,
			  GError **error)
{
	struct lvm_node **link = &section->u.first;

	if (depth > LVM_TEXT_MAX_DEPTH) {
		wrong(p, error, "sections nested too deep");
		return false;
	}
	for (;; link = &(*link)->next) { /* ends: every turn reads a name or fails */
		skip_space(p);
		if (*p->at == '\0' && depth == 0)
			return true;
		if (*p->at == '\0') {
			wrong(p, error, "a section without an end");
			return false;
		}
		if (*p->at == '}' && depth > 0) {
			p->at++;
			return true;
		}
		*link = parse_member(p, depth, error);
		if (!*link)
			return false;
	}
}

LvmText *lvm_text_new(const char *data, size_t len, GError **error)
{
	size_t end = strnlen(data, len);
	g_autoptr(LvmText) text = NULL;
	struct parser p = { .line = 1 };

	for (size_t i = end; i < len; i++) {
		if (data[i] != '\0') {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
				    "LVM metadata that goes on behind its end at byte %zu", end);
			return NULL;
		}
	}
	if (end > LVM_TEXT_MAX_SIZE) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "LVM metadata of %zu bytes, more than %zu", end, LVM_TEXT_MAX_SIZE);
		return NULL;
	}
	text = g_new0(LvmText, 1);
	text->data = g_strndup(data, end);
	text->blocks = g_ptr_array_new_with_free_func(g_free);
	p.text = text;
	p.at = text->data;
	text->root = new_node(&p, NULL, LVM_SECTION, error);
	if (!parse_members(&p, text->root, 0, error))
		return NULL;
	return g_steal_pointer(&text);
}

const struct lvm_node *lvm_text_root(const LvmText *text)
{
	return text->root;
}

static const char *name_of(const struct lvm_node *section)
{
	return section->key ? section->key : "LVM metadata";
}

const struct lvm_node *lvm_node_find(const struct lvm_node *section, const char *key,
				     enum lvm_kind kind, GError **error)
{
	static const char *const kinds[] = { "section", "array", "string", "number", "other" };
	const struct lvm_node *found = NULL;

	for (const struct lvm_node *node = section->u.first; node; node = node->next) {
		if (strcmp(node->key, key) != 0)
			continue;
		if (found) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
				    "%s has two members '%s'", name_of(section), key);
			return NULL;
		}
		found = node;
	}
	if (!found || found->kind != kind) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED, "%s has no %s '%s'",
			    name_of(section), kinds[kind], key);
		return NULL;
	}
	return found;
}

bool lvm_node_number(const struct lvm_node *section, const char *key, uint64_t max, uint64_t *ret,
		     GError **error)
{
	const struct lvm_node *node = lvm_node_find(section, key, LVM_NUMBER, error);

	if (!node)
		return false;
	if (node->u.number < 0 || (uint64_t)node->u.number > max) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "%s has %" PRId64 " as '%s', not 0 to %" PRIu64, name_of(section),
			    node->u.number, key, max);
		return false;
	}
	*ret = (uint64_t)node->u.number;
	return true;
}

const char *lvm_node_string(const struct lvm_node *section, const char *key, GError **error)
{
	const struct lvm_node *node = lvm_node_find(section, key, LVM_STRING, error);

	return node ? node->u.string : NULL;
}

bool lvm_node_has(const struct lvm_node *section, const char *key)
{
	for (const struct lvm_node *node = section->u.first; node; node = node->next)
		if (strcmp(node->key, key) == 0)
			return true;
	return false;
}

void lvm_text_free(LvmText *text)
{
	if (!text)
		return;
	g_clear_pointer(&text->blocks, g_ptr_array_unref);
	g_free(text->data);
	g_free(text);
}
