/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hosts as rows of the store; inside of fleet/. */
#pragma once

#include "fleet/host.h"

FleetHost *fleet_host_new(void); /* with empty lists */

/* The hosts that @where (SQL, or "") chooses with ?1 and ?2, by name. */
GPtrArray *host_row_list(Store *store, const char *where, const char *first, const char *second,
			 GError **error);

/* In a transaction: the words (char *) of one kind: "label", "machine", "bridge". */
bool host_row_insert_words(Store *store, int64_t host, const char *kind, const GPtrArray *words,
			   GError **error);

/*
 * In a transaction: write the facts of @host, whose id is set, in place of the old ones; what is
 * written but the VMs.  A host that is not there any more is NOT_FOUND.
 */
bool host_row_write_facts(Store *store, const FleetHost *host, GError **error);

/* Write down that a refresh at @when failed so. */
bool host_row_write_failure(Store *store, int64_t host, int64_t when, const char *failure,
			    GError **error);
