/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the VM is, judged only by what both hosts say of it: the one question on which starting,
 * stopping and deleting depend, after a failure, a crash, or a call that never answered.
 */
#pragma once

#include "cloud/cloud-migrate.h"

/* What the hosts said; one that gave no answer is not known. */
struct migrate_look {
	bool source_known, target_known;
	struct cloud_standing source, target;
};

enum migrate_verdict {
	MIGRATE_UNKNOWN,   /* a host does not say: nothing may be done */
	MIGRATE_AT_SOURCE, /* the source has it, the target none that is active */
	MIGRATE_OFF,       /* it was switched off at the source, which has it; the target none */
	MIGRATE_GOING,     /* it is being moved at this moment */
	MIGRATE_REMAINS,   /* the source has it; at the target a paused one that never ran */
	MIGRATE_STUCK,     /* stopped at the source for a move that is over, and did not arrive */
	MIGRATE_ARRIVED,   /* the target has it, complete; the source's has stopped */
	MIGRATE_LINGERING, /* the same, but the source's QEMU is still there, paused */
	MIGRATE_SPLIT,     /* both run */
	MIGRATE_LOST,      /* no host has it */
	MIGRATE_TORN,      /* post-copy failed: each has a part of its memory */
	MIGRATE_DOUBT, /* off at the source by an end of its own, at the target one that waits */
};

/* What migrate_verdict() makes of it: the table in docs/migrate.md. */
enum migrate_verdict migrate_judge(const struct migrate_look *look);

/* In words: "it runs on both hosts". */
const char *migrate_verdict_text(enum migrate_verdict verdict);

/* Whether it lasts, and nothing may be started, stopped or deleted before somebody has looked. */
bool migrate_verdict_is_hopeless(enum migrate_verdict verdict);

/* Whether what this migration made at the target may go: the source provably has the VM. */
bool migrate_verdict_lets_delete(enum migrate_verdict verdict);
