/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether bytes are equal, told by 16 of them: the authentication tag of GMAC (NIST SP 800-38D)
 * under a key that is drawn at random and never leaves the process.  Several times as fast as a
 * digest, and as sure against bytes that were chosen before the key was: two different ones of up
 * to 64 KiB have the same fingerprint with a probability of 2^-116, whatever they are.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FINGERPRINT_SIZE 16

struct fingerprint {
	uint8_t b[FINGERPRINT_SIZE];
};

/* Fingerprints of one key can be compared. */
struct fingerprint_key {
	uint8_t b[16];
};

bool fingerprint_key_draw(struct fingerprint_key *ret, GError **error);

typedef struct fingerprinter Fingerprinter;

/* Of one thread each. */
Fingerprinter *fingerprinter_new(const struct fingerprint_key *key);
/* @len: up to INT_MAX. */
struct fingerprint fingerprinter_run(Fingerprinter *fingerprinter, const void *data, size_t len);
void fingerprinter_free(Fingerprinter *fingerprinter);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Fingerprinter, fingerprinter_free)
