/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as a physical volume of LVM2, whose checksums are put right first, or nothing would be
 * behind them.  What comes out is a map that fits, or all of it is carried.  test-layer-lvm.c sees
 * to it that valid-* are accepted.
 */
#include "fuzz-volume.h"

#include "../unit/lvm-sample.h"

#include "map/map-layer.h"

#define LABEL_SECTORS 4u

static void mend_label(uint8_t *data, size_t size)
{
	for (size_t at = 0; at < LABEL_SECTORS * 512 && at + 512 <= size; at += 512)
		if (memcmp(data + at, "LABELONE", 8) == 0)
			sample_seal_label(data + at);
}

/* Of text that goes on behind the header or beyond @size the checksum stays as it is. */
static void mend_area(uint8_t *data, size_t size, struct extent area)
{
	uint64_t offset, length;
	uint8_t *header;

	if (area.offset > size || size - area.offset < 512)
		return;
	header = data + area.offset;
	offset = sample_get(header + 40, 8);
	length = sample_get(header + 48, 8);
	if (offset <= size - area.offset && length <= size - area.offset - offset &&
	    length <= area.length && offset <= area.length - length)
		sample_put32(header + 56, lvm_crc(LVM_CRC_START, header + offset, (size_t)length));
	sample_seal_area(header);
}

static void mend(uint8_t *data, size_t size)
{
	g_autoptr(Blkdev) disk = NULL;
	g_autoptr(UsedMap) used = used_map_new(FUZZ_VOLUME_SIZE, 1000);
	g_autoptr(Volume) volume = NULL;
	g_autoptr(LvmPv) pv = NULL;

	mend_label(data, size);
	disk = fuzz_disk(data, size);
	volume = volume_new_disk(disk, used);
	pv = lvm_pv_read_label(volume, NULL);
	for (unsigned int i = 0; pv && i < pv->n_metadata; i++)
		mend_area(data, size, g_array_index(pv->areas, struct extent, i));
}

static void check_volume(const Volume *volume, uint64_t used)
{
	uint8_t sector[512];

	g_assert_cmpuint(volume->size, >, 0);
	g_assert_cmpuint(volume_count_used(volume, 0, volume->size), <=, MIN(used, volume->size));
	(void)volume_read(volume, 0, sector, 1, NULL); /* where it lies may not be known */
	(void)volume_read(volume, volume->size - 1, sector, 1, NULL);
}

static void check(const struct layer_member *member, const GPtrArray *volumes)
{
	UsedMap *map = member->volume->used;
	uint64_t used = used_map_count(map, 0, FUZZ_VOLUME_SIZE);

	g_assert_nonnull(member->how);
	if (g_str_has_prefix(member->how, "carried whole: ")) {
		g_assert_cmpuint(volumes->len, ==, 0);
		g_assert_cmpuint(used, ==, FUZZ_VOLUME_SIZE);
	}
	g_assert_cmpuint(used_map_count(map, 0, LABEL_SECTORS * 512), ==, LABEL_SECTORS * 512);
	for (unsigned int i = 0; i < volumes->len; i++) {
		const struct layer_volume *found = g_ptr_array_index(volumes, i);

		if (!found->how)
			volume_use(found->volume, 0, found->volume->size);
	}
	used = used_map_count(map, 0, FUZZ_VOLUME_SIZE);
	for (unsigned int i = 0; i < volumes->len; i++)
		check_volume(((struct layer_volume *)g_ptr_array_index(volumes, i))->volume, used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree uint8_t *mended = g_memdup2(data, size);
	g_autoptr(GPtrArray) members = g_ptr_array_new();
	g_autoptr(GPtrArray) volumes = g_ptr_array_new_with_free_func(layer_volume_free);
	g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
	struct layer_member member = { NULL };
	g_autoptr(Blkdev) disk = NULL;
	g_autoptr(UsedMap) used = used_map_new(FUZZ_VOLUME_SIZE, 1000000);
	g_autoptr(Volume) volume = NULL;

	mend(mended, size);
	disk = fuzz_disk(mended, size);
	volume = volume_new_disk(disk, used);
	member.volume = volume;
	g_ptr_array_add(members, &member);
	map_layer_lvm.assemble(members, false, volumes, warnings);
	if (!member.how)
		map_layer_lvm.assemble(members, true, volumes, warnings);
	check(&member, volumes);
	layer_member_clear(&member);
	return 0;
}
