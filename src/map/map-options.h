/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the user may choose of how maps are made. */
#pragma once

#include <stdbool.h>

struct map_options {
	bool keep_pagefile; /* the contents of Windows' pagefile.sys and swapfile.sys are carried */
};
