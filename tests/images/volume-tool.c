/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What scripts need to make odd volumes, where the kernel has no driver for them or a shell would
 * take minutes.
 *
 * deal VOLUME START LENGTH STRIPE DISK:OFFSET...: write [START, START + LENGTH) of VOLUME onto the
 *     disks, a stripe on each in turn; with one disk this is a plain copy.
 * gather: the same, from the disks into VOLUME.
 * scatter FILE COUNT BLOCK: a new file of COUNT blocks with a hole behind each; it is synced.
 * flip FILE OFFSET MASK: exclusive-or the byte.
 * punch FILE: make holes; lines "OFFSET LENGTH" on stdin say where.
 * pick FROM TO: copy what such lines name to the same places of another file.
 * changed BEFORE AFTER: such lines for the pages that are not the same in both.
 *
 * All numbers are bytes.  What is zero is not written.
 */
#include "base/autofd.h"
#include "base/error.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_PLACES 16
#define PIECE      (UINT64_C(1) << 20)
#define PAGE       4096

struct place {
	const char *name;
	int fd; /* never closed: the program ends soon */
	uint64_t offset;
};

static bool parse_number(const char *text, uint64_t *ret, GError **error)
{
	return g_ascii_string_to_unsigned(text, 10, 0, INT64_MAX, ret, error);
}

static bool parse_numbers(char **texts, unsigned int n, uint64_t *ret, GError **error)
{
	for (unsigned int i = 0; i < n; i++)
		if (!parse_number(texts[i], &ret[i], error))
			return false;
	return true;
}

/* -1: failed. */
static int open_file(const char *path, int flags, GError **error)
{
	int fd = open(path, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		wherry_error_sys(error, errno, "cannot open '%s'", path);
	return fd;
}

/* Cuts the argument in two. */
static bool open_place(char *arg, struct place *ret, GError **error)
{
	char *colon = strrchr(arg, ':');

	if (!colon) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED, "no DISK:OFFSET: '%s'", arg);
		return false;
	}
	*colon = '\0';
	ret->name = arg;
	ret->fd = open_file(arg, O_RDWR, error);
	return ret->fd >= 0 && parse_number(colon + 1, &ret->offset, error);
}

static bool is_zero(const uint8_t *data, size_t len)
{
	return len == 0 || (data[0] == 0 && memcmp(data, data + 1, len - 1) == 0);
}

static bool copy(const struct place *from, uint64_t from_at, const struct place *to, uint64_t to_at,
		 uint64_t length, GError **error)
{
	g_autofree uint8_t *buf = g_malloc(PIECE);

	while (length > 0) { /* ends: a piece is not empty */
		size_t len = (size_t)MIN(length, PIECE);

		if (!io_pread(from->fd, from->name, from->offset + from_at, buf, len, error))
			return false;
		if (!is_zero(buf, len) &&
		    !io_pwrite(to->fd, to->name, to->offset + to_at, buf, len, error))
			return false;
		from_at += len;
		to_at += len;
		length -= len;
	}
	return true;
}

/* @args: VOLUME START LENGTH STRIPE DISK:OFFSET... */
static bool deal(char **args, unsigned int n_args, bool gather, GError **error)
{
	struct place volume = { args[0], -1, 0 }, places[MAX_PLACES];
	const unsigned int n_places = n_args - 4;
	uint64_t numbers[3], start, length, stripe;

	volume.fd = open_file(args[0], O_RDWR, error);
	if (volume.fd < 0 || !parse_numbers(args + 1, 3, numbers, error))
		return false;
	start = numbers[0];
	length = numbers[1];
	stripe = n_places > 1 ? numbers[2] : length; /* lvs says 0 of a linear one */
	for (unsigned int i = 0; i < n_places; i++)
		if (!open_place(args[4 + i], &places[i], error))
			return false;
	for (uint64_t at = 0; at < length; at += stripe) {
		const uint64_t row = at / stripe, below = row / n_places * stripe;
		const struct place *place = &places[row % n_places];
		const uint64_t len = MIN(stripe, length - at);

		if (gather ? !copy(place, below, &volume, start + at, len, error)
			   : !copy(&volume, start + at, place, below, len, error))
			return false;
	}
	return true;
}

/* @args: FILE COUNT BLOCK */
static bool scatter(char **args, GError **error)
{
	g_autofree char *data = NULL;
	autofd int fd = -1;
	uint64_t numbers[2], count, block;

	if (!parse_numbers(args + 1, 2, numbers, error))
		return false;
	count = numbers[0];
	block = numbers[1];
	data = g_malloc(block);
	memset(data, 's', block);
	fd = open_file(args[0], O_WRONLY | O_CREAT | O_EXCL, error);
	if (fd < 0)
		return false;
	for (uint64_t i = 0; i < count; i++)
		if (!io_pwrite(fd, args[0], 2 * i * block, data, block, error))
			return false;
	return io_flush(fd, args[0], error) && autofd_close(&fd, args[0], error);
}

/* @args: FILE OFFSET MASK */
static bool flip(char **args, GError **error)
{
	autofd int fd = open_file(args[0], O_RDWR, error);
	uint64_t numbers[2];
	uint8_t byte;

	if (fd < 0 || !parse_numbers(args + 1, 2, numbers, error) ||
	    !io_pread(fd, args[0], numbers[0], &byte, 1, error))
		return false;
	byte ^= (uint8_t)numbers[1];
	return io_pwrite(fd, args[0], numbers[0], &byte, 1, error) &&
	       autofd_close(&fd, args[0], error);
}

/* @args: FILE */
static bool punch(char **args, GError **error)
{
	autofd int fd = open_file(args[0], O_RDWR, error);
	uint64_t offset, length;

	if (fd < 0)
		return false;
	while (scanf("%" SCNu64 " %" SCNu64, &offset, &length) == 2)
		if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
			      (off_t)length) < 0) {
			wherry_error_sys(error, errno, "cannot make a hole in '%s'", args[0]);
			return false;
		}
	return autofd_close(&fd, args[0], error);
}

/* @args: FROM TO */
static bool pick(char **args, GError **error)
{
	struct place from = { args[0], open_file(args[0], O_RDONLY, error), 0 };
	struct place to = { args[1], from.fd < 0 ? -1 : open_file(args[1], O_RDWR, error), 0 };
	uint64_t offset, length;

	if (to.fd < 0)
		return false;
	while (scanf("%" SCNu64 " %" SCNu64, &offset, &length) == 2)
		if (!copy(&from, offset, &to, offset, length, error))
			return false;
	return autofd_close(&to.fd, args[1], error);
}

/* @args: BEFORE AFTER */
static bool changed(char **args, GError **error)
{
	autofd int before = open_file(args[0], O_RDONLY, error), after = -1;
	uint8_t a[PAGE], b[PAGE];
	off_t size;

	after = before < 0 ? -1 : open_file(args[1], O_RDONLY, error);
	if (after < 0)
		return false;
	size = lseek(after, 0, SEEK_END);
	for (off_t at = 0; at < size; at += PAGE) {
		size_t len = (size_t)MIN(PAGE, size - at);

		if (!io_pread(before, args[0], (uint64_t)at, a, len, error) ||
		    !io_pread(after, args[1], (uint64_t)at, b, len, error))
			return false;
		if (memcmp(a, b, len) != 0)
			printf("%" PRIu64 " %zu\n", (uint64_t)at, len);
	}
	return true;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	g_autoptr(GError) error = NULL;
	bool done;

	if (strcmp(verb, "deal") == 0 && argc > 6 && argc <= 6 + MAX_PLACES) {
		done = deal(argv + 2, (unsigned int)argc - 2, false, &error);
	} else if (strcmp(verb, "gather") == 0 && argc > 6 && argc <= 6 + MAX_PLACES) {
		done = deal(argv + 2, (unsigned int)argc - 2, true, &error);
	} else if (strcmp(verb, "scatter") == 0 && argc == 5) {
		done = scatter(argv + 2, &error);
	} else if (strcmp(verb, "flip") == 0 && argc == 5) {
		done = flip(argv + 2, &error);
	} else if (strcmp(verb, "punch") == 0 && argc == 3) {
		done = punch(argv + 2, &error);
	} else if (strcmp(verb, "pick") == 0 && argc == 4) {
		done = pick(argv + 2, &error);
	} else if (strcmp(verb, "changed") == 0 && argc == 4) {
		done = changed(argv + 2, &error);
	} else {
		fprintf(stderr,
			"usage: volume-tool deal|gather|scatter|flip|punch|pick|changed ...\n");
		return 2;
	}
	if (!done)
		fprintf(stderr, "volume-tool: %s\n", error->message);
	return done ? 0 : 1;
}
