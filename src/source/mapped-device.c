/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every task of libdevmapper that wherry runs.  What devices are called is in mapped-name.c.
 */
#include "source/mapped-device.h"

#include "base/blkdev.h"
#include "base/error.h"
#include "source/mapped-name.h"

#include <errno.h>
#include <libdevmapper.h>
#include <linux/major.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SECTOR 512u

/* Of libdevmapper's log. */
#define LEVEL_MASK  7
#define LEVEL_ERROR 3

/* Those that lie on others are removed before them: no stack of ours is deeper. */
#define MAX_DEPTH 3

typedef struct dm_task Task;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Task, dm_task_destroy)

/* What libdevmapper said last, in this thread, which goes into our message. */
static _Thread_local char last_words[256];

G_GNUC_PRINTF(5, 6)
static void take_words(int level, const char *file, int line, int dm_errno, const char *format, ...)
{
	char words[sizeof(last_words)];
	va_list ap;

	(void)dm_errno;
	va_start(ap, format);
	(void)vsnprintf(words, sizeof(words), format, ap); /* cut off is right */
	va_end(ap);
	g_debug("libdevmapper, %s:%d: %s", file, line, words);
	if ((level & LEVEL_MASK) <= LEVEL_ERROR)
		memcpy(last_words, words, sizeof(words));
}

static void set_error(GError **error, Task *task, const char *what, const char *name)
{
	int errnum = task ? dm_task_get_errno(task) : ENOMEM;

	g_set_error(error, WHERRY_ERROR,
		    errnum ? (int)wherry_error_code(errnum) : (int)WHERRY_ERROR_IO,
		    "device-mapper cannot %s%s%s: %s", what, name ? " " : "", name ? name : "",
		    last_words[0] ? last_words : g_strerror(errnum));
}

static Task *new_task(int type, const char *name)
{
	Task *task;

	dm_log_with_errno_init(take_words);
	last_words[0] = '\0';
	task = dm_task_create(type);
	if (task && name && !dm_task_set_name(task, name))
		g_clear_pointer(&task, dm_task_destroy);
	return task;
}

bool mapped_device_available(GError **error)
{
	g_autoptr(Task) task = NULL;

	if (geteuid() != 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DENIED,
			    "snapshots by device-mapper are only for root");
		return false;
	}
	task = new_task(DM_DEVICE_LIST_VERSIONS, NULL);
	if (task && dm_task_run(task))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
		    "this system has no device-mapper for snapshots");
	return false;
}

char *mapped_device_number(dev_t id)
{
	return g_strdup_printf("%u:%u", major(id), minor(id));
}

/* Run @task in step with udev, where it runs, which is to keep its rules away from the device. */
static bool run_in_step(Task *task)
{
	const uint16_t flags = DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG |
			       DM_UDEV_DISABLE_DISK_RULES_FLAG | DM_UDEV_DISABLE_OTHER_RULES_FLAG;
	uint32_t cookie = 0;
	bool ok = dm_task_set_cookie(task, &cookie, flags) && dm_task_run(task);

	(void)dm_udev_wait(cookie); /* nothing of ours waits for what udev does */
	return ok;
}

static bool add_targets(Task *task, const struct mapped_target *targets, unsigned int n)
{
	uint64_t start = 0;

	for (unsigned int i = 0; i < n; i++) {
		uint64_t length = targets[i].length / SECTOR;

		if (!dm_task_add_target(task, start, length, targets[i].type, targets[i].params))
			return false;
		start += length;
	}
	return true;
}

static bool remove_device(const char *name)
{
	g_autoptr(Task) task = new_task(DM_DEVICE_REMOVE, name);

	return task && dm_task_retry_remove(task) && run_in_step(task);
}

MappedDevice *mapped_device_new(const struct mapped_target *targets, unsigned int n_targets,
				bool protects, GError **error)
{
	g_autofree char *name = mapped_name_new(protects);
	g_autoptr(Task) task = new_task(DM_DEVICE_CREATE, name);
	MappedDevice *device;
	struct dm_info info;

	if (!task || !add_targets(task, targets, n_targets) || !run_in_step(task) ||
	    !dm_task_get_info(task, &info) || !info.exists) {
		set_error(error, task, "make a device of type", targets[0].type);
		return NULL;
	}
	device = g_new0(MappedDevice, 1);
	device->name = g_steal_pointer(&name);
	device->id = makedev(info.major, info.minor);
	device->path = g_strdup_printf("/dev/dm-%u", info.minor); /* devtmpfs has it at once */
	return device;
}

char *mapped_device_status(const MappedDevice *device, GError **error)
{
	g_autoptr(Task) task = new_task(DM_DEVICE_STATUS, device->name);
	char *type = NULL, *params = NULL;
	uint64_t start, length;

	if (task && dm_task_run(task)) {
		(void)dm_get_next_target(task, NULL, &start, &length, &type, &params);
		if (params)
			return g_strdup(params);
	}
	set_error(error, task, "tell the status of", device->name);
	return NULL;
}

void mapped_device_free(MappedDevice *device)
{
	if (!device)
		return;
	if (!remove_device(device->name))
		g_debug("%s is left: %s", device->name, last_words);
	g_free(device->path);
	g_free(device->name);
	g_free(device);
}

/* The node of a block device, whether or not there is a udev: devtmpfs has it by this name. */
static char *node_of(dev_t id)
{
	static const char key[] = "DEVNAME=";
	g_autofree char *number = mapped_device_number(id), *text = NULL;
	g_autofree char *path = g_strdup_printf("/sys/dev/block/%s/uevent", number);
	g_auto(GStrv) lines = NULL;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		return NULL;
	lines = g_strsplit(text, "\n", -1);
	for (size_t i = 0; lines[i]; i++)
		if (g_str_has_prefix(lines[i], key))
			return g_strdup_printf("/dev/%s", lines[i] + strlen(key));
	return NULL;
}

/* The nodes of the disks that @name keeps read-only; what it writes to lies on a loop device. */
static GPtrArray *list_protected(const char *name)
{
	GPtrArray *disks = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(Task) task = NULL;
	const struct dm_deps *deps = NULL;

	if (!mapped_name_protects(name))
		return disks;
	task = new_task(DM_DEVICE_DEPS, name);
	if (task && dm_task_run(task))
		deps = dm_task_get_deps(task);
	for (uint32_t i = 0; deps && i < deps->count; i++) {
		char *path = major(deps->device[i]) != LOOP_MAJOR ? node_of(deps->device[i]) : NULL;

		if (path)
			g_ptr_array_add(disks, path);
	}
	return disks;
}

static void unprotect(const char *path)
{
	g_autoptr(Blkdev) disk = blkdev_open(path, NULL);

	if (!disk || !blkdev_set_read_only(disk, false, NULL))
		g_debug("%s stays read-only", path);
}

/* As long as the device is there, somebody may read it: then the disk below stays as it is. */
static void remove_left(const char *name)
{
	g_autoptr(GPtrArray) disks = list_protected(name);

	if (!remove_device(name)) {
		g_debug("%s was left, and is in use: %s", name, last_words);
		return;
	}
	g_debug("%s was left: removed", name);
	for (unsigned int i = 0; i < disks->len; i++)
		unprotect(g_ptr_array_index(disks, i));
}

static GPtrArray *list_left(void)
{
	GPtrArray *left = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(Task) task = new_task(DM_DEVICE_LIST, NULL);
	const struct dm_names *at = NULL;

	if (task && dm_task_run(task))
		at = dm_task_get_names(task);
	while (at && at->dev != 0) { /* ends: the last has no next */
		if (mapped_name_is_left(at->name))
			g_ptr_array_add(left, g_strdup(at->name));
		if (at->next == 0)
			break;
		at = (const void *)((const char *)at + at->next);
	}
	return left;
}

void mapped_device_sweep(void)
{
	for (int i = 0; i < MAX_DEPTH; i++) {
		g_autoptr(GPtrArray) left = list_left();

		for (unsigned int j = 0; j < left->len; j++)
			remove_left(g_ptr_array_index(left, j));
	}
}
