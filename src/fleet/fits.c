/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each host is asked in a thread of its own over a connection of its own. */
#include "fleet/fits.h"

#include "cloud/cloud-node.h"
#include "fleet/rules.h"
#include "fleet/side-by-side.h"

#include <string.h>

/* What one host is asked, and its answer. */
typedef struct answer {
	int64_t host_id;
	char *uri;
	struct cloud_limits limits;
	CloudConnections *connections; /* borrowed, as the next two */
	GCancellable *cancellable;
	const CloudNeeds *needs; /* of the VM */
	GPtrArray *lacks;        /* char *; NULL: no answer */
	GPtrArray *arriving;     /* char *: UUIDs */
	GError *failure;
} Answer;

struct fits {
	CloudNeeds *needs;
	GPtrArray *answers; /* Answer */
};

static void answer_free(Answer *answer)
{
	g_free(answer->uri);
	g_clear_pointer(&answer->lacks, g_ptr_array_unref);
	g_clear_pointer(&answer->arriving, g_ptr_array_unref);
	g_clear_error(&answer->failure);
	g_free(answer);
}

void fits_free(Fits *fits)
{
	if (!fits)
		return;
	cloud_needs_free(fits->needs);
	g_ptr_array_unref(fits->answers);
	g_free(fits);
}

static struct cloud_limits limits_of(const struct fleet_request *request)
{
	return (struct cloud_limits){ request->timeout_ms, request->timeout_ms };
}

/* ---- Ask ---- */

static CloudNeeds *ask_source(const struct fleet_request *request, GCancellable *cancellable,
			      GError **error)
{
	const FleetVm *vm = request->vm;
	struct cloud_limits limits = limits_of(request);
	g_autoptr(Cloud) cloud =
	    cloud_connections_take(request->connections, vm->uri, &limits, cancellable, error);
	g_autoptr(CloudNeeds) needs =
	    cloud ? cloud_needs(cloud, vm->uuid, cancellable, error) : NULL;

	if (!needs) {
		g_prefix_error(error, "host '%s' of the VM '%s': ", vm->host, vm->name);
		return NULL;
	}
	cloud_connections_give(request->connections, g_steal_pointer(&cloud));
	if (!needs->running)
		g_ptr_array_add(needs->ties, g_strdup("the VM is off"));
	return g_steal_pointer(&needs);
}

static void ask_target(void *item)
{
	Answer *answer = item;
	g_autoptr(Cloud) cloud =
	    cloud_connections_take(answer->connections, answer->uri, &answer->limits,
				   answer->cancellable, &answer->failure);

	if (cloud)
		answer->arriving = cloud_arriving(cloud, answer->cancellable, &answer->failure);
	if (answer->arriving)
		answer->lacks =
		    cloud_lacks(cloud, answer->needs, answer->cancellable, &answer->failure);
	if (answer->lacks)
		cloud_connections_give(answer->connections, g_steal_pointer(&cloud));
}

Fits *fits_ask(const struct fleet_request *request, const GPtrArray *verdicts,
	       GCancellable *cancellable, GError **error)
{
	g_autoptr(Fits) fits = g_new0(Fits, 1);

	fits->answers = g_ptr_array_new_with_free_func((GDestroyNotify)answer_free);
	fits->needs = ask_source(request, cancellable, error);
	if (!fits->needs)
		return NULL;
	for (unsigned int i = 0; i < verdicts->len; i++) {
		const FleetVerdict *verdict = verdicts->pdata[i];
		Answer *answer;

		if (verdict->unasked)
			continue;
		answer = g_new0(Answer, 1);
		answer->host_id = verdict->host_id;
		answer->uri = g_strdup(verdict->uri);
		answer->limits = limits_of(request);
		answer->connections = request->connections;
		answer->cancellable = cancellable;
		answer->needs = fits->needs;
		g_ptr_array_add(fits->answers, answer);
	}
	if (!side_by_side(ask_target, fits->answers, error))
		return NULL;
	if (cancellable && g_cancellable_is_cancelled(cancellable)) {
		g_set_error_literal(error, WHERRY_ERROR, WHERRY_ERROR_CANCELLED, "interrupted");
		return NULL;
	}
	return g_steal_pointer(&fits);
}

/* ---- Tell ---- */

static const Answer *find_answer(const Fits *fits, int64_t host_id)
{
	for (unsigned int i = 0; i < fits->answers->len; i++)
		if (((Answer *)fits->answers->pdata[i])->host_id == host_id)
			return fits->answers->pdata[i];
	return NULL;
}

/* VMs that others move there; ours are counted by their reservations. */
static unsigned int count_foreign(const Answer *answer, const GPtrArray *reservations)
{
	unsigned int count = answer->arriving->len;

	for (unsigned int i = 0; i < reservations->len; i++) {
		const FleetReservation *reservation = reservations->pdata[i];

		if (reservation->target_id == answer->host_id &&
		    g_ptr_array_find_with_equal_func(answer->arriving, reservation->vm_uuid,
						     g_str_equal, NULL))
			count--;
	}
	return count;
}

static void add_answer(const Answer *answer, const struct fleet_limits *limits,
		       const GPtrArray *reservations, FleetVerdict *verdict)
{
	unsigned int foreign;

	if (!answer->lacks) {
		rules_out(verdict, "it does not answer: %s", answer->failure->message);
		return;
	}
	for (unsigned int i = 0; i < answer->lacks->len; i++)
		rules_out(verdict, "%s", (char *)answer->lacks->pdata[i]);
	foreign = count_foreign(answer, reservations);
	if (foreign > 0 && foreign + verdict->inbound >= limits->max_inbound)
		rules_out(verdict,
			  "it is receiving %u of at most %u VMs at a time, %u of them moved by "
			  "others",
			  foreign + verdict->inbound, limits->max_inbound, foreign);
}

void fits_add_reasons(const Fits *fits, const struct fleet_limits *limits,
		      const GPtrArray *reservations, FleetVerdict *verdict)
{
	const Answer *answer = find_answer(fits, verdict->host_id);

	for (unsigned int i = 0; i < fits->needs->ties->len; i++)
		rules_out(verdict, "%s", (char *)fits->needs->ties->pdata[i]);
	if (fits->needs->host_cpu && verdict->other_cpu)
		rules_out(verdict, "the VM has the CPU of its host as it is, and this one's is %s",
			  verdict->other_cpu);
	if (answer)
		add_answer(answer, limits, reservations, verdict);
	else if (verdict->reasons->len == 0)
		rules_out(verdict, "it came in question while the others were asked; try again");
}
