/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The topology is that of /sys/devices/system/cpu (kernel: admin-guide/cputopology.rst), or where
 * that is missing of /proc/cpuinfo; the model's name stands in /proc/cpuinfo only.
 */
#include "source/facts-cpu-memory.h"

#include <stdlib.h>
#include <string.h>

#define CPU_DIR "sys/devices/system/cpu"
#define CPUINFO "proc/cpuinfo"
#define MEMINFO "proc/meminfo"

/* "Name : value" of /proc; NULL when the line has another name; borrowed from it. */
static const char *get_value(const char *line, const char *name)
{
	size_t len = strlen(name);

	if (strncmp(line, name, len) != 0)
		return NULL;
	line += len;
	while (g_ascii_isspace(*line))
		line++;
	if (*line++ != ':')
		return NULL;
	while (g_ascii_isspace(*line))
		line++;
	return line;
}

void facts_read_memory(const FactsRoot *root, Facts *facts)
{
	g_auto(GStrv) lines = facts_root_lines(root, MEMINFO, FACTS_EXPECTED);

	for (char **line = lines; line && *line; line++) {
		const char *value = get_value(*line, "MemTotal");
		uint64_t kib;
		char *end;

		if (!value)
			continue;
		kib = g_ascii_strtoull(value, &end, 10);
		if (end == value || strcmp(end, " kB") != 0 || kib == 0 || kib > UINT64_MAX >> 10)
			break;
		facts->memory_usable = kib << 10;
		return;
	}
	if (lines)
		facts_note(root, MEMINFO, "does not say how much memory there is");
}

/* Sets of names, which are the same for CPUs that share a socket or a core. */
struct cpus {
	GHashTable *sockets, *cores; /* borrowed */
	unsigned int count;
};

/* NULL where the machine does not say: then all are on one socket, and each is a core. */
static void cpus_add(struct cpus *cpus, const char *socket, const char *die, const char *core)
{
	const char *s = socket ? socket : "0", *d = die ? die : "0";

	g_hash_table_add(cpus->sockets, g_strdup(s));
	if (core)
		g_hash_table_add(cpus->cores, g_strdup_printf("%s:%s:%s", s, d, core));
	else
		g_hash_table_add(cpus->cores, g_strdup_printf("cpu %u", cpus->count));
	cpus->count++;
}

static char *read_topology(const FactsRoot *root, const char *cpu, const char *name)
{
	g_autofree char *path = g_strdup_printf(CPU_DIR "/%s/topology/%s", cpu, name);
	g_autofree char *text = facts_root_text(root, path, FACTS_OPTIONAL);

	/* -1 and the like: a hypervisor that does not say. */
	if (text && !g_ascii_string_to_signed(text, 10, INT32_MIN, INT32_MAX, NULL, NULL)) {
		facts_note(root, path, "'%s' makes no sense", text);
		return NULL;
	}
	return g_steal_pointer(&text);
}

/* An offline CPU has no topology, and does not count. */
static void read_sysfs(const FactsRoot *root, struct cpus *cpus)
{
	g_auto(GStrv) names = facts_root_list(root, CPU_DIR, FACTS_EXPECTED);

	for (char **name = names; *name; name++) {
		g_autofree char *topology = NULL, *socket = NULL, *die = NULL, *core = NULL;

		if (!g_str_has_prefix(*name, "cpu") || !g_ascii_isdigit((*name)[3]))
			continue;
		topology = g_strdup_printf(CPU_DIR "/%s/topology", *name);
		if (!facts_root_has(root, topology))
			continue;
		core = read_topology(root, *name, "core_id");
		socket = read_topology(root, *name, "physical_package_id");
		die = read_topology(root, *name, "die_id");
		cpus_add(cpus, socket, die, core);
	}
}

static void read_cpuinfo_topology(char **lines, struct cpus *cpus)
{
	const char *socket = NULL, *core = NULL, *value;
	bool open = false;

	for (char **line = lines; *line; line++) {
		if (get_value(*line, "processor")) {
			if (open)
				cpus_add(cpus, socket, NULL, core);
			open = true;
			socket = core = NULL;
		}
		if ((value = get_value(*line, "physical id")))
			socket = value;
		if ((value = get_value(*line, "core id")))
			core = value;
	}
	if (open)
		cpus_add(cpus, socket, NULL, core);
}

static void read_model(const FactsRoot *root, Facts *facts, char **lines)
{
	for (char **line = lines; *line; line++) {
		const char *value = get_value(*line, "model name");

		if (!value)
			continue;
		facts->cpu_model = facts_text((const uint8_t *)value, strlen(value));
		if (facts->cpu_model)
			return;
	}
	facts_note(root, CPUINFO, "no model name");
}

static void count(const FactsRoot *root, const struct cpus *cpus, Facts *facts)
{
	unsigned int sockets = g_hash_table_size(cpus->sockets);
	unsigned int cores = g_hash_table_size(cpus->cores);

	if (cpus->count == 0) {
		facts_note(root, CPU_DIR, "no CPU is described");
		return;
	}
	if (cpus->count % cores == 0 && cores % sockets == 0) {
		facts->sockets = sockets;
		facts->cores = cores / sockets;
		facts->threads = cpus->count / cores;
		return;
	}
	facts_note(root, CPU_DIR, "%u CPUs do not spread evenly over %u cores on %u sockets",
		   cpus->count, cores, sockets);
	facts->sockets = cpus->count % sockets == 0 ? sockets : 1;
	facts->cores = cpus->count / facts->sockets;
	facts->threads = 1;
}

void facts_read_cpus(const FactsRoot *root, Facts *facts)
{
	g_auto(GStrv) lines = facts_root_lines(root, CPUINFO, FACTS_EXPECTED);
	g_autoptr(GHashTable) sockets =
	    g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_autoptr(GHashTable) cores = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	struct cpus cpus = { sockets, cores, 0 };

	if (lines)
		read_model(root, facts, lines);
	read_sysfs(root, &cpus);
	if (cpus.count == 0 && lines)
		read_cpuinfo_topology(lines, &cpus);
	count(root, &cpus, facts);
}
