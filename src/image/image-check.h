/* SPDX-License-Identifier: GPL-2.0-or-later */
/* image_reader_check(), with at most 25 MiB for the counting. */
#pragma once

#include "image/qcow2-image.h"

/* @ret_unused, which may be NULL: bytes of the host clusters that nothing refers to. */
bool image_check(const struct qcow2_image *image, uint64_t *ret_unused, GError **error);
