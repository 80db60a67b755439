/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A few numbers, the heads of the images, then machine.json as it will be. */
#include "bundle/update-record.h"

#include "base/error.h"
#include "base/le.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

enum update_state {
	UPDATE_STATE_BEGUN = 1,
	UPDATE_STATE_COMMITTED = 2,
};

struct record_head {
	le32 state;
	le32 n_disks;
};
static_assert(sizeof(struct record_head) == 8, "no padding");

static GByteArray *start(enum update_state state, uint32_t n_disks)
{
	const struct record_head head = { le32_make(state), le32_make(n_disks) };
	GByteArray *data = g_byte_array_new();

	return g_byte_array_append(data, (const uint8_t *)&head, sizeof(head));
}

GByteArray *update_record_begun(void)
{
	return start(UPDATE_STATE_BEGUN, 0);
}

GByteArray *update_record_committed(const Manifest *manifest, const uint8_t *heads, GError **error)
{
	g_autoptr(Manifest) again = NULL;
	g_autofree char *text = NULL;
	GByteArray *data;
	size_t len;

	text = manifest_serialize(manifest, &len);
	again = manifest_parse(text, len, error);
	if (!again)
		return NULL;
	data = start(UPDATE_STATE_COMMITTED, manifest->disks->len);
	g_byte_array_append(data, heads, manifest->disks->len * UPDATE_HEAD_SIZE);
	return g_byte_array_append(data, (const uint8_t *)text, (unsigned int)len);
}

static bool damaged(GError **error, const char *what, size_t len)
{
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "'" UPDATE_FILE "' with %zu bytes of data %s", len, what);
	return false;
}

static bool read_committed(UpdateRecord *record, const uint8_t *data, size_t len, uint32_t n_disks,
			   GError **error)
{
	size_t heads_size = (size_t)n_disks * UPDATE_HEAD_SIZE;

	if (heads_size > len)
		return damaged(error, "is too short for its disks", len);
	record->heads = g_memdup2(data, heads_size);
	record->len = len - heads_size;
	record->text = g_strndup((const char *)data + heads_size, record->len);
	record->manifest = manifest_parse((const char *)data + heads_size, record->len, error);
	if (!record->manifest)
		return false;
	return record->manifest->disks->len == n_disks ||
	       damaged(error, "is for another number of disks than its " MANIFEST_FILE, len);
}

UpdateRecord *update_record_parse(const void *data, size_t len, GError **error)
{
	g_autoptr(UpdateRecord) record = g_new0(UpdateRecord, 1);
	const uint8_t *rest = data;
	struct record_head head;
	uint32_t state, n_disks;

	if (len < sizeof(head)) {
		(void)damaged(error, "is too short", len);
		return NULL;
	}
	memcpy(&head, data, sizeof(head));
	state = le32_get(head.state);
	n_disks = le32_get(head.n_disks);
	rest += sizeof(head);
	len -= sizeof(head);
	if (state == UPDATE_STATE_BEGUN && n_disks == 0 && len == 0)
		return g_steal_pointer(&record);
	if (state != UPDATE_STATE_COMMITTED) {
		(void)damaged(error, "is neither that of one that was begun nor of one committed",
			      len + sizeof(head));
		return NULL;
	}
	return read_committed(record, rest, len, n_disks, error) ? g_steal_pointer(&record) : NULL;
}

const uint8_t *update_record_head(const UpdateRecord *record, const char *image)
{
	for (unsigned int i = 0; record->manifest && i < record->manifest->disks->len; i++) {
		const struct manifest_disk *disk = g_ptr_array_index(record->manifest->disks, i);

		if (strcmp(disk->image, image) == 0)
			return record->heads + (size_t)i * UPDATE_HEAD_SIZE;
	}
	return NULL;
}

bool update_record_has_file(const UpdateRecord *record, const char *name)
{
	for (unsigned int i = 0; record->manifest && i < record->manifest->files->len; i++) {
		const struct manifest_file *file = g_ptr_array_index(record->manifest->files, i);

		if (strcmp(file->name, name) == 0)
			return true;
	}
	return false;
}

void update_record_free(UpdateRecord *record)
{
	if (!record)
		return;
	manifest_free(record->manifest);
	g_free(record->text);
	g_free(record->heads);
	g_free(record);
}
