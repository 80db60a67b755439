/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fleet/dirty.h"

#include <string.h>

/* How old a number may be before another is wanted; how long one is waited for. */
#define OLD_US  (60 * G_USEC_PER_SEC)
#define LOST_US (10 * G_USEC_PER_SEC)

enum { SECONDS = 1 };

static const CloudDirtyRate *find_rate(const GPtrArray *rates, const char *uuid)
{
	for (unsigned int i = 0; i < rates->len; i++) {
		const CloudDirtyRate *rate = rates->pdata[i];

		if (strcmp(rate->uuid, uuid) == 0)
			return rate;
	}
	return NULL;
}

static void take_rate(FleetVm *vm, const CloudDirtyRate *rate)
{
	if (vm->dirty_begun == 0 || !rate || !rate->measured)
		return;
	vm->dirty_rate = rate->rate;
	vm->dirty_read = vm->dirty_begun;
	vm->dirty_begun = 0;
}

static bool begin(Cloud *cloud, FleetVm *vm, GCancellable *cancellable, GError **error)
{
	int64_t now = g_get_real_time();
	g_autoptr(GError) cause = NULL;

	if (now - vm->dirty_read < OLD_US ||
	    (vm->dirty_begun > 0 && now - vm->dirty_begun < LOST_US))
		return true;
	vm->dirty_begun = 0;
	if (cloud_domain_dirty_begin(cloud, vm->uuid, SECONDS, cancellable, &cause)) {
		vm->dirty_begun = now;
		return true;
	}
	if (!g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_IO) &&
	    !g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_CANCELLED)) {
		g_debug("%s, ignoring", cause->message);
		return true;
	}
	g_propagate_error(error, g_steal_pointer(&cause));
	return false;
}

bool dirty_look(Cloud *cloud, const GPtrArray *vms, GCancellable *cancellable, GError **error)
{
	g_autoptr(GPtrArray) rates = cloud_dirty_rates(cloud, cancellable, error);

	for (unsigned int i = 0; rates && i < vms->len; i++) {
		FleetVm *vm = vms->pdata[i];

		if (strcmp(vm->state, cloud_domain_state_name(CLOUD_DOMAIN_RUNNING)) != 0)
			continue;
		take_rate(vm, find_rate(rates, vm->uuid));
		if (!begin(cloud, vm, cancellable, error))
			return false;
	}
	return rates != NULL;
}
