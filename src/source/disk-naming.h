/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel's name of a disk, and its place in the tree of devices, tell. */
#pragma once

/*
 * facts_disk.kind of the kernel's name: "dm" (dm-0), "md" (md127, md_d0), "loop", "zram", "ram",
 * "optical" (sr0), "boot-part" (mmcblk0boot0, mmcblk0rpmb), "floppy" (fd0), "nbd" (also rbd, drbd,
 * bcache and zd: made of other disks or hosts), else "disk".  Static.
 */
const char *disk_kind(const char *name);

/* "/dev/sda"; "/dev/cciss/c0d0" for "cciss!c0d0"; owned by the caller. */
char *disk_path(const char *name);

/*
 * facts_disk.transport of a disk at @device, a path like
 * "sys/devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda", behind a
 * controller with @driver (or NULL).  NULL: it cannot be told.  Static.
 */
const char *disk_transport(const char *device, const char *driver);
