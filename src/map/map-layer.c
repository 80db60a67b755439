/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all layers do alike. */
#include "map/map-layer.h"

void layer_member_clear(struct layer_member *member)
{
	g_clear_pointer(&member->how, g_free);
	g_clear_pointer(&member->group, g_free);
}

struct layer_volume *layer_volume_new(Volume *volume, char *how)
{
	struct layer_volume *found = g_new0(struct layer_volume, 1);

	found->volume = volume;
	found->how = how;
	return found;
}

void layer_volume_free(void *p)
{
	struct layer_volume *found = p;

	volume_free(found->volume);
	g_free(found->how);
	g_free(found);
}

void layer_carry_whole(struct layer_member *member, const char *why)
{
	g_free(member->how);
	member->how = g_strdup_printf("carried whole: %s", why);
	volume_use(member->volume, 0, member->volume->size);
}
