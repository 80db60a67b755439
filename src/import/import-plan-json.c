/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A plan as the job remembers it: one JSON object, written and read by this file alone. */
#include "import/import-plan.h"

#include "base/error.h"
#include "import/import-plan-priv.h"

#include <jansson.h>

static json_t *disk_to_json(const struct import_disk *disk)
{
	g_autofree char *digest = digest_to_hex(&disk->sums_digest);

	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:s}", "image", disk->image, "sums",
			 disk->sums, "image_size", (json_int_t)disk->image_size, "virtual_size",
			 (json_int_t)disk->virtual_size, "sums_size", (json_int_t)disk->sums_size,
			 "sums_digest", digest, "volume", disk->volume, "path", disk->path);
}

char *import_plan_to_json(const ImportPlan *plan)
{
	json_t *disks = json_array(), *nics = json_array(), *object;
	char *dumped, *text;

	for (unsigned int i = 0; i < plan->disks->len; i++)
		json_array_append_new(disks, disk_to_json(g_ptr_array_index(plan->disks, i)));
	for (unsigned int i = 0; i < plan->nics->len; i++) {
		const struct import_nic *nic = g_ptr_array_index(plan->nics, i);

		json_array_append_new(nics, json_pack("{s:s, s:s, s:s}", "name", nic->name, "mac",
						      nic->mac, "network", nic->network));
	}
	object = json_pack(
	    "{s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:I, s:I, s:s, s:s, s:s, "
	    "s:b, s:o, s:o}",
	    "bundle", plan->bundle, "id", plan->id, "generation", (json_int_t)plan->generation,
	    "cloud", plan->cloud, "state", plan->state, "tag", plan->tag, "name", plan->name,
	    "uuid", plan->uuid, "xml", plan->xml, "start", plan->start, "type", plan->type, "vcpus",
	    (json_int_t)plan->vcpus, "memory", (json_int_t)plan->memory, "pool", plan->pool_name,
	    "pool_uuid", plan->pool_uuid, "pool_path", plan->pool_path, "pool_is_new",
	    plan->pool_is_new, "disks", disks, "nics", nics);
	g_assert(object); /* all of it is UTF-8: import.c refuses a path that is not */
	dumped = json_dumps(object, JSON_COMPACT);
	text = g_strdup(dumped);
	free(dumped);
	json_decref(object);
	return text;
}

static bool disk_from_json(json_t *value, ImportPlan *plan)
{
	const char *image, *sums, *digest, *volume, *path;
	json_int_t image_size, virtual_size, sums_size;
	struct import_disk *disk;
	struct digest sums_digest;

	if (json_unpack(value, "{s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:s}", "image", &image, "sums",
			&sums, "image_size", &image_size, "virtual_size", &virtual_size,
			"sums_size", &sums_size, "sums_digest", &digest, "volume", &volume, "path",
			&path) < 0 ||
	    !digest_from_hex(digest, &sums_digest))
		return false;
	disk = g_new0(struct import_disk, 1);
	disk->image = g_strdup(image);
	disk->sums = g_strdup(sums);
	disk->image_size = (uint64_t)image_size;
	disk->virtual_size = (uint64_t)virtual_size;
	disk->sums_size = (uint64_t)sums_size;
	disk->sums_digest = sums_digest;
	disk->volume = g_strdup(volume);
	disk->path = g_strdup(path);
	g_ptr_array_add(plan->disks, disk);
	return true;
}

static bool nic_from_json(json_t *value, ImportPlan *plan)
{
	const char *name, *mac, *network;
	struct import_nic *nic;

	if (json_unpack(value, "{s:s, s:s, s:s}", "name", &name, "mac", &mac, "network", &network) <
	    0)
		return false;
	nic = g_new0(struct import_nic, 1);
	nic->name = g_strdup(name);
	nic->mac = g_strdup(mac);
	nic->network = g_strdup(network);
	g_ptr_array_add(plan->nics, nic);
	return true;
}

static bool fill(json_t *object, ImportPlan *plan)
{
	const struct {
		const char *name;
		char **to;
	} strings[] = {
		{ "bundle", &plan->bundle },
		{ "id", &plan->id },
		{ "cloud", &plan->cloud },
		{ "state", &plan->state },
		{ "tag", &plan->tag },
		{ "name", &plan->name },
		{ "uuid", &plan->uuid },
		{ "xml", &plan->xml },
		{ "type", &plan->type },
		{ "pool", &plan->pool_name },
		{ "pool_uuid", &plan->pool_uuid },
		{ "pool_path", &plan->pool_path },
	};
	json_int_t generation, vcpus, memory;
	json_t *disks, *nics, *value;
	int start, is_new;
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(strings); i++) {
		const char *text = json_string_value(json_object_get(object, strings[i].name));

		if (!text)
			return false;
		*strings[i].to = g_strdup(text);
	}
	if (json_unpack(object, "{s:I, s:b, s:I, s:I, s:b, s:o, s:o}", "generation", &generation,
			"start", &start, "vcpus", &vcpus, "memory", &memory, "pool_is_new", &is_new,
			"disks", &disks, "nics", &nics) < 0)
		return false;
	plan->generation = (unsigned int)generation;
	plan->start = start;
	plan->vcpus = (unsigned int)vcpus;
	plan->memory = (uint64_t)memory;
	plan->pool_is_new = is_new;
	json_array_foreach(disks, i, value) if (!disk_from_json(value, plan)) return false;
	json_array_foreach(nics, i, value) if (!nic_from_json(value, plan)) return false;
	return true;
}

ImportPlan *import_plan_from_json(const char *text, GError **error)
{
	g_autoptr(ImportPlan) plan = import_plan_empty();
	json_t *object = json_loads(text, 0, NULL);
	bool ok = object && fill(object, plan);

	json_decref(object);
	if (ok)
		return g_steal_pointer(&plan);
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "the plan of an import in the store cannot be read");
	return NULL;
}
