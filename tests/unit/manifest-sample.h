/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A machine with one of everything, and the digest rule of docs/bundle.md written a second time. */
#pragma once

#include "bundle/manifest.h"

#include <stdlib.h>
#include <string.h>

static inline Manifest *sample_manifest(void)
{
	Manifest *manifest = manifest_new();
	struct manifest_disk *disk = manifest_add_disk(manifest);
	struct manifest_volume *volume = manifest_add_volume(disk);
	struct manifest_gap *gap = manifest_add_gap(disk);
	struct manifest_layer_volume *layered = manifest_add_layer_volume(manifest);
	struct manifest_nic *nic = manifest_add_nic(manifest);

	manifest->id = g_strdup("0a6b1c5e-94f7-4c7e-8a3b-2f0d3b1f6a77");
	manifest->generation = 1;
	manifest->name = g_strdup("web1");
	manifest->created = g_strdup("2026-11-21T21:54:53Z");
	manifest->tool = g_strdup("wherry 0.1");
	manifest->uuid = g_strdup("4c4c4544-0043-3510-8052-b4c04f564231");
	manifest->memory = UINT64_C(2) << 30;
	manifest->sockets = 2;
	manifest->cores = 4;
	manifest->threads = 2;

	disk->path = g_strdup("/dev/sda");
	disk->wwn = g_strdup("0x5000c500a1b2c3d4");
	disk->serial = g_strdup("ZA1B2C3D");
	disk->model = g_strdup("Platte für alles");
	disk->size = 1000204886016;
	disk->sector_size = 512;
	disk->table = g_strdup("gpt");
	disk->table_id = g_strdup("c2e9d6c9-4bd1-4b0a-9d4e-0f6d6a1f7f10");
	disk->used = 123456789;
	disk->boot_order = 1;
	disk->bus = MANIFEST_BUS_LSISAS1078;
	disk->bus_reason = g_strdup("megaraid_sas with BIOS firmware");
	disk->driver = g_strdup("megaraid_sas");
	disk->image = g_strdup("disk-0.qcow2");
	disk->image_size = 345678;
	disk->sums = g_strdup("disk-0.sums");

	volume->number = 1;
	volume->offset = 1048576;
	volume->size = 1000203837440;
	volume->used = 123456789;
	volume->type = g_strdup("0fc63daf-8483-4772-8e79-3d69d8477de4");
	volume->content = g_strdup("ext4");
	volume->uuid = g_strdup("7d8e2b1c-95a4-4b6f-8f53-6c0e1f2a3b4c");
	volume->how = g_strdup("ext4, clean");

	gap->offset = 4096;
	gap->length = 512;

	layered->layer = g_strdup("lvm");
	layered->name = g_strdup("vg0/root");
	layered->size = 4194304;
	layered->used = 1048576;
	layered->content = g_strdup("ext4");
	layered->how = g_strdup("ext4, clean");
	nic->name = g_strdup("eno1");
	nic->mac = g_strdup("52:54:00:12:34:56");
	nic->model = g_strdup("e1000e");

	manifest_set_file(manifest, "disk-0.sums")->size = 4096;
	g_ptr_array_add(manifest->warnings, g_strdup("/dev/sdb: 3 sectors could not be read"));
	manifest->facts = json_pack("{s:i,s:n}", "schema", 1, "hostname");
	return manifest;
}

/* Another disk like the first, as the last to be booted from; borrowed. */
static inline struct manifest_disk *sample_add_disk(Manifest *manifest)
{
	const struct manifest_disk *first = g_ptr_array_index(manifest->disks, 0);
	struct manifest_disk *disk = manifest_add_disk(manifest);
	unsigned int n = manifest->disks->len;

	disk->path = g_strdup("/dev/sdx");
	disk->size = first->size;
	disk->sector_size = 512;
	disk->table = g_strdup("none");
	disk->boot_order = n;
	disk->bus = first->bus;
	disk->bus_reason = g_strdup("as the first");
	disk->image = g_strdup_printf("disk-%u.qcow2", n - 1);
	disk->image_size = 65536;
	disk->sums = g_strdup_printf("disk-%u.sums", n - 1);
	(void)manifest_set_file(manifest, disk->sums);
	return disk;
}

#define TRAILER_SIZE 81

/* Put the right trailer behind @body; owned by the caller. */
static inline char *sample_seal(const char *body, size_t body_len, size_t *ret_len)
{
	g_autofree char *hex =
	    g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)body, body_len);
	g_autofree char *trailer = g_strdup_printf("  \"digest\": \"%s\"\n}\n", hex);
	char *text = g_malloc(body_len + TRAILER_SIZE + 1);

	memcpy(text, body, body_len);
	memcpy(text + body_len, trailer, TRAILER_SIZE + 1);
	*ret_len = body_len + TRAILER_SIZE;
	return text;
}
