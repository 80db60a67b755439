/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into wherry by tests: a process that dies at a chosen instant, as by kill -9.
 *
 * Instants are the calls that change something: every flush of the journal (SQLite's fdatasync),
 * and each call of libvirt that makes or unmakes, just before and just after it.  They are counted
 * from
 * 1.  KILL_AT=N: at instant N the process sends itself SIGKILL.  KILL_LOG=FILE: instead, the name
 * of each instant is appended there, a line each.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void run_command(const char *name)
{
	static atomic_long count;
	const char *at = getenv("RUN_AT"), *command = getenv("RUN");
	size_t len = strlen(name);

	if (!at || !command || strncmp(at, name, len) != 0 || at[len] != ':' ||
	    atomic_fetch_add(&count, 1) + 1 != strtol(at + len + 1, NULL, 10))
		return;
	(void)unsetenv("LD_PRELOAD"); /* not for the command */
	if (system(command) != 0)
		abort();
}

static void instant(const char *when, const char *name)
{
	static atomic_long count;
	const char *at = getenv("KILL_AT"), *log = getenv("KILL_LOG");
	long n = atomic_fetch_add(&count, 1) + 1;

	if (log) {
		int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

		(void)dprintf(fd, "%s %s\n", when, name);
		(void)close(fd);
	}
	if (at && strtol(at, NULL, 10) == n)
		(void)kill(getpid(), SIGKILL);
	if (strcmp(when, "before") == 0)
		run_command(name);
}

static void *next(const char *name)
{
	void *function = dlsym(RTLD_NEXT, name);

	if (!function)
		abort();
	return function;
}

int fdatasync(int fd)
{
	int (*real)(int) = (int (*)(int))next("fdatasync");
	int r;

	instant("before", "fdatasync");
	r = real(fd);
	instant("after", "fdatasync");
	return r;
}

/* Up to six arguments in registers, whatever their types: libvirt passes integers and pointers. */
#define WATCHED(name)                                                          \
	long name(long a, long b, long c, long d, long e, long f);             \
	long name(long a, long b, long c, long d, long e, long f)              \
	{                                                                      \
		long (*real)(long, long, long, long, long, long) =             \
		    (long (*)(long, long, long, long, long, long))next(#name); \
		long r;                                                        \
                                                                               \
		instant("before", #name);                                      \
		r = real(a, b, c, d, e, f);                                    \
		instant("after", #name);                                       \
		return r;                                                      \
	}

WATCHED(virStoragePoolDefineXML)
WATCHED(virStoragePoolCreateXML)
WATCHED(virStoragePoolBuild)
WATCHED(virStoragePoolCreate)
WATCHED(virStoragePoolSetAutostart)
WATCHED(virStoragePoolDestroy)
WATCHED(virStoragePoolDelete)
WATCHED(virStoragePoolUndefine)
WATCHED(virStorageVolCreateXML)
WATCHED(virStorageVolUpload)
WATCHED(virStreamSend)
WATCHED(virStreamFinish)
WATCHED(virStorageVolDelete)
WATCHED(virDomainDefineXML)
WATCHED(virDomainDefineXMLFlags)
WATCHED(virDomainCreate)
WATCHED(virDomainCreateWithFlags)
WATCHED(virDomainDestroy)
WATCHED(virDomainDestroyFlags)
WATCHED(virDomainUndefineFlags)
