/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GUIDs as they lie in partition tables and in UEFI's variables (UEFI 2.10, appendix A). */
#pragma once

#include <stdint.h>

struct guid {
	uint8_t b[16];
};

/* "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", in lower case; owned by the caller. */
char *guid_to_text(const struct guid *guid);
