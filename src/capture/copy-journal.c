/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fixed numbers, what could not be read, then what the writer of the image has to say. */
#include "capture/copy-journal.h"

#include "base/error.h"
#include "base/le.h"
#include "bundle/journal.h"
#include "capture/chunk.h"

#include <string.h>

struct copy_journal_head {
	le64 finished;
	le64 image_size;
	le64 shared;
	le64 done;
	le64 next;
	le64 chunks;
	le64 n_gaps;
};

struct copy_journal_gap {
	le64 offset, length;
};

bool copy_journal_write(const Bundle *bundle, const char *name, const CopyJournal *journal,
			GError **error)
{
	const struct copy_journal_head head = {
		.finished = le64_make(journal->finished),
		.image_size = le64_make(journal->image_size),
		.shared = le64_make(journal->shared),
		.done = le64_make(journal->done),
		.next = le64_make(journal->next),
		.chunks = le64_make(journal->chunks),
		.n_gaps = le64_make(journal->gaps->len),
	};
	g_autoptr(GByteArray) all = g_byte_array_new();

	g_byte_array_append(all, (const uint8_t *)&head, sizeof(head));
	for (unsigned int i = 0; i < journal->gaps->len; i++) {
		const struct extent *e = &g_array_index(journal->gaps, struct extent, i);
		const struct copy_journal_gap gap = {
			le64_make(e->offset),
			le64_make(e->length),
		};

		g_byte_array_append(all, (const uint8_t *)&gap, sizeof(gap));
	}
	if (journal->image)
		g_byte_array_append(all, journal->image->data, journal->image->len);
	return journal_write(bundle, name, all->data, all->len, error);
}

/* Take @n gaps from the start of @all; NULL: they cannot be right. */
static GArray *take_gaps(GByteArray *all, uint64_t n)
{
	g_autoptr(GArray) gaps = g_array_new(false, false, sizeof(struct extent));
	struct copy_journal_gap gap;

	if (n > MANIFEST_MAX_GAPS || n > all->len / sizeof(gap))
		return NULL;
	for (uint64_t i = 0; i < n; i++) {
		struct extent e;

		memcpy(&gap, all->data + i * sizeof(gap), sizeof(gap));
		e = (struct extent){ le64_get(gap.offset), le64_get(gap.length) };
		g_array_append_val(gaps, e);
	}
	g_byte_array_remove_range(all, 0, (unsigned int)(n * sizeof(gap)));
	return g_steal_pointer(&gaps);
}

int copy_journal_read(const Bundle *bundle, const char *name, CopyJournal *ret, GError **error)
{
	g_autoptr(GByteArray) all = NULL;
	g_autoptr(GArray) gaps = NULL;
	struct copy_journal_head head;
	int r = journal_read(bundle, name, &all, error);

	if (r <= 0)
		return r;
	if (all->len < sizeof(head)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "'%s' of %u bytes says nothing of a disk", name, all->len);
		return -1;
	}
	memcpy(&head, all->data, sizeof(head));
	if (le64_get(head.next) % SUMS_CHUNK_SIZE != 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "'%s' ends inside of a chunk", name);
		return -1;
	}
	g_byte_array_remove_range(all, 0, sizeof(head));
	gaps = take_gaps(all, le64_get(head.n_gaps));
	if (!gaps) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "'%s' has %" G_GUINT64_FORMAT " unreadable ranges in %u bytes", name,
			    le64_get(head.n_gaps), all->len);
		return -1;
	}
	*ret = (CopyJournal){
		.finished = le64_get(head.finished) != 0,
		.image_size = le64_get(head.image_size),
		.shared = le64_get(head.shared),
		.done = le64_get(head.done),
		.next = le64_get(head.next),
		.chunks = le64_get(head.chunks),
		.gaps = g_steal_pointer(&gaps),
		.image = g_steal_pointer(&all),
	};
	return 1;
}

void copy_journal_clear(CopyJournal *journal)
{
	g_clear_pointer(&journal->gaps, g_array_unref);
	g_clear_pointer(&journal->image, g_byte_array_unref);
}
