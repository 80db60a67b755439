/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as LVM2's metadata: a group whose extents each have one owner, or words why not.
 * test-layer-lvm.c sees to it that valid-* are accepted.
 */
#include "map/layer-lvm-group.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_lv(const LvmGroup *group, const struct lvm_lv *lv)
{
	uint64_t count = 0;

	for (unsigned int i = 0; i < lv->segments->len; i++) {
		const struct lvm_segment *segment =
		    &g_array_index(lv->segments, struct lvm_segment, i);

		count += segment->count;
		g_assert_true(!segment->direct || segment->n_areas > 0);
		g_assert_true(segment->direct || lv->whole);
		for (unsigned int j = 0; j < segment->n_areas; j++) {
			const struct lvm_area *area = &segment->areas[j];
			const struct lvm_group_pv *pv;

			g_assert_cmpuint(area->pv, <, group->pvs->len);
			pv = g_ptr_array_index(group->pvs, area->pv);
			g_assert_cmpuint(area->first, <=, pv->count);
			g_assert_cmpuint(area->count, <=, pv->count - area->first);
			g_assert_true(!segment->direct ||
				      area->count * segment->n_areas == segment->count);
		}
	}
	g_assert_cmpuint(count, ==, lv->count);
	g_assert_cmpuint(count, <=, UINT32_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(LvmGroup) group = lvm_group_parse((const char *)data, size, &error);

	g_assert_true((group == NULL) == (error != NULL));
	g_assert_true(!error || g_utf8_validate(error->message, -1, NULL));
	for (unsigned int i = 0; group && i < group->lvs->len; i++)
		check_lv(group, g_ptr_array_index(group->lvs, i));
	return 0;
}
