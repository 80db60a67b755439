/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The device operations for libntfs-3g, its log, and the way in. */
#include "map/ntfs-io.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <ntfs-3g/dir.h>
#include <ntfs-3g/logging.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_NAME 32

/*
 * What the library says first of a failure is why, and the errno that it returns is nearly always
 * EIO.  Its log has one handler for all volumes, and hands nothing through to it.
 */
static _Thread_local char first_words[160];

static int G_GNUC_PRINTF(6, 0) hear_library(const char *function, const char *file, int line,
					    u32 level, void *data, const char *format, va_list ap)
{
	g_autofree char *text = g_strdup_vprintf(format, ap);

	text[strcspn(text, "\n")] = '\0';
	g_strchomp(g_strdelimit(text, "\t\r", ' '));
	g_debug("libntfs-3g: %s: %s", function, text);
	if (first_words[0] == '\0' &&
	    level & (NTFS_LOG_LEVEL_ERROR | NTFS_LOG_LEVEL_PERROR | NTFS_LOG_LEVEL_CRITICAL))
		g_strlcpy(first_words, text, sizeof(first_words));
	return 0;
}

void nt_expect(void)
{
	first_words[0] = '\0';
}

void nt_set_error(GError **error, int code, const char *what)
{
	g_autofree char *words = g_strdup(first_words[0] ? first_words : g_strerror(code));

	for (char *at = words; *at; at++) /* names on the disk can be in it */
		if (!g_ascii_isprint(*at))
			*at = '?';
	if (g_str_has_suffix(words, "."))
		words[strlen(words) - 1] = '\0';
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED, "NTFS %s: %s", what, words);
}

static int device_open(struct ntfs_device *device, int flags)
{
	if ((flags & O_ACCMODE) != O_RDONLY) {
		errno = EROFS;
		return -1;
	}
	NDevSetReadOnly(device);
	NDevSetOpen(device);
	return 0;
}

static int device_close(struct ntfs_device *device)
{
	NDevClearOpen(device);
	return 0;
}

/* The library has no use for a position: it asks whether the last sector is there. */
static s64 device_seek(struct ntfs_device *device, s64 offset, int whence)
{
	const struct nt_source *source = device->d_private;

	if (whence != SEEK_SET || offset < 0 || (uint64_t)offset >= source->volume->size) {
		errno = EINVAL;
		return -1;
	}
	return offset;
}

static s64 device_pread(struct ntfs_device *device, void *buf, s64 count, s64 offset)
{
	struct nt_source *source = device->d_private;
	g_autoptr(GError) cause = NULL;

	if (source->n_reads_left == 0 || count < 0 || offset < 0) {
		errno = EIO;
		return -1;
	}
	source->n_reads_left--;
	if (!volume_read(source->volume, (uint64_t)offset, buf, (size_t)count, &cause)) {
		g_debug("%s: %s, as libntfs-3g will say in its words", source->volume->name,
			cause->message);
		errno = EIO;
		return -1;
	}
	return count;
}

static s64 device_refuse_read(struct ntfs_device *device, void *buf, s64 count)
{
	errno = EOPNOTSUPP;
	return -1;
}

static s64 device_refuse_write(struct ntfs_device *device, const void *buf, s64 count)
{
	errno = EROFS;
	return -1;
}

static s64 device_refuse_pwrite(struct ntfs_device *device, const void *buf, s64 count, s64 offset)
{
	errno = EROFS;
	return -1;
}

static int device_sync(struct ntfs_device *device)
{
	return 0;
}

static int device_stat(struct ntfs_device *device, struct stat *ret)
{
	const struct nt_source *source = device->d_private;

	*ret = (struct stat){
		.st_mode = S_IFREG | 0400,
		.st_size = (off_t)source->volume->size,
	};
	return 0;
}

static int device_ioctl(struct ntfs_device *device, unsigned long request, void *arg)
{
	errno = EOPNOTSUPP;
	return -1;
}

static struct ntfs_device_operations volume_operations = {
	.open = device_open,
	.close = device_close,
	.seek = device_seek,
	.read = device_refuse_read,
	.write = device_refuse_write,
	.pread = device_pread,
	.pwrite = device_refuse_pwrite,
	.sync = device_sync,
	.stat = device_stat,
	.ioctl = device_ioctl,
};

ntfs_volume *nt_open(struct nt_source *source, GError **error)
{
	g_autoptr(ntfs_volume) volume = NULL;
	struct ntfs_device *device;

	ntfs_log_set_handler(hear_library);
	nt_expect();
	device = ntfs_device_alloc(source->volume->name, 0, &volume_operations, source);
	if (device)
		volume = ntfs_device_mount(device, NTFS_MNT_RDONLY);
	if (!volume) {
		nt_set_error(error, errno, "that cannot be opened");
		if (device)
			ntfs_device_free(device);
		return NULL;
	}
	if (ntfs_version_is_supported(volume) < 0 || ntfs_set_ignore_case(volume) < 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED, "NTFS of version %u.%u",
			    volume->major_ver, volume->minor_ver);
		return NULL;
	}
	return g_steal_pointer(&volume);
}

void nt_volume_free(ntfs_volume *volume)
{
	if (volume)
		(void)ntfs_umount(volume, true); /* nothing was written that could get lost */
}

int nt_open_in_root(ntfs_volume *volume, const char *name, ntfs_inode **ret, GError **error)
{
	g_autoptr(ntfs_inode) root = NULL;
	ntfschar wide[MAX_NAME];
	size_t len = strlen(name);
	u64 reference;

	g_assert(len <= MAX_NAME);
	for (size_t i = 0; i < len; i++)
		wide[i] = GUINT16_TO_LE((uint16_t)name[i]);
	nt_expect();
	root = ntfs_inode_open(volume, FILE_root);
	if (!root) {
		nt_set_error(error, errno, "whose root directory cannot be read");
		return -1;
	}
	errno = 0;
	reference = ntfs_inode_lookup_by_name(root, wide, (int)len);
	if (reference == (u64)-1 && errno == ENOENT)
		return 0;
	if (reference != (u64)-1)
		*ret = ntfs_inode_open(volume, reference);
	if (reference == (u64)-1 || !*ret) {
		g_autofree char *what = g_strdup_printf("whose %s cannot be opened", name);

		nt_set_error(error, errno, what);
		return -1;
	}
	return 1;
}
