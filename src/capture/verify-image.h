/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An image against its sums, on all cores: the leaves of its file one after the other and, close
 * behind them while they are still in memory, the guest chunks that lie in them.
 */
#pragma once

#include "bundle/bundle-image.h"
#include "bundle/sums.h"
#include "image/image-reader.h"

struct verify_image {
	const struct manifest_disk *disk; /* borrowed, as is all else */
	BundleImage *file;                /* its image */
	ImageReader *image;               /* of the same */
	SumsReader *sums;
	bool leaves_only; /* something is wrong with the tables already */

	/* Called every now and then: @bytes more were read.  false: stop. */
	bool (*advance)(uint64_t bytes, void *userdata);
	void *userdata;
};

/*
 * An altered leaf explains all else, so it is what is told, whatever was found first.
 * WHERRY_ERROR_DIFFERENT: where bytes differ; WHERRY_ERROR_CANCELLED: @advance wants no more.
 */
bool verify_image(const struct verify_image *job, GError **error);

/* A reader of @image, which is borrowed as long as it lives. */
ImageReader *verify_image_reader(BundleImage *image, GError **error);
