/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices of the kernel's device-mapper, by libdevmapper.
 *
 * Each has a name that says which process made it (mapped-name.h).  They are not meant for others:
 * udev is told to look away.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A line of a table: @length bytes from where the last one ended are of kind @type. */
struct mapped_target {
	uint64_t length; /* bytes, whole sectors of 512 */
	const char *type;
	char *params; /* owned by whoever fills it in */
};

typedef struct {
	char *name; /* owned */
	char *path; /* of its node; owned */
	dev_t id;
} MappedDevice;

/* Whether this process may use device-mapper here, and there is one; if not, @error says why. */
bool mapped_device_available(GError **error);

/*
 * @protects: the caller sets the disk below read-only in the kernel for as long as the device is
 * there; mapped_device_sweep() then makes it writable again.
 */
MappedDevice *mapped_device_new(const struct mapped_target *targets, unsigned int n_targets,
				bool protects, GError **error);

/* The status of its only target, in the kernel's words; owned by the caller. */
char *mapped_device_status(const MappedDevice *device, GError **error);

/* "major:minor", for a table; owned by the caller. */
char *mapped_device_number(dev_t id);

/* Remove it; waits a little for whoever still has it open. */
void mapped_device_free(MappedDevice *device);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MappedDevice, mapped_device_free)

/*
 * Remove what processes of our PID namespace that are gone have left.  What cannot be removed is
 * left for the next time, and the disk below it read-only.
 */
void mapped_device_sweep(void);
