/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into wherry by tests: a program that has forgotten a flush.  NO_FSYNC=END: fsync() of
 * what has a path that ends so, says that it succeeded, and does nothing; "/": of directories.
 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_forgotten(int fd)
{
	const char *end = getenv("NO_FSYNC");
	char link[64], path[4096];
	struct stat st;
	ssize_t n;

	if (!end || fstat(fd, &st) < 0)
		return false;
	if (strcmp(end, "/") == 0)
		return S_ISDIR(st.st_mode);
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return false;
	path[n] = '\0';
	return (size_t)n >= strlen(end) && strcmp(path + (size_t)n - strlen(end), end) == 0;
}

int fsync(int fd)
{
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");

	if (!real)
		abort();
	return is_forgotten(fd) ? 0 : real(fd);
}
