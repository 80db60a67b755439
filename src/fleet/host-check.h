/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What may be said of a host, before anything of it is written down or asked; inside of fleet/. */
#pragma once

#include "fleet/host.h"

/* Check @spec and make it a host without facts; its labels are sorted. */
FleetHost *host_check_spec(const struct fleet_host_spec *spec, GError **error);

/* "10.0.0.1" however it was written; owned by the caller.  NULL: @text is no IP address. */
char *host_check_canonical_address(const char *text);

/*
 * Whether @path may hold a pool: absolute, no "..", and one of @roots (NULL: the default) or below.
 */
bool host_check_place(const char *path, const char *const *roots, GError **error);
