/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Safe probing: two signatures that contradict each other are an error, not a choice. */
#include "map/identify.h"

#include "base/autofd.h"
#include "base/error.h"
#include "base/io.h"

#include <blkid.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * libblkid reads a file descriptor.  Of a volume that is no run of one, it gets a copy of both
 * ends: no signature lies farther in.  Were one missed, the volume would be carried whole.
 */
#define END_SIZE (UINT64_C(8) << 20)

typedef struct blkid_struct_probe Probe;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Probe, blkid_free_probe)

/* Where libblkid's own name would not be understood, or is not how it is written. */
static const struct {
	const char *content, *words;
} names[] = {
	{ "DM_integrity", "dm-integrity" },
	{ "DM_snapshot_cow", "store of a dm snapshot" },
	{ "DM_verity_hash", "dm-verity hashes" },
	{ "LVM1_member", "LVM1" },
	{ "LVM2_member", "LVM" },
	{ "VMFS_volume_member", "VMFS" },
	{ "adaptec_raid_member", "Adaptec RAID" },
	{ "apfs", "APFS" },
	{ "ceph_bluestore", "Ceph BlueStore" },
	{ "crypto_LUKS", "LUKS" },
	{ "ddf_raid_member", "DDF RAID" },
	{ "drbd", "DRBD" },
	{ "exfat", "exFAT" },
	{ "f2fs", "F2FS" },
	{ "hfs", "HFS" },
	{ "hfsplus", "HFS+" },
	{ "hpt37x_raid_member", "HighPoint RAID" },
	{ "hpt45x_raid_member", "HighPoint RAID" },
	{ "iso9660", "ISO 9660" },
	{ "isw_raid_member", "Intel RAID" },
	{ "jbd", "external journal of an ext filesystem" },
	{ "jfs", "JFS" },
	{ "jmicron_raid_member", "JMicron RAID" },
	{ "linux_raid_member", "md RAID" },
	{ "lsi_mega_raid_member", "LSI MegaRAID" },
	{ "nilfs2", "NILFS2" },
	{ "ntfs", "NTFS" },
	{ "nvidia_raid_member", "NVIDIA RAID" },
	{ "ocfs2", "OCFS2" },
	{ "promise_fasttrack_raid_member", "Promise RAID" },
	{ "reiserfs", "ReiserFS" },
	{ "silicon_medley_raid_member", "Silicon Image RAID" },
	{ "stratis", "Stratis" },
	{ "swsuspend", "swap that holds a hibernated system" },
	{ "udf", "UDF" },
	{ "ufs", "UFS" },
	{ "vfat", "FAT" },
	{ "via_raid_member", "VIA RAID" },
	{ "xfs", "XFS" },
	{ "xfs_external_log", "external log of XFS" },
	{ "zfs_member", "ZFS" },
};

const char *identify_words(const char *content)
{
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		if (strcmp(content, names[i].content) == 0)
			return names[i].words;
	return content;
}

static bool copy_part(const Volume *volume, int fd, uint64_t offset, uint64_t len, GError **error)
{
	g_autofree uint8_t *buf = g_malloc(len);

	return volume_read(volume, offset, buf, len, error) &&
	       io_pwrite(fd, "a copy in memory", offset, buf, len, error);
}

static int copy_ends(const Volume *volume, GError **error)
{
	uint64_t end = MIN(END_SIZE, volume->size);
	autofd int fd = memfd_create("ends of a volume", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)volume->size) < 0) {
		wherry_error_sys(error, errno, "cannot copy the ends of %s", volume->name);
		return -1;
	}
	if (!copy_part(volume, fd, 0, end, error) ||
	    !copy_part(volume, fd, volume->size - end, end, error))
		return -1;
	return g_steal_fd(&fd);
}

/*
 * libblkid's reader of OCFS 1 believes a length on the disk, and reads up to 64 KiB of its own
 * stack; so that one is not asked.
 */
static bool leave_out(Probe *probe)
{
	char *left_out[] = { (char[]){ "ocfs" }, NULL };

	return blkid_probe_filter_superblocks_type(probe, BLKID_FLTR_NOTIN, left_out) == 0;
}

static int probe_file(const Volume *volume, int fd, uint64_t offset, char **ret, char **ret_uuid,
		      GError **error)
{
	g_autoptr(Probe) probe = blkid_new_probe();
	const char *type, *uuid;
	int r;

	if (!probe ||
	    blkid_probe_set_device(probe, fd, (blkid_loff_t)offset, (blkid_loff_t)volume->size) !=
		0 ||
	    !leave_out(probe)) {
		wherry_error_sys(error, errno ? errno : EIO, "cannot probe %s", volume->name);
		return -1;
	}
	blkid_probe_enable_superblocks(probe, 1);
	blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_UUID);

	r = blkid_do_safeprobe(probe);
	if (r == -2) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "signatures of more than one kind");
		return -1;
	}
	if (r < 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_IO, "cannot probe %s", volume->name);
		return -1;
	}
	if (r == 1 || blkid_probe_lookup_value(probe, "TYPE", &type, NULL) != 0)
		return 0;
	*ret = g_strdup(type);
	if (ret_uuid && blkid_probe_lookup_value(probe, "UUID", &uuid, NULL) == 0)
		*ret_uuid = g_strdup(uuid);
	return 1;
}

int identify(const Volume *volume, char **ret, char **ret_uuid, GError **error)
{
	const Blkdev *disk;
	autofd int copy = -1;
	uint64_t offset;

	if (volume->size == 0)
		return 0;
	if (volume_is_run(volume, &disk, &offset))
		return probe_file(volume, disk->fd, offset, ret, ret_uuid, error);
	copy = copy_ends(volume, error);
	return copy < 0 ? -1 : probe_file(volume, copy, 0, ret, ret_uuid, error);
}
