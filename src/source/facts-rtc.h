/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether the machine's clock runs in UTC or in local time. */
#pragma once

#include "source/facts-root.h"
#include "source/facts.h"

/* rtc. */
void facts_read_rtc(const FactsRoot *root, Facts *facts);
