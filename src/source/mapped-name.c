/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A name is "wherry-PIDNS-TIMENS-PID-START-N" or the same with "-ro": the inodes of the namespaces
 * in which the process has its number and its time, the number, when it was started, and a count.
 * The kernel gives the inode of a namespace to another one only when no process is left in it, so
 * that a name of today's namespace is never that of a live process elsewhere.
 */
#include "source/mapped-name.h"

#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX   "wherry-"
#define PROTECTS "-ro"

struct process {
	uint64_t pid_namespace, time_namespace;
	uint64_t pid, start;
};

/* Of this process; 0: the kernel does not tell, or has none of that kind. */
static uint64_t own_namespace(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_ino : 0;
}

/* When a process was started, in the kernel's ticks (proc(5), stat); 0: not known. */
static uint64_t start_of(const char *proc)
{
	g_autofree char *path = g_strdup_printf("/proc/%s/stat", proc), *text = NULL;
	const char *at;
	uint64_t ticks = 0;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		return 0;
	at = strrchr(text, ')'); /* the name before it may hold anything */
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (at)
		ticks = g_ascii_strtoull(at + 1, NULL, 10);
	return ticks;
}

static struct process this_process(void)
{
	return (struct process){
		.pid_namespace = own_namespace("/proc/self/ns/pid"),
		.time_namespace = own_namespace("/proc/self/ns/time"),
		.pid = (uint64_t)getpid(),
		.start = start_of("self"),
	};
}

char *mapped_name_new(bool protects)
{
	static gint count;
	struct process self = this_process();

	return g_strdup_printf(PREFIX "%" PRIu64 "-%" PRIu64 "-%" PRIu64 "-%" PRIu64 "-%d%s",
			       self.pid_namespace, self.time_namespace, self.pid, self.start,
			       g_atomic_int_add(&count, 1), protects ? PROTECTS : "");
}

/* Whether /proc has the numbers of our PID namespace: it may be mounted from another one. */
static bool proc_is_ours(void)
{
	g_autofree char *self = g_file_read_link("/proc/self", NULL);

	return self && g_ascii_strtoull(self, NULL, 10) == (uint64_t)getpid();
}

/* Whether @process, one of our own namespace, is gone for sure. */
static bool is_gone(const struct process *process)
{
	g_autofree char *proc = g_strdup_printf("%" PRIu64, process->pid);
	uint64_t start;

	if (process->pid == 0 || process->pid > INT32_MAX)
		return false;
	if (kill((pid_t)process->pid, 0) < 0 && errno == ESRCH)
		return true;
	start = proc_is_ours() && process->start != 0 ? start_of(proc) : 0;
	return start != 0 && start != process->start;
}

bool mapped_name_is_left(const char *name)
{
	struct process maker, self = this_process();
	int n = -1;

	if (sscanf(name, PREFIX "%" SCNu64 "-%" SCNu64 "-%" SCNu64 "-%" SCNu64 "-%*u%n",
		   &maker.pid_namespace, &maker.time_namespace, &maker.pid, &maker.start,
		   &n) != 4 ||
	    n < 0 || (name[n] != '\0' && strcmp(name + n, PROTECTS) != 0))
		return false;
	return maker.pid_namespace != 0 && maker.pid_namespace == self.pid_namespace &&
	       maker.time_namespace == self.time_namespace && is_gone(&maker);
}

bool mapped_name_protects(const char *name)
{
	return g_str_has_suffix(name, PROTECTS);
}
