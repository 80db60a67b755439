/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whole reads and writes of files, which end in an error or are complete. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* @name is for the messages of all of these; @fd is borrowed. */

/* Write at the file's position. */
bool io_write(int fd, const char *name, const void *data, size_t len, GError **error);

/* Write at @offset; the file's position stays. */
bool io_pwrite(int fd, const char *name, uint64_t offset, const void *data, size_t len,
	       GError **error);

/* Read exactly @len bytes at @offset; a file that ends before is WHERRY_ERROR_DAMAGED. */
bool io_pread(int fd, const char *name, uint64_t offset, void *buf, size_t len, GError **error);

/* fsync(): what a full or dying medium has swallowed so far comes out here at the latest. */
bool io_flush(int fd, const char *name, GError **error);
