/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The performance parameters of a target host, as every verb that chooses one takes them: from the
 * command line, else from the configuration file, else the defaults.
 */
#pragma once

#include "cli/command.h"
#include "cli/config.h"
#include "fleet/choose.h"

/* What was typed, and the limits that came of it. */
typedef struct {
	char *min_free_memory, *min_free_cpus, *max_load, *min_free_space, *max_inbound, *max_age;
	char **typed_labels;
	char **labels, **roots;     /* typed, or of the configuration */
	struct fleet_limits limits; /* borrows from them */
} ChooseOptions;

void choose_options_clear(ChooseOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ChooseOptions, choose_options_clear)

/* For the table of a verb: CHOOSE_OPTIONS(&options), and the verb's own --label. */
#define CHOOSE_OPTIONS(o)                                                                \
	option_value("min-free-memory", &(o)->min_free_memory,                           \
		     "target: memory free after the move", "SIZE"),                      \
	    option_value("min-free-cpus", &(o)->min_free_cpus,                           \
			 "target: CPUs given to no VM after the move", "N"),             \
	    option_value("max-load", &(o)->max_load,                                     \
			 "target: CPUs at work per CPU after the move: 0.8", "LOAD"),    \
	    option_value("min-free-space", &(o)->min_free_space,                         \
			 "target: space free in its pool after the move", "SIZE"),       \
	    option_value("max-inbound", &(o)->max_inbound,                               \
			 "target: VMs that it receives at a time; else 1", "N"),         \
	    option_value("max-age", &(o)->max_age, "target: age of its facts; else 600", \
			 "SECONDS")

/* Parse what was typed and what @config has into @options->limits.  USAGE. */
bool choose_options_parse(ChooseOptions *options, Config *config, GError **error);
