/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one place where the environment decides which machine is meant. */
#include "cli/machine-facts.h"

#define ROOT_VARIABLE "WHERRY_ROOT"

Facts *machine_facts(GError **error)
{
	const char *root = g_getenv(ROOT_VARIABLE);

	return facts_read(root ? root : "/", error);
}

bool machine_is_recorded(void)
{
	return g_getenv(ROOT_VARIABLE) != NULL;
}
