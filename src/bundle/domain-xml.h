/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The libvirt domain of a machine, made from its checked manifest alone.
 * Format: libvirt's formatdomain.html, valid against its domain.rng.
 */
#pragma once

#include "bundle/manifest.h"

/* What the place where the VM will run decides. */
struct domain_place {
	const char *name;    /* of the domain */
	const char *uuid;    /* NULL: libvirt makes one */
	const char *type;    /* "kvm" or "qemu" */
	const char *machine; /* "q35" or "pc" */
	/* Where the images lie: absolute, or "" for names alone, which libvirt's schema refuses. */
	const char *image_dir;
	/* In place of that: the absolute path of each disk's image, as many as there are disks. */
	const char *const *images;
	const char *network; /* libvirt network of every NIC */
	/* In place of that: the network of each NIC, as many as there are NICs. */
	const char *const *networks;
};

/*
 * Which bus a disk gets, from the driver of its controller at the source (NULL: not known), its
 * sector size and the firmware, with the reason for people.  4096-byte sectors on virtio-scsi when
 * the disk was not on virtio: QEMU has no SATA disk of that kind.  @ret_reason is owned.
 */
enum manifest_bus domain_choose_bus(const char *driver, uint32_t sector_size,
				    enum manifest_firmware firmware, char **ret_reason);

/*
 * The XML text, with a final newline; owned by the caller.  Secure Boot needs machine "q35".  More
 * than 255 vCPUs are written as they are, though libvirt wants an IOMMU for them.
 */
char *domain_xml(const Manifest *manifest, const struct domain_place *place);
