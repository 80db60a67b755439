/* SPDX-License-Identifier: GPL-2.0-or-later */
/* image_reader_check(), with at most 41 MiB for the counting. */
#pragma once

#include "image/qcow2-image.h"

bool image_check(const struct qcow2_image *image, GError **error);
