/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From sysfs: Documentation/ABI/testing/sysfs-block of the kernel. */
#include "capture/disk-device.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

static char *device_word(dev_t id)
{
	return g_strdup_printf("%u:%u", major(id), minor(id));
}

/* The content of @name in the directory of @id, without the newline; NULL: there is none. */
static char *read_attribute(dev_t id, const char *name)
{
	g_autofree char *path =
	    g_strdup_printf("/sys/dev/block/%u:%u/%s", major(id), minor(id), name);
	char *text = NULL;

	return g_file_get_contents(path, &text, NULL, NULL) ? g_strchomp(text) : NULL;
}

char *disk_device(const Blkdev *disk)
{
	g_autofree char *backing = NULL, *partition = NULL, *whole = NULL;
	struct stat st;

	if (disk->id == 0)
		return fstat(disk->fd, &st) == 0 ? device_word(st.st_dev) : g_strdup(disk->name);
	backing = read_attribute(disk->id, "loop/backing_file");
	if (backing && stat(backing, &st) == 0)
		return device_word(st.st_dev);
	partition = read_attribute(disk->id, "partition");
	if (partition)
		whole = read_attribute(disk->id, "../dev");
	return whole ? g_steal_pointer(&whole) : device_word(disk->id);
}
