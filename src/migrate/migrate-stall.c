/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each phase begins with a full clock. */
#include "migrate/migrate-stall.h"

void migrate_stall_init(struct migrate_stall *stall, uint64_t limit_ms, int64_t now_ms)
{
	*stall = (struct migrate_stall){
		.limit_ms = limit_ms,
		.phase = CLOUD_PHASE_NONE,
		.since_ms = now_ms,
	};
}

static void begin_phase(struct migrate_stall *stall, const struct cloud_progress *progress,
			int64_t now_ms)
{
	stall->phase = progress->phase;
	stall->best = 0;
	/* One that was cancelled before leaves a counter that does not begin at 0. */
	stall->first = progress->iteration;
	stall->iteration = progress->iteration;
	stall->since_ms = now_ms;
}

/* More is better. */
static bool grows(struct migrate_stall *stall, uint64_t value)
{
	if (value <= stall->best)
		return false;
	stall->best = value;
	return true;
}

static bool memory_gets_further(struct migrate_stall *stall, const struct cloud_progress *progress)
{
	bool new_pass = progress->iteration != stall->iteration;
	bool lower;

	stall->iteration = progress->iteration;
	if (stall->postcopy || progress->iteration <= stall->first)
		return grows(stall, progress->memory_done);
	if (!new_pass)
		return false;
	lower = progress->iteration == stall->first + 1 || progress->memory_left < stall->best;
	if (lower)
		stall->best = progress->memory_left;
	return lower;
}

static bool gets_further(struct migrate_stall *stall, const struct cloud_progress *progress)
{
	switch (progress->phase) {
	case CLOUD_PHASE_DISKS:
		return grows(stall, progress->disk_done);
	case CLOUD_PHASE_MEMORY:
		return memory_gets_further(stall, progress);
	case CLOUD_PHASE_NONE:
	case CLOUD_PHASE_BEGIN:
	case CLOUD_PHASE_UNWINDING:
		break;
	}
	return false;
}

bool migrate_stall_look(struct migrate_stall *stall, const struct cloud_progress *progress,
			int64_t now_ms)
{
	if (progress->phase != stall->phase)
		begin_phase(stall, progress, now_ms);
	if (gets_further(stall, progress))
		stall->since_ms = now_ms;
	return stall->limit_ms > 0 && now_ms - stall->since_ms >= (int64_t)stall->limit_ms;
}
