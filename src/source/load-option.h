/* SPDX-License-Identifier: GPL-2.0-or-later */
/* EFI_LOAD_OPTION (UEFI 2.10, 3.1.3): what a Boot#### variable says. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Strings are owned and valid UTF-8. */
typedef struct {
	bool active;          /* LOAD_OPTION_ACTIVE */
	char *description;    /* may be empty */
	char *partition_uuid; /* of a GPT partition in the device path, lower case; or NULL */
	char *loader;         /* of the file in the device path; or NULL */
} LoadOption;

/* @bytes is the variable without efivarfs's four bytes of attributes.  WHERRY_ERROR_DAMAGED. */
bool load_option_parse(const uint8_t *bytes, size_t len, LoadOption *ret, GError **error);
void load_option_clear(LoadOption *option);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LoadOption, load_option_clear)
