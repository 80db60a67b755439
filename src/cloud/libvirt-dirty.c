/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How fast guests change their memory.  QEMU measures for whole seconds, beside all else. */
#include "cloud/libvirt-error.h"
#include "cloud/libvirt-handles.h"

#include <libvirt/virterror.h>
#include <string.h>

enum { STEP_MS = 20, GRACE_MS = 5000 };

typedef virDomainStatsRecordPtr *StatsRecords;

static void stats_records_clear(StatsRecords *records)
{
	if (*records)
		virDomainStatsRecordListFree(*records);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(StatsRecords, stats_records_clear)

/* ---- Read ---- */

/* A number of a record, by its name; -1: it is not there. */
static int64_t find_number(const virDomainStatsRecord *record, const char *name)
{
	for (int i = 0; i < record->nparams; i++) {
		const virTypedParameter *it = &record->params[i];

		if (strcmp(it->field, name) != 0)
			continue;
		if (it->type == VIR_TYPED_PARAM_LLONG)
			return it->value.l;
		if (it->type == VIR_TYPED_PARAM_INT)
			return it->value.i;
	}
	return -1;
}

/* Of one that measures, or never did, there is a status only. */
static void read_record(const virDomainStatsRecord *record, CloudDirtyRate *rate)
{
	int64_t mib = find_number(record, "dirtyrate.megabytes_per_second");

	rate->status = (int)find_number(record, "dirtyrate.calc_status");
	rate->measured = rate->status == VIR_DOMAIN_DIRTYRATE_MEASURED && mib >= 0;
	rate->rate = rate->measured ? (uint64_t)mib << 20 : 0;
}

static void free_rate(void *rate)
{
	cloud_dirty_rate_free(rate);
}

static bool work_rates(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_auto(StatsRecords) records = NULL;
	/* One with which something long is being done is left out rather than waited for. */
	int count = virConnectGetAllDomainStats(connection, VIR_DOMAIN_STATS_DIRTYRATE, &records,
						VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING |
						    VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT);

	if (count < 0) {
		libvirt_error(error, "%s", request->doing);
		return false;
	}
	request->list = g_ptr_array_new_with_free_func(free_rate);
	for (int i = 0; i < count; i++) {
		CloudDirtyRate *rate = g_new0(CloudDirtyRate, 1);
		char uuid[VIR_UUID_STRING_BUFLEN] = "";

		g_ptr_array_add(request->list, rate);
		(void)virDomainGetUUIDString(records[i]->dom, uuid); /* then it is nobody's */
		rate->uuid = g_strdup(uuid);
		read_record(records[i], rate);
	}
	return true;
}

GPtrArray *libvirt_dirty_rates(Cloud *cloud, GCancellable *cancellable, GError **error)
{
	g_autoptr(LibvirtRequest) request =
	    request_new(libvirt_cloud_of(cloud), work_rates,
			"reading how fast the VMs of '%s' change their memory", cloud->uri);

	if (!request_run(libvirt_cloud_of(cloud), &request, cancellable, error))
		return NULL;
	return g_steal_pointer(&request->list);
}

/* ---- Measure ---- */

/* 1: it is known; 0: not yet; -1: failed. */
static int read_rate(virDomainPtr domain, CloudDirtyRate *ret)
{
	virDomainPtr domains[] = { domain, NULL };
	g_auto(StatsRecords) records = NULL;

	if (virDomainListGetStats(domains, VIR_DOMAIN_STATS_DIRTYRATE, &records, 0) != 1)
		return -1;
	read_record(records[0], ret);
	return ret->measured;
}

/* Success too if it is being measured already, whoever began it. */
static bool begin(virDomainPtr domain, const LibvirtRequest *request, GError **error)
{
	CloudDirtyRate rate = { 0 };

	if (virDomainStartDirtyRateCalc(domain, (int)request->number, 0) == 0)
		return true;
	libvirt_error(error, "%s", request->doing);
	if (read_rate(domain, &rate) < 0 || rate.status != VIR_DOMAIN_DIRTYRATE_MEASURING)
		return false;
	g_clear_error(error);
	return true;
}

/* To begin waits for what is being done with the VM, for long: it is not asked for then. */
static bool work_begin(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autoptr(virDomain) domain = virDomainLookupByUUIDString(connection, request->uuid);
	int job = domain ? libvirt_has_job(domain) : -1;

	request->once = true;
	if (job < 0) {
		libvirt_error(error, "%s", request->doing);
		return false;
	}
	if (job > 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_BUSY,
			    "%s: something long is being done with it", request->doing);
		return false;
	}
	return begin(domain, request, error);
}

static LibvirtRequest *new_request(Cloud *cloud,
				   bool (*work)(virConnectPtr, LibvirtRequest *, GError **),
				   const char *uuid, unsigned int seconds)
{
	LibvirtRequest *request =
	    request_new(libvirt_cloud_of(cloud), work,
			"measuring how fast the VM %s of '%s' changes its memory", uuid,
			cloud->uri);

	request->uuid = g_strdup(uuid);
	request->number = seconds;
	return request;
}

bool libvirt_domain_dirty_begin(Cloud *cloud, const char *uuid, unsigned int seconds,
				GCancellable *cancellable, GError **error)
{
	g_autoptr(LibvirtRequest) request = new_request(cloud, work_begin, uuid, seconds);

	return request_run(libvirt_cloud_of(cloud), &request, cancellable, error);
}

static bool work_measure(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	int64_t end = call_deadline((unsigned int)request->number * 1000 + GRACE_MS);
	g_autoptr(virDomain) domain = NULL;
	CloudDirtyRate rate = { 0 };
	int r = 0;

	if (!work_begin(connection, request, error))
		return false;
	domain = virDomainLookupByUUIDString(connection, request->uuid);
	while (domain && r == 0 && g_get_monotonic_time() < end) {
		g_usleep(STEP_MS * 1000UL);
		r = read_rate(domain, &rate);
	}
	if (r > 0) {
		request->number = rate.rate;
		return true;
	}
	if (!domain || r < 0)
		libvirt_error(error, "%s", request->doing);
	else
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_IO, "%s: no number came in time",
			    request->doing);
	return false;
}

bool libvirt_domain_dirty_rate(Cloud *cloud, const char *uuid, unsigned int seconds, uint64_t *ret,
			       GCancellable *cancellable, GError **error)
{
	g_autoptr(LibvirtRequest) request = new_request(cloud, work_measure, uuid, seconds);

	request->deadline += (int64_t)seconds * G_TIME_SPAN_SECOND;
	if (!request_run(libvirt_cloud_of(cloud), &request, cancellable, error))
		return false;
	*ret = request->number;
	return true;
}
