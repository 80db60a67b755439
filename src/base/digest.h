/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SHA-256 (FIPS 180-4), by libcrypto: of a buffer, or of bytes that come piece by piece. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_SIZE 32

struct digest {
	uint8_t b[DIGEST_SIZE];
};

typedef struct digester Digester;

Digester *digester_new(void);
void digester_add(Digester *digester, const void *data, size_t len);
/* The digest of all that was added; @digester starts anew. */
struct digest digester_finish(Digester *digester);
void digester_free(Digester *digester);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Digester, digester_free)

struct digest digest_of(const void *data, size_t len);
bool digest_equal(const struct digest *a, const struct digest *b);

/* 64 lower-case hexadecimal digits; owned by the caller. */
char *digest_to_hex(const struct digest *digest);
/* False when @hex is not exactly what digest_to_hex() writes. */
bool digest_from_hex(const char *hex, struct digest *ret);
