/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of our device-mapper devices.  A name says which process made the device, so that what a
 * killed one left can be told from what is in use: also by a process in another container, since
 * all share device-mapper.
 */
#pragma once

#include <stdbool.h>

/*
 * Of a device that this process makes, another each time; @protects: the disk below it is read-only
 * in the kernel for as long as it is there.  Owned by the caller.
 */
char *mapped_name_new(bool protects);

/*
 * Whether it is such a name, and the process that it names is gone for sure: it was one of our own
 * PID namespace, and there is none of its number, or one that was started at another time.
 */
bool mapped_name_is_left(const char *name);

bool mapped_name_protects(const char *name);
