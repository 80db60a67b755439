/* SPDX-License-Identifier: GPL-2.0-or-later */
/* With --json every line is an object with a member "event", so that a program can follow. */
#include "cli/migrate-print.h"

#include "base/units.h"
#include "cli/fleet-print.h"
#include "cli/json-text.h"

#include <inttypes.h>
#include <stdio.h>

/* One line, at once: who follows must not wait for a buffer. */
static void print_line(json_t *object)
{
	json_dumpf(object, stdout, JSON_COMPACT);
	printf("\n");
	(void)fflush(stdout); /* main() looks at the stream's error */
	json_decref(object);
}

static json_t *disks_json(const MigratePlan *plan)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < plan->disks->len; i++) {
		const struct migrate_disk *disk = g_ptr_array_index(plan->disks, i);

		json_array_append_new(array,
				      json_pack("{s:s, s:o, s:s, s:I, s:I}", "target", disk->target,
						"source", json_text(disk->source), "format",
						disk->format, "capacity",
						(json_int_t)disk->capacity, "allocation",
						(json_int_t)disk->allocation));
	}
	return array;
}

static json_t *forecast_json(const struct migrate_forecast *it)
{
	return json_pack("{s:I, s:b, s:o, s:b, s:f}", "rate", (json_int_t)it->rate, "rate_assumed",
			 it->rate_assumed, "dirty_rate",
			 it->dirty_known ? json_integer((json_int_t)it->dirty_rate) : json_null(),
			 "converges", it->converges, "seconds", it->seconds);
}

static void print_forecast(const MigratePlan *plan)
{
	const struct migrate_forecast *it = &plan->forecast;
	g_autofree char *disks = units_bytes(migrate_plan_bytes(plan));
	g_autofree char *memory = units_bytes(plan->memory), *rate = units_bytes(it->rate);
	g_autofree char *dirty = units_bytes(it->dirty_rate);
	g_autofree char *time = units_duration((uint64_t)it->seconds + 1);

	printf(
	    "forecast: %s of disks and %s of memory at %s/s%s, of which the guest changes %s%s: ",
	    disks, memory, rate, it->rate_assumed ? " (assumed)" : "",
	    it->dirty_known ? dirty : "an unknown amount", it->dirty_known ? " a second" : "");
	printf(it->converges ? "about %s\n" : "no end%.0s\n", time);
	printf("timeout: %" PRIu64 " s, or %" PRIu64 " s without getting further\n", plan->timeout,
	       plan->stall);
}

void migrate_print_plan(const MigratePlan *plan, const FleetChoice *choice, bool json)
{
	if (json) {
		print_line(json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:I, s:I, s:o}", "event",
				     "plan", "vm", plan->name, "uuid", plan->uuid, "from",
				     plan->source, "disks", disks_json(plan), "forecast",
				     forecast_json(&plan->forecast), "timeout",
				     (json_int_t)plan->timeout, "stall_timeout",
				     (json_int_t)plan->stall, "choice", fleet_choice_json(choice)));
		return;
	}
	printf("%s (%s) on %s\n", plan->name, plan->uuid, plan->source);
	for (unsigned int i = 0; i < plan->disks->len; i++) {
		const struct migrate_disk *disk = g_ptr_array_index(plan->disks, i);
		g_autofree char *size = units_bytes(disk->capacity);
		g_autofree char *used = units_bytes(disk->allocation);

		printf("disk %s: %s, %s of %s in use, %s\n", disk->target, disk->format, used, size,
		       disk->source);
	}
	print_forecast(plan);
	fleet_print_choice(choice, false);
}

static json_t *result_of(const JobRecord *record)
{
	json_t *object = record->result ? json_loads(record->result, 0, NULL) : NULL;

	return object ? object : json_object();
}

static int64_t number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

void migrate_print_done(const MigratePlan *plan, const JobRecord *record, double seconds, bool json)
{
	json_t *result = result_of(record);
	const char *to = json_string_value(json_object_get(result, "to"));

	if (json) {
		json_object_set_new(result, "event", json_string("done"));
		json_object_set_new(result, "job", json_integer(record->id));
		json_object_set_new(result, "seconds", json_real(seconds));
		print_line(result);
		return;
	}
	printf("%s: moved from %s to %s in %.1f s, of which it stood still for %" PRId64 " ms\n",
	       plan->name, plan->source, to ? to : "?", seconds, number(result, "downtime_ms"));
	json_decref(result);
}

void migrate_print_detached(const MigratePlan *plan, int64_t job, bool json)
{
	if (json)
		print_line(json_pack("{s:s, s:I, s:s, s:s}", "event", "detached", "job",
				     (json_int_t)job, "vm", plan->name, "uuid", plan->uuid));
	else
		printf("%s: job %" PRId64 " goes on by itself: 'wherry job show %" PRId64 "'\n",
		       plan->name, job, job);
}

/* Null where no rate is known, or the guest changes it as fast as it goes over. */
static json_t *seconds_left(const struct progress *now)
{
	uint64_t left = now->all_total - MIN(now->all_done, now->all_total);

	if (now->rate <= now->dirty_rate)
		return json_null();
	return json_integer((json_int_t)(left / (now->rate - now->dirty_rate)));
}

void migrate_print_event(const struct progress *now)
{
	print_line(json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:s?}", "event", "progress",
			     "phase", now->phase, "done", (json_int_t)now->all_done, "total",
			     (json_int_t)now->all_total, "rate", (json_int_t)now->rate,
			     "dirty_rate", (json_int_t)now->dirty_rate, "seconds_left",
			     seconds_left(now), "words", now->item));
}
