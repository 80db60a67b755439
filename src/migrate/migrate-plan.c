/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plan as a value, its forecast, and its JSON. */
#include "migrate/migrate-plan.h"

#include <jansson.h>

/* 1 Gbit a second, with what TCP leaves of it. */
#define RATE_ASSUMED (UINT64_C(110) << 20)

static void free_disk(void *p)
{
	struct migrate_disk *disk = p;

	g_free(disk->target);
	g_free(disk->source);
	g_free(disk->format);
	g_free(disk);
}

MigratePlan *migrate_plan_empty(void)
{
	MigratePlan *plan = g_new0(MigratePlan, 1);

	plan->disks = g_ptr_array_new_with_free_func(free_disk);
	plan->warnings = g_ptr_array_new_with_free_func(g_free);
	plan->except = g_new0(char *, 1);
	plan->labels = g_new0(char *, 1);
	return plan;
}

void migrate_plan_free(MigratePlan *plan)
{
	if (!plan)
		return;
	g_free(plan->state);
	g_free(plan->name);
	g_free(plan->uuid);
	g_free(plan->source);
	g_free(plan->source_uri);
	g_free(plan->source_address);
	g_free(plan->to);
	g_strfreev(plan->except);
	g_strfreev(plan->labels);
	g_strfreev(plan->roots);
	g_ptr_array_unref(plan->disks);
	g_ptr_array_unref(plan->warnings);
	g_free(plan);
}

void migrate_plan_add_disk(MigratePlan *plan, const char *target, const char *source,
			   const char *format, uint64_t capacity, uint64_t allocation)
{
	struct migrate_disk *disk = g_new0(struct migrate_disk, 1);

	disk->target = g_strdup(target);
	disk->source = g_strdup(source);
	disk->format = g_strdup(format);
	disk->capacity = capacity;
	disk->allocation = allocation;
	g_ptr_array_add(plan->disks, disk);
}

void migrate_plan_warn(MigratePlan *plan, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	g_ptr_array_add(plan->warnings, g_strdup_vprintf(format, ap));
	va_end(ap);
}

uint64_t migrate_plan_bytes(const MigratePlan *plan)
{
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < plan->disks->len; i++)
		bytes +=
		    ((const struct migrate_disk *)g_ptr_array_index(plan->disks, i))->allocation;
	return bytes;
}

struct migrate_forecast migrate_forecast(uint64_t disk_bytes, uint64_t memory, uint64_t bandwidth,
					 bool dirty_known, uint64_t dirty_rate)
{
	struct migrate_forecast it = {
		.rate = bandwidth > 0 ? bandwidth : RATE_ASSUMED,
		.rate_assumed = bandwidth == 0,
		.dirty_known = dirty_known,
		.dirty_rate = dirty_rate,
	};

	it.converges = !dirty_known || dirty_rate < it.rate;
	it.seconds = (double)disk_bytes / (double)it.rate;
	if (it.converges)
		it.seconds += (double)memory / (double)(it.rate - dirty_rate);
	return it;
}

/* ---- JSON ---- */

static json_t *strings_to_json(char **strings)
{
	json_t *array = json_array();

	for (size_t i = 0; strings && strings[i]; i++)
		json_array_append_new(array, json_string(strings[i]));
	return array;
}

static json_t *disks_to_json(const MigratePlan *plan)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < plan->disks->len; i++) {
		const struct migrate_disk *disk = g_ptr_array_index(plan->disks, i);

		json_array_append_new(array,
				      json_pack("{s:s, s:s, s:s, s:I, s:I}", "target", disk->target,
						"source", disk->source, "format", disk->format,
						"capacity", (json_int_t)disk->capacity,
						"allocation", (json_int_t)disk->allocation));
	}
	return array;
}

static json_t *limits_to_json(const MigratePlan *plan)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:f, s:i, s:o, s:o}", "min_free_memory",
			 (json_int_t)plan->min_free_memory, "min_free_space",
			 (json_int_t)plan->min_free_space, "max_age", (json_int_t)plan->max_age,
			 "min_free_cpus", (json_int_t)plan->min_free_cpus, "max_load",
			 plan->max_load, "max_inbound", (int)plan->max_inbound, "labels",
			 strings_to_json(plan->labels), "roots",
			 plan->roots ? strings_to_json(plan->roots) : json_null());
}

char *migrate_plan_to_json(const MigratePlan *plan)
{
	json_t *object = json_pack(
	    "{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:b, s:s?, s:o, s:o, s:I, s:I, s:I, s:I, s:i, s:b, "
	    "s:i, s:i, s:o, s:b}",
	    "state", plan->state, "name", plan->name, "uuid", plan->uuid, "source", plan->source,
	    "source_uri", plan->source_uri, "source_address", plan->source_address, "memory",
	    (json_int_t)plan->memory, "paused", plan->paused, "to", plan->to, "except",
	    strings_to_json(plan->except), "limits", limits_to_json(plan), "bandwidth",
	    (json_int_t)plan->bandwidth, "timeout", (json_int_t)plan->timeout, "stall",
	    (json_int_t)plan->stall, "grace", (json_int_t)plan->grace, "parallel",
	    (int)plan->parallel, "tls", plan->tls, "commit", (int)plan->commit, "on_timeout",
	    (int)plan->on_timeout, "disks", disks_to_json(plan), "force", plan->force);
	char *dumped, *text;

	g_assert(object); /* all of it is UTF-8: migrate_prepare() refuses what is not */
	dumped = json_dumps(object, JSON_COMPACT);
	text = g_strdup(dumped);
	free(dumped);
	json_decref(object);
	return text;
}

/* NULL: no array of strings. */
static char **strings_from_json(const json_t *array)
{
	g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);
	const json_t *value;
	size_t i;

	if (!json_is_array(array))
		return NULL;
	json_array_foreach(array, i, value)
	    g_ptr_array_add(list, g_strdup(json_string_value(value) ?: ""));
	g_ptr_array_add(list, NULL);
	return (char **)g_ptr_array_steal(list, NULL);
}

static bool disks_from_json(json_t *array, MigratePlan *plan)
{
	json_t *value;
	size_t i;

	json_array_foreach(array, i, value)
	{
		const char *target, *source, *format;
		json_int_t capacity, allocation;

		if (json_unpack(value, "{s:s, s:s, s:s, s:I, s:I}", "target", &target, "source",
				&source, "format", &format, "capacity", &capacity, "allocation",
				&allocation) < 0)
			return false;
		migrate_plan_add_disk(plan, target, source, format, (uint64_t)capacity,
				      (uint64_t)allocation);
	}
	return true;
}

static bool texts_from_json(json_t *object, MigratePlan *plan)
{
	const struct {
		const char *name;
		char **to;
	} texts[] = {
		{ "state", &plan->state },
		{ "name", &plan->name },
		{ "uuid", &plan->uuid },
		{ "source", &plan->source },
		{ "source_uri", &plan->source_uri },
		{ "source_address", &plan->source_address },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		const char *text = json_string_value(json_object_get(object, texts[i].name));

		if (!text)
			return false;
		*texts[i].to = g_strdup(text);
	}
	plan->to = g_strdup(json_string_value(json_object_get(object, "to")));
	g_strfreev(plan->except);
	plan->except = strings_from_json(json_object_get(object, "except"));
	return plan->except != NULL;
}

static bool limits_from_json(json_t *object, MigratePlan *plan)
{
	json_int_t memory, space, age, cpus;
	int inbound;

	if (json_unpack(object, "{s:I, s:I, s:I, s:I, s:F, s:i}", "min_free_memory", &memory,
			"min_free_space", &space, "max_age", &age, "min_free_cpus", &cpus,
			"max_load", &plan->max_load, "max_inbound", &inbound) < 0)
		return false;
	plan->min_free_memory = (uint64_t)memory;
	plan->min_free_space = (uint64_t)space;
	plan->max_age = (uint64_t)age;
	plan->min_free_cpus = cpus;
	plan->max_inbound = (unsigned int)inbound;
	plan->roots = strings_from_json(json_object_get(object, "roots"));
	g_strfreev(plan->labels);
	plan->labels = strings_from_json(json_object_get(object, "labels"));
	return plan->labels != NULL;
}

static bool fill(json_t *object, MigratePlan *plan)
{
	json_int_t memory, bandwidth, timeout, stall, grace;
	int paused, parallel, tls, commit, on_timeout;
	json_t *disks, *limits;

	if (!texts_from_json(object, plan) ||
	    json_unpack(object, "{s:I, s:b, s:o, s:I, s:I, s:I, s:I, s:i, s:b, s:i, s:i, s:o}",
			"memory", &memory, "paused", &paused, "limits", &limits, "bandwidth",
			&bandwidth, "timeout", &timeout, "stall", &stall, "grace", &grace,
			"parallel", &parallel, "tls", &tls, "commit", &commit, "on_timeout",
			&on_timeout, "disks", &disks) < 0)
		return false;
	plan->memory = (uint64_t)memory;
	plan->paused = paused;
	plan->bandwidth = (uint64_t)bandwidth;
	plan->timeout = (uint64_t)timeout;
	plan->stall = (uint64_t)stall;
	plan->grace = (uint64_t)grace;
	plan->parallel = (unsigned int)parallel;
	plan->tls = tls;
	plan->force = json_is_true(json_object_get(object, "force")); /* older ones have none */
	plan->commit = commit == MIGRATE_COMMIT_FAST ? MIGRATE_COMMIT_FAST : MIGRATE_COMMIT_GUARDED;
	plan->on_timeout = on_timeout == MIGRATE_PAUSE      ? MIGRATE_PAUSE
			   : on_timeout == MIGRATE_POSTCOPY ? MIGRATE_POSTCOPY
							    : MIGRATE_ABORT;
	return limits_from_json(limits, plan) && disks_from_json(disks, plan);
}

MigratePlan *migrate_plan_from_json(const char *text, GError **error)
{
	g_autoptr(MigratePlan) plan = migrate_plan_empty();
	json_t *object = json_loads(text, 0, NULL);
	bool ok = object && fill(object, plan);

	json_decref(object);
	if (ok)
		return g_steal_pointer(&plan);
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "the plan of a migration in the store cannot be read");
	return NULL;
}
