/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plain text, one line each: the time in UTC, then the words. */
#include "capture/log.h"

#include "base/autofd.h"
#include "base/error.h"
#include "base/io.h"

#include <unistd.h>

#define LOG_FILE "capture.log"

struct capture_log {
	int fd;          /* owned */
	GError *failure; /* the first one, or NULL */
	void (*say)(const char *text, void *userdata);
	void *userdata;
};

/* At the end of what is there. */
static int open_again(const Bundle *bundle, GError **error)
{
	int fd = bundle_open_to_write(bundle, LOG_FILE, error);

	if (fd >= 0)
		(void)lseek(fd, 0, SEEK_END); /* a regular file */
	return fd;
}

CaptureLog *capture_log_new(const Bundle *bundle, bool resume,
			    void (*say)(const char *text, void *userdata), void *userdata,
			    GError **error)
{
	g_autoptr(GError) cause = NULL;
	CaptureLog *log;
	int fd = -1;

	if (resume)
		fd = open_again(bundle, &cause);
	if (!resume || g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND))
		fd = bundle_create_file(bundle, LOG_FILE, error);
	else if (fd < 0)
		g_propagate_error(error, g_steal_pointer(&cause));
	if (fd < 0)
		return NULL;
	log = g_new0(CaptureLog, 1);
	log->fd = fd;
	log->say = say;
	log->userdata = userdata;
	return log;
}

void capture_log_add(CaptureLog *log, const char *format, ...)
{
	g_autoptr(GDateTime) now = g_date_time_new_now_utc();
	g_autofree char *time = g_date_time_format(now, "%Y-%m-%dT%H:%M:%SZ ");
	g_autofree char *words = NULL, *line = NULL;
	va_list ap;

	va_start(ap, format);
	words = g_strdup_vprintf(format, ap);
	va_end(ap);
	line = g_strconcat(time, words, "\n", NULL);
	if (log->say)
		log->say(words, log->userdata);
	if (!log->failure)
		(void)io_write(log->fd, LOG_FILE, line, strlen(line), &log->failure);
}

bool capture_log_finish(CaptureLog *log, const Bundle *bundle, Manifest *manifest, GError **error)
{
	if (log->failure) {
		g_propagate_error(error, g_steal_pointer(&log->failure));
		return false;
	}
	return io_flush(log->fd, LOG_FILE, error) && autofd_close(&log->fd, LOG_FILE, error) &&
	       bundle_record_file(bundle, LOG_FILE, manifest, error);
}

void capture_log_free(CaptureLog *log)
{
	if (!log)
		return;
	autofd_clear(&log->fd);
	g_clear_error(&log->failure);
	g_free(log);
}
