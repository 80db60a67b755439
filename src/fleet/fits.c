/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fleet/fits.h"

struct fits {
	GPtrArray *answers;
};

Fits *fits_ask(const struct fleet_request *request, const GPtrArray *verdicts,
	       GCancellable *cancellable, GError **error)
{
	return g_new0(Fits, 1);
}

void fits_add_reasons(const Fits *fits, FleetVerdict *verdict)
{
}

void fits_free(Fits *fits)
{
	g_free(fits);
}
