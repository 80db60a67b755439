/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wherry host: the hosts that VMs run on and move between, and which of them a VM should move to.
 */
#include "cli/commands.h"

#include "base/error.h"
#include "cli/choose-options.h"
#include "cli/fleet-print.h"
#include "cli/interrupt.h"
#include "cli/jobs.h"
#include "fleet/fleet.h"
#include "fleet/refresh.h"

#include <string.h>

/* What a host may take to answer, if nobody says. */
enum { TIMEOUT_SECONDS_DEFAULT = 30 };

/* What was typed. */
typedef struct {
	char *state, *config, *address, *host, *timeout;
	char **pools;
	int insecure;
	ChooseOptions choose;
} Words;

static void words_clear(Words *words)
{
	g_free(words->state);
	g_free(words->config);
	g_free(words->address);
	g_free(words->host);
	g_free(words->timeout);
	g_strfreev(words->pools);
	choose_options_clear(&words->choose);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Words, words_clear)

/* What every action gets. */
struct host_call {
	const struct common_options *common;
	const Words *words;
	Store *store;
	Display *display;
	char **args; /* what stands behind the action */
	unsigned int timeout_ms;
};

struct host_action {
	const char *name, *args;
	unsigned int min_args, max_args;
	bool (*run)(const struct host_call *call, GError **error);
};

/* ---- Actions ---- */

static bool print_host(const struct host_call *call, const char *name, GError **error)
{
	g_autoptr(FleetHost) host = fleet_host_find(call->store, name, error);
	g_autoptr(GPtrArray) reservations =
	    host ? fleet_reservation_list(call->store, error) : NULL;

	if (!reservations)
		return false;
	fleet_print_host(host, reservations, call->words->choose.limits.max_age,
			 call->common->json);
	return true;
}

static bool add_host(const struct host_call *call, GError **error)
{
	const Words *words = call->words;
	const struct fleet_host_spec spec = {
		.name = call->args[0],
		.uri = call->args[1],
		.address = words->address,
		.insecure = words->insecure,
		.labels = (const char *const *)words->choose.typed_labels,
		.places = (const char *const *)words->pools,
		.roots = words->choose.limits.roots,
	};
	g_autoptr(FleetHost) host = NULL;

	if (!fleet_host_add(call->store, &spec, error))
		return false;
	host = fleet_host_find(call->store, spec.name, error);
	if (host && host->insecure)
		display_warn("this host is reached without encryption or without proof of who it "
			     "is: whoever is on the way can read and change everything, the memory "
			     "of VMs too",
			     call->display);
	return host && print_host(call, spec.name, error);
}

static bool remove_host(const struct host_call *call, GError **error)
{
	return fleet_host_remove(call->store, call->args[0], error);
}

static bool set_maintenance(const struct host_call *call, GError **error)
{
	const char *word = call->args[1];
	bool on = strcmp(word, "on") == 0;

	if (!on && strcmp(word, "off") != 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_USAGE,
			    "maintenance is on or off, not '%s'", word);
		return false;
	}
	return fleet_host_set_maintenance(call->store, call->args[0], on, error);
}

static bool list_hosts(const struct host_call *call, GError **error)
{
	g_autoptr(GPtrArray) hosts = fleet_host_list(call->store, error);

	if (!hosts)
		return false;
	fleet_print_hosts(hosts, call->words->choose.limits.max_age, call->common->json);
	return true;
}

static bool show_host(const struct host_call *call, GError **error)
{
	return print_host(call, call->args[0], error);
}

/* Fail if one could not be read; the others have been, and all is printed. */
static bool check_refreshed(const GPtrArray *refreshed, GError **error)
{
	g_autoptr(GString) why = g_string_new(NULL);
	unsigned int failed = 0;

	for (unsigned int i = 0; i < refreshed->len; i++) {
		const FleetRefreshed *host = refreshed->pdata[i];

		if (host->failure)
			g_string_append_printf(why, "%s%s: %s", failed++ ? "; " : "", host->host,
					       host->failure->message);
	}
	if (failed == 0)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_IO, "%u of %u hosts could not be read: %s",
		    failed, refreshed->len, why->str);
	return false;
}

static bool refresh_hosts(const struct host_call *call, GError **error)
{
	g_autoptr(InterruptRelay) relay = interrupt_relay_new();
	g_autoptr(GPtrArray) refreshed = NULL;

	refreshed =
	    fleet_refresh(call->store, *call->args ? (const char *const *)call->args : NULL, NULL,
			  call->timeout_ms, interrupt_relay_cancellable(relay), error);
	if (!refreshed)
		return false;
	fleet_print_refreshed(refreshed, call->common->json);
	return check_refreshed(refreshed, error);
}

static bool choose_host(const struct host_call *call, GError **error)
{
	g_autoptr(InterruptRelay) relay = interrupt_relay_new();
	g_autoptr(FleetVm) vm = fleet_vm_find(call->store, call->args[0], call->words->host, error);
	struct fleet_request request = {
		.vm = vm,
		.limits = &call->words->choose.limits,
		.timeout_ms = call->timeout_ms,
	};
	g_autoptr(FleetChoice) choice = NULL;

	if (!vm)
		return false;
	choice = fleet_choose(call->store, &request, interrupt_relay_cancellable(relay), error);
	if (!choice)
		return false;
	fleet_print_choice(choice, call->common->json);
	return fleet_choice_check(choice, error);
}

/* ---- The verb ---- */

static const struct host_action actions[] = {
	{ "add", "NAME URI", 2, 2, add_host },
	{ "remove", "NAME", 1, 1, remove_host },
	{ "refresh", "[NAME...]", 0, G_MAXUINT, refresh_hosts },
	{ "list", "no argument", 0, 0, list_hosts },
	{ "show", "NAME", 1, 1, show_host },
	{ "maintenance", "NAME on|off", 2, 2, set_maintenance },
	{ "choose", "VM", 1, 1, choose_host },
};

static const struct host_action *find_action(char **args, GError **error)
{
	unsigned int count = g_strv_length(args) - 1;

	for (size_t i = 0; i < G_N_ELEMENTS(actions); i++) {
		if (strcmp(actions[i].name, args[0]) != 0)
			continue;
		if (count >= actions[i].min_args && count <= actions[i].max_args)
			return &actions[i];
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_USAGE,
			    "'wherry host %s' takes %s, got %u arguments; see --help", args[0],
			    actions[i].args, count);
		return NULL;
	}
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_USAGE,
		    "no action '%s'; there are add, remove, refresh, list, show, maintenance and "
		    "choose",
		    args[0]);
	return NULL;
}

static bool parse_timeout(const Words *words, Config *config, unsigned int *ret_ms, GError **error)
{
	g_autofree char *text = config_value(config, "refresh-timeout", words->timeout);
	uint64_t seconds = TIMEOUT_SECONDS_DEFAULT;

	if (text && !g_ascii_string_to_unsigned(text, 10, 1, 3600, &seconds, NULL)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_USAGE,
			    "the timeout is a whole number of seconds from 1 to 3600, not '%s'",
			    text);
		return false;
	}
	*ret_ms = (unsigned int)seconds * 1000;
	return true;
}

static bool run_action(struct host_call *call, Words *words, char **args, GError **error)
{
	const struct host_action *action = find_action(args, error);
	g_autoptr(Config) config = action ? config_open(words->config, error) : NULL;
	g_autoptr(Store) store = NULL;

	if (!config || !choose_options_parse(&words->choose, config, error) ||
	    !parse_timeout(words, config, &call->timeout_ms, error))
		return false;
	store = jobs_open(words->state, error);
	if (!store || !fleet_prepare(store, error))
		return false;
	interrupt_catch();
	call->store = store;
	call->words = words;
	call->args = args + 1;
	return action->run(call, error);
}

static bool run_host(int argc, char **argv, GError **error)
{
	struct common_options common = { 0 };
	g_auto(Words) words = { 0 };
	g_auto(Display) display = { 0 };
	g_auto(GStrv) args = NULL;
	struct host_call call = { .common = &common, .display = &display };
	const GOptionEntry entries[] = {
		option_value("address", &words.address, "add: what other hosts reach it by", "IP"),
		option_values("pool", &words.pools,
			      "add: a pool that VMs may move into; repeatable", "NAME=PATH"),
		option_flag("insecure", 0, &words.insecure, "add: allow qemu+tcp and no_verify"),
		option_values("label", &words.choose.typed_labels,
			      "add: a label; choose: one that the target must have; repeatable",
			      "KEY=VALUE"),
		option_value("host", &words.host, "choose: name or address of the VM's host",
			     "NAME"),
		CHOOSE_OPTIONS(&words.choose),
		option_value("timeout", &words.timeout, "what a host may take to answer; else 30",
			     "SECONDS"),
		option_config(&words.config),
		option_state(&words.state),
		G_OPTION_ENTRY_NULL,
	};
	int r = command_parse(&cmd_host, entries, argc, argv, &common, &args, error);

	if (r <= 0)
		return r == 0;
	display_init(&display, common.quiet);
	return run_action(&call, &words, args, error);
}

const struct command cmd_host = {
	.name = "host",
	.args = "add|remove|refresh|list|show|maintenance|choose [ARG...]",
	.min_args = 1,
	.max_args = G_MAXUINT,
	.summary = "Keep the hosts that VMs run on, and choose one for a VM.",
	.description =
	    "add NAME URI           a libvirt host: qemu+ssh://root@HOST/system, qemu+tls://...\n"
	    "remove NAME            forget it\n"
	    "refresh [NAME...]      read facts, pools, networks and VMs, of all hosts side by side\n"
	    "list                   all hosts, and which are abnormal, and why\n"
	    "show NAME              all that is known of one\n"
	    "maintenance NAME on|off  no VM is moved to it while on\n"
	    "choose VM              judge each host as a target: why it is out, or where it ranks\n"
	    "\n"
	    "A host whose facts are older than --max-age, that did not answer or is in\n"
	    "maintenance is abnormal: no VM moves there.  Limits hold after the move, less\n"
	    "what running jobs have reserved; the configuration file may set them.\n"
	    "\n"
	    "Exit status: 0 done, 1 failed (refresh: a host could not be read; choose: no host\n"
	    "can take the VM), 2 wrong usage, 130 interrupted.\n"
	    "\n"
	    "Examples:\n"
	    "  wherry host add a qemu+ssh://root@10.0.0.1/system --pool vms=/srv/vms --label rack=1\n"
	    "  wherry host refresh\n"
	    "  wherry host choose web1 --min-free-memory 8G --max-load 0.8 --label rack=1",
	.run = run_host,
};
