/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last looks before anything is made: what may have changed since the plan was made. */
#include "base/units.h"
#include "migrate/migrate-job.h"

#include <inttypes.h>
#include <string.h>

/* Of QEMU's, by default: libvirt's qemu.conf, migration_port_min and migration_port_max. */
enum { MIGRATE_PORT = 49152, MIGRATE_PORT_LAST = 49215, PORT_SECONDS = 3 };

static bool check_hosts(MigrateJob *job, JobContext *context, GError **error)
{
	Cloud *source = migrate_job_source(job, context, error);
	Cloud *target = source ? migrate_job_target(job, context, error) : NULL;

	if (!target)
		return false;
	if (strcmp(cloud_host_uuid(source), cloud_host_uuid(target)) != 0)
		return true;
	g_set_error(
	    error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
	    "'%s' and '%s' have the same host UUID %s, which libvirt takes for one host: set "
	    "host_uuid in libvirtd.conf of one",
	    cloud_uri(source), cloud_uri(target), cloud_host_uuid(source));
	return false;
}

static bool refuse_other(const MigrateJob *job, const CloudDomain *other, const char *what,
			 GError **error)
{
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_EXISTS,
		    "the target has a VM '%s' (%s, %s) with the %s of '%s' already", other->name,
		    other->uuid, cloud_domain_state_name(other->state), what, job->plan->name);
	return false;
}

/* Its name and its UUID are nobody's at the target. */
static bool check_free(MigrateJob *job, JobContext *context, GError **error)
{
	GCancellable *cancellable = job_context_cancellable(context);
	g_autoptr(CloudDomain) same_uuid = NULL, same_name = NULL;
	int r =
	    cloud_domain_find_uuid(job->target, job->plan->uuid, &same_uuid, cancellable, error);

	if (r > 0)
		return refuse_other(job, same_uuid, "UUID", error);
	if (r == 0)
		r = cloud_domain_find(job->target, job->plan->name, &same_name, cancellable, error);
	if (r > 0)
		return refuse_other(job, same_name, "name", error);
	return r == 0;
}

static const CloudDisk *find_disk(const GPtrArray *disks, const char *target)
{
	for (unsigned int i = 0; i < disks->len; i++) {
		const CloudDisk *disk = g_ptr_array_index(disks, i);

		if (strcmp(disk->target, target) == 0)
			return disk;
	}
	return NULL;
}

/* A disk that has grown meanwhile would make QEMU refuse the copy, after all was made. */
static bool check_disks(MigrateJob *job, JobContext *context, GError **error)
{
	g_autoptr(GPtrArray) live = cloud_domain_disks(job->source, job->plan->uuid,
						       job_context_cancellable(context), error);

	for (unsigned int i = 0; live && i < job->plan->disks->len; i++) {
		const struct migrate_disk *disk = g_ptr_array_index(job->plan->disks, i);
		const CloudDisk *now = find_disk(live, disk->target);

		if (now && now->capacity == disk->capacity &&
		    g_strcmp0(now->source, disk->source) == 0)
			continue;
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
			    "disk %s has changed since the job began: it was %" PRIu64
			    " bytes at '%s', it is %" PRIu64 " at '%s'; begin again",
			    disk->target, disk->capacity, disk->source, now ? now->capacity : 0,
			    now && now->source ? now->source : "nowhere");
		return false;
	}
	return live != NULL;
}

/* What an earlier migration, not only of ours, has left in the VM. */
static bool heal(MigrateJob *job, JobContext *context, GError **error)
{
	g_autofree const char **targets = migrate_job_targets(job);
	g_autofree char *found = NULL;

	if (!cloud_domain_heal(job->source, job->plan->uuid, targets, &found,
			       job_context_cancellable(context), error))
		return false;
	if (found)
		job_warn(context, "left in '%s' by an earlier migration, and taken away: %s",
			 job->plan->name, found);
	return true;
}

/* A pool that is not there yet has its directory's space, which the choice has judged. */
static bool check_space(MigrateJob *job, JobContext *context, GError **error)
{
	uint64_t bytes = migrate_plan_bytes(job->plan);
	const char *path = job_noted(context, "reserve", "path");
	GCancellable *cancellable = job_context_cancellable(context);
	g_autofree char *needed = units_bytes(bytes), *available = NULL;
	g_autoptr(CloudPool) pool = NULL;
	int r = cloud_pool_find_path(job->target, path, &pool, cancellable, error);

	if (r <= 0 || !pool->active || pool->available >= bytes)
		return r >= 0;
	available = units_bytes(pool->available);
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NO_SPACE,
		    "the pool '%s' has %s free (%" PRIu64 " bytes), but the disks take %s (%" PRIu64
		    " bytes)",
		    pool->name, available, pool->available, needed, bytes);
	return false;
}

/* What can be tried from here holds for the source if that is this machine. */
static bool is_here(const MigratePlan *plan)
{
	return g_str_has_prefix(plan->source_uri, "qemu:///");
}

/* 1: something answers at @address, and be it that nobody listens; 0: nothing, and why; -1: failed.
 */
static int try_port(const char *address, GCancellable *cancellable, char **ret_why, GError **error)
{
	g_autoptr(GSocketClient) client = g_socket_client_new();
	g_autoptr(GSocketConnection) connection = NULL;
	g_autoptr(GError) cause = NULL;

	g_socket_client_set_enable_proxy(client, false);
	g_socket_client_set_timeout(client, PORT_SECONDS);
	connection =
	    g_socket_client_connect_to_host(client, address, MIGRATE_PORT, cancellable, &cause);
	if (connection || g_error_matches(cause, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED))
		return 1;
	if (g_error_matches(cause, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_CANCELLED, "%s", cause->message);
		return -1;
	}
	*ret_why = g_strdup(cause->message);
	return 0;
}

/* A firewall that drops what QEMU sends would be found by a timeout of minutes, after all is made.
 */
static bool check_ports(const MigrateJob *job, JobContext *context, GError **error)
{
	const char *address = migrate_job_address(context);
	g_autofree char *why = NULL;
	int r;

	if (!is_here(job->plan) || job->plan->force)
		return true;
	r = try_port(address, job_context_cancellable(context), &why, error);
	if (r == 0)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "port %d of '%s' cannot be reached from here: %s; open TCP ports %d to "
			    "%d there for this host, or say --force if its qemu.conf has others "
			    "(migration_port_min, migration_port_max)",
			    MIGRATE_PORT, address, why, MIGRATE_PORT, MIGRATE_PORT_LAST);
	return r > 0;
}

/* How long a cut cable may stop a guest, where it can be known: on this machine itself. */
static void warn_of_retries(const MigrateJob *job, JobContext *context)
{
	g_autofree char *text = NULL;
	guint64 retries = 0;

	if (!is_here(job->plan) ||
	    !g_file_get_contents("/proc/sys/net/ipv4/tcp_retries2", &text, NULL, NULL) ||
	    !g_ascii_string_to_unsigned(g_strchomp(text), 10, 0, G_MAXUINT, &retries, NULL))
		return;
	if (retries > 8)
		job_warn(context,
			 "net.ipv4.tcp_retries2 is %" PRIu64 " here: if the network is cut during "
			 "the move the guest may stand still for %s; 'sysctl -w "
			 "net.ipv4.tcp_retries2=5' bounds that to some 15 s",
			 retries, retries >= 15 ? "a quarter of an hour" : "minutes");
}

bool migrate_check_run(JobContext *context, void *data, const void *item, GError **error)
{
	MigrateJob *job = data;

	if (!check_hosts(job, context, error) || !check_free(job, context, error) ||
	    !check_disks(job, context, error) || !check_space(job, context, error) ||
	    !check_ports(job, context, error))
		return false;
	warn_of_retries(job, context);
	return heal(job, context, error);
}
