/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the store says of a job.  Anybody may read it at any time; only the process that works on
 * the job changes it (journal.h).  Times are microseconds of g_get_real_time(), 0: not yet.
 */
#pragma once

#include "job/store.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum job_state {
	JOB_RUNNING,      /* its tasks run, or its process died while they did */
	JOB_FINISHING,    /* past the point of no return: only forward from here on */
	JOB_ROLLING_BACK, /* its tasks are being undone, or its process died while they were */
	JOB_DONE,         /* the finished thing is there */
	JOB_ROLLED_BACK,  /* nothing of ours is left */
	JOB_DEBT,         /* something of ours is left: the tasks in TASK_DEBT say what */
};

enum task_state {
	TASK_WAITING, /* has never run */
	TASK_RUNNING,
	TASK_FAILED, /* its last attempt did */
	TASK_DONE,
	TASK_UNDOING,
	TASK_UNDONE,
	TASK_DEBT, /* could not be undone so far */
};

/* "running", "finishing", "rolling back", "done", "rolled back", "not rolled back completely". */
const char *job_state_name(enum job_state state);
/* "waiting", "running", "failed", "done", "being undone", "undone", "not undone". */
const char *task_state_name(enum task_state state);

/* What a task noted that it makes. */
struct task_note {
	char *key, *value;
	int64_t time;
};

struct task_record {
	char *name;
	enum task_state state;
	unsigned int attempts; /* how often it began */
	unsigned int failures; /* how often it failed: it began again after a crash, too */
	unsigned int undo_attempts, undo_failures;
	int64_t started, ended; /* the first attempt, and the last */
	int64_t undo_started, undo_ended;
	char *error, *undo_error; /* of the last failure; NULL: none */
	GPtrArray *notes;         /* of struct task_note, in the order in which they came */
};

typedef struct {
	int64_t id;
	char *uuid, *kind, *title, *params;
	unsigned int attempts; /* how often a task may fail */
	enum job_state state;
	bool cancel; /* somebody asked for it */
	int64_t created, ended;
	int64_t deadline; /* 0: none */
	int64_t owner;    /* process id of who worked on it last */
	char *failure;    /* why it is or was rolled back; NULL: it is not */
	int failure_code; /* enum wherry_error of @failure */
	char *result;     /* what came of it; NULL: nothing was said */
	GPtrArray *tasks; /* of struct task_record, in their order */
} JobRecord;

/* Whether there is still something to do: not for JOB_DONE and JOB_ROLLED_BACK. */
bool job_record_is_open(const JobRecord *record);

/* NOT_FOUND if there is no job @id. */
JobRecord *job_record_read(Store *store, int64_t id, GError **error);

/* All jobs by id, without their tasks (tasks is empty). */
GPtrArray *job_record_list(Store *store, GError **error);

/* For who makes one: an empty record, one more task (waiting; borrowed), a note set or taken away.
 */
JobRecord *job_record_new(void);
struct task_record *job_record_add_task(JobRecord *record, const char *name);
void task_record_note(struct task_record *task, const char *key, const char *value, int64_t time);

/* 1: a process works on job @id, 0: none does, -1: failed. */
int job_has_owner(Store *store, int64_t id, GError **error);

void job_record_free(JobRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JobRecord, job_record_free)
