/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the XML of a domain asks of a host, and what a host's answers offer of it; pure.
 * Formats: libvirt's formatdomain and formatdomaincaps pages.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* The frame that a domain runs in, and the host's things by name that it is plugged into. */
typedef struct libvirt_needs {
	char *arch, *machine; /* "x86_64", "pc-i440fx-7.2" */
	char *type;           /* "kvm", "qemu" */
	char *emulator;       /* path; NULL: the host's own */
	char *cpu;            /* its <cpu> as XML; NULL: it has none, or that of its host */
	bool host_cpu;        /* that of its host, which no host can compare with its own */
	GPtrArray *networks, *bridges, *devices; /* char *: names; devices: of macvtap */
} LibvirtNeeds;

/* DAMAGED. */
LibvirtNeeds *libvirt_read_needs(const char *domain, GError **error);
void libvirt_needs_free(LibvirtNeeds *needs);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LibvirtNeeds, libvirt_needs_free)

/* Add to @ties (char *) what in the XML of a domain binds it to its host. */
bool libvirt_read_ties(const char *domain, GPtrArray *ties, GError **error);

/*
 * Add to @lacks (char *) each device of the domain that domain capabilities do not offer.  What
 * those do not speak of is taken to be there.
 */
bool libvirt_read_lacks(const char *domain, const char *capabilities, GPtrArray *lacks,
			GError **error);
