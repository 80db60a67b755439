/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Linux swap: only the header page matters, unless the swap holds a hibernated system.  What lies
 * behind the last page of the swap is not swap.
 *
 * The layout is that of the kernel's include/linux/swap.h (union swap_header): ten bytes of
 * signature end the first page.  The signatures of hibernated systems are those of
 * kernel/power/swap.c (S1SUSPEND) and of libblkid's superblocks/swap.c for the out-of-tree kin.
 */
#include "map/map-driver.h"

#include "base/error.h"
#include "base/le.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#define SIGNATURE_SIZE 10
#define INFO_OFFSET    1024
#define INFO_VERSION   1

struct swap_info {
	le32 version;
	le32 last_page;
};
static_assert(offsetof(struct swap_info, last_page) == 4, "swap.h, union swap_header, info");

static const uint32_t page_sizes[] = { 4096, 8192, 16384, 32768, 65536 };

static const char swap_signatures[][SIGNATURE_SIZE + 1] = { "SWAPSPACE2", "SWAP-SPACE" };

static bool is_swap(const char *signature)
{
	for (size_t i = 0; i < G_N_ELEMENTS(swap_signatures); i++)
		if (memcmp(signature, swap_signatures[i], SIGNATURE_SIZE) == 0)
			return true;
	return false;
}

/*
 * Where the swap ends, by the second version of its header.  The first one, and that of a machine
 * of the other byte order, are left to doubt.
 */
static bool find_end(const Volume *volume, uint32_t page_size, uint64_t *ret, GError **error)
{
	struct swap_info info;
	uint64_t end;

	if (!volume_read(volume, INFO_OFFSET, &info, sizeof(info), error))
		return false;
	end = (le32_get(info.last_page) + UINT64_C(1)) * page_size;
	if (le32_get(info.version) != INFO_VERSION || end > volume->size) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "swap version %" PRIu32 " of %" PRIu64 " bytes on a volume of %" PRIu64
			    " bytes",
			    le32_get(info.version), end, volume->size);
		return false;
	}
	*ret = end;
	return true;
}

static bool swap_map(const Volume *volume, const char *content, struct map_found *ret,
		     GError **error)
{
	char signature[SIGNATURE_SIZE];
	uint64_t end;

	if (strcmp(content, "swsuspend") == 0) {
		volume_use(volume, 0, volume->size);
		ret->how = g_strdup("carried whole: swap that holds a hibernated system");
		ret->warning = g_strdup_printf("%s holds a hibernated system, which the VM will "
					       "try to resume",
					       volume->name);
		return true;
	}

	for (size_t i = 0; i < G_N_ELEMENTS(page_sizes); i++) {
		if (page_sizes[i] > volume->size)
			break;
		if (!volume_read(volume, page_sizes[i] - SIGNATURE_SIZE, signature, SIGNATURE_SIZE,
				 error))
			return false;
		if (!is_swap(signature))
			continue;
		if (!find_end(volume, page_sizes[i], &end, error))
			return false;
		volume_use(volume, 0, page_sizes[i]);
		volume_use(volume, end, volume->size - end);
		ret->how = g_strdup("swap, header only");
		return true;
	}
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "swap without a signature at the end of a page of 4 to 64 KiB");
	return false;
}

static const char *const swap_contents[] = { "swap", "swsuspend", NULL };

const struct map_driver map_swap = {
	.contents = swap_contents,
	.map = swap_map,
};
