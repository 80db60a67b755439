/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Safe probing: two signatures that contradict each other are an error, not a choice. */
#include "map/identify.h"

#include "base/error.h"

#include <blkid.h>
#include <errno.h>

typedef struct blkid_struct_probe Probe;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Probe, blkid_free_probe)

int identify(const struct volume *volume, char **ret, GError **error)
{
	g_autoptr(Probe) probe = blkid_new_probe();
	const char *type;
	int r;

	if (!probe || blkid_probe_set_device(probe, volume->disk->fd, (blkid_loff_t)volume->offset,
					     (blkid_loff_t)volume->size) != 0) {
		wherry_error_sys(error, errno ? errno : EIO, "cannot probe %s", volume->name);
		return -1;
	}
	blkid_probe_enable_superblocks(probe, 1);
	blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE);

	r = blkid_do_safeprobe(probe);
	if (r == -2) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "signatures of more than one kind");
		return -1;
	}
	if (r < 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_IO, "cannot probe %s", volume->name);
		return -1;
	}
	if (r == 1 || blkid_probe_lookup_value(probe, "TYPE", &type, NULL) != 0)
		return 0;
	*ret = g_strdup(type);
	return 1;
}
