/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Three places tell: the flags in $Volume, the restart pages of $LogFile, and the first bytes of
 * hiberfil.sys.
 *
 * The signatures of hiberfil.sys are those of PO_MEMORY_IMAGE: "hibr" is an image to be resumed,
 * "horm" one to be resumed many times, "brkp" one that then stops in a debugger, "rstr" one that
 * was being resumed, "link" says that it lies elsewhere; "wake", and zeros, that there is none.
 * Capitals mean the same.
 */
#include "map/ntfs-state.h"

#include "base/error.h"

#include <errno.h>
#include <ntfs-3g/logfile.h>
#include <stdlib.h>
#include <string.h>

#define HIBERNATION_HEADER_SIZE 4096u

/* Bits in $Volume with which the bitmap is right all the same. */
#define FLAGS_HARMLESS                                                              \
	(VOLUME_RESIZE_LOG_FILE | VOLUME_UPGRADE_ON_MOUNT | VOLUME_MOUNTED_ON_NT4 | \
	 VOLUME_REPAIR_OBJECT_ID | VOLUME_MODIFIED_BY_CHKDSK | FLAG_NO_SHORT_NAMES)
#define FLAG_NO_SHORT_NAMES GUINT16_TO_LE(0x0080)

/* While Windows 8 and later have a volume mounted, its log is of this version, and else of 1.1. */
#define LOG_VERSION_IN_USE 2

typedef RESTART_PAGE_HEADER RestartPage;

static void restart_page_free(RestartPage *page)
{
	free(page); /* as the library allocated it */
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RestartPage, restart_page_free)

static bool is_image(const uint8_t *header)
{
	static const char *const signatures[] = { "hibr", "horm", "brkp", "rstr", "link" };

	for (size_t i = 0; i < G_N_ELEMENTS(signatures); i++)
		if (g_ascii_strncasecmp((const char *)header, signatures[i], 4) == 0)
			return true;
	return false;
}

int nt_is_hibernated(ntfs_volume *volume, GError **error)
{
	g_autofree uint8_t *header = g_malloc(HIBERNATION_HEADER_SIZE);
	g_autoptr(ntfs_inode) file = NULL;
	g_autoptr(ntfs_attr) data = NULL;
	int found = nt_open_in_root(volume, "hiberfil.sys", &file, error);
	s64 n;

	if (found <= 0)
		return found;
	data = ntfs_attr_open(file, AT_DATA, AT_UNNAMED, 0);
	n = data ? ntfs_attr_pread(data, 0, HIBERNATION_HEADER_SIZE, header) : -1;
	if (n < 0) {
		nt_set_error(error, errno, "whose hiberfil.sys cannot be read");
		return -1;
	}
	/* ntfs-3g takes one that has no header for the trace of a Windows on another volume. */
	return n < HIBERNATION_HEADER_SIZE || is_image(header);
}

static bool check_log(ntfs_volume *volume, GError **error)
{
	g_autoptr(ntfs_inode) file = NULL;
	g_autoptr(ntfs_attr) data = NULL;
	g_autoptr(RestartPage) page = NULL;

	nt_expect();
	file = ntfs_inode_open(volume, FILE_LogFile);
	data = file ? ntfs_attr_open(file, AT_DATA, AT_UNNAMED, 0) : NULL;
	if (!data || !ntfs_check_logfile(data, &page)) {
		nt_set_error(error, errno, "whose $LogFile cannot be read");
		return false;
	}
	if (page && le16_to_cpu(page->major_ver) == LOG_VERSION_IN_USE) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "NTFS that Windows has not let go of: it was cut off, hibernated or "
			    "shut down by Fast Startup");
		return false;
	}
	if (!ntfs_is_logfile_clean(data, page)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "NTFS that was not cleanly unmounted: there are changes in its "
			    "$LogFile");
		return false;
	}
	return true;
}

bool nt_check_clean(ntfs_volume *volume, GError **error)
{
	uint16_t flags = le16_to_cpu(volume->flags);

	if (flags & le16_to_cpu(VOLUME_IS_DIRTY)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "NTFS that is marked as not clean, with flags 0x%04x in $Volume",
			    flags);
		return false;
	}
	if (volume->flags & ~FLAGS_HARMLESS) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "NTFS with flags 0x%04x in $Volume", flags);
		return false;
	}
	return check_log(volume, error);
}
