/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs and recovers jobs of a kind of its own, for scripts that kill it at any instant:
 *
 *   job-tool run STATE PLACE NEED     a job that makes PLACE/thing/0, 1 and seal out of the file
 * NEED job-tool recover STATE            whatever is unfinished, debts too
 *
 * Exit status as of wherry: 0, 4, 5, else 1.  Environment:
 *
 *   JOB_TOOL_KILL=WHERE   SIGKILL itself there: "run:TASK:POINT" or "undo:TASK:POINT" with before,
 * in or after; "commit:N:POINT" with before or after the Nth commit JOB_TOOL_FAIL=WHAT "run:TASK"
 * or "undo:TASK": it fails for ever JOB_TOOL_SLOW=MS      for each piece that is copied
 */
#include "job/recover.h"

#include "base/atomic-file.h"
#include "base/autofd.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE 16384

struct thing {
	char *dir, *need;
};

bool __real_transaction_commit(Transaction *transaction, GError **error);
bool __wrap_transaction_commit(Transaction *transaction, GError **error);

static void G_GNUC_PRINTF(1, 2) die_at(const char *format, ...)
{
	const char *where = g_getenv("JOB_TOOL_KILL");
	g_autofree char *here = NULL;
	va_list ap;

	va_start(ap, format);
	here = g_strdup_vprintf(format, ap);
	va_end(ap);
	if (g_strcmp0(where, here) == 0)
		raise(SIGKILL);
}

bool __wrap_transaction_commit(Transaction *transaction, GError **error)
{
	static int n;
	bool ok;

	die_at("commit:%d:before", ++n);
	ok = __real_transaction_commit(transaction, error);
	die_at("commit:%d:after", n);
	return ok;
}

static bool may_go_on(const char *what, const char *task, GError **error)
{
	g_autofree char *here = g_strdup_printf("%s:%s", what, task);

	if (g_strcmp0(g_getenv("JOB_TOOL_FAIL"), here) != 0)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_IO, "told to fail");
	return false;
}

static void *thing_load(const char *params, GError **error)
{
	json_error_t where;
	json_t *object = json_loads(params, 0, &where);
	const char *place, *need;
	struct thing *thing;

	if (!object || json_unpack(object, "{s:s, s:s}", "place", &place, "need", &need) < 0)
		g_error("bad parameters %s: %s", params, where.text);
	thing = g_new0(struct thing, 1);
	thing->dir = g_build_filename(place, "thing", NULL);
	thing->need = g_strdup(need);
	json_decref(object);
	return thing;
}

static void thing_free(void *data)
{
	struct thing *thing = data;

	g_free(thing->dir);
	g_free(thing->need);
	g_free(thing);
}

static bool check_run(JobContext *context, void *data, const void *item, GError **error)
{
	const struct thing *thing = data;

	if (access(thing->need, R_OK) == 0)
		return true;
	wherry_error_sys(error, errno, "cannot read '%s'", thing->need);
	return false;
}

/* Make the directory, unless it is there. */
static bool directory_run(JobContext *context, void *data, const void *item, GError **error)
{
	const struct thing *thing = data;

	if (!job_noted(context, NULL, "made")) {
		if (g_file_test(thing->dir, G_FILE_TEST_IS_DIR))
			return true;
		if (!job_note(context, "made", thing->dir, error))
			return false;
	}
	die_at("run:directory:in");
	if (mkdir(thing->dir, 0755) == 0 || errno == EEXIST)
		return true;
	wherry_error_sys(error, errno, "cannot make '%s'", thing->dir);
	return false;
}

static bool directory_undo(JobContext *context, void *data, const void *item, GError **error)
{
	const struct thing *thing = data;

	if (!job_noted(context, NULL, "made") || rmdir(thing->dir) == 0 || errno == ENOENT ||
	    errno == ENOTEMPTY) /* others keep something there */
		return true;
	wherry_error_sys(error, errno, "cannot remove '%s'", thing->dir);
	return false;
}

/* Piece by piece into a file whose name holds the job's UUID: that one is ours for sure. */
static bool copy_pieces(JobContext *context, const struct thing *thing, const char *name,
			const char *partial, GError **error)
{
	const char *slow = g_getenv("JOB_TOOL_SLOW");
	g_autofree char *bytes = NULL;
	autofd int fd = -1;
	size_t length;

	if (!g_file_get_contents(thing->need, &bytes, &length, error))
		return false;
	fd = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0) {
		wherry_error_sys(error, errno, "cannot create '%s'", partial);
		return false;
	}
	for (size_t done = 0; done < length; done += PIECE) {
		const struct progress now = {
			.phase = "copying", .item = name, .done = done, .total = length
		};

		if (!job_progress(&now, context))
			return job_context_check(context, error);
		if (!io_write(fd, partial, bytes + done, MIN(PIECE, length - done), error))
			return false;
		if (done >= length / 2)
			die_at("run:copy %s:in", name);
		g_usleep(slow ? (gulong)atoi(slow) * 1000 : 0);
	}
	return io_flush(fd, partial, error) && autofd_close(&fd, partial, error);
}

/* What is under the last name is ours if we were about to give it, and ours has no other left. */
static bool is_placed(JobContext *context, const char *partial)
{
	return job_noted(context, NULL, "placing") && access(partial, F_OK) < 0;
}

static char *partial_name(JobContext *context, const struct thing *thing, const char *name)
{
	return g_strdup_printf("%s/.%s-%s", thing->dir, job_context_uuid(context), name);
}

static bool copy_run(JobContext *context, void *data, const void *item, GError **error)
{
	const struct thing *thing = data;
	g_autofree char *partial = partial_name(context, thing, item);
	g_autofree char *final = g_build_filename(thing->dir, item, NULL);

	if (is_placed(context, partial) && access(final, F_OK) == 0)
		return true;
	if (!job_note(context, "making", partial, error) ||
	    !copy_pieces(context, thing, item, partial, error) ||
	    !job_note(context, "placing", final, error))
		return false;
	if (renameat2(AT_FDCWD, partial, AT_FDCWD, final, RENAME_NOREPLACE) == 0)
		return true;
	wherry_error_sys(error, errno, "cannot rename '%s' to '%s'", partial, final);
	return false;
}

static bool copy_undo(JobContext *context, void *data, const void *item, GError **error)
{
	const struct thing *thing = data;
	g_autofree char *partial = partial_name(context, thing, item);
	g_autofree char *final = g_build_filename(thing->dir, item, NULL);
	const char *ours = is_placed(context, partial) ? final : partial;

	if (!job_noted(context, NULL, "making") || unlink(ours) == 0 || errno == ENOENT) {
		die_at("undo:copy %s:in", (const char *)item);
		return job_note(context, "placing", NULL, error);
	}
	wherry_error_sys(error, errno, "cannot remove '%s'", ours);
	return false;
}

static bool seal_run(JobContext *context, void *data, const void *item, GError **error)
{
	const struct thing *thing = data;
	autofd int dirfd = open(thing->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dirfd < 0) {
		wherry_error_sys(error, errno, "cannot open '%s'", thing->dir);
		return false;
	}
	if (!job_note(context, "seal", "seal", error))
		return false;
	die_at("run:seal:in");
	job_set_result(context, thing->dir);
	return atomic_file_write(dirfd, "seal", job_context_uuid(context),
				 strlen(job_context_uuid(context)), error);
}

static bool seal_undo(JobContext *context, void *data, const void *item, GError **error)
{
	const struct thing *thing = data;
	g_autofree char *path = g_build_filename(thing->dir, "seal", NULL);
	g_autofree char *partial = g_strconcat(path, ".partial", NULL);

	if (!job_noted(context, NULL, "seal"))
		return true;
	(void)unlink(partial); /* may never have been there, as may the other */
	if (unlink(path) == 0 || errno == ENOENT)
		return true;
	wherry_error_sys(error, errno, "cannot remove '%s'", path);
	return false;
}

static const struct job_task tasks[] = {
	{ .name = "check", .run = check_run },
	{ .name = "directory", .run = directory_run, .undo = directory_undo },
	{ .name = "copy 0", .item = "0", .run = copy_run, .undo = copy_undo, .group = "copies" },
	{ .name = "copy 1", .item = "1", .run = copy_run, .undo = copy_undo, .group = "copies" },
	{ .name = "seal", .run = seal_run, .undo = seal_undo },
};

/* Each task stands behind the same two doors, at which it may be killed or told to fail. */
static bool run_any(JobContext *context, void *data, const void *item, GError **error)
{
	const struct job_task *task = item;

	die_at("run:%s:before", task->name);
	if (!task->run(context, data, task->item, error) || !may_go_on("run", task->name, error))
		return false;
	die_at("run:%s:after", task->name);
	return true;
}

static bool undo_any(JobContext *context, void *data, const void *item, GError **error)
{
	const struct job_task *task = item;

	die_at("undo:%s:before", task->name);
	if (!may_go_on("undo", task->name, error) || !task->undo(context, data, task->item, error))
		return false;
	die_at("undo:%s:after", task->name);
	return true;
}

static void thing_plan(void *data, JobPlan *plan)
{
	for (size_t i = 0; i < G_N_ELEMENTS(tasks); i++) {
		const struct job_task task = {
			.name = tasks[i].name,
			.item = &tasks[i],
			.run = run_any,
			.undo = tasks[i].undo ? undo_any : NULL,
			.group = tasks[i].group,
		};

		job_plan_add(plan, &task);
	}
}

static int thing_resume(JobContext *context, void *data, char **ret_reason, GError **error)
{
	const struct thing *thing = data;

	if (access(thing->need, R_OK) == 0)
		return 1;
	*ret_reason = g_strdup_printf("'%s' is gone", thing->need);
	return 0;
}

static const struct job_kind thing_kind = {
	.name = "thing",
	.load = thing_load,
	.plan = thing_plan,
	.resume = thing_resume,
	.free = thing_free,
};

static void speak(const char *text, void *userdata)
{
	fprintf(stderr, "job-tool: %s\n", text);
}

static const struct job_runner runner = {
	.warn = speak,
	.pause_first_ms = 1,
	.pause_max_ms = 1,
};

static int status_of(const GError *failure)
{
	if (!failure)
		return EXIT_SUCCESS;
	speak(failure->message, NULL);
	if (g_error_matches(failure, WHERRY_ERROR, WHERRY_ERROR_ROLLED_BACK))
		return 4;
	if (g_error_matches(failure, WHERRY_ERROR, WHERRY_ERROR_LEFT_BEHIND))
		return 5;
	return EXIT_FAILURE;
}

static int run_new(Store *store, const char *place, const char *need)
{
	json_t *object = json_pack("{s:s, s:s}", "place", place, "need", need);
	g_autofree char *params = json_dumps(object, 0);
	g_autofree char *title = g_strdup_printf("a thing in %s", place);
	const struct job_spec spec = { .title = title, .params = params };
	g_autoptr(GError) error = NULL;
	g_autoptr(Job) job = job_create(store, &thing_kind, &spec, &error);

	json_decref(object);
	if (job)
		(void)job_run(job, &runner, &error); /* the error says it */
	return status_of(error);
}

static int recover_all(Store *store)
{
	const struct job_kind *const kinds[] = { &thing_kind, NULL };
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) done =
	    job_recover(store, kinds, 0, JOB_RECOVER_DEBTS, &runner, &error);
	int worst = status_of(error);

	for (unsigned int i = 0; done && i < done->len; i++) {
		const struct job_recovery *recovery = g_ptr_array_index(done, i);

		worst = MAX(worst, status_of(recovery->failure));
	}
	return worst;
}

int main(int argc, char **argv)
{
	g_autoptr(Store) store = NULL;
	g_autoptr(GError) error = NULL;

	if (argc < 3 || (strcmp(argv[1], "run") == 0) != (argc == 5))
		g_error("see the head of job-tool.c");
	store = store_open(argv[2], &error);
	if (!store)
		return status_of(error);
	return argc == 5 ? run_new(store, argv[3], argv[4]) : recover_all(store);
}
