/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/choose-options.h"

#include "base/error.h"
#include "base/units.h"

void choose_options_clear(ChooseOptions *options)
{
	g_free(options->min_free_memory);
	g_free(options->min_free_cpus);
	g_free(options->max_load);
	g_free(options->min_free_space);
	g_free(options->max_inbound);
	g_free(options->max_age);
	g_strfreev(options->typed_labels);
	g_strfreev(options->labels);
	g_strfreev(options->roots);
}

static bool refuse(const char *name, const char *text, const char *what, GError **error)
{
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_USAGE, "--%s is %s, not '%s'", name, what,
		    text);
	return false;
}

/* These leave what is in @ret where nobody says anything. */

static bool parse_size(Config *config, const char *name, const char *word, uint64_t *ret,
		       GError **error)
{
	g_autofree char *text = config_value(config, name, word);

	if (!text || units_parse_bytes(text, 20, INT64_MAX, ret))
		return true;
	return refuse(name, text, "a number of MiB, or one with K, M, G or T behind it", error);
}

static bool parse_count(Config *config, const char *name, const char *word, uint64_t min,
			uint64_t max, uint64_t *ret, GError **error)
{
	g_autofree char *text = config_value(config, name, word), *what = NULL;

	if (!text || g_ascii_string_to_unsigned(text, 10, min, max, ret, NULL))
		return true;
	what = g_strdup_printf("a whole number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT,
			       min, max);
	return refuse(name, text, what, error);
}

static bool parse_load(Config *config, const char *word, double *ret, GError **error)
{
	g_autofree char *text = config_value(config, "max-load", word);
	char *end = NULL;
	double value;

	if (!text)
		return true;
	value = g_ascii_strtod(text, &end);
	if (end == text || *end || !(value > 0 && value <= 1))
		return refuse("max-load", text, "a number above 0, up to 1: 0.8", error);
	*ret = value;
	return true;
}

bool choose_options_parse(ChooseOptions *options, Config *config, GError **error)
{
	struct fleet_limits *limits = &options->limits;
	uint64_t cpus = UINT64_MAX, inbound;

	*limits = fleet_default_limits;
	inbound = limits->max_inbound;
	options->labels = config_values(config, "label", options->typed_labels);
	options->roots = config_values(config, "pool-roots", NULL);
	limits->labels = (const char *const *)options->labels;
	limits->roots = (const char *const *)options->roots;
	if (!parse_size(config, "min-free-memory", options->min_free_memory,
			&limits->min_free_memory, error) ||
	    !parse_size(config, "min-free-space", options->min_free_space, &limits->min_free_space,
			error) ||
	    !parse_load(config, options->max_load, &limits->max_load, error) ||
	    !parse_count(config, "min-free-cpus", options->min_free_cpus, 0, 100000, &cpus,
			 error) ||
	    !parse_count(config, "max-inbound", options->max_inbound, 1, 1000, &inbound, error) ||
	    !parse_count(config, "max-age", options->max_age, 1, UINT64_C(365) * 86400,
			 &limits->max_age, error))
		return false;
	if (cpus != UINT64_MAX)
		limits->min_free_cpus = (int64_t)cpus;
	limits->max_inbound = (unsigned int)inbound;
	return true;
}
