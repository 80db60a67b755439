/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One question to libvirt or one change there: made over a live connection, in a thread of its own,
 * with a deadline.
 *
 *   request = request_new(cloud, work, "listing the pools");    inputs into its members
 *   ok = request_run(&request, cancellable, error);             outputs from its members
 *
 * A request that is left behind is the thread's with all that is in it, and *request is NULL then.
 */
#pragma once

#include "cloud/call.h"
#include "cloud/cloud-driver.h"

#include <libvirt/libvirt.h>

/* A connection, shared by the Cloud and by requests that were left behind. */
typedef struct libvirt_link LibvirtLink;

struct libvirt_cloud {
	struct cloud base;
	CallGroup *calls;
	LibvirtLink *link; /* NULL: to be made by the next request */
};

typedef struct libvirt_request LibvirtRequest;

struct libvirt_request {
	/* Runs in the thread.  May be run again after a refusal that is momentary. */
	bool (*work)(virConnectPtr connection, LibvirtRequest *request, GError **error);
	char *doing; /* with the Cloud's URI */

	/* What the work is about; owned. */
	char *uuid, *name, *path, *text;
	uint64_t number;
	bool flag;

	/* What came out; owned. */
	int answer;
	char *reason;
	GPtrArray *list;
	CloudCapacity *capacity;

	/* For work that the caller's thread takes part in. */
	void *extra;
	GDestroyNotify free_extra;
	void (*ended)(LibvirtRequest *request); /* in the thread, after all work; may be NULL */
	bool once;                              /* set by work that must not be run again */

	/* Of the connection, if it is made here. */
	char *uri, *host_uuid, *host_name;

	/* Inner. */
	LibvirtLink *link;
	int64_t deadline;
	bool ok;
	GError *error;
};

/* @doing, with the arguments: "listing the volumes of pool X". */
LibvirtRequest *request_new(struct libvirt_cloud *cloud,
			    bool (*work)(virConnectPtr, LibvirtRequest *, GError **),
			    const char *doing, ...) G_GNUC_PRINTF(3, 4);

bool request_run(struct libvirt_cloud *cloud, LibvirtRequest **request, GCancellable *cancellable,
		 GError **error);

/*
 * The two halves of request_run(), for work that the caller's thread takes part in.  request_end()
 * takes *@request if the work has not ended by @deadline.
 */
Call *request_begin(struct libvirt_cloud *cloud, LibvirtRequest *request, GCancellable *cancellable,
		    GError **error);
bool request_end(struct libvirt_cloud *cloud, LibvirtRequest **request, Call *call,
		 int64_t deadline, GCancellable *cancellable, GError **error);

/* For work in the request's thread: virConnectGetCapabilities() of its connection; borrowed. */
const char *request_capabilities(const LibvirtRequest *request);

void request_free(LibvirtRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LibvirtRequest, request_free)

/*
 * Make libvirt's client library ready, once in a process; it does not block.  In the caller's
 * thread, since libraries below it leave things with the thread that starts them.
 */
void libvirt_start(void);

/* Ends the connection; waits at most a second. */
void libvirt_hang_up(struct libvirt_cloud *cloud);
