/* SPDX-License-Identifier: GPL-2.0-or-later */
/* inspect for machines: docs/json.md describes every member. */
#include "cli/inspect-print.h"
#include "cli/json-text.h"

#include "source/facts-json.h"

#include <jansson.h>
#include <stdio.h>

#define INSPECT_SCHEMA 1

static json_t *volume_json(const struct map_volume *volume)
{
	return json_pack("{s:i, s:I, s:I, s:I, s:s?, s:s?, s:s?, s:s?, s:o}", "number",
			 (int)volume->number, "offset", (json_int_t)volume->offset, "size",
			 (json_int_t)volume->size, "used", (json_int_t)volume->used, "type",
			 volume->type, "uuid", volume->uuid, "label", volume->label, "content",
			 volume->content, "how", json_text(volume->how));
}

static json_t *map_json(const struct plan_disk *plan)
{
	json_t *volumes = json_array(), *warnings = json_array();

	for (unsigned int i = 0; i < plan->map->volumes->len; i++)
		json_array_append_new(volumes,
				      volume_json(g_ptr_array_index(plan->map->volumes, i)));
	for (unsigned int i = 0; i < plan->map->warnings->len; i++)
		json_array_append_new(warnings,
				      json_text(g_ptr_array_index(plan->map->warnings, i)));
	return json_pack("{s:I, s:i, s:s, s:s?, s:I, s:I, s:o, s:o}", "size",
			 (json_int_t)plan->dev->size, "sector_size", (int)plan->map->sector_size,
			 "table", plan->map->table, "table_id", plan->map->table_id, "used",
			 (json_int_t)plan->used, "bundle_bound", (json_int_t)plan->bytes_bound,
			 "volumes", volumes, "warnings", warnings);
}

static json_t *layers_json(const StorageMap *map)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < map->volumes->len; i++) {
		const struct map_volume *volume = g_ptr_array_index(map->volumes, i);

		json_array_append_new(array,
				      json_pack("{s:s, s:o, s:I, s:I, s:s?, s:o}", "layer",
						volume->layer, "name", json_text(volume->name),
						"size", (json_int_t)volume->size, "used",
						(json_int_t)volume->used, "content",
						volume->content, "how", json_text(volume->how)));
	}
	return array;
}

static json_t *warnings_json(const GPtrArray *warnings)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < warnings->len; i++)
		json_array_append_new(array, json_text(g_ptr_array_index(warnings, i)));
	return array;
}

void inspect_print_json(const Inspection *inspection)
{
	const GPtrArray *disks = inspection->disks;
	json_t *array = json_array(), *object;

	for (unsigned int i = 0; i < disks->len; i++) {
		const struct inspected *disk = g_ptr_array_index(disks, i);
		json_t *map = disk->failure ? json_null() : map_json(disk->plan);

		json_array_append_new(array,
				      json_pack("{s:o, s:o, s:o}", "path", json_text(disk->path),
						"map", map, "failure", json_text(disk->failure)));
	}
	object = json_pack("{s:i, s:o, s:o, s:o, s:o}", "schema", INSPECT_SCHEMA, "facts",
			   facts_to_json(inspection->facts), "disks", array, "volumes",
			   layers_json(inspection->map), "warnings",
			   warnings_json(inspection->map->warnings));
	json_dumpf(object, stdout, JSON_INDENT(2));
	printf("\n");
	json_decref(object);
}
