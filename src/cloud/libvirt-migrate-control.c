/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A migration watched and steered from beside it, and its remains taken away.  libvirt names the
 * far ends of its copies migration-TARGET-format, on migration-TARGET-storage.
 */
#include "cloud/libvirt-error.h"
#include "cloud/libvirt-handles.h"

#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <string.h>

/* ---- Numbers ---- */

typedef struct {
	virTypedParameterPtr list;
	int count, type;
} JobStats;

static void job_stats_clear(JobStats *stats)
{
	virTypedParamsFree(stats->list, stats->count);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(JobStats, job_stats_clear)

static uint64_t number(const JobStats *stats, const char *name)
{
	unsigned long long value = 0;

	/* One that is missing, or of another type, is 0. */
	if (virTypedParamsGetULLong(stats->list, stats->count, name, &value) < 0)
		virResetLastError();
	return value;
}

static int operation(const JobStats *stats)
{
	int value = VIR_DOMAIN_JOB_OPERATION_UNKNOWN;

	if (virTypedParamsGetInt(stats->list, stats->count, VIR_DOMAIN_JOB_OPERATION, &value) < 0)
		virResetLastError();
	return value;
}

static bool is_migration(const JobStats *stats)
{
	int what = operation(stats);

	return what == VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT ||
	       what == VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN;
}

static enum cloud_phase phase_of(const JobStats *stats)
{
	if (stats->type == VIR_DOMAIN_JOB_NONE || !is_migration(stats))
		return CLOUD_PHASE_NONE;
	if (stats->type == VIR_DOMAIN_JOB_CANCELLED || stats->type == VIR_DOMAIN_JOB_FAILED)
		return CLOUD_PHASE_UNWINDING;
	if (number(stats, VIR_DOMAIN_JOB_MEMORY_TOTAL) > 0)
		return CLOUD_PHASE_MEMORY;
	return number(stats, VIR_DOMAIN_JOB_DISK_TOTAL) > 0 ? CLOUD_PHASE_DISKS : CLOUD_PHASE_BEGIN;
}

static void read_progress(const JobStats *stats, struct cloud_progress *ret)
{
	*ret = (struct cloud_progress){
		.phase = phase_of(stats),
		.elapsed_ms = number(stats, VIR_DOMAIN_JOB_TIME_ELAPSED),
		.disk_total = number(stats, VIR_DOMAIN_JOB_DISK_TOTAL),
		.disk_done = number(stats, VIR_DOMAIN_JOB_DISK_PROCESSED),
		.disk_rate = number(stats, VIR_DOMAIN_JOB_DISK_BPS),
		.memory_total = number(stats, VIR_DOMAIN_JOB_MEMORY_TOTAL),
		.memory_done = number(stats, VIR_DOMAIN_JOB_MEMORY_PROCESSED),
		.memory_left = number(stats, VIR_DOMAIN_JOB_MEMORY_REMAINING),
		.memory_rate = number(stats, VIR_DOMAIN_JOB_MEMORY_BPS),
		.dirty_rate = number(stats, VIR_DOMAIN_JOB_MEMORY_DIRTY_RATE) *
			      number(stats, VIR_DOMAIN_JOB_MEMORY_PAGE_SIZE),
		.iteration = number(stats, VIR_DOMAIN_JOB_MEMORY_ITERATION),
		.downtime_ms = number(stats, VIR_DOMAIN_JOB_DOWNTIME),
	};
}

static bool work_progress(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autoptr(virDomain) domain = virDomainLookupByUUIDString(connection, request->uuid);
	unsigned int flags =
	    request->flag ? VIR_DOMAIN_JOB_STATS_COMPLETED | VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED
			  : 0;
	g_auto(JobStats) stats = { 0 };

	if (!domain ||
	    virDomainGetJobStats(domain, &stats.type, &stats.list, &stats.count, flags) < 0) {
		/* One that is off has no job, and no answer. */
		if (domain && !request->flag && virGetLastErrorCode() == VIR_ERR_OPERATION_INVALID)
			return true;
		libvirt_error(error, "%s", request->doing);
		return false;
	}
	if (request->flag && !is_migration(&stats)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND,
			    "%s: none is known to it any more", request->doing);
		return false;
	}
	read_progress(&stats, request->extra);
	return true;
}

bool libvirt_migration_progress(Cloud *cloud, const char *uuid, bool ended,
				struct cloud_progress *ret, GCancellable *cancellable,
				GError **error)
{
	g_autoptr(LibvirtRequest) request =
	    request_new(libvirt_cloud_of(cloud), work_progress,
			"asking '%s' about the migration of the VM %s", cloud->uri, uuid);

	request->uuid = g_strdup(uuid);
	request->flag = ended;
	request->extra = g_new0(struct cloud_progress, 1);
	request->free_extra = g_free;
	if (!request_run(libvirt_cloud_of(cloud), &request, cancellable, error))
		return false;
	*ret = *(struct cloud_progress *)request->extra;
	return true;
}

/* ---- Steering ---- */

static bool work_tune(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autoptr(virDomain) domain = virDomainLookupByUUIDString(connection, request->uuid);

	if (!domain || virDomainMigrateSetMaxDowntime(domain, request->number, 0) < 0) {
		libvirt_error(error, "%s", request->doing);
		return false;
	}
	return true;
}

bool libvirt_migration_tune(Cloud *cloud, const char *uuid, uint64_t downtime_ms,
			    GCancellable *cancellable, GError **error)
{
	g_autoptr(LibvirtRequest) request =
	    request_new(libvirt_cloud_of(cloud), work_tune,
			"setting the downtime of the VM %s of '%s' to %" G_GUINT64_FORMAT " ms",
			uuid, cloud->uri, downtime_ms);

	request->uuid = g_strdup(uuid);
	request->number = downtime_ms;
	return request_run(libvirt_cloud_of(cloud), &request, cancellable, error);
}

static bool work_bandwidth(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autoptr(virDomain) domain = virDomainLookupByUUIDString(connection, request->uuid);

	if (!domain || virDomainMigrateSetMaxSpeed(domain, MAX(1, request->number >> 20), 0) < 0) {
		libvirt_error(error, "%s", request->doing);
		return false;
	}
	return true;
}

bool libvirt_migration_set_bandwidth(Cloud *cloud, const char *uuid, uint64_t bandwidth,
				     GCancellable *cancellable, GError **error)
{
	g_autoptr(LibvirtRequest) request =
	    request_new(libvirt_cloud_of(cloud), work_bandwidth,
			"giving the move of the VM %s of '%s' %" G_GUINT64_FORMAT " bytes a second",
			uuid, cloud->uri, bandwidth);

	request->uuid = g_strdup(uuid);
	request->number = bandwidth;
	return request_run(libvirt_cloud_of(cloud), &request, cancellable, error);
}

static bool work_postcopy(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autoptr(virDomain) domain = virDomainLookupByUUIDString(connection, request->uuid);

	if (!domain || virDomainMigrateStartPostCopy(domain, 0) < 0) {
		libvirt_error(error, "%s", request->doing);
		return false;
	}
	return true;
}

bool libvirt_migration_postcopy(Cloud *cloud, const char *uuid, GCancellable *cancellable,
				GError **error)
{
	return libvirt_domain_change(cloud, work_postcopy, "switching to post-copy", uuid,
				     cancellable, error);
}

static bool work_abort(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autoptr(virDomain) domain = virDomainLookupByUUIDString(connection, request->uuid);

	if (domain && virDomainAbortJob(domain) == 0)
		return true;
	/* No job, or not active any more. */
	if (virGetLastErrorCode() == VIR_ERR_OPERATION_INVALID ||
	    virGetLastErrorCode() == VIR_ERR_NO_DOMAIN)
		return true;
	libvirt_error(error, "%s", request->doing);
	return false;
}

bool libvirt_migration_abort(Cloud *cloud, const char *uuid, GCancellable *cancellable,
			     GError **error)
{
	return libvirt_domain_change(cloud, work_abort, "cancelling the migration of", uuid,
				     cancellable, error);
}

/* ---- By QEMU's own commands ---- */

/* Whether QEMU did it.  What it says is not kept: the caller sees by what comes of it. */
static bool tell_qemu(virDomainPtr domain, const char *command, const char *arguments)
{
	g_autofree char *text =
	    g_strdup_printf("{\"execute\": \"%s\", \"arguments\": %s}", command, arguments);
	char *answer = NULL;
	bool ok = virDomainQemuMonitorCommand(domain, text, &answer, 0) == 0 &&
		  !strstr(answer, "\"error\"");

	g_debug("%s: %s", text, answer ? answer : "no answer");
	free(answer);
	return ok;
}

static bool work_yank(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autoptr(virDomain) domain = virDomainLookupByUUIDString(connection, request->uuid);
	bool any = false;

	for (unsigned int i = 0; domain && i < request->list->len; i++) {
		g_autofree char *node =
		    g_strdup_printf("{\"instances\": [{\"type\": \"block-node\", \"node-name\": "
				    "\"migration-%s-storage\"}]}",
				    (const char *)g_ptr_array_index(request->list, i));

		any |= tell_qemu(domain, "yank", node);
	}
	if (!any)
		libvirt_error(error, "%s", request->doing);
	return any;
}

/* A disk's name goes into a command, so it is no more than a name. */
static GPtrArray *copy_targets(const char *const *targets)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	GPtrArray *list = g_ptr_array_new_with_free_func(g_free);

	for (size_t i = 0; targets[i]; i++)
		if (strspn(targets[i], allowed) == strlen(targets[i]))
			g_ptr_array_add(list, g_strdup(targets[i]));
	return list;
}

bool libvirt_migration_yank(Cloud *cloud, const char *uuid, const char *const *targets,
			    GCancellable *cancellable, GError **error)
{
	g_autoptr(LibvirtRequest) request =
	    request_new(libvirt_cloud_of(cloud), work_yank,
			"cutting the copies of the VM %s of '%s'", uuid, cloud->uri);

	request->uuid = g_strdup(uuid);
	request->list = copy_targets(targets);
	return request_run(libvirt_cloud_of(cloud), &request, cancellable, error);
}

static bool end_block_job(virDomainPtr domain, const char *target)
{
	virDomainBlockJobInfo info;

	return virDomainGetBlockJobInfo(domain, target, &info, 0) > 0 &&
	       virDomainBlockJobAbort(domain, target, 0) == 0;
}

/* All nodes of QEMU's, as it lists them; owned.  NULL: it does not say. */
static char *list_nodes(virDomainPtr domain)
{
	static const char command[] =
	    "{\"execute\": \"query-named-block-nodes\", \"arguments\": {\"flat\": true}}";
	char *answer = NULL;
	g_autofree char *nodes = NULL;

	if (virDomainQemuMonitorCommand(domain, command, &answer, 0) < 0)
		return NULL;
	nodes = g_strdup(answer);
	free(answer);
	return g_steal_pointer(&nodes);
}

/* The outer end first: it holds the inner one.  @nodes: of list_nodes(). */
static bool end_nodes(virDomainPtr domain, const char *nodes, const char *target)
{
	static const char *const layers[] = { "format", "storage" };
	bool any = false;

	for (size_t i = 0; i < G_N_ELEMENTS(layers); i++) {
		g_autofree char *name = g_strdup_printf("\"migration-%s-%s\"", target, layers[i]);
		g_autofree char *node = g_strdup_printf("{\"node-name\": %s}", name);

		if (!nodes || strstr(nodes, name))
			any |= tell_qemu(domain, "blockdev-del", node);
	}
	return any;
}

static bool work_heal(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autoptr(virDomain) domain = virDomainLookupByUUIDString(connection, request->uuid);
	g_autoptr(GString) found = g_string_new(NULL);
	g_autofree char *nodes = NULL;

	if (!domain) {
		libvirt_error(error, "%s", request->doing);
		return false;
	}
	nodes = list_nodes(domain);
	for (unsigned int i = 0; i < request->list->len; i++) {
		const char *target = g_ptr_array_index(request->list, i);

		if (end_block_job(domain, target))
			g_string_append_printf(found, "%sa block job of %s", found->len ? ", " : "",
					       target);
		if (end_nodes(domain, nodes, target))
			g_string_append_printf(found, "%sthe far end of the copy of %s",
					       found->len ? ", " : "", target);
	}
	if (found->len > 0)
		request->reason = g_strdup(found->str);
	return true;
}

bool libvirt_domain_heal(Cloud *cloud, const char *uuid, const char *const *targets, char **ret,
			 GCancellable *cancellable, GError **error)
{
	g_autoptr(LibvirtRequest) request =
	    request_new(libvirt_cloud_of(cloud), work_heal,
			"taking away what a migration has left in the VM %s of '%s'", uuid,
			cloud->uri);

	request->uuid = g_strdup(uuid);
	request->list = copy_targets(targets);
	if (!request_run(libvirt_cloud_of(cloud), &request, cancellable, error))
		return false;
	*ret = g_steal_pointer(&request->reason);
	return true;
}
