/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Magic, version, length, the data, and the SHA-256 of all of these. */
#include "bundle/journal.h"

#include "base/atomic-file.h"
#include "base/autofd.h"
#include "base/error.h"
#include "base/io.h"
#include "base/le.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOURNAL_MAGIC   "WHRYJRNL"
#define JOURNAL_VERSION 1

struct journal_header {
	uint8_t magic[8];
	le32 version;
	le32 zero;
	le64 len; /* bytes of data */
};
static_assert(sizeof(struct journal_header) == 24, "no padding");

bool journal_write(const Bundle *bundle, const char *name, const void *data, size_t len,
		   GError **error)
{
	const struct journal_header header = {
		.magic = JOURNAL_MAGIC,
		.version = le32_make(JOURNAL_VERSION),
		.len = le64_make(len),
	};
	g_autoptr(GByteArray) all = NULL;
	struct digest digest;

	if (len > JOURNAL_MAX_BYTES - sizeof(header) - sizeof(digest)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "'%s/%s' would hold %zu bytes, more than the %" PRIu64 " of a journal",
			    bundle->path, name, len, JOURNAL_MAX_BYTES);
		return false;
	}
	all = g_byte_array_sized_new((unsigned int)(sizeof(header) + len + sizeof(digest)));
	g_byte_array_append(all, (const uint8_t *)&header, sizeof(header));
	g_byte_array_append(all, data, (unsigned int)len);
	digest = digest_of(all->data, all->len);
	g_byte_array_append(all, digest.b, sizeof(digest.b));
	if (atomic_file_write(bundle->fd, name, all->data, all->len, error))
		return true;
	g_prefix_error(error, "'%s': ", bundle->path);
	return false;
}

static bool check(const char *name, const GByteArray *all, GError **error)
{
	struct journal_header header;
	struct digest digest, want;

	if (all->len >= sizeof(header) + sizeof(want)) {
		memcpy(&header, all->data, sizeof(header));
		memcpy(want.b, all->data + all->len - sizeof(want.b), sizeof(want.b));
		digest = digest_of(all->data, all->len - sizeof(want.b));
		if (memcmp(header.magic, JOURNAL_MAGIC, sizeof(header.magic)) == 0 &&
		    le32_get(header.version) == JOURNAL_VERSION &&
		    le64_get(header.len) == all->len - sizeof(header) - sizeof(want.b) &&
		    digest_equal(&digest, &want))
			return true;
	}
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "'%s' of %u bytes is no journal of this version, or is damaged", name,
		    all->len);
	return false;
}

int journal_read(const Bundle *bundle, const char *name, GByteArray **ret, GError **error)
{
	g_autoptr(GByteArray) all = g_byte_array_new();
	g_autoptr(GError) cause = NULL;
	autofd int fd = bundle_open_file(bundle, name, &cause);
	struct stat st;

	if (g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND))
		return 0;
	if (fd < 0) {
		g_propagate_error(error, g_steal_pointer(&cause));
		return -1;
	}
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size > JOURNAL_MAX_BYTES) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "'%s' is no journal: it is too large", name);
		return -1;
	}
	g_byte_array_set_size(all, (unsigned int)st.st_size);
	if (!io_pread(fd, name, 0, all->data, all->len, error) || !check(name, all, error))
		return -1;
	g_byte_array_remove_range(all, 0, sizeof(struct journal_header));
	g_byte_array_set_size(all, all->len - (unsigned int)sizeof(struct digest));
	*ret = g_steal_pointer(&all);
	return 1;
}

void journal_remove(const Bundle *bundle, const char *name)
{
	(void)unlinkat(bundle->fd, name, 0);
}
