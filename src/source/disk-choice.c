/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * First what a disk is, then where it is, then whether it is the medium, then whether it was taken
 * already under another name.
 */
#include "source/disk-choice.h"

#include <string.h>

static void choice_free(void *data)
{
	struct disk_choice *choice = data;

	g_free(choice->reason);
	g_free(choice);
}

/* Why a disk of this kind, or behind this transport, is left out; NULL: it is not.  Static. */
static const char *get_reason(const struct facts_disk *disk)
{
	static const struct {
		const char *word, *reason;
	} kinds[] = {
		{ "dm", "a device-mapper device" },
		{ "md", "an md array" },
		{ "loop", "a loop device" },
		{ "zram", "memory (zram)" },
		{ "ram", "memory" },
		{ "optical", "an optical drive" },
		{ "boot-part", "a boot partition of an eMMC" },
		{ "floppy", "a floppy drive" },
		{ "nbd", "no disk of this machine" },
	}, transports[] = {
		{ "usb", "behind USB" },
		{ "fc", "behind FC" },
		{ "iscsi", "behind iSCSI" },
		{ "nvme-fc", "behind FC" },
		{ "nvme-tcp", "behind NVMe over TCP" },
		{ "nvme-rdma", "behind NVMe over RDMA" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
		if (g_strcmp0(disk->kind, kinds[i].word) == 0)
			return kinds[i].reason;
	for (size_t i = 0; i < G_N_ELEMENTS(transports); i++)
		if (g_strcmp0(disk->transport, transports[i].word) == 0)
			return transports[i].reason;
	if (disk->removable == FACTS_YES)
		return "removable";
	if (disk->size == 0)
		return "no medium in it, or of unknown size";
	return NULL;
}

/*
 * By WWN where both have one, else by serial, else by path: what they share, or NULL.  Some makers
 * give all their disks one WWN; of another size or serial, a disk is another disk.
 */
static const char *compare_disks(const struct facts_disk *a, const struct facts_disk *b)
{
	bool serials = a->serial && b->serial;

	if (a->size != b->size || (serials && strcmp(a->serial, b->serial) != 0))
		return NULL;
	if (a->wwn && b->wwn)
		return strcmp(a->wwn, b->wwn) == 0 ? "WWN" : NULL;
	if (serials)
		return "serial";
	return g_strcmp0(a->path, b->path) == 0 ? "path" : NULL;
}

static char *find_twin(const GPtrArray *choices, const struct facts_disk *disk)
{
	for (unsigned int i = 0; i < choices->len; i++) {
		const struct disk_choice *earlier = g_ptr_array_index(choices, i);
		const char *same = earlier->taken ? compare_disks(earlier->disk, disk) : NULL;

		if (same)
			return g_strdup_printf("same %s as %s", same, earlier->disk->path);
	}
	return NULL;
}

GPtrArray *disk_choice_default(const Facts *facts, const DeviceStack *medium)
{
	GPtrArray *choices = g_ptr_array_new_with_free_func(choice_free);

	for (unsigned int i = 0; i < facts->disks->len; i++) {
		struct disk_choice *choice = g_new0(struct disk_choice, 1);

		choice->disk = g_ptr_array_index(facts->disks, i);
		choice->reason = g_strdup(get_reason(choice->disk));
		if (!choice->reason && device_stack_has(medium, choice->disk->path)) {
			choice->is_medium = true;
			choice->reason = g_strdup("the target lies on it");
		}
		if (!choice->reason)
			choice->reason = find_twin(choices, choice->disk);
		choice->taken = !choice->reason;
		g_ptr_array_add(choices, choice);
	}
	return choices;
}
