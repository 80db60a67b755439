/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table, by the state at the source. */
#include "migrate/migrate-verdict.h"

static bool is_active(const struct cloud_standing *it)
{
	return it->defined && it->state != CLOUD_DOMAIN_OFF;
}

static bool is_paused(const struct cloud_standing *it)
{
	return it->defined && it->state == CLOUD_DOMAIN_PAUSED;
}

/* Its CPUs run, or may by themselves. */
static bool runs(const struct cloud_standing *it)
{
	return is_active(it) && !is_paused(it);
}

/*
 * Off, or not there: a target that waits for memory ("moving") is an unfinished one, one that is
 * paused and not moving has got all.  If the source's has come to an end of its own, only a target
 * that runs proves that it was not the last to run.  Why it is off may be forgotten: its daemon
 * began anew.
 */
static enum migrate_verdict judge_stopped(const struct cloud_standing *source,
					  const struct cloud_standing *target)
{
	if (target->postcopy)
		return MIGRATE_GOING;
	if (is_active(target) && target->moving)
		return source->moved_away ? MIGRATE_GOING : MIGRATE_REMAINS;
	if (source->own_end && target->defined && !runs(target))
		return MIGRATE_DOUBT;
	/* It is defined there by the last step of a move, so it has been there. */
	if (target->defined)
		return MIGRATE_ARRIVED;
	return source->moved_away || !source->defined ? MIGRATE_LOST : MIGRATE_OFF;
}

static enum migrate_verdict judge_paused(const struct cloud_standing *source,
					 const struct cloud_standing *target)
{
	if (target->postcopy)
		return MIGRATE_GOING;
	if (runs(target))
		return MIGRATE_LINGERING;
	if (source->moving)
		return MIGRATE_STUCK;
	return is_active(target) ? MIGRATE_REMAINS : MIGRATE_AT_SOURCE;
}

enum migrate_verdict migrate_judge(const struct migrate_look *look)
{
	const struct cloud_standing *source = &look->source, *target = &look->target;

	if (!look->source_known || !look->target_known)
		return MIGRATE_UNKNOWN;
	if (source->torn || target->torn)
		return MIGRATE_TORN;
	if (!is_active(source))
		return judge_stopped(source, target);
	if (runs(source) && runs(target))
		return MIGRATE_SPLIT;
	if (source->job)
		return MIGRATE_GOING;
	if (is_paused(source))
		return judge_paused(source, target);
	return is_active(target) ? MIGRATE_REMAINS : MIGRATE_AT_SOURCE;
}

const char *migrate_verdict_text(enum migrate_verdict verdict)
{
	switch (verdict) {
	case MIGRATE_UNKNOWN:
		return "not both hosts say where it is";
	case MIGRATE_AT_SOURCE:
		return "it is on the source";
	case MIGRATE_OFF:
		return "it was switched off on the source";
	case MIGRATE_GOING:
		return "it is being moved";
	case MIGRATE_REMAINS:
		return "it is on the source, and the target has an unfinished one";
	case MIGRATE_STUCK:
		return "it is paused on the source, and did not arrive";
	case MIGRATE_ARRIVED:
		return "it is on the target";
	case MIGRATE_LINGERING:
		return "it is on the target, and still there, paused, on the source";
	case MIGRATE_SPLIT:
		return "it runs on both hosts";
	case MIGRATE_LOST:
		return "no host has it";
	case MIGRATE_TORN:
		return "its memory is on both hosts in parts, since post-copy broke";
	case MIGRATE_DOUBT:
		return "it came to an end on the source, and the target has one, too, that is not "
		       "running";
	}
	g_assert_not_reached();
}

bool migrate_verdict_lets_delete(enum migrate_verdict verdict)
{
	return verdict == MIGRATE_AT_SOURCE || verdict == MIGRATE_OFF;
}

bool migrate_verdict_is_hopeless(enum migrate_verdict verdict)
{
	return verdict == MIGRATE_LOST || verdict == MIGRATE_TORN || verdict == MIGRATE_DOUBT;
}
