/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/migrate-words.h"

#include "base/error.h"
#include "base/units.h"

#include <inttypes.h>
#include <string.h>

#define DAY_SECONDS UINT64_C(86400)

void migrate_words_clear(MigrateWords *words)
{
	char *texts[] = {
		words->to,        words->from,     words->attempts,   words->alternates,
		words->timeout,   words->stall,    words->on_timeout, words->commit,
		words->bandwidth, words->parallel, words->disks,      words->delete_after,
		words->state,     words->config,
	};

	choose_options_clear(&words->choose);
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
		g_free(texts[i]);
}

void migrate_meaning_clear(MigrateMeaning *meaning)
{
	g_strfreev(meaning->disks);
}

/* A whole number from @min to @max; what is in @ret stays if @text is NULL. */
static bool parse_number(const char *option, const char *text, uint64_t min, uint64_t max,
			 uint64_t *ret, GError **error)
{
	if (!text || g_ascii_string_to_unsigned(text, 10, min, max, ret, NULL))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_USAGE,
		    "%s is a whole number from %" PRIu64 " to %" PRIu64 ", not '%s'", option, min,
		    max, text);
	return false;
}

/* One of @names, by its place; what is in @ret stays if @text is NULL. */
static bool parse_choice(const char *option, const char *text, const char *const *names,
			 const char *list, unsigned int *ret, GError **error)
{
	for (unsigned int i = 0; text && names[i]; i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret = i;
			return true;
		}
	}
	if (text)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_USAGE, "%s is %s, not '%s'", option,
			    list, text);
	return !text;
}

/* "24h", "90m", "0": seconds; plain ones, too. */
static bool parse_time(const char *option, const char *text, uint64_t *ret, GError **error)
{
	static const struct {
		char letter;
		uint64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	g_autofree char *digits = g_strdup(text);
	size_t len = text ? strlen(text) : 0;
	uint64_t unit = 1, value;

	for (size_t i = 0; len > 1 && i < G_N_ELEMENTS(units); i++) {
		if (text[len - 1] == units[i].letter) {
			unit = units[i].seconds;
			digits[len - 1] = '\0';
			break;
		}
	}
	if (!text)
		return true;
	if (!g_ascii_string_to_unsigned(digits, 10, 0, 365 * DAY_SECONDS / unit, &value, NULL)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_USAGE,
			    "%s is a time like 24h, 90m, 2d or 0, up to a year, not '%s'", option,
			    text);
		return false;
	}
	*ret = value * unit;
	return true;
}

static bool parse_bandwidth(const char *text, uint64_t *ret, GError **error)
{
	/* libvirt counts in MiB a second. */
	if (!text || (units_parse_bytes(text, 20, UINT64_C(1) << 50, ret) && *ret >= 1 << 20))
		return true;
	g_set_error(
	    error, WHERRY_ERROR, WHERRY_ERROR_USAGE,
	    "--bandwidth is a number of MiB a second, or one with K, M, G or T behind it, at "
	    "least 1M, not '%s'",
	    text);
	return false;
}

static bool parse_words_of_time(const MigrateWords *words, struct migrate_options *options,
				GError **error)
{
	static const char *const actions[] = { "abort", "pause", "postcopy", NULL };
	unsigned int action = MIGRATE_ABORT;

	if (!parse_number("--timeout", words->timeout, 1, 365 * DAY_SECONDS, &options->timeout,
			  error) ||
	    !parse_number("--stall-timeout", words->stall, 1, DAY_SECONDS, &options->stall,
			  error) ||
	    !parse_time("--delete-source-after", words->delete_after, &options->grace, error) ||
	    !parse_choice("--on-timeout", words->on_timeout, actions, "abort, pause or postcopy",
			  &action, error))
		return false;
	options->on_timeout = (enum migrate_on_timeout)action;
	if (options->on_timeout != MIGRATE_POSTCOPY || words->accept_postcopy)
		return true;
	g_set_error_literal(
	    error, WHERRY_ERROR, WHERRY_ERROR_USAGE,
	    "--on-timeout postcopy: if the network or a host fails after the switch the VM is lost, for "
	    "its memory is on two hosts then; --accept-postcopy-risk says that this is known");
	return false;
}

static bool parse_disks(const char *text, char ***ret, GError **error)
{
	if (!text)
		return true;
	*ret = g_strsplit(text, ",", -1);
	for (size_t i = 0; (*ret)[i]; i++) {
		if (*(*ret)[i])
			continue;
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_USAGE,
			    "--disks is a list like vda,vdb, not '%s'", text);
		return false;
	}
	return true;
}

static bool parse_rest(const MigrateWords *words, MigrateMeaning *ret, GError **error)
{
	static const char *const commits[] = { "guarded", "fast", NULL };
	unsigned int commit = MIGRATE_COMMIT_GUARDED;
	uint64_t attempts = 0, parallel = 0;

	if (!parse_number("--attempts", words->attempts, 1, 1000, &attempts, error) ||
	    !parse_number("--alternates", words->alternates, 0, 100, &ret->alternates, error) ||
	    !parse_number("--parallel", words->parallel, 1, 64, &parallel, error) ||
	    !parse_choice("--commit", words->commit, commits, "guarded or fast", &commit, error) ||
	    !parse_bandwidth(words->bandwidth, &ret->options.bandwidth, error) ||
	    !parse_disks(words->disks, &ret->disks, error))
		return false;
	ret->spec.attempts = (unsigned int)attempts;
	ret->options.parallel = (unsigned int)parallel;
	ret->options.commit = (enum migrate_commit)commit;
	ret->options.disks = (const char *const *)ret->disks;
	return true;
}

/* What does not go together. */
static bool check_together(const MigrateWords *words, const MigrateMeaning *meaning, GError **error)
{
	const struct migrate_options *options = &meaning->options;
	const char *why = NULL;

	if (options->on_timeout == MIGRATE_POSTCOPY && options->commit != MIGRATE_COMMIT_FAST)
		why = "--on-timeout postcopy needs --commit fast: the guest runs at the target "
		      "before the source's has ended";
	else if (options->on_timeout == MIGRATE_POSTCOPY && options->parallel > 0)
		why = "--on-timeout postcopy and --parallel do not go together";
	else if (words->detach && meaning->alternates > 0)
		why = "--detach and --alternates do not go together: nobody is there to begin "
		      "another job";
	if (why)
		g_set_error_literal(error, WHERRY_ERROR, WHERRY_ERROR_USAGE, why);
	return !why;
}

bool migrate_words_parse(MigrateWords *words, const char *vm, MigrateMeaning *ret, GError **error)
{
	g_autoptr(Config) config = config_open(words->config, error);

	if (!config || !choose_options_parse(&words->choose, config, error))
		return false;
	ret->options = (struct migrate_options){
		.vm = vm,
		.from = words->from,
		.to = words->to,
		.limits = &words->choose.limits,
		.grace = DAY_SECONDS,
		.tls = words->tls,
		.force = words->force,
	};
	return parse_words_of_time(words, &ret->options, error) && parse_rest(words, ret, error) &&
	       check_together(words, ret, error);
}
