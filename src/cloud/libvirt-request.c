/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All of libvirt is called from the threads of requests, closing included, since each of its calls
 * may wait for a daemon that has died.  What a request needs is copied into it.
 *
 * libvirt wants one event loop per process, for its keepalive; that thread lives as long as the
 * process, as libvirt has no way of taking it back.
 */
#include "cloud/libvirt-request.h"

#include "cloud/libvirt-error.h"
#include "cloud/libvirt-xml.h"

#include <libvirt/virterror.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

struct libvirt_link {
	virConnectPtr connection;
	char *capabilities; /* as they were when it was made */
};

/* Keepalive: so often, so many answers missing, and the connection is dead: after 20 s. */
enum { KEEPALIVE_SECONDS = 5, KEEPALIVE_COUNT = 3 };

/* How long what is momentary may take, and how often it is tried. */
enum { MOMENT_MS = 10000, MOMENT_STEP_MS = 50 };

enum { GOODBYE_MS = 1000 };

static void link_clear(void *data)
{
	struct libvirt_link *link = data;

	/* What fails here was dead. */
	if (link->connection)
		(void)virConnectClose(link->connection);
	free(link->capabilities);
}

static void link_free(LibvirtLink *link)
{
	if (link)
		g_atomic_rc_box_release_full(link, link_clear);
}

static void *run_events(void *data)
{
	sigset_t all;

	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, NULL); /* can only fail on a wrong argument */
	while (virEventRunDefaultImpl() == 0)
		;
	g_debug("libvirt's event loop has ended; dead connections are found by deadlines only");
	return NULL;
}

static void ignore_error(void *data, virErrorPtr error)
{
	/* Else libvirt writes it to stderr. */
}

void libvirt_start(void)
{
	static gsize done; /* once for the process: libvirt can be started no other way */
	g_autoptr(GError) cause = NULL;
	GThread *events = NULL;

	if (!g_once_init_enter(&done))
		return;
	virSetErrorFunc(NULL, ignore_error);
	/* Its own log would go to stderr, too; who wants that sets it so. */
	(void)g_setenv("LIBVIRT_DEBUG", "error", false);
	if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0)
		libvirt_error(&cause, "starting libvirt's client library");
	else
		events = g_thread_try_new("cloud-events", run_events, NULL, &cause);
	if (events)
		g_thread_unref(events);
	/* Without the thread there is no keepalive, and still every deadline. */
	if (cause)
		g_debug("%s, ignoring", cause->message);
	g_once_init_leave(&done, 1);
}

/* Ask what a connection is to; what the request knows of its host already must be so. */
static bool identify(LibvirtLink *link, LibvirtRequest *request, GError **error)
{
	g_autofree char *uuid = NULL;

	if (!request->host_name) {
		g_autofree char *name = virConnectGetHostname(link->connection);

		if (!name) {
			libvirt_error(error, "asking '%s' for its name", request->uri);
			return false;
		}
		request->host_name = g_strdup(name);
	}
	link->capabilities = virConnectGetCapabilities(link->connection);
	if (!link->capabilities) {
		libvirt_error(error, "asking '%s' for its capabilities", request->uri);
		return false;
	}
	uuid = libvirt_read_host_uuid(link->capabilities);
	if (!uuid)
		uuid = g_strdup("00000000-0000-0000-0000-000000000000");
	if (request->host_uuid && strcmp(request->host_uuid, uuid) != 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_IO,
			    "'%s' was host %s and is now host %s", request->uri, request->host_uuid,
			    uuid);
		return false;
	}
	if (!request->host_uuid)
		request->host_uuid = g_steal_pointer(&uuid);
	return true;
}

/* Connect, and keep in the request what is connected to. */
static LibvirtLink *link_new(LibvirtRequest *request, GError **error)
{
	LibvirtLink *link;
	virConnectPtr connection;

	connection = virConnectOpen(request->uri);
	if (!connection) {
		libvirt_error(error, "cannot connect to '%s'", request->uri);
		return NULL;
	}
	/* Fails where there is no network in between. */
	(void)virConnectSetKeepAlive(connection, KEEPALIVE_SECONDS, KEEPALIVE_COUNT);

	link = g_atomic_rc_box_new0(LibvirtLink);
	link->connection = connection;
	if (!identify(link, request, error)) {
		link_free(link);
		return NULL;
	}
	return link;
}

const char *request_capabilities(const LibvirtRequest *request)
{
	return request->link->capabilities;
}

/* 0 (the daemon has ended, or keepalive has given it up) and -1 are one to us. */
static bool is_alive(const LibvirtLink *link)
{
	return virConnectIsAlive(link->connection) == 1;
}

LibvirtRequest *request_new(struct libvirt_cloud *cloud,
			    bool (*work)(virConnectPtr, LibvirtRequest *, GError **),
			    const char *doing, ...)
{
	LibvirtRequest *request = g_new0(LibvirtRequest, 1);
	va_list ap;

	va_start(ap, doing);
	request->doing = g_strdup_vprintf(doing, ap);
	va_end(ap);
	request->work = work;
	request->uri = g_strdup(cloud->base.uri);
	request->host_uuid = g_strdup(cloud->base.host_uuid);
	request->host_name = g_strdup(cloud->base.host_name);
	request->link = cloud->link ? g_atomic_rc_box_acquire(cloud->link) : NULL;
	request->deadline = call_deadline(cloud->base.limits.call_ms);
	return request;
}

void request_free(LibvirtRequest *request)
{
	if (!request)
		return;
	g_free(request->doing);
	g_free(request->uuid);
	g_free(request->name);
	g_free(request->path);
	g_free(request->text);
	g_free(request->reason);
	g_clear_pointer(&request->list, g_ptr_array_unref);
	cloud_capacity_free(request->capacity);
	if (request->free_extra)
		request->free_extra(request->extra);
	g_free(request->uri);
	g_free(request->host_uuid);
	g_free(request->host_name);
	g_clear_error(&request->error);
	link_free(request->link);
	g_free(request);
}

static void free_request(void *request)
{
	request_free(request);
}

/* Work until it has done or failed; what was refused for a moment only is tried again. */
static void work_it(LibvirtRequest *request)
{
	int64_t patience = MIN(request->deadline, call_deadline(MOMENT_MS));

	for (;;) {
		virResetLastError();
		request->ok = request->work(request->link->connection, request, &request->error);
		if (request->ok || request->once || !request->error ||
		    !libvirt_error_is_momentary(request->error) ||
		    g_get_monotonic_time() >= patience)
			return;
		g_clear_error(&request->error);
		g_usleep(MOMENT_STEP_MS * 1000);
	}
}

static void run_request(void *data)
{
	LibvirtRequest *request = data;

	if (request->link && !is_alive(request->link)) {
		g_debug("the connection to '%s' has broken, connecting anew", request->uri);
		g_clear_pointer(&request->link, link_free);
	}
	if (!request->link)
		request->link = link_new(request, &request->error);
	if (request->link)
		work_it(request);
	if (request->ended)
		request->ended(request);
}

Call *request_begin(struct libvirt_cloud *cloud, LibvirtRequest *request, GCancellable *cancellable,
		    GError **error)
{
	if (!call_group_wait(cloud->calls, request->doing, request->deadline, cancellable, error))
		return NULL;
	return call_start(cloud->calls, run_request, request, free_request, error);
}

bool request_end(struct libvirt_cloud *cloud, LibvirtRequest **request, Call *call,
		 int64_t deadline, GCancellable *cancellable, GError **error)
{
	LibvirtRequest *done = *request;
	g_autofree char *doing = g_strdup(done->doing);

	if (!call_wait(call, doing, deadline, cancellable, error)) {
		*request = NULL;
		/* A connection that leaves one call without an answer is not used for another. */
		g_clear_pointer(&cloud->link, link_free);
		return false;
	}
	if (done->link != cloud->link) {
		LibvirtLink *old = cloud->link;

		cloud->link = done->link ? g_atomic_rc_box_acquire(done->link) : NULL;
		link_free(old); /* the thread has found it dead, so its end takes no time */
	}
	if (!done->ok && done->error)
		g_propagate_error(error, g_steal_pointer(&done->error));
	return done->ok;
}

bool request_run(struct libvirt_cloud *cloud, LibvirtRequest **request, GCancellable *cancellable,
		 GError **error)
{
	int64_t deadline = (*request)->deadline;
	Call *call = request_begin(cloud, *request, cancellable, error);

	return call && request_end(cloud, request, call, deadline, cancellable, error);
}

/* Takes the link out of its holder: what is left of the holder can be freed by anyone. */
static void close_link(void *data)
{
	LibvirtLink **link = data;

	g_clear_pointer(link, link_free);
}

void libvirt_hang_up(struct libvirt_cloud *cloud)
{
	LibvirtLink **holder;
	g_autoptr(GError) cause = NULL;
	Call *call;

	if (!cloud->link)
		return;
	holder = g_new(LibvirtLink *, 1);
	*holder = g_steal_pointer(&cloud->link);
	call = call_start(cloud->calls, close_link, holder, g_free, &cause);
	if (call &&
	    call_wait(call, "closing the connection", call_deadline(GOODBYE_MS), NULL, &cause))
		g_free(holder);
	if (cause)
		g_debug("%s, ignoring", cause->message);
}
