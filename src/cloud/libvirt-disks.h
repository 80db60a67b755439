/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The disks in a domain's XML: read, and turned to where they will lie on another host.
 * Format: libvirt's formatdomain page, "Hard drives, floppy disks, CDROMs".
 */
#pragma once

#include "cloud/cloud-migrate.h"

/* CloudDisk without sizes, in the order of @xml; owned.  DAMAGED: @xml is no <domain>. */
GPtrArray *libvirt_read_disks(const char *xml, GError **error);

/*
 * @xml with the disks of @moves as plain files at their new paths: without what they stand on and
 * what copies them.  A disk that @xml has not is left out.  DAMAGED.
 */
char *libvirt_move_disks(const char *xml, const struct cloud_move *moves, size_t count,
			 GError **error);
