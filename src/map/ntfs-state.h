/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether Windows has let go of an NTFS. */
#pragma once

#include "map/ntfs-io.h"

/*
 * Whether hiberfil.sys holds a Windows that will be resumed, hibernated or shut down by Fast
 * Startup: 1, 0 or -1.
 */
int nt_is_hibernated(ntfs_volume *volume, GError **error);

/*
 * Whether all of it was written: neither its flags nor $LogFile say otherwise.  Fails with
 * WHERRY_ERROR_DAMAGED when not.
 */
bool nt_check_clean(ntfs_volume *volume, GError **error);
