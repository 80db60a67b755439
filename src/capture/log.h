/* SPDX-License-Identifier: GPL-2.0-or-later */
/* capture.log: what was done, and when; written as it happens, so that a dead capture has one. */
#pragma once

#include "bundle/bundle.h"

typedef struct capture_log CaptureLog;

enum capture_log_mode {
	CAPTURE_LOG_NEW,
	CAPTURE_LOG_RESUME, /* behind what an interrupted capture wrote */
	CAPTURE_LOG_UPDATE, /* behind a copy of that of the last generation */
};

/* @say is given every line, too; NULL: nobody listens. */
CaptureLog *capture_log_new(const Bundle *bundle, enum capture_log_mode mode,
			    void (*say)(const char *text, void *userdata), void *userdata,
			    GError **error);

/* One line.  A failure to write it is kept for capture_log_finish(). */
void capture_log_add(CaptureLog *log, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Flush it and add it to @manifest's files. */
bool capture_log_finish(CaptureLog *log, const Bundle *bundle, Manifest *manifest, GError **error);

void capture_log_free(CaptureLog *log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CaptureLog, capture_log_free)
