/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NTFS, through libntfs-3g: a cluster is free when its bit in $Bitmap is 0.  Nothing replays
 * $LogFile, so a volume that Windows has not let go of is carried whole.
 *
 * What is left out although $Bitmap calls it in use: clusters that $BadClus names, which hold
 * nothing and could perhaps not be read; and what pagefile.sys and swapfile.sys hold, which Windows
 * never reads again once it was shut down.
 */
#include "map/map-driver.h"
#include "map/ntfs-boot.h"
#include "map/ntfs-runs.h"
#include "map/ntfs-state.h"

#include "base/error.h"
#include "base/units.h"

#include <errno.h>
#include <inttypes.h>

/* Of everything but the bitmap: far more than a volume in pieces takes, and at most seconds. */
#define MAX_READS 50000u

/* Of $Bitmap at a time. */
#define PIECE_SIZE (256u << 10)

/* A part of $Bitmap. */
struct piece {
	uint8_t *bits;  /* borrowed */
	uint64_t first; /* cluster */
	uint64_t count; /* of clusters */
};

static bool get_bit(const struct piece *piece, uint64_t i)
{
	return piece->bits[i / 8] & 1u << i % 8;
}

/* Where the clusters that are as @i is end. */
static uint64_t find_end(const struct piece *piece, uint64_t i)
{
	const bool is_used = get_bit(piece, i);
	const uint8_t same = is_used ? 0xff : 0;

	while (i < piece->count && get_bit(piece, i) == is_used) {
		i++;
		while (i % 8 == 0 && i + 8 <= piece->count && piece->bits[i / 8] == same)
			i += 8;
	}
	return i;
}

static void use_piece(const struct piece *piece, uint64_t cluster_size, const Volume *volume)
{
	uint64_t end;

	for (uint64_t i = 0; i < piece->count; i = end) { /* ends: @end is behind @i */
		end = find_end(piece, i);
		if (get_bit(piece, i))
			volume_use(volume, (piece->first + i) * cluster_size,
				   (end - i) * cluster_size);
	}
}

/* What is known to be in use must be so here; what is exempt is free from now on. */
static bool check_run(const struct piece *piece, const struct nt_run *run, GError **error)
{
	uint64_t from = MAX(run->first, piece->first);
	uint64_t to = MIN(run->first + run->count, piece->first + piece->count);

	for (uint64_t cluster = from; cluster < to; cluster++) {
		uint64_t i = cluster - piece->first;

		if (!get_bit(piece, i)) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
				    "NTFS whose $Bitmap calls cluster %" PRIu64
				    " free, which holds one of its own files",
				    cluster);
			return false;
		}
		if (run->exempt)
			piece->bits[i / 8] &= (uint8_t) ~(1u << i % 8);
	}
	return true;
}

/* @next: the first of the runs that may reach into the piece; they are sorted. */
static bool check_runs(const struct piece *piece, const GArray *runs, unsigned int *next,
		       GError **error)
{
	uint64_t end = piece->first + piece->count;

	for (; *next < runs->len; (*next)++) {
		const struct nt_run *run = &g_array_index(runs, struct nt_run, *next);

		if (run->first >= end)
			break;
		if (!check_run(piece, run, error))
			return false;
		if (run->first + run->count > end)
			break; /* goes on in the next piece */
	}
	return true;
}

/* Holes would be read as zeros; that there are none is known, for it is among the runs. */
static bool check_bitmap(const ntfs_volume *ntfs, GError **error)
{
	const ntfs_attr *bitmap = ntfs->lcnbmp_na;
	s64 need = (ntfs->nr_clusters + 7) / 8;

	if (bitmap->data_size >= need && bitmap->initialized_size >= need &&
	    bitmap->data_size - need <= (s64)ntfs->cluster_size)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "NTFS of %" PRId64 " clusters with a $Bitmap of %" PRId64 " bytes, %" PRId64
		    " of them written",
		    (int64_t)ntfs->nr_clusters, (int64_t)bitmap->data_size,
		    (int64_t)bitmap->initialized_size);
	return false;
}

static bool use_bitmap(ntfs_volume *ntfs, const GArray *runs, const Volume *volume, GError **error)
{
	g_autofree uint8_t *bits = g_malloc(PIECE_SIZE);
	uint64_t n_clusters = (uint64_t)ntfs->nr_clusters;
	struct piece piece = { .bits = bits };
	unsigned int next = 0;

	for (; piece.first < n_clusters; piece.first += piece.count) {
		s64 len;

		piece.count = MIN(PIECE_SIZE * UINT64_C(8), n_clusters - piece.first);
		len = (s64)(piece.count + 7) / 8;
		nt_expect();
		errno = EIO;
		if (ntfs_attr_pread(ntfs->lcnbmp_na, (s64)piece.first / 8, len, bits) != len) {
			nt_set_error(error, errno, "whose $Bitmap cannot be read");
			return false;
		}
		if (!check_runs(&piece, runs, &next, error))
			return false;
		use_piece(&piece, ntfs->cluster_size, volume);
	}
	return true;
}

/* Leave out what need not be carried, and say so in @how. */
static bool add_exempt(GArray *runs, ntfs_volume *ntfs, const struct map_options *options,
		       GString *how, GError **error)
{
	static const char *const names[] = { "pagefile.sys", "swapfile.sys" };
	const char *before = "; without the contents of ";
	uint64_t n_bad;

	if (!nt_runs_add_bad(runs, ntfs, &n_bad, error))
		return false;
	if (n_bad > 0)
		g_string_append_printf(how, "; without %" PRIu64 " bad cluster%s", n_bad,
				       n_bad == 1 ? "" : "s");
	for (size_t i = 0; !options->keep_pagefile && !options->resumed && i < G_N_ELEMENTS(names);
	     i++) {
		g_autofree char *size = NULL;
		uint64_t bytes;
		int r = nt_runs_add_contents(runs, ntfs, names[i], &bytes, error);

		if (r < 0)
			return false;
		if (r == 0)
			continue;
		size = units_bytes(bytes);
		g_string_append_printf(how, "%s%s (%s)", before, names[i], size);
		before = " and ";
	}
	return true;
}

static bool map_clean(ntfs_volume *ntfs, const Volume *volume, const struct map_options *options,
		      GString *how, GError **error)
{
	uint64_t end = (uint64_t)ntfs->nr_clusters << ntfs->cluster_size_bits;
	g_autoptr(GArray) runs = nt_runs_new();

	if (!check_bitmap(ntfs, error) || !nt_runs_add_system(runs, ntfs, error) ||
	    !add_exempt(runs, ntfs, options, how, error) || !nt_runs_settle(runs, error) ||
	    !use_bitmap(ntfs, runs, volume, error))
		return false;
	/* In the last sector of the volume is a copy of the boot sector. */
	volume_use(volume, end, volume->size - end);
	return true;
}

static void carry_hibernated(const Volume *volume, struct map_found *ret)
{
	volume_use(volume, 0, volume->size);
	ret->resumes = true;
	ret->how = g_strdup("carried whole: NTFS that holds a hibernated Windows");
	ret->warning = g_strdup_printf("%s holds a Windows that was hibernated, or shut down by "
				       "Fast Startup, which the VM will resume; `shutdown /s /t 0` "
				       "on the source shuts it down in full",
				       volume->name);
}

static bool ntfs_map(const Volume *volume, const char *content, const struct map_options *options,
		     struct map_found *ret, GError **error)
{
	g_autoptr(GString) how = g_string_new("NTFS, clean");
	struct nt_source source = { volume, MAX_READS };
	g_autoptr(ntfs_volume) ntfs = NULL;
	struct ntfs_boot boot;
	int hibernated;

	if (!ntfs_boot_read(volume, &boot, error))
		return false;
	ntfs = nt_open(&source, error);
	if (!ntfs)
		return false;
	hibernated = nt_is_hibernated(ntfs, error);
	if (hibernated < 0)
		return false;
	if (hibernated) {
		carry_hibernated(volume, ret);
		return true;
	}
	if (!nt_check_clean(ntfs, error) || !map_clean(ntfs, volume, options, how, error))
		return false;
	ret->how = g_string_free(g_steal_pointer(&how), false);
	return true;
}

static const char *const ntfs_contents[] = { "ntfs", NULL };

const struct map_driver map_ntfs = {
	.contents = ntfs_contents,
	.may_swap = true,
	.map = ntfs_map,
};
