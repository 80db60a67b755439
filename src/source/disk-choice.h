/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which disks a capture takes when it is not told: whole physical disks that are not removable,
 * each once (by WWN, else serial, else path).
 */
#pragma once

#include "source/device-stack.h"
#include "source/facts.h"

/* One disk of the facts, and what is to become of it. */
struct disk_choice {
	const struct facts_disk *disk; /* borrowed from the facts */
	bool taken;
	bool is_medium; /* left out for no other reason than that it is the medium */
	char *reason;   /* why it is left out: "removable", "behind USB", "same WWN as /dev/sda";
			   owned */
};

/*
 * A choice for every disk of @facts, in their order; owned by the caller, of struct disk_choice *.
 * The medium, dm, md, loop, zram, optical, eMMC boot parts, and disks behind USB, FC or iSCSI are
 * left out.  @medium: what the target lies on.
 */
GPtrArray *disk_choice_default(const Facts *facts, const DeviceStack *medium);
