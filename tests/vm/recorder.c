/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VM does while it is moved:  recorder DISK... [dirty=MIB]
 *
 * Counts in memory from 1 on; each number is written as a record of 4096 bytes to every DISK and
 * flushed, and only then said on the console.  A record lies at (number % SLOTS) * 4096 and is the
 * number, as text, over and over.  dirty: also writes so many MiB of memory, round and round.
 *
 *                 recorder --check FILE LAST
 *
 * On the host: FILE, a raw image, must have all of the last SLOTS records up to LAST; none torn.
 * One more may be there: written, and not said yet.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORD = 4096, SLOTS = 4096, MAX_DISKS = 8, LINE = 32 };

static void die(const char *what)
{
	printf("recorder: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static void make_record(char *record, uint64_t number)
{
	char line[LINE + 1];

	snprintf(line, sizeof(line), "%31" PRIu64 "\n", number);
	for (size_t i = 0; i < RECORD; i += LINE)
		memcpy(record + i, line, LINE);
}

static off_t slot_of(uint64_t number)
{
	return (off_t)(number % SLOTS) * RECORD;
}

static void *dirty_memory(void *data)
{
	size_t size = *(size_t *)data << 20;
	volatile char *memory = malloc(size); /* which nobody reads */

	if (!memory)
		die("malloc");
	for (unsigned char round = 0;; round++)
		for (size_t i = 0; i < size; i += RECORD)
			memory[i] = (char)(round + i);
	return NULL;
}

static _Noreturn void record_for_ever(char **disks, int count)
{
	char *record = aligned_alloc(RECORD, RECORD);
	int fds[MAX_DISKS];

	if (!record)
		die("memory");
	for (int i = 0; i < count; i++) {
		fds[i] = open(disks[i], O_WRONLY | O_DIRECT);
		if (fds[i] < 0)
			die(disks[i]);
	}
	for (uint64_t number = 1;; number++) {
		make_record(record, number);
		for (int i = 0; i < count; i++)
			if (pwrite(fds[i], record, RECORD, slot_of(number)) != RECORD ||
			    fsync(fds[i]) < 0)
				die(disks[i]);
		printf("N %" PRIu64 "\n", number);
	}
}

static int check(const char *path, uint64_t last)
{
	uint64_t first = last >= SLOTS ? last - SLOTS + 2 : 1; /* the one that LAST + 1 may hit */
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		die(path);
	for (uint64_t number = first; number <= last; number++) {
		char wanted[RECORD], got[RECORD];

		make_record(wanted, number);
		if (pread(fd, got, RECORD, slot_of(number)) != RECORD)
			die(path);
		if (memcmp(wanted, got, RECORD) != 0) {
			printf("%s: record %" PRIu64 " of %" PRIu64 " is '%.31s'\n", path, number,
			       last, got);
			return EXIT_FAILURE;
		}
	}
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static size_t dirty_mib;
	pthread_t thread;
	int count = 0;

	if (argc == 4 && strcmp(argv[1], "--check") == 0)
		return check(argv[2], strtoull(argv[3], NULL, 10));
	setlinebuf(stdout);
	for (int i = 1; i < argc && count < MAX_DISKS; i++) {
		if (strncmp(argv[i], "dirty=", 6) == 0)
			dirty_mib = strtoul(argv[i] + 6, NULL, 10);
		else
			argv[count++] = argv[i];
	}
	if (dirty_mib > 0 && pthread_create(&thread, NULL, dirty_memory, &dirty_mib) != 0)
		die("thread");
	record_for_ever(argv, count);
}
