/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plain text, one line each: the time in UTC, then the words. */
#include "capture/log.h"

#include "base/autofd.h"
#include "base/error.h"
#include "base/io.h"

#include <errno.h>
#include <unistd.h>

#define LOG_FILE "capture.log"

struct capture_log {
	int fd;          /* owned */
	GError *failure; /* the first one, or NULL */
	void (*say)(const char *text, void *userdata);
	void *userdata;
};

/* At the end of what is there; where nothing is, anew. */
static int open_again(const Bundle *bundle, GError **error)
{
	g_autoptr(GError) cause = NULL;
	int fd = bundle_open_to_write(bundle, LOG_FILE, &cause);

	if (fd >= 0)
		(void)lseek(fd, 0, SEEK_END); /* a regular file */
	else if (g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND))
		return bundle_create_file(bundle, LOG_FILE, error);
	else
		g_propagate_error(error, g_steal_pointer(&cause));
	return fd;
}

/* The log of the next generation, with all that is in the one of the last. */
static int open_next(const Bundle *bundle, GError **error)
{
	autofd int from = bundle_open_file(bundle, LOG_FILE, error), to = -1;
	char buf[4096];
	ssize_t n;

	if (from < 0)
		return -1;
	to = bundle_create_file(bundle, LOG_FILE, error);
	if (to < 0)
		return -1;
	while ((n = TEMP_FAILURE_RETRY(read(from, buf, sizeof(buf)))) > 0)
		if (!io_write(to, LOG_FILE, buf, (size_t)n, error))
			return -1;
	if (n < 0) {
		wherry_error_sys(error, errno, "cannot read '%s'", LOG_FILE);
		return -1;
	}
	return g_steal_fd(&to);
}

static int open_log(const Bundle *bundle, enum capture_log_mode mode, GError **error)
{
	switch (mode) {
	case CAPTURE_LOG_RESUME:
		return open_again(bundle, error);
	case CAPTURE_LOG_UPDATE:
		return open_next(bundle, error);
	case CAPTURE_LOG_NEW:
		break;
	}
	return bundle_create_file(bundle, LOG_FILE, error);
}

CaptureLog *capture_log_new(const Bundle *bundle, enum capture_log_mode mode,
			    void (*say)(const char *text, void *userdata), void *userdata,
			    GError **error)
{
	int fd = open_log(bundle, mode, error);
	CaptureLog *log;

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
