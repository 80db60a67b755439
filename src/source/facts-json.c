/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One function for each struct of facts.h, its members in their order. */
#include "source/facts-json.h"

static json_t *text(const char *value)
{
	return value ? json_string(value) : json_null();
}

static json_t *number(uint64_t value)
{
	return value ? json_integer((json_int_t)value) : json_null();
}

static json_t *answer(enum facts_answer value)
{
	switch (value) {
	case FACTS_UNKNOWN:
		return json_null();
	case FACTS_NO:
		return json_false();
	case FACTS_YES:
		return json_true();
	}
	return json_null();
}

static json_t *strings(char **values)
{
	json_t *array = json_array();

	for (char **value = values; *value; value++)
		json_array_append_new(array, json_string(*value));
	return array;
}

static json_t *list(const GPtrArray *items, json_t *(*convert)(const void *item))
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < items->len; i++)
		json_array_append_new(array, convert(g_ptr_array_index(items, i)));
	return array;
}

static const char *get_firmware(enum facts_firmware firmware)
{
	switch (firmware) {
	case FACTS_FIRMWARE_UNKNOWN:
		return NULL;
	case FACTS_FIRMWARE_BIOS:
		return "bios";
	case FACTS_FIRMWARE_UEFI:
		return "uefi";
	}
	return NULL;
}

static const char *get_rtc(enum facts_rtc rtc)
{
	switch (rtc) {
	case FACTS_RTC_UNKNOWN:
		return NULL;
	case FACTS_RTC_UTC:
		return "utc";
	case FACTS_RTC_LOCAL:
		return "local";
	}
	return NULL;
}

static json_t *convert_boot_entry(const void *item)
{
	const struct facts_boot_entry *entry = item;
	json_t *object = json_object();

	/* 0 is a number here: Boot0000. */
	json_object_set_new(object, "number", json_integer(entry->number));
	json_object_set_new(object, "active", json_boolean(entry->active));
	json_object_set_new(object, "description", text(entry->description));
	json_object_set_new(object, "partition_uuid", text(entry->partition_uuid));
	json_object_set_new(object, "loader", text(entry->loader));
	return object;
}

static json_t *convert_disk(const void *item)
{
	const struct facts_disk *disk = item;
	json_t *object = json_object();

	json_object_set_new(object, "name", text(disk->name));
	json_object_set_new(object, "path", text(disk->path));
	json_object_set_new(object, "kind", text(disk->kind));
	json_object_set_new(object, "wwn", text(disk->wwn));
	json_object_set_new(object, "serial", text(disk->serial));
	json_object_set_new(object, "model", text(disk->model));
	json_object_set_new(object, "by_id", strings(disk->by_id));
	json_object_set_new(object, "size", number(disk->size));
	json_object_set_new(object, "logical_sector", number(disk->logical_sector));
	json_object_set_new(object, "physical_sector", number(disk->physical_sector));
	json_object_set_new(object, "rotational", answer(disk->rotational));
	json_object_set_new(object, "removable", answer(disk->removable));
	json_object_set_new(object, "transport", text(disk->transport));
	json_object_set_new(object, "driver", text(disk->driver));
	return object;
}

static json_t *convert_address(const void *item)
{
	const struct facts_address *address = item;
	json_t *object = json_object();

	json_object_set_new(object, "address", text(address->address));
	json_object_set_new(object, "prefix", json_integer(address->prefix));
	return object;
}

static json_t *convert_nic(const void *item)
{
	const struct facts_nic *nic = item;
	json_t *object = json_object();

	json_object_set_new(object, "name", text(nic->name));
	json_object_set_new(object, "kind", text(nic->kind));
	json_object_set_new(object, "mac", text(nic->mac));
	json_object_set_new(object, "permanent_mac", text(nic->permanent_mac));
	json_object_set_new(object, "driver", text(nic->driver));
	json_object_set_new(object, "link", answer(nic->link));
	json_object_set_new(object, "mtu", number(nic->mtu));
	json_object_set_new(object, "addresses", list(nic->addresses, convert_address));
	json_object_set_new(object, "gateway4", text(nic->gateway4));
	json_object_set_new(object, "gateway6", text(nic->gateway6));
	json_object_set_new(object, "master", text(nic->master));
	json_object_set_new(object, "parent", text(nic->parent));
	json_object_set_new(object, "vlan", number(nic->vlan));
	json_object_set_new(object, "bond_mode", text(nic->bond_mode));
	return object;
}

static json_t *convert_note(const void *item)
{
	return json_string(item);
}

json_t *facts_to_json(const Facts *facts)
{
	json_t *object = json_object();

	json_object_set_new(object, "schema", json_integer(FACTS_SCHEMA));
	json_object_set_new(object, "hostname", text(facts->hostname));
	json_object_set_new(object, "vendor", text(facts->vendor));
	json_object_set_new(object, "product", text(facts->product));
	json_object_set_new(object, "serial", text(facts->serial));
	json_object_set_new(object, "uuid", text(facts->uuid));
	json_object_set_new(object, "firmware", text(get_firmware(facts->firmware)));
	json_object_set_new(object, "secure_boot", answer(facts->secure_boot));
	json_object_set_new(object, "boot_entries", list(facts->boot_entries, convert_boot_entry));
	json_object_set_new(object, "memory_installed", number(facts->memory_installed));
	json_object_set_new(object, "memory_usable", number(facts->memory_usable));
	json_object_set_new(object, "cpu_model", text(facts->cpu_model));
	json_object_set_new(object, "sockets", number(facts->sockets));
	json_object_set_new(object, "cores", number(facts->cores));
	json_object_set_new(object, "threads", number(facts->threads));
	json_object_set_new(object, "rtc", text(get_rtc(facts->rtc)));
	json_object_set_new(object, "disks", list(facts->disks, convert_disk));
	json_object_set_new(object, "nics", list(facts->nics, convert_nic));
	json_object_set_new(object, "dns", strings(facts->dns));
	json_object_set_new(object, "notes", list(facts->notes, convert_note));
	return object;
}
