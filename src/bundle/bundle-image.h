/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An image of a bundle, as far as it is part of the state that counts: with the head that an update
 * gave it and could not yet put into the file, without what one that was never committed appended.
 */
#pragma once

#include "bundle/bundle.h"

typedef struct {
	int fd;        /* owned */
	char *name;    /* for messages; owned */
	uint64_t size; /* bytes */
	bool has_head; /* @head is in place of the file's first bytes */
	uint8_t head[UPDATE_HEAD_SIZE];
} BundleImage;

/*
 * Open image @name, which must have @size bytes: WHERRY_ERROR_DIFFERENT; else as
 * bundle_open_file().
 */
BundleImage *bundle_image_open(const Bundle *bundle, const char *name, uint64_t size,
			       GError **error);

/*
 * Read exactly @len bytes at @offset of the BundleImage @image.  From any thread, and as an
 * image_source reads.
 */
bool bundle_image_read(void *image, uint64_t offset, void *buf, size_t len, GError **error);

void bundle_image_free(BundleImage *image);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BundleImage, bundle_image_free)
