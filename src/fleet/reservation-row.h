/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reservations as rows of the store; inside of fleet/. */
#pragma once

#include "fleet/reservation.h"

/* Whoever migrates the VM.  1: in @ret (owned), 0: nobody, -1: failed. */
int reservation_row_of_vm(Store *store, const char *vm_uuid, FleetReservation **ret,
			  GError **error);

/* In a transaction: its target's name is not written, that is the host's. */
bool reservation_row_insert(Store *store, const FleetReservation *reservation, GError **error);
