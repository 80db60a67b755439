/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's Documentation/admin-guide/device-mapper/snapshot.rst.  The store is a persistent
 * one: all that is in it is found again from its first bytes on.
 */
#include "source/snapshot.h"

#include "base/autofd.h"
#include "base/error.h"
#include "source/loop-device.h"
#include "source/mapped-device.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define SECTOR        512u
#define CHUNK_SECTORS 8 /* as large as the blocks of most filesystems */

struct snapshot {
	const Blkdev *disk;   /* borrowed */
	LoopDevice *file;     /* the disk, when it is a file; owned */
	LoopDevice *store;    /* owned */
	MappedDevice *device; /* owned */
	bool protected;       /* the disk is read-only because of us */
};

/* It is no failure where that cannot be: nothing of ours writes to it. */
static void protect(Snapshot *snapshot)
{
	g_autoptr(GError) cause = NULL;

	if (snapshot->disk->id == 0 || blkdev_is_read_only(snapshot->disk, NULL) != 0)
		return;
	snapshot->protected = blkdev_set_read_only(snapshot->disk, true, &cause);
	if (cause)
		g_debug("%s, ignoring", cause->message);
}

static bool make_device(Snapshot *snapshot, GError **error)
{
	dev_t origin = snapshot->file ? snapshot->file->id : snapshot->disk->id;
	g_autofree char *below = mapped_device_number(origin);
	g_autofree char *store = mapped_device_number(snapshot->store->id);
	g_autofree char *params = g_strdup_printf("%s %s P %d", below, store, CHUNK_SECTORS);
	const struct mapped_target target = { snapshot->disk->size, "snapshot", params };

	snapshot->device = mapped_device_new(&target, 1, snapshot->protected, error);
	return snapshot->device != NULL;
}

Snapshot *snapshot_new(const Blkdev *disk, uint32_t sector_size, int store, GError **error)
{
	g_autoptr(Snapshot) snapshot = g_new0(Snapshot, 1);

	if (disk->size % SECTOR != 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "'%s' has %" PRIu64 " bytes, which are no whole sectors", disk->name,
			    disk->size);
		return NULL;
	}
	snapshot->disk = disk;
	if (disk->id == 0) {
		snapshot->file = loop_device_new(disk->fd, sector_size, true, error);
		if (!snapshot->file)
			return NULL;
	}
	snapshot->store = loop_device_new(store, 0, false, error);
	if (!snapshot->store)
		return NULL;
	protect(snapshot);
	return make_device(snapshot, error) ? g_steal_pointer(&snapshot) : NULL;
}

Blkdev *snapshot_open(const Snapshot *snapshot, GError **error)
{
	Blkdev *dev = blkdev_open(snapshot->device->path, error);

	if (!dev)
		return NULL;
	g_free(dev->name);
	dev->name = g_strdup(snapshot->disk->name);
	dev->sector_size = snapshot->disk->sector_size;
	dev->id = snapshot->disk->id;
	return dev;
}

/* "ALLOCATED/TOTAL METADATA" in sectors, or words: Invalid, Overflow, Unknown. */
int64_t snapshot_used(const Snapshot *snapshot, GError **error)
{
	g_autofree char *status = mapped_device_status(snapshot->device, error);
	uint64_t sectors;

	if (!status)
		return -1;
	if (sscanf(status, "%" SCNu64 "/", &sectors) == 1)
		return (int64_t)(sectors * SECTOR);
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NO_SPACE,
		    "the store of the snapshot of '%s' was full, or failed (%s)",
		    snapshot->disk->name, status);
	return -1;
}

static MappedDevice *join(const struct snapshot_piece *pieces, unsigned int n, GError **error)
{
	g_autofree struct mapped_target *targets = g_new0(struct mapped_target, n);
	g_autoptr(GPtrArray) params = g_ptr_array_new_with_free_func(g_free);

	for (unsigned int i = 0; i < n; i++) {
		g_autofree char *below = mapped_device_number(pieces[i].snapshot->device->id);

		if (pieces[i].offset % SECTOR != 0 || pieces[i].length % SECTOR != 0) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
				    "%" PRIu64 " bytes at %" PRIu64 " of '%s' are no whole sectors",
				    pieces[i].length, pieces[i].offset,
				    pieces[i].snapshot->disk->name);
			return NULL;
		}
		targets[i] = (struct mapped_target){
			.length = pieces[i].length,
			.type = "linear",
			.params = g_strdup_printf("%s %" PRIu64, below, pieces[i].offset / SECTOR),
		};
		g_ptr_array_add(params, targets[i].params);
	}
	return mapped_device_new(targets, n, false, error);
}

/* What the kernel says of the mount, one message: "e XFS: ...". */
static void fail_mount(int context, int errnum, const char *type, GError **error)
{
	char words[512] = "";
	ssize_t n = read(context, words, sizeof(words) - 1);

	if (n > 2)
		words[n] = '\0';
	wherry_error_sys(error, errnum, "cannot mount %s in a snapshot%s%s", type,
			 n > 2 ? ": " : "", n > 2 ? g_strchomp(words + 2) : "");
}

/*
 * The superblock alone: without fsmount() it is mounted nowhere, and it is unmounted when the
 * context is closed, whoever closes it.
 */
static bool mount_once(const char *type, const char *path, GError **error)
{
	autofd int context = fsopen(type, FSOPEN_CLOEXEC);

	if (context < 0) {
		wherry_error_sys(error, errno, "cannot mount %s", type);
		return false;
	}
	if (fsconfig(context, FSCONFIG_SET_STRING, "source", path, 0) < 0 ||
	    fsconfig(context, FSCONFIG_SET_FLAG, "nouuid", NULL, 0) < 0 ||
	    fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) {
		fail_mount(context, errno, type, error);
		return false;
	}
	return true;
}

bool snapshot_mount(const char *type, const struct snapshot_piece *pieces, unsigned int n_pieces,
		    GError **error)
{
	g_autoptr(MappedDevice) volume = join(pieces, n_pieces, error);

	return volume && mount_once(type, volume->path, error);
}

void snapshot_free(Snapshot *snapshot)
{
	if (!snapshot)
		return;
	mapped_device_free(snapshot->device);
	loop_device_free(snapshot->store);
	loop_device_free(snapshot->file);
	if (snapshot->protected)
		(void)blkdev_set_read_only(snapshot->disk, false, NULL); /* it stays as it is */
	g_free(snapshot);
}
