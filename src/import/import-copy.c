/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An image on its way into its volume.  Its leaves are summed as they are sent, which finds a
 * medium that reads wrongly; then the copy in the pool is read back, since what arrived is what
 * counts: its leaves, and its metadata by our own reader, before any other program opens it.
 */
#include "base/autofd.h"
#include "base/error.h"
#include "base/io.h"
#include "bundle/sums.h"
#include "import/import-job.h"
#include "import/import-medium.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#define READ_SIZE ((size_t)1 << 20)

static_assert(SUMS_LEAF_SIZE == IMAGE_LEAF_SIZE, "the sums keep the image's leaves");

/* Sums the bytes of an image that come in order, and compares each leaf. */
typedef struct {
	JobContext *context;            /* borrowed */
	const struct import_disk *disk; /* borrowed */
	const char *what;               /* for messages: "'disk-0.qcow2'" */
	SumsReader *sums;               /* owned */
	int sums_fd;                    /* owned */
	BundleImage *image;             /* owned; NULL: the bytes come by themselves */
	Digester *digester;             /* owned; of the current leaf */
	uint64_t at;                    /* bytes that came */
	struct progress now;
} Passage;

static void passage_clear(Passage *passage)
{
	sums_reader_free(passage->sums);
	digester_free(passage->digester);
	autofd_clear(&passage->sums_fd);
	bundle_image_free(passage->image);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Passage, passage_clear)

/* The zeroed @passage gets its sums, and where the progress of all disks begins. */
static bool passage_start(Passage *passage, JobContext *context, const ImportPlan *plan,
			  const struct import_disk *disk, const char *phase, GError **error)
{
	passage->context = context;
	passage->disk = disk;
	passage->what = disk->image;
	passage->digester = digester_new();
	passage->now = (struct progress){
		.phase = phase,
		.item = disk->image,
		.total = disk->image_size,
		.all_total = import_plan_bytes(plan),
	};
	for (unsigned int i = 0; g_ptr_array_index(plan->disks, i) != disk; i++) {
		const struct import_disk *before = g_ptr_array_index(plan->disks, i);

		passage->now.all_done += before->image_size;
	}
	passage->sums_fd = import_medium_keep_leaves(plan, disk, error);
	if (passage->sums_fd < 0)
		return false;
	passage->sums = sums_reader_new(passage->sums_fd, disk->sums, error);
	return passage->sums != NULL;
}

static bool compare_leaf(Passage *passage, uint64_t leaf, GError **error)
{
	struct digest got = digester_finish(passage->digester), want;
	g_autofree char *got_hex = NULL, *want_hex = NULL;

	if (!sums_reader_leaf(passage->sums, leaf, &want, error))
		return false;
	if (digest_equal(&got, &want))
		return true;
	got_hex = digest_to_hex(&got);
	want_hex = digest_to_hex(&want);
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
		    "'%s' was altered between bytes %" PRIu64 " and %" PRIu64
		    ": their SHA-256 is %s, but %s was recorded",
		    passage->what, leaf * SUMS_LEAF_SIZE, passage->at, got_hex, want_hex);
	return false;
}

/* The next @len bytes. */
static bool passage_add(Passage *passage, const uint8_t *data, size_t len, GError **error)
{
	while (len > 0) {
		uint64_t leaf = passage->at / SUMS_LEAF_SIZE;
		uint64_t end = MIN((leaf + 1) * SUMS_LEAF_SIZE, passage->disk->image_size);
		size_t n = (size_t)MIN(len, end - passage->at);

		digester_add(passage->digester, data, n);
		passage->at += n;
		passage->now.done += n;
		passage->now.all_done += n;
		data += n;
		len -= n;
		if (passage->at == end && !compare_leaf(passage, leaf, error))
			return false;
	}
	if (job_progress(&passage->now, passage->context))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_CANCELLED, "interrupted");
	return false;
}

/* A cloud_fill_fn. */
static bool send_bytes(uint64_t offset, void *buf, size_t len, void *userdata, GError **error)
{
	Passage *passage = userdata;

	g_assert(offset == passage->at);
	return bundle_image_read(passage->image, offset, buf, len, error) &&
	       passage_add(passage, buf, len, error);
}

bool import_copy_run(JobContext *context, void *data, const void *item, GError **error)
{
	ImportJob *job = data;
	const struct import_disk *disk = item;
	Cloud *cloud = import_job_cloud(job, context, error);
	g_auto(Passage) passage = { .sums_fd = -1 };

	if (!cloud || !passage_start(&passage, context, job->plan, disk, "copying", error))
		return false;
	passage.image = import_medium_open_image(job->plan, disk, error);
	return passage.image &&
	       cloud_volume_upload(cloud, import_job_pool(job, context), disk->volume,
				   disk->image_size, send_bytes, &passage,
				   job_context_cancellable(context), error);
}

/* ---- The copy ---- */

/* A volume as the source of an image; one read at a time. */
struct volume_source {
	ImportJob *job;
	JobContext *context;
	const struct import_disk *disk;
	uint8_t *to; /* where the next bytes go */
};

/* A cloud_take_fn. */
static bool take_range(uint64_t offset, const void *buf, size_t len, void *userdata, GError **error)
{
	struct volume_source *source = userdata;

	memcpy(source->to, buf, len);
	source->to += len;
	return true;
}

static bool read_volume(void *userdata, uint64_t offset, void *buf, size_t len, GError **error)
{
	struct volume_source *source = userdata;

	source->to = buf;
	return cloud_volume_read(source->job->cloud, import_job_pool(source->job, source->context),
				 source->disk->volume, offset, len, take_range, source,
				 job_context_cancellable(source->context), error);
}

/* A cloud_take_fn. */
static bool take_bytes(uint64_t offset, const void *buf, size_t len, void *userdata, GError **error)
{
	Passage *passage = userdata;

	g_assert(offset == passage->at);
	return passage_add(passage, buf, len, error);
}

/* The copy's file, when it can be opened here. */
static bool read_back_file(Passage *passage, int fd, GError **error)
{
	g_autofree uint8_t *buf = g_malloc(READ_SIZE);

	while (passage->at < passage->disk->image_size) {
		size_t len = (size_t)MIN(READ_SIZE, passage->disk->image_size - passage->at);

		if (!io_pread(fd, passage->what, passage->at, buf, len, error) ||
		    !passage_add(passage, buf, len, error))
			return false;
	}
	return true;
}

bool import_check_run(JobContext *context, void *data, const void *item, GError **error)
{
	ImportJob *job = data;
	const struct import_disk *disk = item;
	Cloud *cloud = import_job_cloud(job, context, error);
	g_auto(Passage) passage = { .sums_fd = -1 };
	struct volume_source place = { job, context, disk, NULL };
	const struct image_source source = { disk->image_size, read_volume, &place };
	g_autoptr(ImageReader) reader = NULL;
	autofd int fd = -1;
	int here;

	if (!cloud ||
	    !passage_start(&passage, context, job->plan, disk, "checking the copy of", error))
		return false;
	passage.what = disk->path;
	here = cloud_volume_open(cloud, import_job_pool(job, context), disk->volume, &fd,
				 job_context_cancellable(context), error);
	if (here < 0)
		return false;
	if (!(here > 0 ? read_back_file(&passage, fd, error)
		       : cloud_volume_read(cloud, import_job_pool(job, context), disk->volume, 0,
					   disk->image_size, take_bytes, &passage,
					   job_context_cancellable(context), error)))
		return false;
	reader = here > 0 ? image_reader_new(fd, disk->path, error)
			  : image_reader_new_from(&source, disk->path, error);
	return reader && import_check_image(disk, reader, error) &&
	       import_job_check_volume(job, context, disk, error) &&
	       job_note(context, "checked", "yes", error);
}
