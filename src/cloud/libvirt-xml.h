/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The XML that libvirt speaks.
 * Formats: libvirt's formatcaps, formatdomaincaps, formatstorage and formatdomain pages.
 *
 * Text that comes in is from the cloud's host, which can be of any version: what is missing is
 * NULL, 0 or false, and only what nothing goes without fails.  All that comes out is owned.
 */
#pragma once

#include "cloud/cloud.h"

/* Of virConnectGetCapabilities().  NULL: it says none. */
char *libvirt_read_host_uuid(const char *capabilities);

/* Its <cpu> as text, for virConnectBaselineCPU().  NULL: it says none. */
char *libvirt_read_host_cpu(const char *capabilities);

/* The name of its CPU model.  NULL: it says none. */
char *libvirt_read_cpu_model(const char *capabilities);

/* Whether an <interface> of the host is a bridge. */
bool libvirt_read_is_bridge(const char *interface);

/* Whether a <cpu> with all its features spelt out names vmx or svm. */
bool libvirt_read_cpu_virtualizes(const char *cpu);

/*
 * Architecture, emulators and machine types for guests of the host's own architecture.  The
 * emulator for KVM is what QEMU offers; that the CPU can do it is another question.  DAMAGED.
 */
bool libvirt_read_capabilities(const char *capabilities, CloudCapacity *ret, GError **error);

/* Firmware and the most vCPUs, from virConnectGetDomainCapabilities().  DAMAGED. */
bool libvirt_read_domain_capabilities(const char *xml, CloudCapacity *ret, GError **error);

/* Type and target path of a pool.  DAMAGED. */
bool libvirt_read_pool(const char *xml, CloudPool *ret, GError **error);

/* The file of a volume, as virStorageVolGetXMLDesc() shows it. */
struct libvirt_file {
	uint64_t physical; /* bytes */
	uint64_t mtime_s;  /* of its last change */
	uint64_t mtime_ns;
	unsigned int owner, group;
};

/* All but the volume's name.  @ret_file may be NULL.  DAMAGED. */
bool libvirt_read_volume(const char *xml, CloudVolume *ret, struct libvirt_file *ret_file,
			 GError **error);

/*
 * Add MACs and paths of disks that @ret has not yet; and to @volumes, as char *, name of the pool
 * and then of the volume, of each disk that is named so.  DAMAGED.
 */
bool libvirt_read_domain(const char *xml, CloudDomain *ret, GPtrArray *volumes, GError **error);

/* What a domain calls itself; both owned.  INVALID_INPUT: it has no name or UUID. */
bool libvirt_read_domain_names(const char *xml, char **ret_name, char **ret_uuid, GError **error);

char *libvirt_write_pool(const char *uuid, const char *name, const char *path);
char *libvirt_write_volume(const char *name, const char *format, uint64_t capacity);
