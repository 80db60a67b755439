/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The NICs, from rtnetlink and /sys/class/net, and the name servers. */
#pragma once

#include "source/facts-root.h"
#include "source/facts.h"

/* nics. */
void facts_read_nics(const FactsRoot *root, Facts *facts);

/* dns. */
void facts_read_dns(const FactsRoot *root, Facts *facts);

/*
 * Fills facts->nics from the kernel's raw answers to dumps of links, addresses and routes; links
 * come first.  Of a damaged answer (WHERRY_ERROR_DAMAGED) the messages before the damage count.
 */
typedef struct nics_reader NicsReader;

NicsReader *nics_reader_new(Facts *facts); /* borrowed */
bool nics_reader_links(NicsReader *reader, const uint8_t *bytes, size_t len, GError **error);
bool nics_reader_addresses(NicsReader *reader, const uint8_t *bytes, size_t len, GError **error);
bool nics_reader_routes(NicsReader *reader, const uint8_t *bytes, size_t len, GError **error);
void nics_reader_free(NicsReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NicsReader, nics_reader_free)
