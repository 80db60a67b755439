/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AES-GCM by libcrypto, of no text and with the bytes as its additional data.  The nonce is always
 * the same, as only a tag that somebody sees would tell of the key.
 */
#include "base/fingerprint.h"

#include "base/error.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <sys/random.h>

struct fingerprinter {
	EVP_CIPHER_CTX *context; /* owned */
};

static const uint8_t nonce[12];

bool fingerprint_key_draw(struct fingerprint_key *ret, GError **error)
{
	if (TEMP_FAILURE_RETRY(getrandom(ret->b, sizeof(ret->b), 0)) == sizeof(ret->b))
		return true;
	wherry_error_sys(error, errno, "cannot draw a key of %zu random bytes", sizeof(ret->b));
	return false;
}

Fingerprinter *fingerprinter_new(const struct fingerprint_key *key)
{
	Fingerprinter *fingerprinter = g_new(Fingerprinter, 1);

	fingerprinter->context = EVP_CIPHER_CTX_new();
	g_assert(fingerprinter->context);
	if (EVP_EncryptInit_ex(fingerprinter->context, EVP_aes_128_gcm(), NULL, key->b, nonce) != 1)
		g_error("libcrypto has no AES-128-GCM");
	return fingerprinter;
}

struct fingerprint fingerprinter_run(Fingerprinter *fingerprinter, const void *data, size_t len)
{
	EVP_CIPHER_CTX *context = fingerprinter->context;
	struct fingerprint r;
	int n;

	g_assert(len <= INT_MAX);
	g_assert(EVP_EncryptInit_ex(context, NULL, NULL, NULL, nonce) == 1 &&
		 EVP_EncryptUpdate(context, NULL, &n, data, (int)len) == 1 &&
		 EVP_EncryptFinal_ex(context, NULL, &n) == 1 &&
		 EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, sizeof(r.b), r.b) == 1);
	return r;
}

void fingerprinter_free(Fingerprinter *fingerprinter)
{
	if (!fingerprinter)
		return;
	EVP_CIPHER_CTX_free(fingerprinter->context);
	g_free(fingerprinter);
}
