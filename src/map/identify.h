/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a volume holds, as libblkid sees it. */
#pragma once

#include "map/volume.h"

/*
 * libblkid's name of the content of @volume ("ext4", "vfat", "LVM2_member"), owned by the caller.
 * @ret_uuid: that of the content, as libblkid writes it, owned by the caller; NULL: it has none, or
 * it is not asked for.
 *
 * 1: @ret is set.  0: nothing that it knows.  -1: failed, or it sees more than one thing.
 */
int identify(const Volume *volume, char **ret, char **ret_uuid, GError **error);

/* @content, libblkid's name, as people call it: "LUKS" of "crypto_LUKS".  Never NULL; borrowed. */
const char *identify_words(const char *content);
