/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A migration from peer to peer: the source's daemon does it all, so it goes on when we are gone.
 * The call takes as long as the move, in a thread that the caller looks after by and by.
 */
#include "cloud/libvirt-disks.h"
#include "cloud/libvirt-error.h"
#include "cloud/libvirt-handles.h"

#include <libvirt/virterror.h>
#include <string.h>

/* What the thread needs; owned, for the request of the caller may be gone. */
struct migration_args {
	struct cloud_migration_request request;
	struct cloud_move *moves;
	GStringChunk *texts; /* of both */
};

struct libvirt_migration {
	struct cloud_migration base;
	struct libvirt_cloud *source; /* borrowed */
	LibvirtRequest *request;      /* the thread's until @call has ended */
	Call *call;
};

static void args_free(void *data)
{
	struct migration_args *args = data;

	g_string_chunk_free(args->texts);
	g_free(args->moves);
	g_free(args);
}

static struct migration_args *args_new(const struct cloud_migration_request *request)
{
	struct migration_args *args = g_new0(struct migration_args, 1);

	args->texts = g_string_chunk_new(1024);
	args->request = *request;
	args->request.to = g_string_chunk_insert(args->texts, request->to);
	args->request.address = g_string_chunk_insert(args->texts, request->address);
	args->request.uuid = NULL; /* the LibvirtRequest has it */
	args->moves = g_new0(struct cloud_move, request->move_count);
	args->request.moves = args->moves;
	for (size_t i = 0; i < request->move_count; i++) {
		args->moves[i].target =
		    g_string_chunk_insert(args->texts, request->moves[i].target);
		args->moves[i].path = g_string_chunk_insert(args->texts, request->moves[i].path);
	}
	return args;
}

/* ---- Its parameters ---- */

typedef struct {
	virTypedParameterPtr list;
	int count, max;
	bool failed;
} Params;

static void params_clear(Params *params)
{
	virTypedParamsFree(params->list, params->count);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Params, params_clear)

static void add_text(Params *params, const char *name, const char *value)
{
	params->failed |=
	    virTypedParamsAddString(&params->list, &params->count, &params->max, name, value) < 0;
}

static void add_number(Params *params, const char *name, uint64_t value)
{
	params->failed |=
	    virTypedParamsAddULLong(&params->list, &params->count, &params->max, name, value) < 0;
}

static void add_int(Params *params, const char *name, unsigned int value)
{
	params->failed |=
	    virTypedParamsAddInt(&params->list, &params->count, &params->max, name, (int)value) < 0;
}

/* An IPv6 address stands in brackets in a URI. */
static char *make_uri(const char *address)
{
	return g_strdup_printf(strchr(address, ':') ? "tcp://[%s]" : "tcp://%s", address);
}

/* Both descriptions, for now and for the next start: else the old paths come back one day. */
static bool add_descriptions(Params *params, virDomainPtr domain,
			     const struct cloud_migration_request *wanted,
			     const LibvirtRequest *request, GError **error)
{
	static const struct {
		const char *name;
		unsigned int flags;
	} views[] = {
		{ VIR_MIGRATE_PARAM_DEST_XML, VIR_DOMAIN_XML_MIGRATABLE },
		{ VIR_MIGRATE_PARAM_PERSIST_XML, VIR_DOMAIN_XML_INACTIVE },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(views); i++) {
		g_autofree char *xml =
		    virDomainGetXMLDesc(domain, views[i].flags | VIR_DOMAIN_XML_SECURE);
		g_autofree char *moved = NULL;

		if (!xml) {
			libvirt_error(error, "%s", request->doing);
			return false;
		}
		moved = libvirt_move_disks(xml, wanted->moves, wanted->move_count, error);
		if (!moved)
			return false;
		add_text(params, views[i].name, moved);
	}
	return true;
}

static void add_params(Params *params, const struct cloud_migration_request *wanted)
{
	g_autofree char *uri = make_uri(wanted->address);

	add_text(params, VIR_MIGRATE_PARAM_URI, uri);
	for (size_t i = 0; i < wanted->move_count; i++)
		add_text(params, VIR_MIGRATE_PARAM_MIGRATE_DISKS, wanted->moves[i].target);
	if (wanted->bandwidth > 0) /* in MiB, and 0 would be no limit at all */
		add_number(params, VIR_MIGRATE_PARAM_BANDWIDTH, MAX(1, wanted->bandwidth >> 20));
	if (wanted->parallel > 0)
		add_int(params, VIR_MIGRATE_PARAM_PARALLEL_CONNECTIONS, wanted->parallel);
}

static unsigned int flags_of(const struct cloud_migration_request *wanted)
{
	unsigned int flags = VIR_MIGRATE_LIVE | VIR_MIGRATE_PEER2PEER | VIR_MIGRATE_PERSIST_DEST |
			     VIR_MIGRATE_ABORT_ON_ERROR;

	if (wanted->move_count > 0)
		flags |= VIR_MIGRATE_NON_SHARED_DISK;
	if (wanted->paused)
		flags |= VIR_MIGRATE_PAUSED;
	if (wanted->tls)
		flags |= VIR_MIGRATE_TLS;
	if (wanted->parallel > 0)
		flags |= VIR_MIGRATE_PARALLEL;
	if (wanted->auto_converge)
		flags |= VIR_MIGRATE_AUTO_CONVERGE;
	if (wanted->postcopy)
		flags |= VIR_MIGRATE_POSTCOPY;
	return flags;
}

/* ---- The call ---- */

/* Which failures are for ever and which are not was seen on libvirt 9.0; the rest may get better.
 */
static enum wherry_error code_of_failure(void)
{
	const virError *last = virGetLastError();
	const char *message = last && last->message ? last->message : "";

	switch (last ? last->code : 0) {
	case VIR_ERR_OPERATION_ABORTED:
		return WHERRY_ERROR_CANCELLED;
	case VIR_ERR_MIGRATE_UNSAFE:
	case VIR_ERR_CPU_INCOMPATIBLE:
		return WHERRY_ERROR_UNSUPPORTED;
	case VIR_ERR_OPERATION_INVALID:
		return strstr(message, "another migration job") ? WHERRY_ERROR_BUSY
								: WHERRY_ERROR_UNSUPPORTED;
	default:
		break;
	}
	if (strstr(message, "different sizes"))
		return WHERRY_ERROR_DIFFERENT;
	if (strstr(message, "already exists with uuid"))
		return WHERRY_ERROR_EXISTS;
	if (strstr(message, "to the same host") || strstr(message, "Unable to access credentials"))
		return WHERRY_ERROR_UNSUPPORTED;
	return libvirt_error_code();
}

/* What to do about it, where libvirt's words do not say: they come before a byte has gone. */
static const char *find_hint(const char *message)
{
	static const struct {
		const char *words, *hint;
	} hints[] = {
		{ "Failed to connect to '",
		  "; its TCP ports 49152 to 49215 (migration_port_min and _max in qemu.conf) must be "
		  "open for the source" },
		{ "unable to connect to server at '",
		  "; its TCP ports 49152 to 49215 (migration_port_min and _max in qemu.conf) must be "
		  "open for the source" },
		{ "Unable to access credentials ",
		  "; --tls wants ca-cert.pem, server-cert.pem, server-key.pem, client-cert.pem and "
		  "client-key.pem there on both hosts (migrate_tls_x509_cert_dir in qemu.conf)" },
		{ "ertificate does not match ",
		  "; the target's server-cert.pem must name the address that 'wherry host add' got" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(hints); i++)
		if (strstr(message, hints[i].words))
			return hints[i].hint;
	return "";
}

static void set_failure(const LibvirtRequest *request, GError **error)
{
	g_autoptr(GError) cause = NULL;

	libvirt_error_as(&cause, code_of_failure(), "%s", request->doing);
	g_set_error(error, cause->domain, cause->code, "%s%s", cause->message,
		    find_hint(cause->message));
}

static bool work_migrate(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	const struct migration_args *args = request->extra;
	g_autoptr(virDomain) domain = virDomainLookupByUUIDString(connection, request->uuid);
	g_auto(Params) params = { 0 };

	request->once = true;
	if (!domain) {
		libvirt_error(error, "%s", request->doing);
		return false;
	}
	if (!add_descriptions(&params, domain, &args->request, request, error))
		return false;
	add_params(&params, &args->request);
	if (!params.failed &&
	    virDomainMigrateToURI3(domain, args->request.to, params.list,
				   (unsigned int)params.count, flags_of(&args->request)) == 0)
		return true;
	set_failure(request, error);
	return false;
}

CloudMigration *libvirt_migration_start(Cloud *source,
					const struct cloud_migration_request *request,
					GError **error)
{
	struct libvirt_cloud *cloud = libvirt_cloud_of(source);
	g_autoptr(LibvirtRequest) ours =
	    request_new(cloud, work_migrate, "moving the VM %s from '%s' to '%s'", request->uuid,
			source->uri, request->to);
	struct libvirt_migration *migration;
	Call *call;

	ours->uuid = g_strdup(request->uuid);
	ours->extra = args_new(request);
	ours->free_extra = args_free;
	call = request_begin(cloud, ours, NULL, error);
	if (!call)
		return NULL;
	migration = g_new0(struct libvirt_migration, 1);
	migration->source = cloud;
	migration->request = g_steal_pointer(&ours);
	migration->call = call;
	return &migration->base;
}

bool libvirt_migration_wait(CloudMigration *migration, unsigned int ms)
{
	struct libvirt_migration *self = (struct libvirt_migration *)migration;

	return call_ended(self->call, call_deadline(ms));
}

bool libvirt_migration_end(CloudMigration *migration, GError **error)
{
	struct libvirt_migration *self = (struct libvirt_migration *)migration;
	bool ok = request_end(self->source, &self->request, self->call, g_get_monotonic_time(),
			      NULL, error);

	request_free(self->request);
	g_free(self);
	return ok;
}
