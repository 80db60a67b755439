/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk is a symlink in /sys/block to its place below /sys/devices; its controller is found by
 * walking up from there.  What sysfs does not say, udev's database may.
 */
#include "source/facts-disks.h"

#include "base/be.h"
#include "source/disk-naming.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_DIR   "sys/block"
#define BY_ID_DIR   "dev/disk/by-id"
#define VPD_MAX     ((size_t)64 << 10)
#define SECTOR_SIZE 512 /* of every size in /sys/block, whatever the disk's own is */
#define SECTOR_MAX  (UINT64_C(1) << 20)

/* One disk while it is read; all owned but the root. */
typedef struct {
	const FactsRoot *root;
	char *name;
	char *dir;    /* "sys/block/sda" */
	char *device; /* where that leads, or the disk's path to it does: "sys/devices/..." */
	char *dev;    /* "8:0", or NULL */
	char **udev;  /* lines of udev's database, or NULL */
	uint64_t major;
} Source;

static void source_free(void *data)
{
	Source *source = data;

	g_free(source->name);
	g_free(source->dir);
	g_free(source->device);
	g_free(source->dev);
	g_strfreev(source->udev);
	g_free(source);
}

/* Where the symlink @path leads, by its words; NULL when it is none; owned by the caller. */
static char *follow(const FactsRoot *root, const char *path)
{
	g_autofree char *target = facts_root_link(root, path);
	g_autofree char *parent = g_path_get_dirname(path);
	g_autofree char *from = g_strdup_printf("/%s", parent);
	g_autofree char *full = target ? g_canonicalize_filename(target, from) : NULL;

	return full ? g_strdup(full + 1) : NULL;
}

static char *follow_name(const FactsRoot *root, const char *dir, const char *name)
{
	g_autofree char *path = g_strdup_printf("%s/%s", dir, name);
	g_autofree char *target = follow(root, path);

	return target ? g_path_get_basename(target) : NULL;
}

static char *read_text(const Source *source, const char *name)
{
	g_autofree char *path = g_strdup_printf("%s/%s", source->dir, name);

	return facts_root_text(source->root, path, FACTS_OPTIONAL);
}

static bool read_number(const Source *source, const char *name, uint64_t max, uint64_t *ret)
{
	g_autofree char *path = g_strdup_printf("%s/%s", source->dir, name);

	return facts_root_number(source->root, path, FACTS_EXPECTED, 0, max, ret);
}

static enum facts_answer read_flag(const Source *source, const char *name)
{
	uint64_t flag;

	if (!read_number(source, name, 1, &flag))
		return FACTS_UNKNOWN;
	return flag ? FACTS_YES : FACTS_NO;
}

static uint32_t read_sector_size(const Source *source, const char *name)
{
	uint64_t size;

	if (!read_number(source, name, SECTOR_MAX, &size))
		return 0;
	if (size < SECTOR_SIZE || (size & (size - 1)) != 0) {
		g_autofree char *path = g_strdup_printf("%s/%s", source->dir, name);

		facts_note(source->root, path, "'%u' makes no sense", (unsigned int)size);
		return 0;
	}
	return (uint32_t)size;
}

/* "E:KEY=value" of udev's database; borrowed. */
static const char *get_udev(const Source *source, const char *key)
{
	size_t len = strlen(key);

	for (char **line = source->udev; line && *line; line++)
		if (g_str_has_prefix(*line, "E:") && strncmp(*line + 2, key, len) == 0 &&
		    (*line)[2 + len] == '=' && (*line)[3 + len])
			return *line + 3 + len;
	return NULL;
}

static char *get_udev_text(const Source *source, const char *key)
{
	const char *value = get_udev(source, key);

	return value ? facts_text((const uint8_t *)value, strlen(value)) : NULL;
}

/* SPC-4, 7.8: the head of a page of vital product data. */
struct vpd_head {
	uint8_t peripheral;
	uint8_t code;
	be16 length; /* bytes behind the head */
};
static_assert(sizeof(struct vpd_head) == 4, "SPC-4, 7.8");

/* The page @code without its head; NULL; owned by the caller. */
static uint8_t *read_vpd(const Source *source, const char *name, uint8_t code, size_t *ret_len)
{
	g_autofree char *path = g_strdup_printf("%s/%s", source->dir, name);
	size_t len;
	g_autofree uint8_t *page =
	    facts_root_bytes(source->root, path, FACTS_OPTIONAL, VPD_MAX, &len);
	struct vpd_head head = { 0 };

	if (!page)
		return NULL;
	memcpy(&head, page, MIN(len, sizeof(head)));
	if (len < sizeof(head) || head.code != code || be16_get(head.length) > len - sizeof(head)) {
		facts_note(source->root, path, "%zu bytes are no page 0x%02x", len, code);
		return NULL;
	}
	*ret_len = be16_get(head.length);
	return g_memdup2(page + sizeof(head), *ret_len + 1); /* with the NUL behind it */
}

char *disk_wwn_normalize(const char *id)
{
	static const char *const kept[] = { "eui.", "uuid.", "nvme." };
	g_autofree char *lower = NULL;

	for (size_t i = 0; i < G_N_ELEMENTS(kept); i++) {
		size_t len = strlen(kept[i]);

		if (g_str_has_prefix(id, kept[i]))
			return id[len + strspn(id + len, "0")] ? g_strdup(id) : NULL;
	}
	if (g_str_has_prefix(id, "naa."))
		id += strlen("naa.");
	else if (g_str_has_prefix(id, "0x"))
		id += strlen("0x");
	else
		return NULL; /* "t10." holds the vendor's and the model's name, and no promise */
	if (id[strspn(id, "0123456789abcdefABCDEF")] || !id[strspn(id, "0")])
		return NULL;
	lower = g_ascii_strdown(id, -1);
	return g_strdup_printf("0x%s", lower);
}

static char *format_hex(const char *prefix, const uint8_t *bytes, size_t len)
{
	GString *text = g_string_new(prefix);

	for (size_t i = 0; i < len; i++)
		g_string_append_printf(text, "%02x", bytes[i]);
	return g_string_free(text, false);
}

/* SPC-4, 7.8.6: a list of designators, each with a head of four bytes. */
char *disk_wwn_from_vpd83(const uint8_t *page, size_t len)
{
	enum { ASSOCIATION_UNIT = 0, TYPE_EUI64 = 2, TYPE_NAA = 3 };
	g_autofree char *eui = NULL;

	/* Ends: every designator has a head. */
	while (len >= 4 && page[3] <= len - 4) {
		const uint8_t *value = page + 4;
		size_t value_len = page[3];

		if ((page[1] >> 4 & 3) == ASSOCIATION_UNIT) {
			if ((page[1] & 15) == TYPE_NAA && (value_len == 8 || value_len == 16))
				return format_hex("0x", value, value_len);
			if ((page[1] & 15) == TYPE_EUI64 && value_len >= 8 && !eui)
				eui = format_hex("eui.", value, value_len);
		}
		page += 4 + value_len;
		len -= 4 + value_len;
	}
	return g_steal_pointer(&eui);
}

static char *read_wwn(const Source *source)
{
	static const char *const files[] = { "wwid", "device/wwid" };
	static const char *const keys[] = { "ID_WWN_WITH_EXTENSION", "ID_WWN" };
	g_autofree uint8_t *page = NULL;
	g_autofree char *from_page = NULL;
	size_t len;

	for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
		g_autofree char *text = read_text(source, files[i]);
		char *wwn = text ? disk_wwn_normalize(text) : NULL;

		if (wwn)
			return wwn;
	}
	page = read_vpd(source, "device/vpd_pg83", 0x83, &len);
	from_page = page ? disk_wwn_from_vpd83(page, len) : NULL;
	if (from_page)
		return disk_wwn_normalize(from_page);
	for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
		g_autofree char *text = get_udev_text(source, keys[i]);
		char *wwn = text ? disk_wwn_normalize(text) : NULL;

		if (wwn)
			return wwn;
	}
	return NULL;
}

/* A stick has its serial in the USB device, a few steps up. */
static char *read_usb_serial(const Source *source)
{
	g_autofree char *dir = g_strdup(source->device);

	/* Ends: each step takes a name away. */
	while (strchr(dir, '/')) {
		g_autofree char *vendor = g_strdup_printf("%s/idVendor", dir);
		g_autofree char *serial = g_strdup_printf("%s/serial", dir);

		if (facts_root_has(source->root, vendor))
			return facts_root_text(source->root, serial, FACTS_OPTIONAL);
		*strrchr(dir, '/') = '\0';
	}
	return NULL;
}

static char *read_serial(const Source *source)
{
	static const char *const files[] = { "serial", "device/serial" }; /* virtio; NVMe, MMC */
	static const char *const keys[] = { "ID_SCSI_SERIAL", "ID_SERIAL_SHORT" };
	g_autofree uint8_t *page = NULL;
	size_t len;
	char *serial;

	for (size_t i = 0; i < G_N_ELEMENTS(files); i++)
		if ((serial = read_text(source, files[i])))
			return serial;
	page = read_vpd(source, "device/vpd_pg80", 0x80, &len);
	if (page && (serial = facts_text(page, len)))
		return serial;
	for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
		if ((serial = get_udev_text(source, keys[i])))
			return serial;
	return read_usb_serial(source);
}

static char *read_model(const Source *source)
{
	static const char *const files[] = { "device/model", "device/name" }; /* SCSI, NVMe; MMC */
	char *model;

	for (size_t i = 0; i < G_N_ELEMENTS(files); i++)
		if ((model = read_text(source, files[i])))
			return model;
	return get_udev_text(source, "ID_MODEL");
}

/* Drivers of what hangs on a controller, by their bus. */
static bool is_no_controller(const char *subsystem)
{
	static const char *const buses[] = { "scsi", "mmc", "ide", "block" };

	for (size_t i = 0; subsystem && i < G_N_ELEMENTS(buses); i++)
		if (strcmp(subsystem, buses[i]) == 0)
			return true;
	return false;
}

/* A host without hardware of its own, as iSCSI over TCP has. */
static char *read_scsi_host_driver(const Source *source)
{
	const char *host = strstr(source->device, "/host");
	g_autofree char *path = NULL;

	if (!host || !g_ascii_isdigit(host[5]))
		return NULL;
	path = g_strdup_printf("sys/class/scsi_host/%.*s/proc_name", (int)strcspn(host + 1, "/"),
			       host + 1);
	return facts_root_text(source->root, path, FACTS_OPTIONAL);
}

static char *read_driver(const Source *source)
{
	g_autofree char *dir = g_strdup(source->device);

	/* Ends: each step takes a name away. */
	for (; strchr(dir, '/'); *strrchr(dir, '/') = '\0') {
		g_autofree char *subsystem = follow_name(source->root, dir, "subsystem");
		g_autofree char *driver = follow_name(source->root, dir, "driver");

		if (!driver || is_no_controller(subsystem))
			continue;
		if (g_strcmp0(subsystem, "xen") == 0)
			return g_strdup("xen-blkfront"); /* its name on the bus is "vbd" */
		return g_steal_pointer(&driver);
	}
	return read_scsi_host_driver(source);
}

/* NVMe tells by which way it is reached: PCIe is the plain one. */
static char *read_transport(const Source *source, const char *driver)
{
	const char *transport = disk_transport(source->device, driver);
	g_autofree char *parent = g_path_get_dirname(source->device);
	g_autofree char *path = g_strdup_printf("%s/transport", parent);
	g_autofree char *fabric = NULL;

	if (g_strcmp0(transport, "nvme") == 0)
		fabric = facts_root_text(source->root, path, FACTS_OPTIONAL);
	if (fabric && strcmp(fabric, "pcie") != 0)
		return g_strdup_printf("nvme-%s", fabric);
	return g_strdup(transport);
}

/*
 * Where the disk is in the tree of devices.  A namespace of NVMe with several controllers is below
 * their subsystem, which links to each: then it is taken to be below the first.  With old kernels
 * /sys/block/sda is no link, but has one.
 */
static char *find_device(const FactsRoot *root, const char *dir)
{
	g_autofree char *link = g_strdup_printf("%s/device", dir);
	g_autofree char *device = follow(root, dir);
	g_autofree char *parent = NULL;
	g_auto(GStrv) names = NULL;

	if (!device)
		device = follow(root, link);
	if (!device)
		return g_strdup(dir);
	if (!strstr(device, "/nvme-subsys"))
		return g_steal_pointer(&device);

	parent = g_path_get_dirname(device);
	names = facts_root_list(root, parent, FACTS_OPTIONAL);
	for (char **name = names; *name; name++) {
		g_autofree char *path = g_strdup_printf("%s/%s", parent, *name);
		g_autofree char *controller = NULL;

		if (!g_str_has_prefix(*name, "nvme"))
			continue;
		controller = follow(root, path);
		if (controller)
			return g_strdup_printf("%s/%s", controller, strrchr(device, '/') + 1);
	}
	return g_steal_pointer(&device);
}

static Source *source_new(const FactsRoot *root, const char *name)
{
	Source *source = g_new0(Source, 1);
	g_autofree char *dev = g_strdup_printf(BLOCK_DIR "/%s/dev", name);
	char *end;

	source->root = root;
	source->name = g_strdup(name);
	source->dir = g_strdup_printf(BLOCK_DIR "/%s", name);
	source->dev = facts_root_text(root, dev, FACTS_EXPECTED);
	source->major = UINT64_MAX; /* to the end with what has no number */
	if (!source->dev)
		return source;

	source->major = g_ascii_strtoull(source->dev, &end, 10);
	if (end == source->dev || *end != ':' ||
	    !g_ascii_string_to_unsigned(end + 1, 10, 0, UINT32_MAX, NULL, NULL)) {
		facts_note(root, dev, "'%s' makes no sense", source->dev);
		g_clear_pointer(&source->dev, g_free);
		source->major = UINT64_MAX;
	}
	return source;
}

/* Minor numbers are given out as disks answer; names of one length sort as they count. */
static int compare_sources(const void *a, const void *b)
{
	const Source *x = *(Source *const *)a, *y = *(Source *const *)b;
	size_t x_len = strlen(x->name), y_len = strlen(y->name);

	if (x->major != y->major)
		return x->major < y->major ? -1 : 1;
	if (x_len != y_len)
		return x_len < y_len ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* The second way to an NVMe namespace (nvme0c1n1) has no device node. */
static bool is_hidden(const FactsRoot *root, const char *name)
{
	g_autofree char *path = g_strdup_printf(BLOCK_DIR "/%s/hidden", name);
	g_autofree char *hidden = facts_root_text(root, path, FACTS_OPTIONAL);

	return g_strcmp0(hidden, "1") == 0;
}

/* Path of a disk -> the names that lead to it. */
static GHashTable *read_by_ids(const FactsRoot *root)
{
	GHashTable *by_ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
						   (GDestroyNotify)g_ptr_array_unref);
	g_auto(GStrv) names = facts_root_list(root, BY_ID_DIR, FACTS_OPTIONAL);

	for (char **name = names; *name; name++) {
		g_autofree char *path = g_strdup_printf(BY_ID_DIR "/%s", *name);
		g_autofree char *target = follow(root, path);
		g_autofree char *full = target ? g_strdup_printf("/%s", target) : NULL;
		GPtrArray *list = full ? g_hash_table_lookup(by_ids, full) : NULL;

		if (!full)
			continue;
		if (!list) {
			list = g_ptr_array_new_with_free_func(g_free);
			g_hash_table_insert(by_ids, g_steal_pointer(&full), list);
		}
		g_ptr_array_add(list, g_utf8_make_valid(*name, -1));
	}
	return by_ids;
}

static char **get_by_id(const Source *source, GHashTable *by_ids, const char *path)
{
	GPtrArray *found = g_hash_table_lookup(by_ids, path);
	g_autoptr(GStrvBuilder) names = g_strv_builder_new();
	static const char prefix[] = "S:disk/by-id/";

	for (unsigned int i = 0; found && i < found->len; i++)
		g_strv_builder_add(names, g_ptr_array_index(found, i));
	for (char **line = source->udev; !found && line && *line; line++)
		if (g_str_has_prefix(*line, prefix))
			g_strv_builder_add(names, *line + strlen(prefix));
	return g_strv_builder_end(names);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void read_disk(Source *source, GHashTable *by_ids, uint64_t size, Facts *facts)
{
	struct facts_disk *disk = facts_add_disk(facts);

	source->device = find_device(source->root, source->dir);
	if (source->dev) {
		g_autofree char *path = g_strdup_printf("run/udev/data/b%s", source->dev);

		source->udev = facts_root_lines(source->root, path, FACTS_OPTIONAL);
	}

	disk->name = g_utf8_make_valid(source->name, -1);
	disk->path = disk_path(disk->name);
	disk->kind = g_strdup(disk_kind(disk->name));
	disk->size = size;
	disk->wwn = read_wwn(source);
	disk->serial = read_serial(source);
	disk->model = read_model(source);
	g_strfreev(disk->by_id);
	disk->by_id = get_by_id(source, by_ids, disk->path);
	qsort(disk->by_id, g_strv_length(disk->by_id), sizeof(char *), compare_names);
	disk->logical_sector = read_sector_size(source, "queue/logical_block_size");
	disk->physical_sector = read_sector_size(source, "queue/physical_block_size");
	disk->rotational = read_flag(source, "queue/rotational");
	disk->removable = read_flag(source, "removable");
	disk->driver = read_driver(source);
	disk->transport = read_transport(source, disk->driver);
}

/* loop0 to loop7 are everywhere, with nothing behind them; a drive without a medium is a drive. */
static bool is_idle(const char *name)
{
	const char *kind = disk_kind(name);

	return strcmp(kind, "disk") != 0 && strcmp(kind, "optical") != 0;
}

void facts_read_disks(const FactsRoot *root, Facts *facts)
{
	g_autoptr(GPtrArray) sources = g_ptr_array_new_with_free_func(source_free);
	g_autoptr(GHashTable) by_ids = read_by_ids(root);
	g_auto(GStrv) names = facts_root_list(root, BLOCK_DIR, FACTS_EXPECTED);

	for (char **name = names; *name; name++)
		if (!is_hidden(root, *name))
			g_ptr_array_add(sources, source_new(root, *name));
	g_ptr_array_sort(sources, compare_sources);

	for (unsigned int i = 0; i < sources->len; i++) {
		Source *source = g_ptr_array_index(sources, i);
		uint64_t sectors;
		bool known = read_number(source, "size", UINT64_MAX / SECTOR_SIZE, &sectors);

		if (!known || sectors != 0 || !is_idle(source->name))
			read_disk(source, by_ids, known ? sectors * SECTOR_SIZE : 0, facts);
	}
}
