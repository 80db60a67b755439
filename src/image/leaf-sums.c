/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the medium may lose or alter is known again by one digest: the chain, which each digest is
 * hashed into as it comes, whatever the batches are that they are written and read in.
 */
#include "image/leaf-sums.h"

#include "base/autofd.h"
#include "base/error.h"
#include "base/io.h"

#include <errno.h>
#include <unistd.h>

/* So many are written or read at a time. */
#define BATCH 1024u

struct leaf_sums {
	int fd;              /* owned */
	char *name;          /* owned */
	uint64_t n;          /* leaves that have a place, the first one among them */
	struct digest chain; /* over all but the first one */
	struct digest batch[BATCH];
	size_t n_batch; /* the last ones, which are not in the file */
};

LeafSums *leaf_sums_new(int fd, const char *name)
{
	LeafSums *sums = g_new0(LeafSums, 1);

	sums->fd = fd;
	sums->name = g_strdup(name);
	sums->n = 1;
	return sums;
}

static void add_link(struct digest *chain, const struct digest *next)
{
	const struct digest both[] = { *chain, *next };

	*chain = digest_of(both, sizeof(both));
}

static bool write_batch(LeafSums *sums, GError **error)
{
	uint64_t at = (sums->n - sums->n_batch) * sizeof(struct digest);
	size_t len = sums->n_batch * sizeof(struct digest);

	sums->n_batch = 0;
	return io_pwrite(sums->fd, sums->name, at, sums->batch, len, error);
}

bool leaf_sums_put(LeafSums *sums, const struct digest *digest, GError **error)
{
	add_link(&sums->chain, digest);
	sums->batch[sums->n_batch++] = *digest;
	sums->n++;
	return sums->n_batch < BATCH || write_batch(sums, error);
}

bool leaf_sums_checkpoint(LeafSums *sums, struct digest *ret_chain, GError **error)
{
	if (!write_batch(sums, error) || !io_flush(sums->fd, sums->name, error))
		return false;
	*ret_chain = sums->chain;
	return true;
}

/* The chain of the first @n leaves in the file; the batch is empty, and lends its memory. */
static bool read_chain(LeafSums *sums, uint64_t n, struct digest *ret, GError **error)
{
	struct digest chain = { { 0 } };

	for (uint64_t i = 1; i < n; i += BATCH) {
		size_t len = (size_t)MIN(BATCH, n - i);

		if (!io_pread(sums->fd, sums->name, i * sizeof(struct digest), sums->batch,
			      len * sizeof(struct digest), error))
			return false;
		for (size_t j = 0; j < len; j++)
			add_link(&chain, &sums->batch[j]);
	}
	*ret = chain;
	return true;
}

static bool check_chain(const LeafSums *sums, const struct digest *got, const struct digest *want,
			GError **error)
{
	if (digest_equal(got, want))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "'%s' does not hold what was written to it: the medium has lost it, or it was "
		    "altered; capture anew",
		    sums->name);
	return false;
}

bool leaf_sums_resume(LeafSums *sums, uint64_t n, const struct digest *chain, GError **error)
{
	struct digest got;

	g_assert(n > 0 && sums->n == 1);
	if (!read_chain(sums, n, &got, error) || (chain && !check_chain(sums, &got, chain, error)))
		return false;
	if (ftruncate(sums->fd, (off_t)(n * sizeof(struct digest))) < 0) {
		wherry_error_sys(error, errno, "cannot cut '%s'", sums->name);
		return false;
	}
	sums->n = n;
	sums->chain = got;
	return true;
}

bool leaf_sums_get(const LeafSums *sums, uint64_t i, struct digest *ret, GError **error)
{
	return io_pread(sums->fd, sums->name, i * sizeof(*ret), ret, sizeof(*ret), error);
}

bool leaf_sums_finish(LeafSums *sums, const struct digest *first, GError **error)
{
	struct digest got;

	return write_batch(sums, error) && read_chain(sums, sums->n, &got, error) &&
	       check_chain(sums, &got, &sums->chain, error) &&
	       io_pwrite(sums->fd, sums->name, 0, first, sizeof(*first), error);
}

int leaf_sums_fd(const LeafSums *sums)
{
	return sums->fd;
}

void leaf_sums_free(LeafSums *sums)
{
	if (!sums)
		return;
	autofd_clear(&sums->fd);
	g_free(sums->name);
	g_free(sums);
}
