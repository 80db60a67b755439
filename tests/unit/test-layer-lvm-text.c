/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is text of LVM's, what is not, and what the nodes of it are. */
#include "unit.h"

#include "map/layer-lvm-text.h"

/* "k = 5 s = "x" a = [ 1 "y" ] v { ... }", as one line. */
static void print_node(GString *out, const struct lvm_node *node)
{
	if (node->key)
		g_string_append_printf(out, "%s=", node->key);
	switch (node->kind) {
	case LVM_STRING:
		g_string_append_printf(out, "'%s'", node->u.string);
		break;
	case LVM_NUMBER:
		g_string_append_printf(out, "%" G_GINT64_FORMAT, node->u.number);
		break;
	case LVM_OTHER:
		g_string_append(out, "?");
		break;
	case LVM_SECTION:
	case LVM_ARRAY:
		g_string_append(out, node->kind == LVM_ARRAY ? "[" : "{");
		for (const struct lvm_node *n = node->u.first; n; n = n->next) {
			print_node(out, n);
			g_string_append(out, n->next ? " " : "");
		}
		g_string_append(out, node->kind == LVM_ARRAY ? "]" : "}");
		break;
	}
}

static void test_accepted(void **state)
{
	static const struct {
		const char *text, *nodes;
	} cases[] = {
		{ "", "{}" },
		{ "# nothing", "{}" },
		{ "a=1", "{a=1}" },
		{ "a = -1\nb = 0", "{a=-1 b=0}" },
		{ "a = 9223372036854775807", "{a=9223372036854775807}" },
		{ "a = -9223372036854775808", "{a=-9223372036854775808}" },
		{ "a = 9223372036854775808 b = 1.5 c = 010 d = 1. e = -0",
		  "{a=? b=? c=? d=? e=0}" },
		{ "a = \"\" b = \"x y\"", "{a='' b='x y'}" },
		{ "a = \"\\\"q\\\" \\\\ \\n\"", "{a='\"q\" \\ \\n'}" },
		{ "a = \"# {} [] = \n\"", "{a='# {} [] = \n'}" },
		{ "a = []b=[ ]", "{a=[] b=[]}" },
		{ "a = [1,\"x\" , # c\n -2]", "{a=[1 'x' -2]}" },
		{ "a = [1,]", "{a=[1]}" },
		{ "v{}", "{v={}}" },
		{ "vg_0.x+y-z { a = 1 # c }\n w{b=[\"s\"]}}\nc=2",
		  "{vg_0.x+y-z={a=1 w={b=['s']}} c=2}" },
		{ "a=1#\n#\n\n\tb=2#", "{a=1 b=2}" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GString) out = g_string_new(NULL);
		g_autoptr(GError) error = NULL;
		g_autoptr(LvmText) text =
		    lvm_text_new(cases[i].text, strlen(cases[i].text), &error);

		assert_ok(text, error);
		print_node(out, lvm_text_root(text));
		assert_string_equal(out->str, cases[i].nodes);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "a", "a name without a value in line 1" },
		{ "a b = 1", "a name without a value" },
		{ "\n\na = 1 b", "a name without a value in line 3" },
		{ "a =", "no value" },
		{ "a = x", "no value" },
		{ "a = -", "no value" },
		{ "a = +1", "no value" },
		{ "a = 'x'", "no value" },
		{ "a = 12x", "a number that goes on as a name" },
		{ "a = 1.5.5", "a number that goes on as a name" },
		{ "a = \"x", "a string without an end" },
		{ "a = \"x\\", "a string without an end" },
		{ "a = \"x\\\"", "a string without an end" },
		{ "a = [", "no value" },
		{ "a = [1", "no comma between two values" },
		{ "a = [1 2]", "no comma between two values" },
		{ "a = [1,", "no value" },
		{ "a = [[1]]", "no value" },
		{ "a = [{}]", "no value" },
		{ "v {", "a section without an end in line 1" },
		{ "v { a = 1\n", "a section without an end in line 2" },
		{ "}", "no name" },
		{ "v { } }", "no name" },
		{ "= 1", "no name" },
		{ "a/b = 1", "a name without a value" },
		{ "\"a\" = 1", "no name" },
		{ "\xc3\xa4 = 1", "no name" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;

		print_message("%s\n", cases[i].text);
		assert_null(lvm_text_new(cases[i].text, strlen(cases[i].text), &error));
		assert_error(&error, WHERRY_ERROR_DAMAGED, cases[i].words);
	}
}

static void test_end(void **state)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(LvmText) text = lvm_text_new("a=1\0\0\0", 6, &error);

	assert_ok(text, error);
	assert_null(lvm_text_new("a=1\0\0x", 6, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "goes on behind its end at byte 3");
}

static void test_find(void **state)
{
	static const char data[] = "n = 5 s = \"x\" twice = 1 twice = 1 minus = -1";
	g_autoptr(GError) error = NULL;
	g_autoptr(LvmText) text = lvm_text_new(data, strlen(data), &error);
	const struct lvm_node *root;
	uint64_t n = 0;

	assert_ok(text, error);
	root = lvm_text_root(text);
	assert_ok(lvm_node_number(root, "n", 5, &n, &error), error);
	assert_int_equal(n, 5);
	assert_false(lvm_node_number(root, "n", 4, &n, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "has 5 as 'n', not 0 to 4");
	assert_false(lvm_node_number(root, "minus", UINT64_MAX, &n, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "has -1 as 'minus'");
	assert_false(lvm_node_number(root, "s", 5, &n, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "has no number 's'");
	assert_string_equal(lvm_node_string(root, "s", NULL), "x");
	assert_null(lvm_node_string(root, "t", &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "has no string 't'");
	assert_null(lvm_node_find(root, "twice", LVM_NUMBER, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "has two members 'twice'");
	assert_true(lvm_node_has(root, "twice"));
	assert_false(lvm_node_has(root, "t"));
}

/* A text of @n times @piece, with @end times "}" behind. */
static LvmText *parse_many(const char *piece, size_t n, size_t end, GError **error)
{
	g_autoptr(GString) text = g_string_new(NULL);

	for (size_t i = 0; i < n; i++)
		g_string_append(text, piece);
	for (size_t i = 0; i < end; i++)
		g_string_append_c(text, '}');
	return lvm_text_new(text->str, text->len, error);
}

static void test_limits(void **state)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(LvmText) deep = NULL, many = NULL;

	deep = parse_many("v{", LVM_TEXT_MAX_DEPTH, LVM_TEXT_MAX_DEPTH, &error);
	assert_ok(deep, error);
	assert_null(parse_many("v{", LVM_TEXT_MAX_DEPTH + 1, LVM_TEXT_MAX_DEPTH + 1, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "sections nested too deep");
	many = parse_many("a=1 ", LVM_TEXT_MAX_NODES - 1, 0, &error); /* and the root */
	assert_ok(many, error);
	assert_null(parse_many("a=1 ", LVM_TEXT_MAX_NODES, 0, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "too many values");
	assert_null(parse_many("# 678901234567\n", LVM_TEXT_MAX_SIZE / 14, 0, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "more than 16777216");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_end),      cmocka_unit_test(test_find),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests_name("layer-lvm-text", tests, NULL, NULL);
}
