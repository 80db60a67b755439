/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who works on a job: a lock on one byte of the file beside the store, which the kernel frees when
 * its process dies, however that happens.  Open file description locks (fcntl(2), F_OFD_SETLK), so
 * two locks of one process exclude each other, too.  The file is made with mode 0600 and never
 * removed: whoever held a lock on the old one would go on.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define LOCK_BYTE_OPEN 0 /* while a store is opened; byte N: job N */

/* The lock file beside the store at @store_path; -1 = failed.  Closing it frees what it locked. */
int lock_file_open(const char *store_path, GError **error);

/* 1: locked, 0: somebody else has it, -1: failed. */
int lock_try(int fd, int64_t byte, GError **error);
/* The same, but waits for up to @seconds; then it is WHERRY_ERROR_BUSY. */
bool lock_wait(int fd, int64_t byte, unsigned int seconds, GError **error);
/* 1: somebody else has it, 0: nobody, -1: failed. */
int lock_is_held(int fd, int64_t byte, GError **error);
bool lock_release(int fd, int64_t byte, GError **error);
