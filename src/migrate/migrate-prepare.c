/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything that can be decided before a target is known: the VM from the store, its disks as its
 * host says they are now, and what the move will take.
 */
#include "base/units.h"
#include "cloud/cloud-check.h"
#include "cloud/cloud-migrate.h"
#include "fleet/refresh.h"
#include "migrate/migrate.h"

#include <inttypes.h>
#include <string.h>

/* For the answers of one host; how long the guest is watched. */
enum { ANSWER_MS = 20000, DIRTY_SECONDS = 1 };

enum { STALL_SECONDS = 120, TIMEOUT_LEAST = 900, TIMEOUT_TIMES = 4 };

static void G_GNUC_PRINTF(3, 4)
    refuse(GError **error, enum wherry_error code, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list ap;

	va_start(ap, format);
	text = g_strdup_vprintf(format, ap);
	va_end(ap);
	g_set_error_literal(error, WHERRY_ERROR, (int)code, text);
}

/* ---- Disks ---- */

/* Why it is left where it is, for the guest finds it at the other host: by the same name, there. */
static const char *why_left(const CloudDisk *disk)
{
	if (!disk->source)
		return "it is empty";
	if (strcmp(disk->type, "network") == 0)
		return "it is on the network";
	if (disk->readonly)
		return "it is read-only";
	return NULL;
}

/* Why it can be neither left nor copied; NULL: it can be copied. */
static const char *why_refused(const CloudDisk *disk)
{
	if (strcmp(disk->type, "file") != 0)
		return "it is no local file, and no network disk";
	if (disk->shareable)
		return "it is shareable: another VM may write to it";
	if (strcmp(disk->format, "raw") != 0 && strcmp(disk->format, "qcow2") != 0)
		return "its format is neither raw nor qcow2";
	if (disk->capacity == 0)
		return "its host does not say how large it is";
	return NULL;
}

static const FleetDisk *find_stored(const FleetVm *vm, const char *target)
{
	for (unsigned int i = 0; i < vm->disks->len; i++) {
		const FleetDisk *disk = g_ptr_array_index(vm->disks, i);

		if (strcmp(disk->target, target) == 0)
			return disk;
	}
	return NULL;
}

/* What the host says now is the truth; where the store says otherwise, it learns. */
static bool compare_stored(Store *store, MigratePlan *plan, const FleetVm *vm,
			   const CloudDisk *live, GError **error)
{
	const FleetDisk *stored = find_stored(vm, live->target);
	FleetDisk now = {
		.target = live->target,
		.type = live->type,
		.device = live->device,
		.source = live->source,
		.format = live->format,
		.read_only = live->readonly,
		.shareable = live->shareable,
		.capacity = live->capacity,
		.allocation = live->allocation,
	};

	if (stored && stored->capacity == live->capacity &&
	    g_strcmp0(stored->source, live->source) == 0)
		return true;
	migrate_plan_warn(plan,
			  "disk %s: the store has %" PRIu64 " bytes at '%s', the host says %" PRIu64
			  " bytes at '%s', which is taken",
			  live->target, stored ? stored->capacity : 0,
			  stored && stored->source ? stored->source : "nowhere", live->capacity,
			  live->source);
	return fleet_vm_set_disk(store, vm, &now, error);
}

static bool is_wanted(const char *const *wanted, const char *target)
{
	return !wanted || g_strv_contains(wanted, target);
}

/* 1: it is copied; 0: it is left; -1: it can be neither. */
static int judge_disk(MigratePlan *plan, const struct migrate_options *options,
		      const CloudDisk *disk, GError **error)
{
	const char *left = why_left(disk), *refused = why_refused(disk);

	if (left) {
		if (disk->source)
			migrate_plan_warn(plan,
					  "disk %s ('%s') is left alone: %s; the target must have "
					  "it by the same name",
					  disk->target, disk->source, left);
		return 0;
	}
	if (!is_wanted(options->disks, disk->target)) {
		refuse(error, WHERRY_ERROR_UNSUPPORTED,
		       "disk %s ('%s') is not in --disks, but the VM writes to it, and without it "
		       "the VM cannot run elsewhere",
		       disk->target, disk->source);
		return -1;
	}
	if (refused) {
		refuse(error, WHERRY_ERROR_UNSUPPORTED,
		       "disk %s (type %s, '%s') cannot be moved: %s", disk->target, disk->type,
		       disk->source, refused);
		return -1;
	}
	return 1;
}

static bool add_disks(Store *store, MigratePlan *plan, const struct migrate_options *options,
		      const FleetVm *vm, const GPtrArray *live, GError **error)
{
	for (unsigned int i = 0; i < live->len; i++) {
		const CloudDisk *disk = g_ptr_array_index(live, i);
		int r = judge_disk(plan, options, disk, error);

		if (r < 0 || (r > 0 && (!cloud_check_path("the disk's path", disk->source, error) ||
					!compare_stored(store, plan, vm, disk, error))))
			return false;
		if (r > 0)
			migrate_plan_add_disk(plan, disk->target, disk->source, disk->format,
					      disk->capacity, disk->allocation);
		if (r > 0 && disk->backing)
			migrate_plan_warn(plan,
					  "disk %s stands on '%s': the copy will stand by itself, "
					  "and holds what that has, too",
					  disk->target, disk->backing);
	}
	return true;
}

static bool check_wanted(const MigratePlan *plan, const struct migrate_options *options,
			 GError **error)
{
	for (size_t i = 0; options->disks && options->disks[i]; i++) {
		bool found = false;

		for (unsigned int j = 0; j < plan->disks->len; j++) {
			const struct migrate_disk *disk = g_ptr_array_index(plan->disks, j);

			found |= strcmp(disk->target, options->disks[i]) == 0;
		}
		if (!found) {
			refuse(error, WHERRY_ERROR_INVALID_INPUT,
			       "--disks: the VM has no disk '%s' that can be copied",
			       options->disks[i]);
			return false;
		}
	}
	return true;
}

/* ---- The VM ---- */

static bool check_standing(const MigratePlan *plan, const struct cloud_standing *it, GError **error)
{
	if (!it->defined)
		refuse(error, WHERRY_ERROR_NOT_FOUND,
		       "the VM '%s' (%s) is not on host '%s' any more: 'wherry host refresh'",
		       plan->name, plan->uuid, plan->source);
	else if (it->state != CLOUD_DOMAIN_RUNNING && it->state != CLOUD_DOMAIN_PAUSED)
		refuse(error, WHERRY_ERROR_UNSUPPORTED,
		       "the VM '%s' is %s: only a running or paused one is moved", plan->name,
		       cloud_domain_state_name(it->state));
	else if (!it->persistent)
		refuse(error, WHERRY_ERROR_UNSUPPORTED,
		       "the VM '%s' is transient: its host forgets it when it stops, so nothing "
		       "could be rolled back; define it first",
		       plan->name);
	else if (it->snapshots > 0)
		refuse(
		    error, WHERRY_ERROR_UNSUPPORTED,
		    "the VM '%s' has %u snapshots, which libvirt does not move: delete them first",
		    plan->name, it->snapshots);
	else if (it->managed_save)
		refuse(error, WHERRY_ERROR_UNSUPPORTED,
		       "the VM '%s' has a managed save image: remove it first", plan->name);
	else if (it->job)
		refuse(error, WHERRY_ERROR_BUSY,
		       "something is being done with the VM '%s' on host '%s' (a backup, a save, a "
		       "migration): wait for its end",
		       plan->name, plan->source);
	else
		return true;
	return false;
}

/* ---- How long ---- */

/*
 * As the last refresh measured it, if that is no older than facts of hosts may be: nothing is
 * waited for then.  Else now; the refresh has begun it.
 */
static bool find_dirty_rate(Store *store, const FleetVm *vm, uint64_t max_age, Cloud *source,
			    uint64_t *ret, GCancellable *cancellable, GError **error)
{
	int64_t age = (g_get_real_time() - vm->dirty_read) / G_USEC_PER_SEC;

	*ret = vm->dirty_rate;
	if (vm->dirty_read > 0 && age >= 0 && (uint64_t)age <= max_age)
		return true;
	return cloud_domain_dirty_rate(source, vm->uuid, DIRTY_SECONDS, ret, cancellable, error) &&
	       fleet_vm_set_dirty_rate(store, vm, *ret, error);
}

/* What is not known is said, and not guessed. */
static void forecast(MigratePlan *plan, const struct migrate_options *options, Store *store,
		     const FleetVm *vm, Cloud *source, GCancellable *cancellable)
{
	g_autoptr(GError) cause = NULL;
	uint64_t dirty = 0; /* of one that is paused */

	if (!plan->paused && !find_dirty_rate(store, vm, options->limits->max_age, source, &dirty,
					      cancellable, &cause))
		migrate_plan_warn(plan, "how fast the guest changes its memory is not known: %s",
				  cause->message);
	plan->forecast = migrate_forecast(migrate_plan_bytes(plan), plan->memory,
					  options->bandwidth, !cause, dirty);
	plan->timeout = options->timeout;
	if (plan->timeout == 0)
		plan->timeout =
		    MAX(TIMEOUT_LEAST, (uint64_t)plan->forecast.seconds * TIMEOUT_TIMES);
}

static bool check_forecast(const MigratePlan *plan, const struct migrate_options *options,
			   GError **error)
{
	const struct migrate_forecast *it = &plan->forecast;
	g_autofree char *dirty = units_bytes(it->dirty_rate), *rate = units_bytes(it->rate);
	g_autofree char *time = units_duration((uint64_t)it->seconds);
	const char *assumed = it->rate_assumed ? " assumed without --bandwidth" : "";

	if (options->force)
		return true;
	if (!it->converges) {
		refuse(
		    error, WHERRY_ERROR_UNSUPPORTED,
		    "the move would not come to an end: the guest changes %s of memory a second, "
		    "and %s/s%s go over; give more --bandwidth, or --force to try",
		    dirty, rate, assumed);
		return false;
	}
	if (options->timeout > 0 && it->seconds > (double)options->timeout) {
		refuse(error, WHERRY_ERROR_UNSUPPORTED,
		       "the move would take about %s at %s/s%s, but --timeout is %" PRIu64
		       " s; --force tries all the same",
		       time, rate, assumed, options->timeout);
		return false;
	}
	return true;
}

/* ---- All of it ---- */

static void take_limits(MigratePlan *plan, const struct fleet_limits *limits)
{
	plan->min_free_memory = limits->min_free_memory;
	plan->min_free_cpus = limits->min_free_cpus;
	plan->min_free_space = limits->min_free_space;
	plan->max_load = limits->max_load;
	plan->max_inbound = limits->max_inbound;
	plan->max_age = limits->max_age;
	if (limits->labels) {
		g_strfreev(plan->labels);
		plan->labels = g_strdupv((char **)(uintptr_t)limits->labels);
	}
	plan->roots = g_strdupv((char **)(uintptr_t)limits->roots);
}

static MigratePlan *make_plan(Store *store, const struct migrate_options *options,
			      const FleetVm *vm)
{
	MigratePlan *plan = migrate_plan_empty();

	plan->state = g_canonicalize_filename(store_path(store), NULL);
	plan->name = g_strdup(vm->name);
	plan->uuid = g_strdup(vm->uuid);
	plan->source = g_strdup(vm->host);
	plan->source_uri = g_strdup(vm->uri);
	plan->source_address = g_strdup(vm->address);
	plan->memory = vm->memory;
	plan->to = g_strdup(options->to);
	if (options->except) {
		g_strfreev(plan->except);
		plan->except = g_strdupv((char **)(uintptr_t)options->except);
	}
	take_limits(plan, options->limits);
	plan->bandwidth = options->bandwidth;
	plan->stall = options->stall > 0 ? options->stall : STALL_SECONDS;
	plan->grace = options->grace;
	plan->parallel = options->parallel;
	plan->tls = options->tls;
	plan->force = options->force;
	plan->commit = options->commit;
	plan->on_timeout = options->on_timeout;
	return plan;
}

/* Ask the VM's own host. */
static bool read_live(Store *store, MigratePlan *plan, const struct migrate_options *options,
		      const FleetVm *vm, GCancellable *cancellable, GError **error)
{
	g_autoptr(Cloud) source =
	    cloud_connections_take(options->connections, vm->uri, NULL, cancellable, error);
	g_autoptr(GPtrArray) disks = NULL;
	struct cloud_standing standing;

	if (!source || !cloud_domain_standing(source, plan->uuid, &standing, cancellable, error) ||
	    !check_standing(plan, &standing, error))
		return false;
	plan->paused = standing.state == CLOUD_DOMAIN_PAUSED;
	disks = cloud_domain_disks(source, plan->uuid, cancellable, error);
	if (!disks || !add_disks(store, plan, options, vm, disks, error) ||
	    !check_wanted(plan, options, error))
		return false;
	forecast(plan, options, store, vm, source, cancellable);
	cloud_connections_give(options->connections, g_steal_pointer(&source));
	return check_forecast(plan, options, error);
}

MigratePlan *migrate_prepare(Store *store, const struct migrate_options *options,
			     GCancellable *cancellable, GError **error)
{
	/* A host that does not answer is abnormal from now on, and no failure here. */
	g_autoptr(GPtrArray) refreshed =
	    fleet_refresh(store, NULL, options->connections, ANSWER_MS, cancellable, error);
	g_autoptr(FleetVm) vm = NULL;
	g_autoptr(MigratePlan) plan = NULL;

	if (!refreshed)
		return NULL;
	vm = fleet_vm_find(store, options->vm, options->from, error);
	if (!vm)
		return NULL;
	if (strcmp(vm->state, "migrating") == 0) {
		refuse(error, WHERRY_ERROR_BUSY,
		       "the VM '%s' is being moved by another job: 'wherry job list'", vm->name);
		return NULL;
	}
	plan = make_plan(store, options, vm);
	if (!g_utf8_validate(plan->state, -1, NULL)) {
		refuse(error, WHERRY_ERROR_INVALID_INPUT,
		       "the state's path is no UTF-8, which a job cannot remember");
		return NULL;
	}
	if (!read_live(store, plan, options, vm, cancellable, error))
		return NULL;
	return g_steal_pointer(&plan);
}
