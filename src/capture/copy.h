/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Carries one disk: what its map names goes into the image, and its sums.  Every now and then all
 * that was done is brought to the medium, and the disk's journal says how far it is.
 */
#pragma once

#include "base/progress.h"
#include "bundle/bundle.h"
#include "capture/plan.h"
#include "image/image-update.h"

/* What copies that run side by side have in common. */
struct copy_shared {
	GMutex lock;          /* covers the rest */
	uint64_t done, total; /* bytes in use, of all disks */
	bool stop;            /* all end, with CANCELLED */
	progress_fn progress; /* called with the lock held */
	void *userdata;
};

struct copy_job {
	const Bundle *bundle;
	const struct plan_disk *disk;
	const char *image, *sums, *leaves, *journal; /* names in the bundle */
	int level;                                   /* of zstd; 0: none */
	bool dedupe;                /* equal compressed clusters share their bytes */
	bool allow_bad;             /* sectors that cannot be read are zero */
	bool resume;                /* go on where the journal says, if there is one */
	unsigned int share;         /* so many copies share the memory for one */
	struct copy_shared *shared; /* borrowed */
};

struct copy_result {
	uint64_t image_size; /* bytes of the image */
	uint64_t shared;     /* of a copy: bytes of clusters that are those of equal ones */
	GArray *gaps;        /* of struct extent: what could not be read; owned */
	uint64_t changed;    /* of an update: bytes of the chunks that differed */
	uint64_t unused;     /* of an update: bytes of the image that nothing refers to */
	uint8_t head[IMAGE_HEADER_SIZE]; /* of an update: what makes the new state count */
};

/* As a GDestroyNotify. */
void copy_result_free(void *result);

/*
 * When it has filled the empty @ret, image and sums are complete and flushed.  What fails can be
 * resumed.  WHERRY_ERROR_DIFFERENT: the disk is not as it was when the journal was written.
 */
bool copy_disk(const struct copy_job *job, struct copy_result *ret, GError **error);
