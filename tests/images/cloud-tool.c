/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * src/cloud on the command line, for scripts:
 *
 *   cloud-tool [--call-ms N] [--stall-ms N] [--cancel-ms N] [--twice] URI VERB [ARG...]
 *
 * The verbs are in the table below.  Answers are lines of fields with tabs between them; a failure
 * is one line on stderr, "CODE: words", and status 1.  --cancel-ms: cancel so long after the verb
 * has begun.  --twice: after an answer or failure wait for a line on stdin, and do the verb once
 * more over the same Cloud.
 */
#include "base/autofd.h"
#include "base/error.h"
#include "base/io.h"
#include "cloud/cloud-migrate.h"
#include "cloud/cloud.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const codes[] = {
	[WHERRY_ERROR_IO] = "IO",
	[WHERRY_ERROR_NOT_FOUND] = "NOT_FOUND",
	[WHERRY_ERROR_USAGE] = "USAGE",
	[WHERRY_ERROR_INVALID_INPUT] = "INVALID_INPUT",
	[WHERRY_ERROR_UNSUPPORTED] = "UNSUPPORTED",
	[WHERRY_ERROR_DAMAGED] = "DAMAGED",
	[WHERRY_ERROR_DIFFERENT] = "DIFFERENT",
	[WHERRY_ERROR_NO_SPACE] = "NO_SPACE",
	[WHERRY_ERROR_CANCELLED] = "CANCELLED",
	[WHERRY_ERROR_BUSY] = "BUSY",
	[WHERRY_ERROR_DENIED] = "DENIED",
	[WHERRY_ERROR_EXISTS] = "EXISTS",
};

/* A verb: true = done. */
typedef bool (*verb_fn)(Cloud *cloud, char **args, GCancellable *cancellable, GError **error);

static const char *or_none(const char *text)
{
	return text ? text : "-";
}

static bool say_answer(int r)
{
	if (r >= 0)
		puts(r ? "yes" : "no");
	return r >= 0;
}

static bool do_host(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	printf("%s\t%s\t%s\n", cloud_host_uuid(cloud), cloud_host_name(cloud), cloud_uri(cloud));
	return true;
}

static bool do_capacity(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	g_autoptr(CloudCapacity) it = cloud_capacity(cloud, c, error);

	if (!it)
		return false;
	printf("arch\t%s\ncpus\t%u\ncpus-max\t%u\nmemory\t%" PRIu64 "\nmemory-free\t%" PRIu64 "\n",
	       it->arch, it->cpus, it->cpus_max, it->memory, it->memory_free);
	printf("qemu\t%s\nkvm\t%s\nno-kvm\t%s\nq35\t%d\npc\t%d\nuefi\t%d\nsecure-boot\t%d\n",
	       or_none(it->qemu_emulator), or_none(it->kvm_emulator), or_none(it->no_kvm_reason),
	       cloud_capacity_has_machine(it, "q35"), cloud_capacity_has_machine(it, "pc"),
	       it->uefi, it->secure_boot);
	return true;
}

static bool do_networks(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	g_autoptr(GPtrArray) list = cloud_networks(cloud, c, error);

	for (unsigned int i = 0; list && i < list->len; i++) {
		const CloudNetwork *it = list->pdata[i];

		printf("%s\t%s\t%s\t%s\n", it->name, it->uuid, it->active ? "active" : "inactive",
		       or_none(it->bridge));
	}
	return list != NULL;
}

static bool do_exists(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	return say_answer(cloud_directory_exists(cloud, args[0], args[1], c, error));
}

static bool do_missing(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	g_autoptr(GPtrArray) list = cloud_directory_missing(cloud, args[0], args[1], c, error);

	for (unsigned int i = 0; list && i < list->len; i++)
		puts(list->pdata[i]);
	return list != NULL;
}

static bool do_mkdir(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	return cloud_directory_create(cloud, args[0], args[1], c, error);
}

static bool do_rmdir(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	g_autofree char *reason = NULL;
	int r = cloud_directory_delete(cloud, args[0], args[1], &reason, c, error);

	if (r == 0)
		printf("kept\t%s\n", reason);
	if (r > 0)
		puts("gone");
	return r >= 0;
}

static void print_pool(const CloudPool *it)
{
	printf("%s\t%s\t%s\t%s\t%s\t%s\t%" PRIu64 "\t%" PRIu64 "\n", it->name, it->uuid, it->type,
	       or_none(it->path), it->active ? "active" : "inactive",
	       it->autostart ? "auto" : "manual", it->capacity, it->available);
}

static bool do_pools(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	g_autoptr(GPtrArray) list = cloud_pools(cloud, c, error);

	for (unsigned int i = 0; list && i < list->len; i++)
		print_pool(list->pdata[i]);
	return list != NULL;
}

static bool print_found_pool(int r, CloudPool *found)
{
	g_autoptr(CloudPool) pool = found;

	if (r == 0)
		puts("none");
	if (r > 0)
		print_pool(pool);
	return r >= 0;
}

static bool do_pool(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	CloudPool *pool = NULL;
	int r = cloud_pool_find(cloud, args[0], &pool, c, error);

	return print_found_pool(r, pool);
}

static bool do_pool_on(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	CloudPool *pool = NULL;
	int r = cloud_pool_find_path(cloud, args[0], &pool, c, error);

	return print_found_pool(r, pool);
}

static bool do_pool_define(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	return cloud_pool_define(cloud, args[0], args[1], args[2], c, error);
}

static bool do_pool_start(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	return cloud_pool_start(cloud, args[0], c, error);
}

static bool do_pool_activate(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	return cloud_pool_activate(cloud, args[0], c, error);
}

static bool do_pool_remove(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	return cloud_pool_remove(cloud, args[0], c, error);
}

static void print_volume(const CloudVolume *it)
{
	printf("%s\t%s\t%s\t%s\t%" PRIu64 "\t%" PRIu64 "\n", it->name, it->path, it->format,
	       or_none(it->backing), it->capacity, it->allocation);
}

static bool do_volumes(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	g_autoptr(GPtrArray) list = cloud_volumes(cloud, args[0], c, error);

	for (unsigned int i = 0; list && i < list->len; i++)
		print_volume(list->pdata[i]);
	return list != NULL;
}

static bool do_volume(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	g_autoptr(CloudVolume) volume = NULL;
	int r = cloud_volume_find(cloud, args[0], args[1], &volume, c, error);

	if (r == 0)
		puts("none");
	if (r > 0)
		print_volume(volume);
	return r >= 0;
}

static bool do_volume_create(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	return cloud_volume_create(cloud, args[0], args[1], args[2],
				   g_ascii_strtoull(args[3], NULL, 10), c, error);
}

/* What is uploaded, and where to stop and wait: half-way, if the test wants to do something. */
struct upload {
	int fd;
	const char *name;
	uint64_t length;
	bool pause;
};

static bool fill(uint64_t offset, void *buf, size_t len, void *userdata, GError **error)
{
	struct upload *upload = userdata;

	if (upload->pause && offset >= upload->length / 2) {
		upload->pause = false;
		puts("half");
		(void)fflush(stdout); /* the test would see nothing and give up */
		(void)getchar();
	}
	return io_pread(upload->fd, upload->name, offset, buf, len, error);
}

/* @pause: the file's name is followed by a word. */
static bool do_upload(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	struct upload upload = { .name = args[2], .pause = args[3] != NULL };
	autofd int fd = open(args[2], O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		wherry_error_sys(error, errno, "cannot open '%s'", args[2]);
		return false;
	}
	upload.fd = fd;
	upload.length = (uint64_t)st.st_size;
	return cloud_volume_upload(cloud, args[0], args[1], upload.length, fill, &upload, c, error);
}

static bool take(uint64_t offset, const void *buf, size_t len, void *userdata, GError **error)
{
	return fwrite(buf, 1, len, stdout) == len;
}

static bool do_read(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	return cloud_volume_read(cloud, args[0], args[1], g_ascii_strtoull(args[2], NULL, 10),
				 g_ascii_strtoull(args[3], NULL, 10), take, NULL, c, error);
}

static bool do_open(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	autofd int fd = -1;
	int r = cloud_volume_open(cloud, args[0], args[1], &fd, c, error);

	if (r > 0 && (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY)
		g_error("the file is open for writing");
	return say_answer(r);
}

static bool do_volume_delete(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	return cloud_volume_delete(cloud, args[0], args[1], c, error);
}

static bool do_volume_user(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	g_autofree char *who = NULL;
	int r = cloud_volume_find_user(cloud, args[0], args[1], &who, c, error);

	if (r >= 0)
		puts(r > 0 ? who : "nobody");
	return r >= 0;
}

static char *join(const GPtrArray *list)
{
	GString *text = g_string_new(NULL);

	for (unsigned int i = 0; i < list->len; i++)
		g_string_append_printf(text, "%s%s", i ? "," : "", (char *)list->pdata[i]);
	return g_string_free(text, false);
}

static void print_domain(const CloudDomain *it)
{
	g_autofree char *macs = join(it->macs), *paths = join(it->paths);

	printf("%s\t%s\t%s\t%s\t%s\t%s\n", it->name, it->uuid, cloud_domain_state_name(it->state),
	       it->persistent ? "persistent" : "transient", macs, paths);
}

static bool do_domains(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	g_autoptr(GPtrArray) list = cloud_domains(cloud, c, error);

	for (unsigned int i = 0; list && i < list->len; i++)
		print_domain(list->pdata[i]);
	return list != NULL;
}

static bool do_domain(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	g_autoptr(CloudDomain) domain = NULL;
	int r = cloud_domain_find(cloud, args[0], &domain, c, error);

	if (r == 0)
		puts("none");
	if (r > 0)
		print_domain(domain);
	return r >= 0;
}

static bool do_domain_define(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	g_autofree char *xml = NULL;

	if (!g_file_get_contents(args[0], &xml, NULL, NULL))
		g_error("cannot read '%s'", args[0]);
	return cloud_domain_define(cloud, xml, c, error);
}

static bool do_domain_start(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	return cloud_domain_start(cloud, args[0], c, error);
}

static bool do_domain_destroy(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	return cloud_domain_destroy(cloud, args[0], c, error);
}

static bool do_domain_undefine(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	return cloud_domain_undefine(cloud, args[0], c, error);
}

static bool do_disks(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	g_autoptr(GPtrArray) list = cloud_domain_disks(cloud, args[0], c, error);

	for (unsigned int i = 0; list && i < list->len; i++) {
		const CloudDisk *it = g_ptr_array_index(list, i);

		printf("%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%" PRIu64 "\t%" PRIu64 "\n", it->target,
		       it->type, it->device, or_none(it->source), it->format, or_none(it->backing),
		       it->readonly, it->shareable, it->capacity, it->allocation);
	}
	return list != NULL;
}

static bool do_standing(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	struct cloud_standing it;

	if (!cloud_domain_standing(cloud, args[0], &it, c, error))
		return false;
	printf("%s\t%s%s%s%s%s%s\n", it.defined ? cloud_domain_state_name(it.state) : "none",
	       it.persistent ? " persistent" : "", it.moved_away ? " moved-away" : "",
	       it.moving ? " moving" : "", it.own_end ? " own-end" : "", it.torn ? " torn" : "",
	       it.job ? " job" : "");
	return true;
}

static bool do_progress(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	struct cloud_progress it;
	bool ended = strcmp(args[1], "ended") == 0;

	if (!(ended ? cloud_migration_result : cloud_migration_progress)(cloud, args[0], &it, c,
									 error))
		return false;
	printf("%d\t%" PRIu64 "/%" PRIu64 "\t%" PRIu64 "/%" PRIu64 "\t%" PRIu64
	       " ms\tdirty %" PRIu64 "\tdowntime %" PRIu64 "\n",
	       (int)it.phase, it.disk_done, it.disk_total, it.memory_done, it.memory_total,
	       it.elapsed_ms, it.dirty_rate, it.downtime_ms);
	return true;
}

static bool do_dirty_rate(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	uint64_t rate;

	if (!cloud_domain_dirty_rate(cloud, args[0], 1, &rate, c, error))
		return false;
	printf("%" PRIu64 "\n", rate);
	return true;
}

static bool do_suspend(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	return cloud_domain_suspend(cloud, args[0], c, error);
}

static bool do_resume(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	return cloud_domain_resume(cloud, args[0], c, error);
}

static bool do_abort(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	return cloud_migration_abort(cloud, args[0], c, error);
}

static bool do_yank(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	return cloud_migration_yank(cloud, args[0], (const char *const *)args + 1, c, error);
}

static bool do_heal(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	g_autofree char *found = NULL;

	if (!cloud_domain_heal(cloud, args[0], (const char *const *)args + 1, &found, c, error))
		return false;
	puts(or_none(found));
	return true;
}

static bool do_migrate(Cloud *cloud, char **args, GCancellable *c, GError **error)
{
	struct cloud_move moves[8];
	struct cloud_migration_request request = {
		.uuid = args[0],
		.to = args[1],
		.address = args[2],
		.moves = moves,
		.bandwidth = g_ascii_strtoull(args[4], NULL, 10),
		.paused = strcmp(args[3], "paused") == 0,
		.auto_converge = true,
	};
	CloudMigration *migration;

	for (char **it = args + 5; it[0] && it[1] && request.move_count < 8; it += 2)
		moves[request.move_count++] = (struct cloud_move){ it[0], it[1] };
	migration = cloud_migration_start(cloud, &request, error);
	if (!migration)
		return false;
	while (!cloud_migration_wait(migration, 1000))
		;
	return cloud_migration_end(migration, error);
}

static const struct {
	const char *name;
	int args;
	verb_fn run;
} verbs[] = {
	{ "host", 0, do_host },
	{ "capacity", 0, do_capacity },
	{ "networks", 0, do_networks },
	{ "directory-exists", 2, do_exists },   /* POOL-UUID PATH */
	{ "directory-missing", 2, do_missing }, /* POOL-UUID PATH */
	{ "directory-create", 2, do_mkdir },    /* POOL-UUID PATH */
	{ "directory-delete", 2, do_rmdir },    /* POOL-UUID PATH */
	{ "pools", 0, do_pools },
	{ "pool", 1, do_pool },                   /* NAME */
	{ "pool-on", 1, do_pool_on },             /* PATH */
	{ "pool-define", 3, do_pool_define },     /* UUID NAME PATH */
	{ "pool-start", 1, do_pool_start },       /* UUID */
	{ "pool-activate", 1, do_pool_activate }, /* UUID */
	{ "pool-remove", 1, do_pool_remove },     /* UUID */
	{ "volumes", 1, do_volumes },             /* POOL-UUID */
	{ "volume", 2, do_volume },               /* POOL-UUID NAME */
	{ "volume-create", 4, do_volume_create }, /* POOL-UUID NAME FORMAT CAPACITY */
	{ "volume-upload", 3, do_upload },        /* POOL-UUID NAME FILE [pause] */
	{ "volume-read", 4, do_read },            /* POOL-UUID NAME OFFSET LENGTH */
	{ "volume-open", 2, do_open },            /* POOL-UUID NAME */
	{ "volume-delete", 2, do_volume_delete }, /* POOL-UUID NAME */
	{ "volume-user", 2, do_volume_user },     /* POOL-UUID NAME */
	{ "domains", 0, do_domains },
	{ "domain", 1, do_domain },                   /* NAME */
	{ "domain-define", 1, do_domain_define },     /* FILE */
	{ "domain-start", 1, do_domain_start },       /* UUID */
	{ "domain-destroy", 1, do_domain_destroy },   /* UUID */
	{ "domain-undefine", 1, do_domain_undefine }, /* UUID */
	{ "disks", 1, do_disks },                     /* UUID; as the next */
	{ "standing", 1, do_standing },
	{ "suspend", 1, do_suspend },
	{ "resume", 1, do_resume },
	{ "dirty-rate", 1, do_dirty_rate },
	{ "migration", 2, do_progress }, /* UUID now|ended */
	{ "abort", 1, do_abort },
	{ "yank", 2, do_yank },       /* UUID TARGET... */
	{ "heal", 2, do_heal },       /* UUID TARGET... */
	{ "migrate", 5, do_migrate }, /* UUID URI ADDRESS paused|fast BANDWIDTH [TARGET PATH]... */
};

static void *cancel_later(void *data)
{
	GCancellable *cancellable = data;

	g_usleep(1000 * GPOINTER_TO_UINT(g_object_get_data(G_OBJECT(cancellable), "ms")));
	g_cancellable_cancel(cancellable);
	g_object_unref(cancellable);
	return NULL;
}

static GCancellable *new_cancellable(int ms)
{
	GCancellable *cancellable = g_cancellable_new();

	if (ms > 0) {
		g_object_set_data(G_OBJECT(cancellable), "ms", GUINT_TO_POINTER((unsigned int)ms));
		g_thread_unref(g_thread_new("cancel", cancel_later, g_object_ref(cancellable)));
	}
	return cancellable;
}

static bool do_verb(Cloud *cloud, char **args, int cancel_ms)
{
	g_autoptr(GCancellable) cancellable = new_cancellable(cancel_ms);
	g_autoptr(GError) error = NULL;

	for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++) {
		if (strcmp(verbs[i].name, args[0]) != 0)
			continue;
		if ((int)g_strv_length(args + 1) < verbs[i].args)
			g_error("%s wants %d arguments", args[0], verbs[i].args);
		if (verbs[i].run(cloud, args + 1, cancellable, &error))
			return true;
		fprintf(stderr, "%s: %s\n", codes[error->code], error->message);
		return false;
	}
	g_error("no verb '%s'", args[0]);
}

int main(int argc, char **argv)
{
	struct cloud_limits limits = cloud_default_limits;
	int cancel_ms = 0, call_ms = 0, stall_ms = 0, twice = 0;
	const GOptionEntry entries[] = {
		{ "call-ms", 0, 0, G_OPTION_ARG_INT, &call_ms, NULL, NULL },
		{ "stall-ms", 0, 0, G_OPTION_ARG_INT, &stall_ms, NULL, NULL },
		{ "cancel-ms", 0, 0, G_OPTION_ARG_INT, &cancel_ms, NULL, NULL },
		{ "twice", 0, 0, G_OPTION_ARG_NONE, &twice, NULL, NULL },
		{ 0 },
	};
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);
	g_autoptr(GError) error = NULL;
	g_autoptr(Cloud) cloud = NULL;
	bool ok;

	g_option_context_add_main_entries(context, entries, NULL);
	g_option_context_set_strict_posix(context, true);
	if (!g_option_context_parse(context, &argc, &argv, &error) || argc < 3)
		g_error("see the head of cloud-tool.c");
	limits.call_ms = call_ms > 0 ? (unsigned int)call_ms : limits.call_ms;
	limits.stall_ms = stall_ms > 0 ? (unsigned int)stall_ms : limits.stall_ms;

	cloud = cloud_connect(argv[1], &limits, NULL, &error);
	if (!cloud) {
		fprintf(stderr, "%s: %s\n", codes[error->code], error->message);
		return EXIT_FAILURE;
	}
	ok = do_verb(cloud, argv + 2, cancel_ms);
	if (twice) {
		puts("again?");
		(void)fflush(stdout); /* as above */
		(void)getchar();
		ok = do_verb(cloud, argv + 2, 0);
	}
	return fflush(stdout) == 0 && ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
