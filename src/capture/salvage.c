/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A failing read costs seconds on a disk that is dying, so the pieces shrink fast: one bad sector
 * fails some four times, whatever the size of what was asked for.
 *
 * A read without an answer costs more, and those behind it on the disk are likely to end the same
 * way: once one sector has given none, another such read is the last, and what was not read is
 * taken for unreadable.
 */
#include "capture/salvage.h"

#include "base/error.h"
#include "capture/gaps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SHRINK 8u

/* So often it is asked whether to go on. */
#define PATIENCE_MS 100u

/* Between two attempts to open a disk that has dropped off its bus. */
#define RETRY_MS 1000u

typedef struct {
	const struct salvage *job;
	DiskReader *reader;    /* owned */
	struct disk_read read; /* its memory is owned; NULL: none */
	size_t room;           /* bytes of that memory */
	unsigned int align;    /* bytes: of reads */
	GArray *bad;           /* of struct extent: whole sectors; owned */
	bool sector_hangs;     /* one sector gave no answer, even alone */
	bool given_up;         /* no more reads */
	bool fresh;            /* nothing could be read since it was opened, ... */
	bool reopened;         /* ... and once that was tried again with a new handle */
	int errnum;            /* of the last sector in @bad */
} Salvage;

static void salvage_clear(Salvage *salvage)
{
	disk_reader_free(salvage->reader);
	free(salvage->read.memory);
	g_clear_pointer(&salvage->bad, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Salvage, salvage_clear)

static const char *name_of(const Salvage *salvage)
{
	return disk_source_disk(salvage->job->source)->name;
}

static bool may_go_on(const Salvage *salvage)
{
	return !salvage->job->go_on || salvage->job->go_on(salvage->job->userdata);
}

/* What a disk says of sectors, not of itself. */
static bool is_bad_sector(int errnum)
{
	return errnum == EIO || errnum == ENODATA || errnum == EREMOTEIO || errnum == EILSEQ ||
	       errnum == ETIMEDOUT;
}

/* ---- The disk ---- */

/* Until it can be opened, or it has been away for too long. */
static bool open_disk(Salvage *salvage, GError **error)
{
	const struct disk_reader_options options = {
		.depth = 1,
		.align = salvage->align,
		.way = salvage->job->way,
	};
	unsigned int stall_ms = disk_source_stall_ms(salvage->job->source);
	int64_t until = g_get_monotonic_time() + stall_ms * INT64_C(1000);

	g_clear_pointer(&salvage->reader, disk_reader_free);
	for (;;) { /* ends: by the time */
		g_autoptr(GError) cause = NULL;

		if (!may_go_on(salvage))
			return false;
		salvage->fresh = true;
		salvage->reader = disk_reader_new(salvage->job->source, &options, &cause);
		if (salvage->reader)
			return true;
		if (g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT)) {
			cause->code = WHERRY_ERROR_IO; /* it let us down, no verification failed */
			g_propagate_error(error, g_steal_pointer(&cause));
			return false;
		}
		if (g_get_monotonic_time() >= until) {
			g_propagate_prefixed_error(error, g_steal_pointer(&cause),
						   "%s: the disk is gone for %g s: ",
						   name_of(salvage), stall_ms / 1e3);
			return false;
		}
		g_usleep(MIN(RETRY_MS, stall_ms) * 1000);
	}
}

static bool check_alive(const Salvage *salvage, GError **error)
{
	if (!disk_source_is_dead(salvage->job->source))
		return true;
	g_set_error(
	    error, WHERRY_ERROR, WHERRY_ERROR_TIMED_OUT,
	    "'%s' gave no answer %d times in a row, for %u ms each, though it was opened anew "
	    "each time",
	    name_of(salvage), DISK_MAX_STALLS, disk_source_stall_ms(salvage->job->source));
	return false;
}

/* Memory for a read of @len bytes: what was left behind took its own along. */
static bool make_room(Salvage *salvage, size_t len, GError **error)
{
	size_t want = (len / DISK_READER_ALIGN + 2) * DISK_READER_ALIGN; /* cut at both ends */

	if (salvage->read.memory && salvage->room >= want)
		return true;
	free(salvage->read.memory);
	salvage->read.memory = aligned_alloc(DISK_READER_ALIGN, want);
	salvage->room = want;
	if (salvage->read.memory)
		return true;
	wherry_error_sys(error, ENOMEM, "%s: cannot read %zu bytes", name_of(salvage), len);
	return false;
}

/* Read @piece; @ret_errnum: 0, or why it cannot be; a disk that gives no answer is opened anew. */
static bool try_piece(Salvage *salvage, const struct extent *piece, int *ret_errnum, GError **error)
{
	struct disk_read *read = &salvage->read;

	if (!check_alive(salvage, error) || !make_room(salvage, piece->length, error))
		return false;
	read->offset = piece->offset;
	read->len = (size_t)piece->length;
	read->buf = read->memory;
	disk_reader_submit(salvage->reader, read);
	while (!disk_reader_wait(salvage->reader, PATIENCE_MS)) { /* ends: it stalls at last */
		if (!may_go_on(salvage))
			return false;
		if (disk_reader_has_stalled(salvage->reader))
			disk_reader_leave_behind(salvage->reader);
	}
	*ret_errnum = read->errnum;
	if (read->errnum == 0)
		salvage->fresh = false;
	return read->memory || open_disk(salvage, error);
}

/* As try_piece(); an image's filesystem may lie on larger sectors than the disk in it has. */
static bool try_aligned(Salvage *salvage, const struct extent *piece, int *ret_errnum,
			GError **error)
{
	if (!try_piece(salvage, piece, ret_errnum, error))
		return false;
	if (*ret_errnum != EINVAL || salvage->align >= DISK_READER_ALIGN)
		return true;
	salvage->align = DISK_READER_ALIGN;
	return open_disk(salvage, error) && try_piece(salvage, piece, ret_errnum, error);
}

/* As try_aligned(), but a disk that has dropped off its bus gets the time to come back. */
static bool read_piece(Salvage *salvage, const struct extent *piece, int *ret_errnum,
		       GError **error)
{
	if (!try_aligned(salvage, piece, ret_errnum, error))
		return false;
	if (*ret_errnum == 0 || is_bad_sector(*ret_errnum))
		return true;
	if (!open_disk(salvage, error) || !try_piece(salvage, piece, ret_errnum, error))
		return false;
	if (*ret_errnum == 0 || is_bad_sector(*ret_errnum))
		return true;
	wherry_error_sys(error, *ret_errnum, "%s: cannot read at %" PRIu64, name_of(salvage),
			 piece->offset);
	return false;
}

/* ---- Pieces ---- */

static void give_up_piece(Salvage *salvage, const struct extent *piece, uint8_t *to, int errnum)
{
	memset(to, 0, piece->length);
	gaps_add(salvage->bad, piece);
	salvage->errnum = errnum;
}

/* A disk may fail with all its sectors until it is opened anew: this one is tried once more. */
static bool try_with_new_handle(Salvage *salvage, const struct extent *piece, int *ret_errnum,
				GError **error)
{
	if (*ret_errnum == ETIMEDOUT || !salvage->fresh || salvage->reopened)
		return true;
	salvage->reopened = true;
	return open_disk(salvage, error) && read_piece(salvage, piece, ret_errnum, error);
}

static void note_hang(Salvage *salvage, const struct extent *piece, int errnum)
{
	if (errnum != ETIMEDOUT)
		return;
	salvage->given_up = salvage->sector_hangs;
	salvage->sector_hangs = salvage->sector_hangs || piece->length <= salvage->job->sector_size;
}

static bool rescue(Salvage *salvage, const struct extent *piece, uint8_t *to, GError **error);

static bool rescue_parts(Salvage *salvage, const struct extent *piece, uint8_t *to, GError **error)
{
	uint64_t sector = salvage->job->sector_size, smaller = piece->length / SHRINK;

	smaller = MAX(smaller - smaller % sector, sector);
	for (uint64_t done = 0;
	     done < piece->length && (salvage->job->all || salvage->bad->len == 0);
	     done += smaller) {
		const struct extent next = {
			piece->offset + done,
			MIN(smaller, piece->length - done),
		};

		if (!rescue(salvage, &next, to + done, error))
			return false;
	}
	return true;
}

/* @piece: whole sectors, but for the disk's end. */
static bool rescue(Salvage *salvage, const struct extent *piece, uint8_t *to, GError **error)
{
	uint64_t sector = salvage->job->sector_size;
	int errnum;

	if (salvage->given_up) {
		give_up_piece(salvage, piece, to, salvage->errnum);
		return true;
	}
	if (!read_piece(salvage, piece, &errnum, error))
		return false;
	if (errnum != 0 && piece->length <= sector &&
	    !try_with_new_handle(salvage, piece, &errnum, error))
		return false;
	if (errnum == 0) {
		memcpy(to, salvage->read.buf + piece->offset % salvage->align, piece->length);
		return true;
	}
	note_hang(salvage, piece, errnum);
	if (piece->length <= sector || salvage->given_up) {
		give_up_piece(salvage, piece, to, errnum);
		return true;
	}
	return rescue_parts(salvage, piece, to, error);
}

/* What of the bad sectors lies in @extent. */
static void tell_gaps(const Salvage *salvage, const struct extent *extent, GArray *gaps)
{
	uint64_t end = extent->offset + extent->length;

	for (unsigned int i = 0; i < salvage->bad->len; i++) {
		const struct extent *e = &g_array_index(salvage->bad, struct extent, i);
		uint64_t from = MAX(e->offset, extent->offset);
		uint64_t to = MIN(e->offset + e->length, end);
		const struct extent inside = { from, to - from };

		if (from < to)
			gaps_add(gaps, &inside);
	}
}

bool salvage_read(const struct salvage *job, const struct extent *extent, uint8_t *to, GArray *gaps,
		  int *ret_errnum, GError **error)
{
	uint64_t end = extent->offset + extent->length, sector = job->sector_size;
	struct extent whole = { extent->offset - extent->offset % sector, 0 };
	g_auto(Salvage) salvage = { .job = job, .align = job->sector_size };
	g_autofree uint8_t *data = NULL;

	whole.length =
	    MIN((end + sector - 1) / sector * sector, disk_source_disk(job->source)->size) -
	    whole.offset;
	data = g_malloc(whole.length); /* a chunk at most */
	salvage.bad = g_array_new(false, false, sizeof(struct extent));
	if (!open_disk(&salvage, error) || !rescue(&salvage, &whole, data, error))
		return false;
	/* Sectors of one that has just gone are not bad. */
	if (salvage.bad->len > 0 && !disk_source_check(job->source, error))
		return false;
	memcpy(to, data + (extent->offset - whole.offset), extent->length);
	tell_gaps(&salvage, extent, gaps);
	*ret_errnum = salvage.errnum;
	if (salvage.bad->len == 0)
		disk_source_ask_renewal(job->source); /* a new handle reads what the old did not */
	return true;
}
