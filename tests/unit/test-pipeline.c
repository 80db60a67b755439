/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What comes out of the pipeline is what the map names of the disk, in order, and nothing else. The
 * linker puts our compressor_run() and io_uring_queue_init() in place of the real ones: see `wrap`
 * in meson.build.
 */
#include "disk.h"

#include "base/zero.h"
#include "capture/pipeline.h"
#include "image/compress.h"

#include <errno.h>
#include <liburing.h>
#include <zstd.h>

#define DISK_SIZE ((UINT64_C(40) << 20) + 512)

static bool refused;         /* the kernel has no io_uring for us */
static unsigned int n_tried; /* clusters, by all workers */

size_t __real_compressor_run(Compressor *compressor, const void *in, void *out);
size_t __wrap_compressor_run(Compressor *compressor, const void *in, void *out);
int __real_io_uring_queue_init(unsigned int entries, struct io_uring *ring, unsigned int flags);
int __wrap_io_uring_queue_init(unsigned int entries, struct io_uring *ring, unsigned int flags);

size_t __wrap_compressor_run(Compressor *compressor, const void *in, void *out)
{
	g_atomic_int_inc(&n_tried);
	return __real_compressor_run(compressor, in, out);
}

int __wrap_io_uring_queue_init(unsigned int entries, struct io_uring *ring, unsigned int flags)
{
	return refused ? -EPERM : __real_io_uring_queue_init(entries, ring, flags);
}

static const struct {
	const char *name;
	enum disk_reader_way way;
	int level;
	unsigned int n_workers;
} ways[] = {
	{ "io_uring", DISK_READER_BEST, 1, 2 },
	{ "threads", DISK_READER_THREADS, 1, 3 },
	{ "threads", DISK_READER_THREADS, 0, 1 },
};

/* Half noise, half what compresses, and some zeros; @ret_bytes: the same. */
static Blkdev *make_disk(uint8_t **ret_bytes)
{
	Blkdev *disk = disk_new(DISK_SIZE, 0);
	uint8_t *bytes = g_malloc0(DISK_SIZE);
	g_autoptr(GRand) rand = g_rand_new_with_seed(7);

	for (uint64_t at = 0; at < DISK_SIZE - 4096; at += 4096)
		for (unsigned int i = 0; i < 4096 && at / 4096 % 5 != 0; i += 4) {
			uint32_t word = at / 65536 % 2 ? g_rand_int(rand) : (uint32_t)at;

			memcpy(bytes + at + i, &word, 4);
		}
	memset(bytes + DISK_SIZE - 512, 'e', 512);
	disk_write(disk, 0, bytes, DISK_SIZE);
	*ret_bytes = bytes;
	return disk;
}

/* Random extents, 4 KiB in alternation, and the end; @bytes loses what is not in it. */
static UsedMap *make_map(uint8_t *bytes)
{
	g_autofree uint8_t *keep = g_malloc0(DISK_SIZE);
	UsedMap *used = used_map_new(DISK_SIZE, 100000);
	g_autoptr(GRand) rand = g_rand_new_with_seed(8);

	for (unsigned int i = 0; i < 300; i++) {
		uint64_t at = (uint64_t)g_rand_int_range(rand, 0, (int)(DISK_SIZE / 512)) * 512;

		used_map_add(used, at, (uint64_t)g_rand_int_range(rand, 1, 200) * 512);
	}
	for (uint64_t at = 4 << 20; at < 8 << 20; at += 8192)
		used_map_add(used, at, 4096);
	for (uint64_t at = 8 << 20; at < (8 << 20) + SUMS_CHUNK_SIZE; at += 300)
		used_map_add(used, at, 100); /* more than are told apart */
	used_map_add(used, DISK_SIZE - 512, 512);

	for (uint64_t at = 0; at < DISK_SIZE; at++)
		keep[at] = used_map_count(used, at, 1) ? bytes[at] : 0;
	memcpy(bytes, keep, DISK_SIZE);
	return used;
}

static struct pipeline_options make_options(const Blkdev *disk, UsedMap *used,
					    enum disk_reader_way way)
{
	return (struct pipeline_options){
		.disk = disk,
		.used = used,
		.sector_size = 512,
		.level = 1,
		.share = 2,
		.way = way,
	};
}

static void check_chunk(const struct pipeline_chunk *chunk, const uint8_t *bytes)
{
	uint64_t start = chunk->index * SUMS_CHUNK_SIZE;
	size_t len = (size_t)MIN(SUMS_CHUNK_SIZE, DISK_SIZE - start);
	g_autofree uint8_t *got = g_malloc0(SUMS_CHUNK_SIZE);
	struct digest digest;

	for (unsigned int i = 0; !chunk->zero && i < CLUSTERS_PER_CHUNK; i++) {
		const struct pipeline_cluster *cluster = &chunk->clusters[i];
		uint8_t *to = got + i * IMAGE_CLUSTER_SIZE;

		if (cluster->compressed)
			assert_int_equal(ZSTD_decompress(to, IMAGE_CLUSTER_SIZE, cluster->data,
							 cluster->len),
					 IMAGE_CLUSTER_SIZE);
		else if (cluster->data)
			memcpy(to, cluster->data, IMAGE_CLUSTER_SIZE);
	}
	if (start >> 20 == 8)
		return; /* where some bytes more than are named may come */
	assert_memory_equal(got, bytes + start, len);
	digest = digest_of(got, len);
	if (!chunk->zero)
		assert_true(digest_equal(&digest, &chunk->digest));
}

static void test_all_ways(void **state)
{
	g_autofree uint8_t *bytes = NULL;
	g_autoptr(Blkdev) disk = make_disk(&bytes);
	g_autoptr(UsedMap) used = make_map(bytes);

	for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
		struct pipeline_options options = make_options(disk, used, ways[i].way);
		const struct pipeline_chunk *chunk;
		g_autoptr(Pipeline) pipeline = NULL;
		g_autoptr(GError) error = NULL;
		uint64_t next = 0, sum = 0;
		int r;

		options.level = ways[i].level;
		options.share = (unsigned int)i + 1;
		options.n_workers = ways[i].n_workers;
		pipeline = pipeline_new(&options, &error);
		assert_ok(pipeline, error);
		while ((r = pipeline_next(pipeline, 60000, &chunk, &error)) > 0) {
			for (; next < chunk->index * SUMS_CHUNK_SIZE; next++)
				assert_int_equal(bytes[next], 0);
			check_chunk(chunk, bytes);
			sum += chunk->used;
			next = (chunk->index + 1) * SUMS_CHUNK_SIZE;
		}
		assert_ok(r == 0, error);
		assert_int_equal(sum, used_map_count(used, 0, DISK_SIZE));
		assert_int_equal(next,
				 DISK_SIZE / SUMS_CHUNK_SIZE * SUMS_CHUNK_SIZE + SUMS_CHUNK_SIZE);
	}
}

/* Threads of ours that are there. */
static unsigned int count_threads(void)
{
	g_autoptr(GDir) dir = g_dir_open("/proc/self/task", 0, NULL);
	unsigned int n = 0;
	const char *id;

	while ((id = g_dir_read_name(dir))) {
		g_autofree char *path = g_strdup_printf("/proc/self/task/%s/comm", id);
		g_autofree char *name = NULL;

		if (g_file_get_contents(path, &name, NULL, NULL)) /* else it is gone */
			n += strcmp(name, "read\n") == 0 || strcmp(name, "compress\n") == 0;
	}
	return n;
}

/* It can be left at any time, with all its threads at work, or all of them waiting. */
static void test_left_early(void **state)
{
	g_autofree uint8_t *bytes = NULL;
	g_autoptr(Blkdev) disk = make_disk(&bytes);
	g_autoptr(UsedMap) used = used_map_new(DISK_SIZE, 10);

	used_map_add(used, 0, DISK_SIZE);
	for (unsigned int n = 0; n < 20; n++) {
		const struct pipeline_options options = make_options(disk, used, ways[n % 2].way);
		const struct pipeline_chunk *chunk;
		g_autoptr(GError) error = NULL;
		g_autoptr(Pipeline) pipeline = pipeline_new(&options, &error);

		assert_ok(pipeline, error);
		for (unsigned int i = 0; i < n; i++)
			assert_int_equal(pipeline_next(pipeline, 60000, &chunk, &error), 1);
		if (n == 10)
			g_usleep(G_USEC_PER_SEC / 2); /* for the ring to be full */
	}
	for (unsigned int i = 0; i < 100 && count_threads() > 0; i++)
		g_usleep(1000); /* one that was joined may be listed for a moment */
	assert_int_equal(count_threads(), 0);
}

static void test_failure(void **state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
		g_autoptr(Blkdev) disk = disk_new(DISK_SIZE, 0);
		g_autoptr(UsedMap) used = used_map_new(DISK_SIZE, 10);
		const struct pipeline_options options = make_options(disk, used, ways[i].way);
		const struct pipeline_chunk *chunk;
		g_autoptr(Pipeline) pipeline = NULL;
		g_autoptr(GError) error = NULL;

		used_map_add(used, 0, 1 << 20);
		used_map_add(used, 20 << 20, 1 << 20);
		assert_int_equal(ftruncate(disk->fd, 10 << 20), 0);
		pipeline = pipeline_new(&options, &error);
		assert_ok(pipeline, error);
		for (unsigned int j = 0; j < 4; j++)
			assert_int_equal(pipeline_next(pipeline, 60000, &chunk, &error), 1);
		assert_int_equal(pipeline_next(pipeline, 60000, &chunk, &error), -1);
		assert_error(&error, WHERRY_ERROR_IO, "changed its size from 41943552 to 10485760");
	}
}

static void test_way(void **state)
{
	static const struct {
		bool refused;
		enum disk_reader_way way;
		const char *want;
	} cases[] = {
		{ false, DISK_READER_BEST, "io_uring" },
		{ true, DISK_READER_BEST, "threads" },
		{ false, DISK_READER_THREADS, "threads" },
	};
	g_autoptr(Blkdev) disk = disk_new(DISK_SIZE, 0);

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		const struct disk_reader_options options = { 4, DISK_READER_ALIGN, cases[i].way };
		g_autoptr(DiskSource) source = disk_source_new(disk, DISK_STALL_MS);
		g_autoptr(GError) error = NULL;
		g_autoptr(DiskReader) reader = NULL;

		refused = cases[i].refused;
		reader = disk_reader_new(source, &options, &error);
		refused = false;
		assert_ok(reader, error);
		assert_string_equal(disk_reader_way_name(reader), cases[i].want);
	}
}

#define NOISE (UINT64_C(16) << 20)
#define TEXT  (UINT64_C(4) << 20)

/* 16 MiB of noise, 4 MiB that compress, and as much noise again. */
static Blkdev *make_noise(void)
{
	Blkdev *disk = disk_new(2 * NOISE + TEXT, 0);
	g_autofree uint8_t *bytes = g_malloc(disk->size);
	g_autoptr(GRand) rand = g_rand_new_with_seed(9);

	for (uint64_t at = 0; at < disk->size; at += 4) {
		bool noise = at < NOISE || at >= NOISE + TEXT;
		uint32_t word = noise ? g_rand_int(rand) : (uint32_t)(at / 4096 + 1);

		memcpy(bytes + at, &word, 4);
	}
	disk_write(disk, 0, bytes, disk->size);
	return disk;
}

/* In noise few clusters are tried, but enough to find what compresses behind it. */
static void test_noise(void **state)
{
	g_autoptr(Blkdev) disk = make_noise();
	g_autoptr(UsedMap) used = used_map_new(disk->size, 10);
	struct pipeline_options options = make_options(disk, used, DISK_READER_BEST);
	const unsigned int n_noise = NOISE / IMAGE_CLUSTER_SIZE, n_text = TEXT / IMAGE_CLUSTER_SIZE;
	const struct pipeline_chunk *chunk;
	unsigned int compressed = 0;
	g_autoptr(Pipeline) pipeline = NULL;
	g_autoptr(GError) error = NULL;
	int r;

	used_map_add(used, 0, disk->size);
	options.n_workers = 1; /* who would else share the counts */
	n_tried = 0;
	pipeline = pipeline_new(&options, &error);
	assert_ok(pipeline, error);
	while ((r = pipeline_next(pipeline, 60000, &chunk, &error)) > 0)
		for (unsigned int i = 0; i < CLUSTERS_PER_CHUNK; i++)
			compressed += chunk->clusters[i].compressed;
	assert_ok(r == 0, error);
	assert_in_range(compressed, n_text - 8, n_text);
	assert_in_range(n_tried, compressed + 2 * 32, compressed + 2 * (32 + n_noise / 8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_ways), cmocka_unit_test(test_left_early),
		cmocka_unit_test(test_failure),  cmocka_unit_test(test_way),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests_name("pipeline", tests, NULL, NULL);
}
