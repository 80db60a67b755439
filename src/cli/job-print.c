/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/job-print.h"

#include "cli/json-text.h"

#include <jansson.h>
#include <stdio.h>

static json_t *json_notes(const struct task_record *task)
{
	json_t *notes = json_array();

	for (unsigned int i = 0; i < task->notes->len; i++) {
		const struct task_note *note = g_ptr_array_index(task->notes, i);

		json_array_append_new(notes,
				      json_pack("{s:o, s:o, s:o}", "key", json_text(note->key),
						"value", json_text(note->value), "time",
						json_time(note->time)));
	}
	return notes;
}

static json_t *json_task(const struct task_record *task)
{
	return json_pack("{s:o, s:s, s:i, s:i, s:o, s:o, s:o, s:i, s:i, s:o, s:o, s:o, s:o}",
			 "name", json_text(task->name), "state", task_state_name(task->state),
			 "attempts", (int)task->attempts, "failures", (int)task->failures,
			 "started", json_time(task->started), "ended", json_time(task->ended),
			 "error", json_text(task->error), "undo_attempts", (int)task->undo_attempts,
			 "undo_failures", (int)task->undo_failures, "undo_started",
			 json_time(task->undo_started), "undo_ended", json_time(task->undo_ended),
			 "undo_error", json_text(task->undo_error), "notes", json_notes(task));
}

static json_t *json_job(const struct job_view *view)
{
	const JobRecord *record = view->record;

	return json_pack("{s:I, s:o, s:o, s:o, s:o, s:s, s:o, s:b, s:i, s:o, s:o, s:o, s:o, s:o}",
			 "id", (json_int_t)record->id, "uuid", json_text(record->uuid), "kind",
			 json_text(record->kind), "title", json_text(record->title), "params",
			 json_text(record->params), "state", job_state_name(record->state), "owner",
			 view->owned ? json_integer(record->owner) : json_null(), "cancel",
			 record->cancel, "attempts", (int)record->attempts, "created",
			 json_time(record->created), "ended", json_time(record->ended), "deadline",
			 json_time(record->deadline), "failure", json_text(record->failure),
			 "result", json_text(record->result));
}

/* "running (its process is gone)"; owned by the caller. */
static char *describe_state(const struct job_view *view)
{
	enum job_state state = view->record->state;
	bool gone = (state == JOB_RUNNING || state == JOB_FINISHING || state == JOB_ROLLING_BACK) &&
		    !view->owned;

	return g_strdup_printf("%s%s%s", job_state_name(state),
			       gone ? " (its process is gone)" : "",
			       state == JOB_RUNNING && view->record->cancel ? ", to be cancelled"
									    : "");
}

void job_print_list(const GArray *views, bool json)
{
	json_t *jobs;

	if (json) {
		jobs = json_array();
		for (unsigned int i = 0; i < views->len; i++)
			json_array_append_new(jobs,
					      json_job(&g_array_index(views, struct job_view, i)));
		json_print(json_pack("{s:o}", "jobs", jobs));
		return;
	}
	for (unsigned int i = 0; i < views->len; i++) {
		const struct job_view *view = &g_array_index(views, struct job_view, i);
		g_autofree char *state = describe_state(view);
		g_autofree char *created = time_local(view->record->created);

		printf("%4" G_GINT64_FORMAT "  %s  %-12s  %s: %s\n", view->record->id, created,
		       view->record->kind, view->record->title, state);
	}
}

static void print_times(const char *what, unsigned int attempts, unsigned int failures,
			int64_t started, int64_t ended, const char *failure)
{
	g_autofree char *from = time_local(started), *to = time_local(ended);

	if (attempts == 0)
		return;
	printf("          %s: attempts %u, failed %u, from %s to %s\n", what, attempts, failures,
	       from, to);
	if (failure)
		printf("          %s, last error: %s\n", what, failure);
}

static void print_task(const struct task_record *task)
{
	printf("task      %s: %s\n", task->name, task_state_name(task->state));
	print_times("run", task->attempts, task->failures, task->started, task->ended, task->error);
	print_times("undo", task->undo_attempts, task->undo_failures, task->undo_started,
		    task->undo_ended, task->undo_error);
	for (unsigned int i = 0; i < task->notes->len; i++) {
		const struct task_note *note = g_ptr_array_index(task->notes, i);

		printf("          noted: %s = %s\n", note->key, note->value);
	}
}

static void print_line(const char *label, const char *text)
{
	if (text)
		printf("%-9s %s\n", label, text);
}

static void print_job(const struct job_view *view)
{
	const JobRecord *record = view->record;
	g_autofree char *state = describe_state(view), *created = time_local(record->created);
	g_autofree char *ended = record->ended > 0 ? time_local(record->ended) : NULL;
	g_autofree char *deadline = record->deadline > 0 ? time_local(record->deadline) : NULL;

	printf("job       %" G_GINT64_FORMAT ": %s (%s)\n", record->id, record->title,
	       record->kind);
	print_line("UUID", record->uuid);
	print_line("state", state);
	if (view->owned)
		printf("process   %" G_GINT64_FORMAT "\n", record->owner);
	print_line("created", created);
	print_line("ended", ended);
	print_line("deadline", deadline);
	print_line("failure", record->failure);
	print_line("result", record->result);
	printf("attempts  %u for each task\n", record->attempts);
	for (unsigned int i = 0; i < record->tasks->len; i++)
		print_task(g_ptr_array_index(record->tasks, i));
}

void job_print_one(const struct job_view *view, bool json)
{
	json_t *object, *tasks;

	if (!json) {
		print_job(view);
		return;
	}
	object = json_job(view);
	tasks = json_array();
	for (unsigned int i = 0; i < view->record->tasks->len; i++)
		json_array_append_new(tasks, json_task(g_ptr_array_index(view->record->tasks, i)));
	json_object_set_new(object, "tasks", tasks);
	json_print(object);
}

void job_print_recovered(const GPtrArray *done, bool json)
{
	json_t *jobs = json_array();

	for (unsigned int i = 0; i < done->len; i++) {
		const struct job_recovery *recovery = g_ptr_array_index(done, i);
		const char *failure = recovery->failure ? recovery->failure->message : NULL;

		json_array_append_new(jobs, json_pack("{s:I, s:o, s:s, s:o}", "id",
						      (json_int_t)recovery->id, "title",
						      json_text(recovery->title), "state",
						      job_state_name(recovery->state), "failure",
						      json_text(failure)));
		if (!json)
			printf("job %" G_GINT64_FORMAT " (%s) is %s\n", recovery->id,
			       recovery->title, job_state_name(recovery->state));
	}
	if (json)
		json_print(json_pack("{s:O}", "jobs", jobs));
	json_decref(jobs);
}
