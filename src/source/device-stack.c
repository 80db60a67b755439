/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each device or file found is entered once, and only a new one is followed, so the walk ends.
 */
#include "source/device-stack.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* A block device by its number, or a file by filesystem and inode. */
struct member {
	dev_t device;
	dev_t filesystem;
	ino_t inode; /* 0: it is a block device */
};

struct device_stack {
	GArray *members; /* of struct member */
};

static void follow_device(DeviceStack *stack, dev_t device);
static void follow_path(DeviceStack *stack, const char *path);

static struct member member_of(const struct stat *st)
{
	if (S_ISBLK(st->st_mode))
		return (struct member){ .device = st->st_rdev };
	return (struct member){ .filesystem = st->st_dev, .inode = st->st_ino };
}

static bool has_member(const DeviceStack *stack, const struct member *member)
{
	for (unsigned int i = 0; i < stack->members->len; i++) {
		const struct member *m = &g_array_index(stack->members, struct member, i);

		if (m->device == member->device && m->filesystem == member->filesystem &&
		    m->inode == member->inode)
			return true;
	}
	return false;
}

/* False: it was there already. */
static bool add_member(DeviceStack *stack, const struct member *member)
{
	if (has_member(stack, member))
		return false;
	g_array_append_val(stack->members, *member);
	return true;
}

/* A device of which only the directory in sysfs is known, as "8:1\n" in its file "dev". */
static void follow_sysfs(DeviceStack *stack, const char *dir)
{
	g_autofree char *file = g_build_filename(dir, "dev", NULL), *text = NULL;
	unsigned int major_number, minor_number;

	if (g_file_get_contents(file, &text, NULL, NULL) &&
	    sscanf(text, "%u:%u", &major_number, &minor_number) == 2)
		follow_device(stack, makedev(major_number, minor_number));
}

static void follow_sysfs_entries(DeviceStack *stack, const char *dir)
{
	g_autoptr(GDir) entries = g_dir_open(dir, 0, NULL);
	const char *name;

	while (entries && (name = g_dir_read_name(entries))) {
		g_autofree char *entry = g_build_filename(dir, name, NULL);

		follow_sysfs(stack, entry);
	}
}

/* What a device itself is made of: its disk, its slaves, its backing file. */
static void follow_device(DeviceStack *stack, dev_t device)
{
	g_autofree char *dir = NULL, *partition = NULL, *slaves = NULL, *backing = NULL;
	const struct member member = { .device = device };
	g_autofree char *path = NULL;

	if (!add_member(stack, &member))
		return;
	dir = g_strdup_printf("/sys/dev/block/%u:%u", major(device), minor(device));
	partition = g_build_filename(dir, "partition", NULL);
	if (g_file_test(partition, G_FILE_TEST_EXISTS)) {
		g_autofree char *parent = g_build_filename(dir, "..", NULL);

		follow_sysfs(stack, parent);
	}
	slaves = g_build_filename(dir, "slaves", NULL);
	follow_sysfs_entries(stack, slaves);
	backing = g_build_filename(dir, "loop", "backing_file", NULL);
	if (g_file_get_contents(backing, &path, NULL, NULL))
		follow_path(stack, g_strchomp(path));
}

/* A btrfs has one of its devices as its source; sysfs knows the others. */
static void follow_btrfs(DeviceStack *stack, const char *source)
{
	g_autoptr(GDir) filesystems = g_dir_open("/sys/fs/btrfs", 0, NULL);
	g_autofree char *real = realpath(source, NULL);
	const char *uuid;

	while (filesystems && real && (uuid = g_dir_read_name(filesystems))) {
		g_autofree char *devices = g_build_filename("/sys/fs/btrfs", uuid, "devices", NULL);
		g_autofree char *base = g_path_get_basename(real);
		g_autofree char *one = g_build_filename(devices, base, NULL);

		if (g_file_test(one, G_FILE_TEST_EXISTS))
			follow_sysfs_entries(stack, devices);
	}
}

/* One line of /proc/self/mountinfo, as proc(5) describes it; all borrowed from the line. */
struct mount {
	unsigned long id;
	const char *mount_point, *type, *source, *super_options;
};

static bool parse_mount(char *line, struct mount *ret)
{
	char *fields[11] = { NULL }, *rest = strstr(line, " - "), *save = NULL;
	size_t n = 0;

	if (!rest)
		return false;
	*rest = '\0';
	for (char *f = strtok_r(line, " ", &save); f && n < 5; f = strtok_r(NULL, " ", &save))
		fields[n++] = f;
	if (n < 5)
		return false;
	ret->id = strtoul(fields[0], NULL, 10);
	ret->mount_point = fields[4];
	ret->type = strtok_r(rest + 3, " ", &save);
	ret->source = strtok_r(NULL, " ", &save);
	ret->super_options = strtok_r(NULL, " ", &save);
	return ret->type && ret->source && ret->super_options;
}

/* The value of "key=value" among comma-separated @options; owned by the caller, NULL: not there. */
static char *find_option(const char *options, const char *key)
{
	g_auto(GStrv) list = g_strsplit(options, ",", -1);

	for (size_t i = 0; list[i]; i++)
		if (g_str_has_prefix(list[i], key) && list[i][strlen(key)] == '=')
			return g_strcompress(list[i] + strlen(key) + 1);
	return NULL;
}

/* The kernel writes a space in a name as \040, which g_strcompress() undoes. */
static void follow_mount(DeviceStack *stack, const struct mount *mount)
{
	g_autofree char *source = g_strcompress(mount->source);
	struct stat st;

	if (strcmp(mount->type, "overlay") == 0) {
		g_autofree char *upper = find_option(mount->super_options, "upperdir");

		if (upper)
			follow_path(stack, upper);
		return;
	}
	if (source[0] == '/' && stat(source, &st) == 0 && S_ISBLK(st.st_mode)) {
		follow_device(stack, st.st_rdev);
		if (strcmp(mount->type, "btrfs") == 0)
			follow_btrfs(stack, source);
	}
}

/* The lines of /proc/self/mountinfo; never NULL. */
static char **read_mounts(void)
{
	g_autofree char *text = NULL;

	if (!g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL))
		return g_new0(char *, 1);
	return g_strsplit(text, "\n", -1);
}

/* An anonymous device number (btrfs, overlay) is none; the mount says what is below. */
static void follow_mount_of(DeviceStack *stack, const char *path)
{
	g_auto(GStrv) lines = NULL;
	struct statx stx;

	if (statx(AT_FDCWD, path, 0, STATX_MNT_ID, &stx) < 0 || !(stx.stx_mask & STATX_MNT_ID))
		return;
	lines = read_mounts();
	for (size_t i = 0; lines[i]; i++) {
		struct mount mount;

		if (parse_mount(lines[i], &mount) && mount.id == stx.stx_mnt_id)
			follow_mount(stack, &mount);
	}
}

static void follow_path(DeviceStack *stack, const char *path)
{
	struct member member;
	struct stat st;

	if (stat(path, &st) < 0)
		return;
	member = member_of(&st);
	if (S_ISBLK(st.st_mode)) {
		follow_device(stack, st.st_rdev);
		return;
	}
	if (!add_member(stack, &member))
		return;
	if (major(st.st_dev) != 0)
		follow_device(stack, st.st_dev);
	follow_mount_of(stack, path);
}

static DeviceStack *stack_new(void)
{
	DeviceStack *stack = g_new(DeviceStack, 1);

	stack->members = g_array_new(false, false, sizeof(struct member));
	return stack;
}

DeviceStack *device_stack_below(const char *path, GError **error)
{
	g_autoptr(DeviceStack) stack = stack_new();
	struct stat st;

	if (stat(path, &st) < 0) {
		wherry_error_sys(error, errno, "cannot examine '%s'", path);
		return NULL;
	}
	follow_path(stack, path);
	return g_steal_pointer(&stack);
}

bool device_stack_has(const DeviceStack *stack, const char *path)
{
	struct member member;
	struct stat st;

	if (stat(path, &st) < 0)
		return false;
	member = member_of(&st);
	return has_member(stack, &member);
}

char *device_stack_writer(const char *path)
{
	g_auto(GStrv) lines = read_mounts();

	for (size_t i = 0; lines[i]; i++) {
		g_autoptr(DeviceStack) stack = stack_new();
		g_auto(GStrv) options = NULL;
		struct mount mount;

		if (!parse_mount(lines[i], &mount))
			continue;
		options = g_strsplit(mount.super_options, ",", -1);
		if (!g_strv_contains((const char *const *)options, "rw"))
			continue;
		if (strcmp(mount.type, "overlay") == 0)
			continue; /* what is below it is mounted itself */
		follow_mount(stack, &mount);
		if (device_stack_has(stack, path))
			return g_strcompress(mount.mount_point);
	}
	return NULL;
}

void device_stack_free(DeviceStack *stack)
{
	if (!stack)
		return;
	g_array_free(stack->members, true);
	g_free(stack);
}
