/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Superblocks as the kernel would take them, and a little stricter. */
#include "map/layer-md-super.h"

#include "base/error.h"
#include "base/le.h"
#include "map/layer-md-priv.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#define SECTOR     UINT64_C(512) /* in which md counts, whatever the disk's are */
#define MAX_SECTOR (UINT64_MAX / SECTOR)

#define MD_MAGIC     0xa92b4efcu
#define RESERVED     UINT64_C(65536) /* 0.90: its superblock starts the last whole 64 KiB */
#define END_RESERVED UINT64_C(8192)  /* 1.0: at least so far from the end */
#define MAX_ROLES    ((MD_SUPER_SIZE - 256) / 2)

#define FEATURE_BITMAP          0x1u
#define FEATURE_RECOVERY_OFFSET 0x2u
#define FEATURE_BAD_BLOCKS      0x8u
#define FEATURE_RECOVERY_BITMAP 0x80u
#define FEATURES_KNOWN          (FEATURE_BITMAP | FEATURE_RECOVERY_OFFSET | FEATURE_RECOVERY_BITMAP)

#define ROLE_SPARE 0xffffu
#define ROLE_MAX   0xff00u
#define IN_SYNC    UINT64_MAX /* resync_offset */

struct super_1 {
	le32 magic;
	le32 major_version;
	le32 features;
	le32 pad0;
	uint8_t set_id[16];
	char name[32];
	le64 created;
	le32 level;
	le32 layout;
	le64 size; /* sectors */
	le32 chunk;
	le32 mirrors;
	le32 bitmap_offset; /* sectors from the superblock, signed */
	uint8_t reshape[28];
	le64 data_offset; /* sectors */
	le64 data_size;   /* sectors */
	le64 super_offset;
	le64 recovery_offset;
	le32 number;
	le32 corrected;
	uint8_t member_id[16];
	uint8_t flags;
	uint8_t bad_shift;
	le16 bad_size;   /* sectors */
	le32 bad_offset; /* sectors from the superblock, signed */
	le64 updated;
	le64 events;
	le64 resync_offset;
	le32 checksum;
	le32 n_roles;
	uint8_t pad3[32];
	le16 roles[MAX_ROLES];
};
static_assert(offsetof(struct super_1, data_offset) == 128, "md_p.h, mdp_superblock_1");
static_assert(offsetof(struct super_1, updated) == 192, "md_p.h, mdp_superblock_1");
static_assert(offsetof(struct super_1, checksum) == MD_SUPER_1_CHECKSUM, "md_p.h, sb_csum");
static_assert(sizeof(struct super_1) == MD_SUPER_SIZE, "md_p.h, mdp_superblock_1");

#define STATE_CLEAN  0x1u
#define STATE_BITMAP 0x100u
#define MAX_DISKS    27

#define DISK_FAULTY 0x1u
#define DISK_ACTIVE 0x2u
#define DISK_SYNC   0x4u

struct disk_0 {
	le32 number;
	le32 major;
	le32 minor;
	le32 role;
	le32 state;
	uint8_t reserved[108];
};

/* Its integers are in the order of the machine that made it: here, of one like most. */
struct super_0 {
	le32 magic;
	le32 major_version;
	le32 minor_version;
	le32 patch_version;
	le32 words;
	le32 set_id_0;
	le32 created;
	le32 level;
	le32 size; /* KiB */
	le32 disks_total;
	le32 mirrors;
	le32 md_minor;
	le32 not_persistent;
	le32 set_id_1[3];
	uint8_t reserved_a[64];
	le32 updated;
	le32 state;
	le32 counts[4];
	le32 checksum;
	le64 events;
	uint8_t reserved_b[348];
	struct disk_0 disks[MAX_DISKS];
	struct disk_0 this_disk;
};
static_assert(offsetof(struct super_0, updated) == 128, "md_p.h, mdp_super_t");
static_assert(offsetof(struct super_0, checksum) == MD_SUPER_0_CHECKSUM, "md_p.h, sb_csum");
static_assert(offsetof(struct super_0, disks) == 512, "md_p.h, MD_SB_DISKS_OFFSET");
static_assert(offsetof(struct super_0, this_disk) == 3968, "md_p.h, MD_SB_DESCRIPTOR_OFFSET");
static_assert(sizeof(struct super_0) == MD_SUPER_SIZE, "md_p.h, mdp_super_t");

uint32_t md_checksum(const uint8_t *super, size_t len, size_t at)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < len; i++)
		if (i < at || i >= at + 4)
			sum += (uint64_t)super[i] << (i % 4 * 8);
	return (uint32_t)((sum & UINT32_MAX) + (sum >> 32));
}

size_t md_super_1_length(const uint8_t *super)
{
	const struct super_1 *sb = (const struct super_1 *)super;
	uint32_t n = le32_get(sb->n_roles);

	return n > MAX_ROLES ? 0 : offsetof(struct super_1, roles) + 2 * (size_t)n;
}

uint64_t md_super_offset(uint64_t size, enum md_version version)
{
	switch (version) {
	case MD_0_90:
		return size < 2 * RESERVED ? UINT64_MAX : size / RESERVED * RESERVED - RESERVED;
	case MD_1_0:
		return size < 2 * END_RESERVED ? UINT64_MAX : (size - END_RESERVED) / 4096 * 4096;
	case MD_1_1:
		return 0;
	case MD_1_2:
		return 4096;
	}
	return UINT64_MAX;
}

/* Those of 2.4 kernels fold it differently, so that only 16 bits of it can be compared. */
static uint32_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return ((sum & 0xffff) + (sum >> 16)) & 0xffff;
}

/* Two would contradict each other: whichever was last used cannot be told. */
static bool find_super(const Volume *member, enum md_version *ret_version, GError **error)
{
	unsigned int found = 0;

	for (enum md_version v = MD_0_90; v <= MD_1_2; v++) {
		uint64_t offset = md_super_offset(member->size, v);
		uint32_t magic;
		le32 raw;

		if (offset > member->size || member->size - offset < MD_SUPER_SIZE)
			continue;
		if (!volume_read(member, offset, &raw, sizeof(raw), error))
			return false;
		magic = le32_get(raw);
		if (v == MD_0_90 && __builtin_bswap32(magic) == MD_MAGIC) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
				    "an md superblock of a big-endian machine");
			return false;
		}
		if (magic == MD_MAGIC) {
			*ret_version = v;
			found++;
		}
	}
	if (found != 1)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED, "%u md superblocks", found);
	return found == 1;
}

/* Whether [@offset, @offset + @length) lies on the member, beside the data. */
static bool check_beside(const Volume *member, const struct md_super *super, uint64_t offset,
			 uint64_t length, const char *what, GError **error)
{
	uint64_t data_end = super->data_offset + super->data_size;

	if (offset <= member->size && length <= member->size - offset &&
	    (offset >= data_end ||
	     (offset <= super->data_offset && length <= super->data_offset - offset)))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "md with the %s of %" PRIu64 " bytes at %" PRIu64 ", the data from %" PRIu64
		    " to %" PRIu64 ", on %" PRIu64 " bytes",
		    what, length, offset, super->data_offset, data_end, member->size);
	return false;
}

/* The data lies on the member, and the superblock and the start of the bitmap beside it. */
static bool check_places(const Volume *member, const struct md_super *super, GError **error)
{
	if (super->data_size == 0 || super->data_offset > member->size ||
	    super->data_size > member->size - super->data_offset) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "md with %" PRIu64 " bytes of data at %" PRIu64 " of %" PRIu64,
			    super->data_size, super->data_offset, member->size);
		return false;
	}
	if (super->mirrors == 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED, "RAID1 of no mirrors");
		return false;
	}
	if ((super->state == MD_IN_SYNC || super->state == MD_REBUILDING) &&
	    super->role >= super->mirrors) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "RAID1 member %u of %" PRIu32, super->role, super->mirrors);
		return false;
	}
	return check_beside(member, super, super->offset, MD_SUPER_SIZE, "superblock", error) &&
	       (!super->has_bitmap ||
		check_beside(member, super, super->bitmap_offset, MD_BITMAP_HEAD, "bitmap", error));
}

/* @name is of fixed width, and anyone's. */
static void copy_name(char *to, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < len && name[i]; i++)
		to[i] = g_ascii_isgraph(name[i]) ? name[i] : '?';
	to[i] = '\0';
}

/* @sectors from @base, which may be negative; UINT64_MAX when that lies before the start. */
static uint64_t at_sectors(uint64_t base, le32 sectors)
{
	int64_t offset = (int64_t)(int32_t)le32_get(sectors) * (int64_t)SECTOR;

	if (offset < 0 && base < (uint64_t)-offset)
		return UINT64_MAX;
	return base + (uint64_t)offset;
}

static bool check_super_1(const struct super_1 *sb, uint64_t offset, GError **error)
{
	size_t len = md_super_1_length((const uint8_t *)sb);

	if (le32_get(sb->major_version) != 1 || len == 0 ||
	    le64_get(sb->super_offset) != offset / SECTOR) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "an md superblock of version %" PRIu32 " with %" PRIu32
			    " roles for sector %" PRIu64 ", in sector %" PRIu64,
			    le32_get(sb->major_version), le32_get(sb->n_roles),
			    le64_get(sb->super_offset), offset / SECTOR);
		return false;
	}
	if (md_checksum((const uint8_t *)sb, len, MD_SUPER_1_CHECKSUM) != le32_get(sb->checksum)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "an md superblock with a wrong checksum");
		return false;
	}
	return true;
}

/* What else an array of mirrors can be, but is seldom: nothing is built on that. */
static bool check_features(uint32_t features, GError **error)
{
	if (features & FEATURE_BAD_BLOCKS)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "RAID1 with bad blocks noted");
	else if (features & ~FEATURES_KNOWN)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "RAID1 with features 0x%" PRIx32 " that are not known",
			    features & ~FEATURES_KNOWN);
	return !(features & ~FEATURES_KNOWN);
}

static void take_state_1(const struct super_1 *sb, struct md_super *super)
{
	uint32_t number = le32_get(sb->number), features = le32_get(sb->features);

	for (uint32_t i = 0; i < le32_get(sb->n_roles); i++)
		super->members += le16_get(sb->roles[i]) < ROLE_MAX;
	super->role = number < le32_get(sb->n_roles) ? le16_get(sb->roles[number]) : ROLE_SPARE;
	if (super->role == ROLE_SPARE)
		super->state = MD_SPARE;
	else if (super->role >= ROLE_MAX)
		super->state = MD_OUT;
	else if (features & (FEATURE_RECOVERY_OFFSET | FEATURE_RECOVERY_BITMAP))
		super->state = MD_REBUILDING;
	else
		super->state = MD_IN_SYNC;
}

static bool read_1(const Volume *member, const struct super_1 *sb, struct md_super *super,
		   GError **error)
{
	uint64_t data_offset = le64_get(sb->data_offset), size = le64_get(sb->size);

	if (!check_super_1(sb, super->offset, error))
		return false;
	super->level = (int32_t)le32_get(sb->level);
	if (super->level != MD_LEVEL_RAID1)
		return true;
	if (!check_features(le32_get(sb->features), error))
		return false;
	if (data_offset > MAX_SECTOR || size > MAX_SECTOR || size > le64_get(sb->data_size)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "md with %" PRIu64 " sectors of the %" PRIu64 " at %" PRIu64, size,
			    le64_get(sb->data_size), data_offset);
		return false;
	}
	memcpy(super->set_id, sb->set_id, sizeof(super->set_id));
	memcpy(super->member_id, sb->member_id, sizeof(super->member_id));
	copy_name(super->name, sb->name, sizeof(sb->name));
	super->mirrors = le32_get(sb->mirrors);
	super->events = le64_get(sb->events);
	super->data_offset = data_offset * SECTOR;
	super->data_size = size * SECTOR;
	super->stopped = le64_get(sb->resync_offset) == IN_SYNC;
	super->has_bitmap = le32_get(sb->features) & FEATURE_BITMAP;
	super->bitmap_offset = at_sectors(super->offset, sb->bitmap_offset);
	take_state_1(sb, super);
	return check_places(member, super, error) &&
	       (le16_get(sb->bad_size) == 0 ||
		check_beside(member, super, at_sectors(super->offset, sb->bad_offset),
			     le16_get(sb->bad_size) * SECTOR, "list of bad blocks", error));
}

static bool is_in_sync(uint32_t state)
{
	return (state & (DISK_FAULTY | DISK_ACTIVE | DISK_SYNC)) == (DISK_ACTIVE | DISK_SYNC);
}

static void take_state_0(const struct super_0 *sb, struct md_super *super)
{
	uint32_t number = le32_get(sb->this_disk.number), state;

	for (unsigned int i = 0; i < MAX_DISKS; i++)
		super->members += is_in_sync(le32_get(sb->disks[i].state));
	super->state = MD_OUT;
	if (number >= MAX_DISKS)
		return;
	state = le32_get(sb->disks[number].state);
	super->role = le32_get(sb->disks[number].role);
	if (is_in_sync(state))
		super->state = MD_IN_SYNC;
	else if (!(state & (DISK_FAULTY | DISK_ACTIVE | DISK_SYNC)))
		super->state = MD_SPARE; /* it may be being rebuilt: the kernel starts anew */
}

static bool read_0(const Volume *member, const struct super_0 *sb, struct md_super *super,
		   GError **error)
{
	uint32_t minor = le32_get(sb->minor_version);

	if (fold(md_checksum((const uint8_t *)sb, MD_SUPER_SIZE, MD_SUPER_0_CHECKSUM)) !=
	    fold(le32_get(sb->checksum))) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "an md superblock with a wrong checksum");
		return false;
	}
	super->level = (int32_t)le32_get(sb->level);
	if (super->level != MD_LEVEL_RAID1)
		return true;
	if (le32_get(sb->major_version) != 0 || minor != 90 || le32_get(sb->not_persistent) != 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "RAID1 with an md superblock of version %" PRIu32 ".%" PRIu32,
			    le32_get(sb->major_version), minor);
		return false;
	}
	memcpy(super->set_id, &sb->set_id_0, 4);
	memcpy(super->set_id + 4, sb->set_id_1, 12);
	memcpy(super->member_id, &sb->this_disk.number, 4);
	g_snprintf(super->name, sizeof(super->name), "%" PRIu32, le32_get(sb->md_minor));
	super->mirrors = le32_get(sb->mirrors);
	super->events = le64_get(sb->events);
	super->data_size = le32_get(sb->size) * UINT64_C(1024);
	super->stopped = le32_get(sb->state) & STATE_CLEAN;
	super->has_bitmap = le32_get(sb->state) & STATE_BITMAP;
	super->bitmap_offset = super->offset + MD_SUPER_SIZE;
	take_state_0(sb, super);
	return check_places(member, super, error);
}

bool md_super_read(const Volume *member, struct md_super *ret, GError **error)
{
	union {
		struct super_0 v0;
		struct super_1 v1;
	} sb;
	struct md_super super = { .version = MD_0_90 };
	bool ok;

	if (!find_super(member, &super.version, error))
		return false;
	super.offset = md_super_offset(member->size, super.version);
	if (!volume_read(member, super.offset, &sb, sizeof(sb), error))
		return false;
	ok = super.version == MD_0_90 ? read_0(member, &sb.v0, &super, error)
				      : read_1(member, &sb.v1, &super, error);
	if (ok)
		*ret = super;
	return ok;
}
