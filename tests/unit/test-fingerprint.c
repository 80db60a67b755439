/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Equal bytes have equal fingerprints under one key; other bytes, or another key, others. */
#include "unit.h"

#include "base/fingerprint.h"

#define LEN 65535u

static bool equal(const struct fingerprint *a, const struct fingerprint *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* NIST's test of AES-128-GCM without a text: a key and nonce of zeros, and nothing to sum. */
static void test_known(void **state)
{
	static const uint8_t want[] = { 0x58, 0xe2, 0xfc, 0xce, 0xfa, 0x7e, 0x30, 0x61,
					0x36, 0x7f, 0x1d, 0x57, 0xa4, 0xe7, 0x45, 0x5a };
	const struct fingerprint_key key = { { 0 } };
	g_autoptr(Fingerprinter) fingerprinter = fingerprinter_new(&key);
	struct fingerprint got = fingerprinter_run(fingerprinter, "", 0);

	assert_memory_equal(got.b, want, sizeof(want));
}

static void test_bytes(void **state)
{
	g_autofree uint8_t *data = g_malloc0(LEN);
	struct fingerprint_key keys[2];
	g_autoptr(Fingerprinter) first = NULL, again = NULL, other = NULL;
	g_autoptr(GError) error = NULL;
	struct fingerprint want, got;

	assert_ok(fingerprint_key_draw(&keys[0], &error), error);
	assert_ok(fingerprint_key_draw(&keys[1], &error), error);
	first = fingerprinter_new(&keys[0]);
	again = fingerprinter_new(&keys[0]);
	other = fingerprinter_new(&keys[1]);

	want = fingerprinter_run(first, data, LEN);
	got = fingerprinter_run(first, data, LEN); /* it starts anew */
	assert_true(equal(&want, &got));
	got = fingerprinter_run(again, data, LEN);
	assert_true(equal(&want, &got));
	got = fingerprinter_run(other, data, LEN);
	assert_false(equal(&want, &got));
	got = fingerprinter_run(first, data, LEN - 1);
	assert_false(equal(&want, &got));
	for (size_t i = 0; i < LEN; i += 97) {
		data[i] ^= 1;
		got = fingerprinter_run(first, data, LEN);
		assert_false(equal(&want, &got));
		data[i] ^= 1;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_bytes),
	};

	return cmocka_run_group_tests_name("fingerprint", tests, NULL, NULL);
}
