/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nothing is exempt that is odd in any way: its clusters could be those of something else, too. */
#include "map/ntfs-runs.h"

#include "base/error.h"

#include <errno.h>
#include <inttypes.h>
#include <ntfs-3g/dir.h>
#include <ntfs-3g/mft.h>

/* Streams that no NTFS is without, and some that may be small enough to lie in their record. */
static const struct {
	u64 file;
	ATTR_TYPES type;
	const char *words;
} streams[] = {
	{ FILE_MFT, AT_DATA, "whose $MFT" },
	{ FILE_MFT, AT_BITMAP, "whose bitmap of $MFT" },
	{ FILE_MFTMirr, AT_DATA, "whose $MFTMirr" },
	{ FILE_LogFile, AT_DATA, "whose $LogFile" },
	{ FILE_AttrDef, AT_DATA, "whose $AttrDef" },
	{ FILE_root, AT_INDEX_ALLOCATION, "whose root directory" },
	{ FILE_Bitmap, AT_DATA, "whose $Bitmap" },
	{ FILE_Boot, AT_DATA, "whose $Boot" },
	{ FILE_UpCase, AT_DATA, "whose $UpCase" },
};

#define ATTR_ODD (ATTR_COMPRESSION_MASK | ATTR_IS_ENCRYPTED | ATTR_IS_SPARSE)

GArray *nt_runs_new(void)
{
	return g_array_new(false, false, sizeof(struct nt_run));
}

/* Fails without an error: what is wrong with it is the caller's to say. */
static bool check_run(const ntfs_volume *volume, const runlist_element *run)
{
	return run->lcn >= 0 && run->lcn < volume->nr_clusters &&
	       run->length <= volume->nr_clusters - run->lcn;
}

/*
 * Add the runs of @attr, which is not in its record.  @holes: whether it may have some.  Returns
 * whether all is as it should be; else some may have been added.
 */
static bool add_runs(GArray *runs, ntfs_attr *attr, bool holes, bool exempt)
{
	const ntfs_volume *volume = attr->ni->vol;
	uint64_t n = 0;

	if (ntfs_attr_map_whole_runlist(attr) < 0 || !attr->rl)
		return false;
	for (const runlist_element *at = attr->rl; at->length > 0; at++) {
		struct nt_run run = { (uint64_t)at->lcn, (uint64_t)at->length, exempt };

		if (holes && at->lcn == LCN_HOLE)
			continue;
		if (!check_run(volume, at))
			return false;
		g_array_append_val(runs, run);
		n += run.count;
	}
	return holes || n == (uint64_t)attr->allocated_size >> volume->cluster_size_bits;
}

static bool add_stream(GArray *runs, ntfs_volume *volume, u64 number, ATTR_TYPES type)
{
	g_autoptr(ntfs_inode) file = ntfs_inode_open(volume, number);
	g_autoptr(ntfs_attr) attr = NULL;

	if (!file)
		return false;
	if (type == AT_INDEX_ALLOCATION)
		attr = ntfs_attr_open(file, type, NTFS_INDEX_I30, 4);
	else
		attr = ntfs_attr_open(file, type, AT_UNNAMED, 0);
	if (!attr)
		return type == AT_INDEX_ALLOCATION && errno == ENOENT; /* a small directory */
	if (!NAttrNonResident(attr))
		return type != AT_INDEX_ALLOCATION && number != FILE_Bitmap && number != FILE_MFT;
	return !(attr->data_flags & ATTR_ODD) && add_runs(runs, attr, false, false);
}

bool nt_runs_add_system(GArray *runs, ntfs_volume *volume, GError **error)
{
	for (size_t i = 0; i < G_N_ELEMENTS(streams); i++) {
		nt_expect();
		errno = EINVAL;
		if (!add_stream(runs, volume, streams[i].file, streams[i].type)) {
			nt_set_error(error, errno, streams[i].words);
			return false;
		}
	}
	return true;
}

/* The stream is as long as the volume, and a hole but for them. */
bool nt_runs_add_bad(GArray *runs, ntfs_volume *volume, uint64_t *ret, GError **error)
{
	ntfschar name[] = { const_cpu_to_le16('$'), const_cpu_to_le16('B'), const_cpu_to_le16('a'),
			    const_cpu_to_le16('d') };
	g_autoptr(ntfs_inode) file = NULL;
	g_autoptr(ntfs_attr) attr = NULL;
	unsigned int before = runs->len;
	bool ok = true;

	nt_expect();
	errno = EINVAL;
	file = ntfs_inode_open(volume, FILE_BadClus);
	attr = file ? ntfs_attr_open(file, AT_DATA, name, G_N_ELEMENTS(name)) : NULL;
	if (!file || (!attr && errno != ENOENT))
		ok = false;
	else if (attr && NAttrNonResident(attr))
		ok = add_runs(runs, attr, true, true);
	if (!ok) {
		nt_set_error(error, errno, "whose $BadClus");
		return false;
	}
	*ret = 0;
	for (unsigned int i = before; i < runs->len; i++)
		*ret += g_array_index(runs, struct nt_run, i).count;
	return true;
}

/* A plain file with one name whose contents lie in clusters of their own, written to the end. */
static bool is_plain(const ntfs_inode *file, const ntfs_attr *data)
{
	return !(file->mrec->flags & MFT_RECORD_IS_DIRECTORY) &&
	       le16_to_cpu(file->mrec->link_count) == 1 &&
	       !(file->flags & FILE_ATTR_REPARSE_POINT) && NAttrNonResident(data) &&
	       !(data->data_flags & ATTR_ODD);
}

int nt_runs_add_contents(GArray *runs, ntfs_volume *volume, const char *name, uint64_t *ret,
			 GError **error)
{
	g_autoptr(ntfs_inode) file = NULL;
	g_autoptr(ntfs_attr) data = NULL;
	unsigned int before = runs->len;
	int found = nt_open_in_root(volume, name, &file, error);

	if (found <= 0)
		return found;
	data = ntfs_attr_open(file, AT_DATA, AT_UNNAMED, 0);
	if (!data || MREF(file->mft_no) < FILE_first_user || !is_plain(file, data) ||
	    !add_runs(runs, data, false, true)) {
		g_debug("%s is not as Windows makes it, so it is carried", name);
		g_array_set_size(runs, before);
		return 0;
	}
	*ret = (uint64_t)data->allocated_size;
	return 1;
}

static int compare_runs(const void *a, const void *b)
{
	const struct nt_run *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

bool nt_runs_settle(GArray *runs, GError **error)
{
	g_array_sort(runs, compare_runs);
	for (unsigned int i = 1; i < runs->len; i++) {
		const struct nt_run *before = &g_array_index(runs, struct nt_run, i - 1);
		const struct nt_run *run = &g_array_index(runs, struct nt_run, i);

		if (run->first - before->first >= before->count)
			continue;
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "NTFS in which two files share cluster %" PRIu64, run->first);
		return false;
	}
	return true;
}
