/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPUs and memory as the kernel sees them. */
#pragma once

#include "source/facts-root.h"
#include "source/facts.h"

/* memory_usable. */
void facts_read_memory(const FactsRoot *root, Facts *facts);

/*
 * cpu_model, sockets, cores and threads.  The product of the three is the number of online CPUs:
 * where sockets or cores differ, which no VM can have, every CPU counts as a core, with a note.
 */
void facts_read_cpus(const FactsRoot *root, Facts *facts);
