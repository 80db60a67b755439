/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Through EVP, which takes the CPU's SHA instructions where there are any.  None of these calls
 * can fail but for lack of memory, which ends the program as GLib does.
 */
#include "base/digest.h"

#include <openssl/evp.h>
#include <string.h>

struct digester {
	EVP_MD_CTX *context; /* owned */
};

static void start(Digester *digester)
{
	if (EVP_DigestInit_ex(digester->context, EVP_sha256(), NULL) != 1)
		g_error("libcrypto has no SHA-256");
}

Digester *digester_new(void)
{
	Digester *digester = g_new(Digester, 1);

	digester->context = EVP_MD_CTX_new();
	g_assert(digester->context);
	start(digester);
	return digester;
}

void digester_add(Digester *digester, const void *data, size_t len)
{
	g_assert(EVP_DigestUpdate(digester->context, data, len) == 1);
}

struct digest digester_finish(Digester *digester)
{
	struct digest r;

	g_assert(EVP_DigestFinal_ex(digester->context, r.b, NULL) == 1);
	start(digester);
	return r;
}

void digester_free(Digester *digester)
{
	if (!digester)
		return;
	EVP_MD_CTX_free(digester->context);
	g_free(digester);
}

struct digest digest_of(const void *data, size_t len)
{
	struct digest r;

	g_assert(EVP_Digest(data, len, r.b, NULL, EVP_sha256(), NULL) == 1);
	return r;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
	return memcmp(a->b, b->b, DIGEST_SIZE) == 0;
}

char *digest_to_hex(const struct digest *digest)
{
	char *hex = g_malloc(2 * DIGEST_SIZE + 1);

	for (size_t i = 0; i < DIGEST_SIZE; i++)
		g_snprintf(hex + 2 * i, 3, "%02x", digest->b[i]);
	return hex;
}

/* The value of a lower-case digit, or -1. */
static int hex_digit(char c)
{
	return g_ascii_isxdigit(c) && !g_ascii_isupper(c) ? g_ascii_xdigit_value(c) : -1;
}

bool digest_from_hex(const char *hex, struct digest *ret)
{
	struct digest r;

	if (strlen(hex) != 2 * DIGEST_SIZE)
		return false;
	for (size_t i = 0; i < DIGEST_SIZE; i++) {
		int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		r.b[i] = (uint8_t)(high << 4 | low);
	}
	*ret = r;
	return true;
}
