/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads below a root with openat2(RESOLVE_IN_ROOT).  The machine itself is read by plain openat():
 * there is nothing to leave, and the kernel of an old source has no openat2.
 */
#include "source/facts-root.h"

#include "base/autofd.h"
#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LINES_MAX_BYTES ((size_t)4 << 20) /* cpuinfo: 1.5 KiB for each of 2048 CPUs */
#define LIST_MAX_NAMES  65536
#define LINK_MAX_BYTES  4096

typedef DIR Dir;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Dir, closedir)

bool facts_root_open(FactsRoot *root, const char *path, GPtrArray *notes, GError **error)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		wherry_error_sys(error, errno, "cannot open the root '%s'", path);
		return false;
	}
	*root = (FactsRoot){ .fd = fd, .live = strcmp(path, "/") == 0, .notes = notes };
	return true;
}

void facts_root_clear(FactsRoot *root)
{
	autofd_clear(&root->fd);
}

void facts_note(const FactsRoot *root, const char *path, const char *format, ...)
{
	g_autofree char *words = NULL, *note = NULL;
	va_list args;

	va_start(args, format);
	words = g_strdup_vprintf(format, args);
	va_end(args);
	note = g_strdup_printf("/%s: %s", path, words);
	/* Names of files come from the machine, too. */
	g_ptr_array_add(root->notes, g_utf8_make_valid(note, -1));
}

/* sysfs has attributes that exist and yet have nothing to tell: a disk without a WWN (ENXIO). */
static bool means_missing(int errnum)
{
	return errnum == ENOENT || errnum == ENOTDIR || errnum == ENXIO || errnum == ENODEV ||
	       errnum == EOPNOTSUPP;
}

static void note_failure(const FactsRoot *root, const char *path, enum facts_want want, int errnum)
{
	if (!means_missing(errnum))
		facts_note(root, path, "%s", g_strerror(errnum));
	else if (want == FACTS_EXPECTED)
		facts_note(root, path, "missing");
}

/* O_NONBLOCK: a recorded FIFO must not hold us up.  openat2() refuses it together with O_PATH. */
static int open_below(const FactsRoot *root, const char *path, int flags)
{
	struct open_how how = { .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	int fd;

	flags |= O_CLOEXEC | (flags & O_PATH ? 0 : O_RDONLY | O_NOCTTY | O_NONBLOCK);
	how.flags = (uint64_t)flags;
	if (root->live)
		return openat(root->fd, path, flags);
	do /* a mount or rename anywhere makes it doubt its "..": openat2(2), EAGAIN.  It ends. */
		fd = (int)syscall(SYS_openat2, root->fd, path, &how, sizeof(how));
	while (fd < 0 && errno == EAGAIN);
	return fd;
}

bool facts_root_has(const FactsRoot *root, const char *path)
{
	autofd int fd = open_below(root, path, O_PATH);

	return fd >= 0;
}

/* Sizes in sysfs and procfs are made up, so read until the end. */
static bool read_all(const FactsRoot *root, const char *path, enum facts_want want, int fd,
		     GByteArray *bytes, size_t max)
{
	uint8_t chunk[8192];
	ssize_t n;

	while ((n = TEMP_FAILURE_RETRY(read(fd, chunk, sizeof(chunk)))) > 0) {
		if ((size_t)n > max - bytes->len) {
			facts_note(root, path, "more than %zu bytes", max);
			return false;
		}
		g_byte_array_append(bytes, chunk, (unsigned int)n);
	}
	if (n < 0) /* EINVAL: a SCSI disk whose page of names holds none */
		note_failure(root, path, want, errno == EINVAL ? ENXIO : errno);
	return n == 0;
}

uint8_t *facts_root_bytes(const FactsRoot *root, const char *path, enum facts_want want, size_t max,
			  size_t *ret_len)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	autofd int fd = open_below(root, path, 0);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		note_failure(root, path, want, errno);
		return NULL;
	}
	if (!S_ISREG(st.st_mode)) {
		facts_note(root, path, "not a regular file");
		return NULL;
	}
	if (!read_all(root, path, want, fd, bytes, max))
		return NULL;

	*ret_len = bytes->len;
	g_byte_array_append(bytes, (const uint8_t *)"", 1);
	return g_byte_array_free(g_steal_pointer(&bytes), false);
}

/* A NUL or another control character inside says that this was never a text. */
char *facts_text(const uint8_t *bytes, size_t len)
{
	g_autofree char *text = NULL;
	char *cut;

	while (len > 0 && bytes[len - 1] == '\0')
		len--;
	for (size_t i = 0; i < len; i++)
		if (g_ascii_iscntrl((char)bytes[i]) && !g_ascii_isspace((char)bytes[i]))
			return NULL;

	text = g_utf8_make_valid((const char *)bytes, (gssize)len);
	if (strlen(text) > FACTS_TEXT_MAX) {
		cut = g_utf8_find_prev_char(text, text + FACTS_TEXT_MAX + 1);
		*cut = '\0';
	}
	g_strdelimit(g_strstrip(text), "\t\n\v\f\r", ' ');
	return *text ? g_steal_pointer(&text) : NULL;
}

static bool is_blank(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != '\0' && !g_ascii_isspace((char)bytes[i]))
			return false;
	return true;
}

char *facts_root_text(const FactsRoot *root, const char *path, enum facts_want want)
{
	size_t len;
	g_autofree uint8_t *bytes = facts_root_bytes(root, path, want, LINES_MAX_BYTES, &len);
	char *text;

	if (!bytes)
		return NULL;
	text = facts_text(bytes, len);
	if (!text && !is_blank(bytes, len))
		facts_note(root, path, "not a text");
	else if (!text && want == FACTS_EXPECTED)
		facts_note(root, path, "empty");
	return text;
}

bool facts_root_number(const FactsRoot *root, const char *path, enum facts_want want, uint64_t min,
		       uint64_t max, uint64_t *ret)
{
	g_autofree char *text = facts_root_text(root, path, want);

	if (!text)
		return false;
	if (!g_ascii_string_to_unsigned(text, 10, min, max, ret, NULL)) {
		facts_note(root, path, "'%s' makes no sense", text);
		return false;
	}
	return true;
}

char **facts_root_lines(const FactsRoot *root, const char *path, enum facts_want want)
{
	size_t len;
	g_autofree uint8_t *bytes = facts_root_bytes(root, path, want, LINES_MAX_BYTES, &len);
	g_autofree char *text = NULL;
	char **lines;

	if (!bytes)
		return NULL;
	if (memchr(bytes, '\0', len)) {
		facts_note(root, path, "not a text");
		return NULL;
	}
	text = g_utf8_make_valid((const char *)bytes, (gssize)len);
	lines = g_strsplit(text, "\n", -1);
	for (char **line = lines; *line; line++)
		g_strchomp(*line);
	return lines;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char **facts_root_list(const FactsRoot *root, const char *path, enum facts_want want)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	autofd int fd = open_below(root, path, O_DIRECTORY);
	g_autoptr(Dir) dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		note_failure(root, path, want, errno);
		return g_new0(char *, 1);
	}
	(void)g_steal_fd(&fd); /* dir's now */

	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (names->len == LIST_MAX_NAMES) {
			facts_note(root, path, "more than %d entries", LIST_MAX_NAMES);
			break;
		}
		g_ptr_array_add(names, g_strdup(entry->d_name));
	}
	g_ptr_array_sort(names, compare_names);
	g_ptr_array_add(names, NULL);
	return (char **)g_ptr_array_free(g_steal_pointer(&names), false);
}

char *facts_root_link(const FactsRoot *root, const char *path)
{
	g_autofree char *parent = g_path_get_dirname(path), *name = g_path_get_basename(path);
	autofd int fd = open_below(root, parent, O_PATH | O_DIRECTORY);
	char target[LINK_MAX_BYTES];
	ssize_t n;

	if (fd < 0)
		return NULL;
	n = readlinkat(fd, name, target, sizeof(target));
	if (n <= 0 || (size_t)n == sizeof(target))
		return NULL;
	return g_utf8_make_valid(target, n);
}
