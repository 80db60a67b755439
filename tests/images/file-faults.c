/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into wherry by tests: at a chosen call that changes a file, the process dies, or the
 * call fails.
 *
 * The calls are counted from 1.  FAULT_AT=N: just before call N the process sends itself SIGKILL,
 * or with FAULT=STOP SIGSTOP, or with FAULT=HANG the call never returns, or with FAULT=EIO or
 * FAULT=ENOSPC it fails with that.
 * FAULT_LOG=FILE: the name of each call is appended there, a line each.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *next(const char *name)
{
	void *function = dlsym(RTLD_NEXT, name);

	if (!function)
		abort();
	return function;
}

static void append_line(const char *path, const char *name)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	(void)dprintf(fd, "%s\n", name);
	(void)close(fd);
}

/* Whether the call that is about to be made fails; errno is set. */
static bool fails(const char *name)
{
	static atomic_long count;
	const char *at = getenv("FAULT_AT"), *log = getenv("FAULT_LOG"), *how = getenv("FAULT");
	long n = atomic_fetch_add(&count, 1) + 1;

	if (log)
		append_line(log, name);
	if (!at || strtol(at, NULL, 10) != n)
		return false;
	if (!how)
		(void)kill(getpid(), SIGKILL);
	while (how && strcmp(how, "HANG") == 0)
		(void)pause();
	if (how && strcmp(how, "STOP") == 0) {
		(void)kill(getpid(), SIGSTOP);
		return false;
	}
	errno = how && strcmp(how, "ENOSPC") == 0 ? ENOSPC : EIO;
	return true;
}

#define WATCHED(type, name, parameters, arguments)                        \
	type name parameters;                                             \
	type name parameters                                              \
	{                                                                 \
		type(*real) parameters = (type(*) parameters)next(#name); \
                                                                          \
		return fails(#name) ? -1 : real arguments;                \
	}

WATCHED(int, fsync, (int fd), (fd))
WATCHED(int, ftruncate64, (int fd, off_t len), (fd, len))
WATCHED(ssize_t, write, (int fd, const void *buf, size_t n), (fd, buf, n))
WATCHED(ssize_t, pwrite64, (int fd, const void *buf, size_t n, off_t offset), (fd, buf, n, offset))
WATCHED(int, renameat, (int fd, const char *from, int to_fd, const char *to), (fd, from, to_fd, to))
WATCHED(int, unlinkat, (int fd, const char *name, int flags), (fd, name, flags))
