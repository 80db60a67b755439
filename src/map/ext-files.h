/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which files of an ext filesystem have certain bytes. */
#pragma once

#include "map/map-driver.h"

/* As map_driver.files: at most EXT_FILES_SECONDS, and what a disk takes for one read. */
#define EXT_FILES_SECONDS 60

void ext_files(const Volume *volume, const GArray *ranges, map_file_fn found, void *userdata);
