/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wherry import: a bundle becomes a VM, or nothing of it stays. */
#include "cli/commands.h"

#include "base/error.h"
#include "base/units.h"
#include "cli/display.h"
#include "cli/interrupt.h"
#include "cli/jobs.h"
#include "cli/json-text.h"
#include "import/import.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define CLOUD_DEFAULT "qemu:///system"

/* As the command line has them; all owned. */
typedef struct {
	char *cloud, *name, *pool, *bus, *memory, *vcpus, *virt, *attempts, *timeout, *state;
	char **networks;
	int start;
} Words;

static void words_clear(Words *words)
{
	g_free(words->cloud);
	g_free(words->name);
	g_free(words->pool);
	g_free(words->bus);
	g_free(words->memory);
	g_free(words->vcpus);
	g_free(words->virt);
	g_free(words->attempts);
	g_free(words->timeout);
	g_free(words->state);
	g_strfreev(words->networks);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Words, words_clear)

/* A whole number from 1 to @max; 0 if @text is NULL. */
static bool parse_number(const char *option, const char *text, uint64_t max, uint64_t *ret,
			 GError **error)
{
	uint64_t value = 0;

	if (text && !g_ascii_string_to_unsigned(text, 10, 1, max, &value, NULL)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_USAGE,
			    "%s is a whole number from 1 to %" PRIu64 ", not '%s'", option, max,
			    text);
		return false;
	}
	*ret = value;
	return true;
}

/* "4G", "2048M"; a plain number is MiB, as virt-install has it.  Bytes; 0 if @text is NULL. */
static bool parse_memory(const char *text, uint64_t *ret, GError **error)
{
	*ret = 0;
	if (!text || (!g_str_has_suffix(text, "K") &&
		      units_parse_bytes(text, 20, UINT64_C(64) << 40, ret) && *ret > 0))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_USAGE,
		    "--memory is a number of MiB, or one with M, G or T behind it, up to 64T, not "
		    "'%s'",
		    text);
	return false;
}

static bool parse_virt(const char *text, enum import_virt *ret, GError **error)
{
	static const char *const names[] = { "auto", "kvm", "qemu" };

	*ret = IMPORT_VIRT_AUTO;
	for (size_t i = 0; text && i < G_N_ELEMENTS(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum import_virt)i;
			return true;
		}
	}
	if (text)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_USAGE,
			    "--virt-type is auto, kvm or qemu, not '%s'", text);
	return !text;
}

static bool parse_words(const Words *words, struct import_options *options, struct job_spec *spec,
			GError **error)
{
	uint64_t vcpus, attempts;

	*options = (struct import_options){
		.name = words->name,
		.pool = words->pool,
		.bus = words->bus,
		.networks = (const char *const *)words->networks,
		.start = words->start,
	};
	*spec = (struct job_spec){ 0 };
	if (!parse_number("--vcpus", words->vcpus, 4096, &vcpus, error) ||
	    !parse_number("--attempts", words->attempts, 1000, &attempts, error) ||
	    !parse_number("--timeout", words->timeout, UINT64_C(365) * 86400, &spec->timeout,
			  error) ||
	    !parse_memory(words->memory, &options->memory, error) ||
	    !parse_virt(words->virt, &options->virt, error))
		return false;
	options->vcpus = (unsigned int)vcpus;
	spec->attempts = (unsigned int)attempts;
	return true;
}

/* What came of it; owned by the caller. */
static json_t *describe_json(const ImportPlan *plan, int64_t id)
{
	json_t *disks = json_array(), *nics = json_array();

	for (unsigned int i = 0; i < plan->disks->len; i++) {
		const struct import_disk *disk = g_ptr_array_index(plan->disks, i);

		json_array_append_new(disks, json_pack("{s:s, s:s, s:o, s:I, s:I}", "image",
						       disk->image, "volume", disk->volume, "path",
						       json_text(disk->path), "image_size",
						       (json_int_t)disk->image_size, "size",
						       (json_int_t)disk->virtual_size));
	}
	for (unsigned int i = 0; i < plan->nics->len; i++) {
		const struct import_nic *nic = g_ptr_array_index(plan->nics, i);

		json_array_append_new(nics, json_pack("{s:s, s:s, s:s}", "name", nic->name, "mac",
						      nic->mac, "network", nic->network));
	}
	return json_pack("{s:I, s:o, s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:o, s:o, s:b}", "job",
			 (json_int_t)id, "bundle", json_text(plan->bundle), "cloud", plan->cloud,
			 "name", plan->name, "uuid", plan->uuid, "virt_type", plan->type, "vcpus",
			 (json_int_t)plan->vcpus, "memory", (json_int_t)plan->memory, "pool",
			 plan->pool_name, "disks", disks, "nics", nics, "started", plan->start);
}

static void print_json(const ImportPlan *plan, int64_t id, double seconds)
{
	json_t *object = describe_json(plan, id);

	json_object_set_new(object, "seconds", json_real(seconds));
	json_dumpf(object, stdout, JSON_INDENT(2));
	printf("\n");
	json_decref(object);
}

static void print_text(const ImportPlan *plan, double seconds)
{
	g_autofree char *memory = units_bytes(plan->memory);

	for (unsigned int i = 0; i < plan->disks->len; i++) {
		const struct import_disk *disk = g_ptr_array_index(plan->disks, i);
		g_autofree char *size = units_bytes(disk->virtual_size);
		g_autofree char *image = units_bytes(disk->image_size);

		printf("%s: %s, a disk of %s -> %s\n", disk->image, image, size, disk->path);
	}
	for (unsigned int i = 0; i < plan->nics->len; i++) {
		const struct import_nic *nic = g_ptr_array_index(plan->nics, i);

		printf("%s: %s -> network '%s'\n", nic->name, nic->mac, nic->network);
	}
	printf("%s: imported in %.1f s: UUID %s, %u vCPUs, %s, %s\n", plan->name, seconds,
	       plan->uuid, plan->vcpus, memory,
	       strcmp(plan->type, "kvm") == 0 ? "KVM" : "emulated");
	if (plan->start)
		printf("It is running: virsh -c '%s' console %s\n", plan->cloud, plan->name);
	else
		printf("When the source is off, start it: virsh -c '%s' start %s\n", plan->cloud,
		       plan->name);
}

static void warn_before(const ImportPlan *plan, Display *display)
{
	for (unsigned int i = 0; i < plan->warnings->len; i++)
		display_warn(g_ptr_array_index(plan->warnings, i), display);
	if (plan->start)
		display_warn("the VM starts with the source's MAC addresses and disks' content: "
			     "the source must be off, and stay off",
			     display);
}

static bool run_job(Store *store, const ImportPlan *plan, struct job_spec *spec,
		    const struct job_runner *runner, int64_t *ret_id, GError **error)
{
	g_autofree char *params = import_plan_to_json(plan);
	g_autofree char *title = g_strdup_printf("import of %s", plan->name);
	g_autoptr(Job) job = NULL;

	spec->title = title;
	spec->params = params;
	job = job_create(store, &import_job_kind, spec, error);
	if (!job || !job_run(job, runner, error))
		return false;
	*ret_id = job_id(job);
	return true;
}

/* A host that hangs holds nobody who wants an end. */
static ImportPlan *prepare(const char *bundle, const char *uri, const Store *store,
			   const struct import_options *options, GError **error)
{
	g_autoptr(InterruptRelay) relay = interrupt_relay_new();

	return import_prepare(bundle, uri, store_path(store), options,
			      interrupt_relay_cancellable(relay), error);
}

static bool import_bundle(const char *bundle, const Words *words,
			  const struct common_options *common, GError **error)
{
	int64_t started = g_get_monotonic_time(), id;
	g_auto(Display) display = { 0 };
	const struct job_runner runner = jobs_runner(common, &display);
	struct import_options options;
	g_autoptr(ImportPlan) plan = NULL;
	g_autoptr(Store) store = NULL;
	struct job_spec spec;
	double seconds;

	if (!parse_words(words, &options, &spec, error))
		return false;
	interrupt_catch();
	display_init(&display, common->quiet);
	store = jobs_open(words->state, error);
	if (!store || !jobs_recover_left(store, &runner, error))
		return false;
	plan = prepare(bundle, words->cloud ?: CLOUD_DEFAULT, store, &options, error);
	if (!plan)
		return false;
	warn_before(plan, &display);
	if (!run_job(store, plan, &spec, &runner, &id, error))
		return false;
	display_clear(&display);

	seconds = (double)(g_get_monotonic_time() - started) / G_USEC_PER_SEC;
	if (common->json)
		print_json(plan, id, seconds);
	else
		print_text(plan, seconds);
	return true;
}

static bool run_import(int argc, char **argv, GError **error)
{
	struct common_options common = { 0 };
	g_auto(GStrv) args = NULL;
	g_auto(Words) words = { 0 };
	const GOptionEntry entries[] = {
		option_value("cloud", &words.cloud, "a libvirt URI; else " CLOUD_DEFAULT, "URI"),
		option_value("name", &words.name, "of the VM; else the bundle's", "NAME"),
		option_value("pool", &words.pool,
			     "a pool's name, or an absolute path for one; else default", "POOL"),
		option_values("network", &words.networks,
			      "put NIC FROM (name or MAC) on network TO; else default", "FROM=TO"),
		option_value("bus", &words.bus, "of all disks; else as the bundle says", "BUS"),
		option_value("memory", &words.memory, "2048M, 4G ...; else the source's", "SIZE"),
		option_value("vcpus", &words.vcpus, "else as many as the source's CPUs", "N"),
		option_value("virt-type", &words.virt, "auto, kvm or qemu; else auto", "TYPE"),
		option_flag("start", 0, &words.start, "start the VM; the source must stay off"),
		option_value("attempts", &words.attempts, "how often a task may fail; else 3", "N"),
		option_value("timeout", &words.timeout, "roll back when it takes longer; else none",
			     "SECONDS"),
		option_state(&words.state),
		G_OPTION_ENTRY_NULL,
	};
	int r = command_parse(&cmd_import, entries, argc, argv, &common, &args, error);

	if (r <= 0)
		return r == 0;
	return import_bundle(args[0], &words, &common, error);
}

const struct command cmd_import = {
	.name = "import",
	.args = "BUNDLE",
	.min_args = 1,
	.max_args = 1,
	.summary = "Make a VM of a bundle, or leave nothing behind.",
	.description =
	    "BUNDLE is the directory that holds machine.json.  It is read, never changed, and\n"
	    "nothing in it is trusted: the VM's description is made anew, and each image is\n"
	    "checked before and after it was copied into a storage pool.\n"
	    "\n"
	    "Without --pool the images go to the pool 'default'; if there is none, one is made\n"
	    "at /var/lib/libvirt/images.  A path makes a pool there, and the directory, unless\n"
	    "they exist.  Without --network a NIC goes to the network 'default'.  BUS is sata,\n"
	    "virtio, virtio-scsi, lsisas1068 or lsisas1078.\n"
	    "\n"
	    "An import is a job.  A step that fails is tried again, at most --attempts times;\n"
	    "then, or on Ctrl-C, all that was made is removed, never what was there before.  If\n"
	    "the process is killed, 'wherry job recover' ends it: in the VM, or in nothing.\n"
	    "\n"
	    "The VM has the source's MAC addresses and UUID: never let both run.\n"
	    "\n"
	    "Exit status: 0 the VM is there; 1 nothing was begun; 2 wrong usage; 3 the bundle is\n"
	    "damaged; 4 it failed and was rolled back; 5 it failed and something is left, which\n"
	    "the message names; 130 interrupted and rolled back.\n"
	    "\n"
	    "Examples:\n"
	    "  wherry import /mnt/stick/wherry/server1\n"
	    "  wherry import --network eno1=lan --memory 4G --vcpus 2 --start \\\n"
	    "      /mnt/stick/wherry/server1\n"
	    "  wherry import --cloud qemu+ssh://root@host/system --pool fast \\\n"
	    "      /mnt/stick/wherry/server1",
	.run = run_import,
};
