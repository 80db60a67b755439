/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Facts as JSON: what `inspect --json` prints and what stands in a bundle's manifest. */
#pragma once

#include "source/facts.h"

#include <jansson.h>

/*
 * Every member of @facts under its name in facts.h, with "schema"; what is not known is null.
 * Owned by the caller.
 */
json_t *facts_to_json(const Facts *facts);
