/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The facts as the verbs get them. */
#pragma once

#include "source/facts.h"

/* Of this machine, or of the recorded one that the environment names in WHERRY_ROOT. */
Facts *machine_facts(GError **error);

/* Whether WHERRY_ROOT names another machine, whose disks are not here. */
bool machine_is_recorded(void);
