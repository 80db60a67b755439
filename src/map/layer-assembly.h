/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which layers there are, the volumes that hold their members, and when which of them is asked.
 *
 *	layer_assembly_add()  for each volume that is looked at; true: a layer reads what it holds
 *	layer_assembly_run()  when all that was found is looked at; what comes of it is looked at,
 *	                      too, and so on until it is false
 */
#pragma once

#include "map/map-layer.h"

typedef struct layer_assembly LayerAssembly;

/* @warnings (of char *) takes what the user should know; borrowed. */
LayerAssembly *layer_assembly_new(GPtrArray *warnings);

/*
 * Whether a layer reads @content, libblkid's name of what @volume holds.  Then @how, which is NULL,
 * gets what the user is told of the volume when its layer has settled it, and may get other words
 * later.  Both are borrowed and must live on; the words belong to the caller.
 */
bool layer_assembly_add(LayerAssembly *assembly, Volume *volume, const char *content, char **how);

/* A volume that @layer found; what is in @found may be taken out. */
typedef void layer_found_fn(const struct map_layer *layer, struct layer_volume *found,
			    void *userdata);

/*
 * Ask the layers in turn, until one of them settles a member.  Those that wait for more are asked a
 * last time when nothing else is left.  False: all are settled.
 */
bool layer_assembly_run(LayerAssembly *assembly, layer_found_fn *found, void *userdata);

void layer_assembly_free(LayerAssembly *assembly);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LayerAssembly, layer_assembly_free)
