/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Known digests, whole and in pieces, and what is taken as hexadecimal. */
#include "unit.h"

#include "base/digest.h"

/* FIPS 180-4's own example, "abc". */
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void test_known(void **state)
{
	g_autoptr(Digester) digester = digester_new();
	struct digest whole = digest_of("abc", 3), pieces, parsed;
	g_autofree char *hex = digest_to_hex(&whole);

	assert_string_equal(hex, ABC);
	for (int i = 0; i < 2;
	     i++) { /* the second round shows that the first left nothing behind */
		digester_add(digester, "a", 1);
		digester_add(digester, "bc", 2);
		pieces = digester_finish(digester);
		assert_true(digest_equal(&whole, &pieces));
	}
	assert_true(digest_from_hex(ABC, &parsed));
	assert_true(digest_equal(&whole, &parsed));
	parsed.b[31] ^= 1;
	assert_false(digest_equal(&whole, &parsed));
}

static void test_not_hex(void **state)
{
	static const char *const wrong[] = {
		"",
		"ba78",
		"BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		"ga7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		ABC "0",
	};
	struct digest digest;

	for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++)
		assert_false(digest_from_hex(wrong[i], &digest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_not_hex),
	};

	return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
