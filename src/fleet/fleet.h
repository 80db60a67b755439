/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fleet: hosts, their VMs, and what is promised to whom, in tables of the state store that
 * begin with "fleet_".  host.h has the hosts, vm.h the VMs, refresh.h reads both over libvirt,
 * choose.h finds a VM a new host, reservation.h keeps it for a job.
 *
 * Times are microseconds of g_get_real_time(), sizes bytes.  Lists are GPtrArrays that own what is
 * in them.
 */
#pragma once

#include "job/store.h"

/* Bring the tables of fleet/ up to date; before any other function of the room. */
bool fleet_prepare(Store *store, GError **error);
