/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The disks, from /sys/block, udev's database and /dev/disk/by-id. */
#pragma once

#include "source/facts-root.h"
#include "source/facts.h"

/* disks. */
void facts_read_disks(const FactsRoot *root, Facts *facts);

/*
 * The name of the logical unit in a SCSI device identification page (VPD 0x83), in the form of
 * facts_disk.wwn: NAA if there is one, else EUI-64, else NULL; owned by the caller.
 */
char *disk_wwn_from_vpd83(const uint8_t *page, size_t len);

/* @id of sysfs or udev ("naa.5000...", "0x5000...", "eui.0025...") in that form; NULL: is none. */
char *disk_wwn_normalize(const char *id);
