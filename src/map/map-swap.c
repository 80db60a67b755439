/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Linux swap: only the header page matters, unless this or another volume holds a hibernated
 * system.  What lies behind the last page of the swap is not swap.
 *
 * The layout is that of the kernel's include/linux/swap.h (union swap_header): ten bytes of
 * signature end the first page.  The signatures of hibernated systems are those of
 * kernel/power/swap.c (S1SUSPEND), of uswsusp (ULSUSPEND), TuxOnIce and others; libblkid's
 * superblocks/swap.c has the list.
 */
#include "map/map-driver.h"

#include "base/be.h"
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

enum signature {
	SIGNATURE_NONE,
	SIGNATURE_SWAP,
	SIGNATURE_HIBERNATED,
};

static const struct {
	enum signature kind;
	const char *text;
} signatures[] = {
	{ SIGNATURE_SWAP, "SWAPSPACE2" },
	{ SIGNATURE_SWAP, "SWAP-SPACE" },
	{ SIGNATURE_HIBERNATED, "S1SUSPEND" },
	{ SIGNATURE_HIBERNATED, "S2SUSPEND" },
	{ SIGNATURE_HIBERNATED, "ULSUSPEND" },
	{ SIGNATURE_HIBERNATED, "LINHIB0001" },
	{ SIGNATURE_HIBERNATED, "\xed\xc3\x02\xe9\x98\x56\xe5\x0c" },
};

static enum signature classify(const char *bytes)
{
	for (size_t i = 0; i < G_N_ELEMENTS(signatures); i++)
		if (memcmp(bytes, signatures[i].text, strlen(signatures[i].text)) == 0)
			return signatures[i].kind;
	return SIGNATURE_NONE;
}

/*
 * Where the swap ends, by the second version of its header.  The first one, and that of a machine
 * of the other byte order, are left to doubt.
 */
static bool find_end(const Volume *volume, uint32_t page_size, uint64_t *ret, GError **error)
{
	struct swap_info info;
	uint64_t end;
	be32 other;

	if (!volume_read(volume, INFO_OFFSET, &info, sizeof(info), error))
		return false;
	memcpy(&other, &info.version, sizeof(other));
	if (be32_get(other) == INFO_VERSION) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "swap of a machine of the other byte order");
		return false;
	}
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

/*
 * Look at the end of every size of page.  A signature that an earlier use has left behind leaves
 * in doubt where the header ends.
 */
static bool find_signature(const Volume *volume, uint32_t *ret_page_size, bool *ret_hibernated,
			   GError **error)
{
	char bytes[SIGNATURE_SIZE];
	uint32_t page_size = 0;
	unsigned int n = 0;

	*ret_hibernated = false;
	for (size_t i = 0; i < G_N_ELEMENTS(page_sizes) && page_sizes[i] <= volume->size; i++) {
		if (!volume_read(volume, page_sizes[i] - SIGNATURE_SIZE, bytes, sizeof(bytes),
				 error))
			return false;
		switch (classify(bytes)) {
		case SIGNATURE_NONE:
			break;
		case SIGNATURE_SWAP:
			page_size = page_sizes[i];
			n++;
			break;
		case SIGNATURE_HIBERNATED:
			*ret_hibernated = true;
			break;
		}
	}
	if (n != 1 && !*ret_hibernated) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "swap with %u signatures at the ends of pages of 4 to 64 KiB", n);
		return false;
	}
	*ret_page_size = page_size;
	return true;
}

static bool swap_map(const Volume *volume, const char *content, const struct map_options *options,
		     struct map_found *ret, GError **error)
{
	uint32_t page_size;
	bool hibernated;
	uint64_t end;

	if (!find_signature(volume, &page_size, &hibernated, error))
		return false;
	if (hibernated || strcmp(content, "swsuspend") == 0) {
		volume_use(volume, 0, volume->size);
		ret->resumes = true;
		ret->how = g_strdup("carried whole: swap that holds a hibernated system");
		ret->warning = g_strdup_printf("%s holds a hibernated system, which the VM will "
					       "try to resume",
					       volume->name);
		return true;
	}
	if (!find_end(volume, page_size, &end, error))
		return false;
	if (options->resumed) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "swap from which a hibernated system may read");
		return false;
	}
	volume_use(volume, 0, page_size);
	volume_use(volume, end, volume->size - end);
	ret->how = g_strdup("swap, header only");
	return true;
}

static const char *const swap_contents[] = { "swap", "swsuspend", NULL };

const struct map_driver map_swap = {
	.contents = swap_contents,
	.may_swap = true,
	.map = swap_map,
};
