/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any sectors as an NTFS (fuzz_lay_out()), for libntfs-3g, through our calls.  What guards each
 * record is put right first, and the first ones become the mirror's; else nothing would be tried
 * behind them.  The library does not tell the fuzzer where it has been, so it changes bytes of
 * sectors that are there, and never the row of them.
 */
#include "fuzz-ntfs.h"

#include <fcntl.h>

/* A mount that fails half way leaves a file of the library's open: that is all, and once a volume.
 */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libntfs-3g";
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size) __attribute__((weak));
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	size_t n = size / FUZZ_RECORD_SIZE, at;
	uint8_t *sector;

	if (n == 0 || !LLVMFuzzerMutate)
		return size;
	sector = data + seed % n * FUZZ_RECORD_SIZE + 4;
	if (seed >> 16 & 1) { /* a few bytes: most of the rest of a record must be as it was */
		at = (seed >> 17) % (NTFS_SECTOR - 8);
		LLVMFuzzerMutate(sector + at, 1 + (seed >> 28) % 8, 8);
	} else {
		LLVMFuzzerMutate(sector, NTFS_SECTOR, NTFS_SECTOR);
	}
	return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(Blkdev) disk = fuzz_disk(NULL, 0);
	g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", disk->fd);
	autofd int fd = open(path, O_RDWR | O_CLOEXEC);

	fuzz_lay_out(fd, data, size);
	ntfs_mend(fd, data, size);
	return fuzz_try(&map_ntfs, "ntfs", disk);
}
