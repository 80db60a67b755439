/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ext4 and XFS answer FS_IOC_GETFSMAP (ioctl_getfsmap(2)) with records in the order of devices and
 * bytes; a record is free, or has an owner, or is missing.  Only what is free is left out.
 */
#include "map/mounted-map.h"

#include "base/error.h"
#include "map/mounted-btrfs.h"
#include "map/mounted-ioctl.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

/* Records that are asked for at a time: 192 KiB of memory. */
#define N_RECORDS 4096u

/* How far an answer has come. */
struct answer {
	const struct mounted_device *device;
	uint64_t start;    /* of the last record */
	uint64_t free_end; /* of what is free; what is before it, was said to be in use */
	uint64_t used_end; /* of what is not */
};

/* The kernel's form of a device number, new_encode_dev(). */
static uint32_t encode_device(dev_t id)
{
	return (minor(id) & 0xff) | major(id) << 8 | (minor(id) & ~0xffu) << 12;
}

static struct fsmap_head *new_question(void)
{
	struct fsmap_head *head = g_malloc0(fsmap_sizeof(N_RECORDS));
	struct fsmap *high = &head->fmh_keys[1];

	head->fmh_count = N_RECORDS;
	high->fmr_device = high->fmr_flags = UINT32_MAX;
	high->fmr_physical = high->fmr_owner = high->fmr_offset = UINT64_MAX;
	return head;
}

static bool is_free(const struct fsmap *record)
{
	return record->fmr_flags & FMR_OF_SPECIAL_OWNER && record->fmr_owner == FMR_OWN_FREE;
}

static bool check_record(const struct answer *answer, const struct fsmap *record, GError **error)
{
	const Volume *volume = answer->device->volume;

	if (record->fmr_device != encode_device(answer->device->id)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "a filesystem that is on device 0x%" PRIx32 " as well as on %s",
			    record->fmr_device, volume->name);
		return false;
	}
	if (record->fmr_physical < answer->start || record->fmr_physical > volume->size ||
	    record->fmr_length > volume->size - record->fmr_physical) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "the kernel names %" PRIu64 " bytes at %" PRIu64 " behind %" PRIu64
			    " of the %" PRIu64 " bytes of %s",
			    (uint64_t)record->fmr_length, (uint64_t)record->fmr_physical,
			    answer->start, volume->size, volume->name);
		return false;
	}
	return true;
}

/*
 * Records overlap where files share blocks, and when something was taken while the answer was made:
 * what is free in one record and not in another is in use.
 */
static bool take_record(struct answer *answer, const struct fsmap *record, GError **error)
{
	const Volume *volume = answer->device->volume;
	uint64_t start, end;

	if (!check_record(answer, record, error))
		return false;
	answer->start = record->fmr_physical;
	end = record->fmr_physical + record->fmr_length;
	if (!is_free(record)) {
		answer->used_end = MAX(answer->used_end, end);
		if (record->fmr_physical < answer->free_end)
			volume_use(volume, record->fmr_physical, record->fmr_length);
		return true;
	}
	start = MAX(record->fmr_physical, answer->used_end);
	if (start > answer->free_end)
		volume_use(volume, answer->free_end, start - answer->free_end);
	answer->free_end = MAX(answer->free_end, MAX(start, end));
	return true;
}

/* Returns 1 after the last record, 0 when there may be more, or -1. */
static int take_records(struct answer *answer, const struct fsmap_head *head, GError **error)
{
	if (head->fmh_entries > N_RECORDS || !(head->fmh_oflags & FMH_OF_DEV_T)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "the kernel answers with %" PRIu32 " records and flags 0x%" PRIx32,
			    head->fmh_entries, head->fmh_oflags);
		return -1;
	}
	for (uint32_t i = 0; i < head->fmh_entries; i++)
		if (!take_record(answer, &head->fmh_recs[i], error))
			return -1;
	return head->fmh_entries == 0 ||
	       head->fmh_recs[head->fmh_entries - 1].fmr_flags & FMR_OF_LAST;
}

static bool use_fsmap(int fd, const struct mounted_device *device, GError **error)
{
	g_autofree struct fsmap_head *head = new_question();
	struct answer answer = { .device = device };
	const Volume *volume = device->volume;
	int done = 0;

	while (!done) { /* ends: each answer comes farther than the one before */
		uint64_t before = answer.start;

		if (!mounted_ioctl_fsmap(fd, head, error))
			return false;
		done = take_records(&answer, head, error);
		if (done < 0)
			return false;
		if (!done && answer.start == before) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
				    "the kernel comes no farther than byte %" PRIu64 " of %s",
				    before, volume->name);
			return false;
		}
		if (!done)
			fsmap_advance(head);
	}
	volume_use(volume, answer.free_end, volume->size - answer.free_end);
	return true;
}

char *mounted_map_use(int fd, const struct mounted_device *devices, unsigned int n_devices,
		      GError **error)
{
	const char *name = NULL;
	struct statfs about;
	bool ok;

	if (fstatfs(fd, &about) < 0) {
		wherry_error_sys(error, errno, "cannot ask for the kind of a filesystem");
		return NULL;
	}
	switch (about.f_type) {
	case EXT4_SUPER_MAGIC:
		name = "ext4";
		break;
	case XFS_SUPER_MAGIC:
		name = "XFS";
		break;
	case BTRFS_SUPER_MAGIC:
		name = "btrfs";
		break;
	default:
		break;
	}
	if (!name || (n_devices != 1 && about.f_type != BTRFS_SUPER_MAGIC)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "no map of a mounted filesystem of type 0x%lx on %u devices",
			    (unsigned long)about.f_type, n_devices);
		return NULL;
	}
	ok = about.f_type == BTRFS_SUPER_MAGIC ? mounted_btrfs_use(fd, devices, n_devices, error)
					       : use_fsmap(fd, &devices[0], error);
	return ok ? g_strdup_printf("%s, mounted", name) : NULL;
}
