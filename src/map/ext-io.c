/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An io_manager for libext2fs, and the way in. */
#include "map/ext-io.h"

#include "base/error.h"

#include <inttypes.h>
#include <stdio.h>

/* More group descriptors than this are no filesystem that anybody made. */
#define MAX_DESCRIPTOR_BYTES (UINT64_C(64) << 20)

void ext_filesystem_free(ExtFilesystem *fs)
{
	if (fs)
		ext2fs_free(fs);
}

static errcode_t io_open_volume(const char *name, int flags, io_channel *ret);

static errcode_t io_close(io_channel channel)
{
	g_free(channel);
	return 0;
}

static errcode_t io_set_block_size(io_channel channel, int size)
{
	channel->block_size = size;
	return 0;
}

/* A negative @count is a number of bytes. */
static errcode_t io_read_64(io_channel channel, unsigned long long block, int count, void *data)
{
	struct ext_source *source = channel->private_data;
	size_t len = count < 0 ? (size_t)-count : (size_t)count * (size_t)channel->block_size;
	g_autoptr(GError) cause = NULL;
	uint64_t offset;

	if (source->n_reads_left == 0 ||
	    __builtin_mul_overflow(block, (unsigned int)channel->block_size, &offset))
		return EXT2_ET_SHORT_READ;
	source->n_reads_left--;
	if (!ext_replay_read(source->replay, source->volume, offset, data, len, &cause)) {
		g_debug("%s: %s, as libext2fs will say in its words", source->volume->name,
			cause->message);
		return EXT2_ET_SHORT_READ;
	}
	return 0;
}

static errcode_t io_read(io_channel channel, unsigned long block, int count, void *data)
{
	return io_read_64(channel, block, count, data);
}

static errcode_t io_refuse_write_64(io_channel channel, unsigned long long block, int count,
				    const void *data)
{
	return EXT2_ET_RO_FILSYS;
}

static errcode_t io_refuse_write(io_channel channel, unsigned long block, int count,
				 const void *data)
{
	return EXT2_ET_RO_FILSYS;
}

static errcode_t io_flush_nothing(io_channel channel)
{
	return 0;
}

static struct struct_io_manager volume_io = {
	.magic = EXT2_ET_MAGIC_IO_MANAGER,
	.name = "wherry volume",
	.open = io_open_volume,
	.close = io_close,
	.set_blksize = io_set_block_size,
	.read_blk = io_read,
	.write_blk = io_refuse_write,
	.flush = io_flush_nothing,
	.read_blk64 = io_read_64,
	.write_blk64 = io_refuse_write_64,
};

/* libext2fs hands a name through and nothing else, so the name is the address of the source. */
static errcode_t io_open_volume(const char *name, int flags, io_channel *ret)
{
	io_channel channel = g_new0(struct struct_io_channel, 1);
	void *source;

	if (sscanf(name, "%p", &source) != 1) {
		g_free(channel);
		return EXT2_ET_BAD_DEVICE_NAME;
	}
	channel->magic = EXT2_ET_MAGIC_IO_CHANNEL;
	channel->manager = &volume_io;
	channel->block_size = 1024;
	channel->refcount = 1;
	channel->private_data = source;
	*ret = channel;
	return 0;
}

void ext_set_error(GError **error, errcode_t code, const char *what)
{
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED, "ext filesystem %s: %s", what,
		    error_message(code));
}

/*
 * The superblock's own words on size, before libext2fs allocates by them.  Descriptors are counted
 * by its smallest conceivable group, so a wrong number cannot make them many.
 */
static bool check_sizes(const struct ext_source *source, GError **error)
{
	const Volume *volume = source->volume;
	struct ext2_super_block sb;
	uint64_t blocks, bytes, groups, per_group;
	uint32_t log_size;

	if (!ext_replay_read(source->replay, volume, SUPERBLOCK_OFFSET, &sb, sizeof(sb), error))
		return false;
	log_size = GUINT32_FROM_LE(sb.s_log_block_size);
	blocks = GUINT32_FROM_LE(sb.s_blocks_count);
	if (GUINT32_FROM_LE(sb.s_feature_incompat) & EXT4_FEATURE_INCOMPAT_64BIT)
		blocks |= (uint64_t)GUINT32_FROM_LE(sb.s_blocks_count_hi) << 32;
	if (log_size > EXT2_MAX_BLOCK_LOG_SIZE - EXT2_MIN_BLOCK_LOG_SIZE ||
	    __builtin_mul_overflow(blocks, UINT64_C(1024) << log_size, &bytes) ||
	    bytes > volume->size) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "ext filesystem of %" PRIu64 " blocks of 2^%" PRIu32
			    " KiB on a volume of %" PRIu64 " bytes",
			    blocks, log_size, volume->size);
		return false;
	}

	per_group = GUINT32_FROM_LE(sb.s_blocks_per_group);
	groups = per_group ? blocks / per_group : UINT64_MAX;
	if (groups > MAX_DESCRIPTOR_BYTES / EXT2_MIN_DESC_SIZE_64BIT) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "ext filesystem of %" PRIu64 " blocks in groups of %" PRIu64, blocks,
			    per_group);
		return false;
	}
	return true;
}

/* By itself the library prints what it finds to stderr. */
static void G_GNUC_PRINTF(3, 0)
    hear_library(const char *who, long code, const char *format, va_list ap)
{
	g_autofree char *text = g_strdup_vprintf(format, ap);

	g_debug("libext2fs: %s", text);
}

ExtFilesystem *ext_open(struct ext_source *source, GError **error)
{
	g_autofree char *name = g_strdup_printf("%p", (void *)source);
	ExtFilesystem *fs;
	errcode_t code;

	initialize_ext2_error_table();
	(void)set_com_err_hook(hear_library);
	if (!check_sizes(source, error))
		return NULL;
	code = ext2fs_open(name, EXT2_FLAG_64BITS | EXT2_FLAG_SKIP_MMP, 0, 0, &volume_io, &fs);
	if (code) {
		ext_set_error(error, code, "that cannot be opened");
		return NULL;
	}
	fs->default_bitmap_type = EXT2FS_BMAP64_RBTREE; /* what it holds counts, not the size */
	return fs;
}
