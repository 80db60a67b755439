/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The directory of a bundle and its files.  What they hold is for others; here is how they are
 * reached: never through a link, never anything but a regular file.
 */
#include "bundle/bundle.h"

#include "base/atomic-file.h"
#include "base/autofd.h"
#include "base/error.h"
#include "base/io.h"
#include "bundle/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUNDLES_DIR "wherry"

#define READ_SIZE ((size_t)256 << 10)

/* A new directory or file, removed on every way out but the good one. */
typedef struct {
	int dirfd;        /* borrowed */
	const char *name; /* borrowed; NULL while there is nothing of ours to remove */
	int flags;        /* of unlinkat() */
} Pending;

static void pending_discard(Pending *pending)
{
	/* Why we gave up is reported already, and worth more than a leftover. */
	if (pending->name)
		(void)unlinkat(pending->dirfd, pending->name, pending->flags);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pending, pending_discard)

bool bundle_name_valid(const char *name)
{
	size_t n = strspn(name, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				"._-");

	return n >= 1 && n <= 64 && name[n] == '\0' && name[0] != '.' && name[0] != '-';
}

/* -1: failed.  @flags: O_NOFOLLOW for what lies on the medium. */
static int open_directory(int dirfd, const char *name, const char *path, int flags, GError **error)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);

	if (fd < 0 && errno == ENOTDIR)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
			    "'%s' is not a directory", path);
	else if (fd < 0)
		wherry_error_sys(error, errno, "cannot open '%s'", path);
	return fd;
}

/* Fail because @path is there: what it is, and what to do about it. */
static void refuse_existing(int dirfd, const char *name, const char *path, GError **error)
{
	autofd int fd = openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const char *what = "is there, but is no bundle";
	struct stat st;

	if (fd >= 0 && fstatat(fd, MANIFEST_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0)
		what = "holds a complete bundle";
	else if (fd >= 0)
		what = "holds an unfinished bundle (to finish it, use --resume)";
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
		    "'%s' %s: choose another --name or remove it", path, what);
}

Bundle *bundle_create(const char *target, const char *name, GError **error)
{
	g_autofree char *parent_path = g_build_filename(target, BUNDLES_DIR, NULL);
	g_autofree char *path = g_build_filename(parent_path, name, NULL);
	autofd int target_fd = -1;
	g_auto(Pending) new_parent = { .flags = AT_REMOVEDIR };
	autofd int parent_fd = -1;
	g_auto(Pending) new_dir = { .flags = AT_REMOVEDIR };
	autofd int fd = -1;
	Bundle *bundle;

	if (!bundle_name_valid(name)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
			    "'%s' cannot name a bundle: 1 to 64 letters, digits, '.', '_' and '-', "
			    "not first '.' or '-'",
			    name);
		return NULL;
	}
	target_fd = open_directory(AT_FDCWD, target, target, 0, error);
	if (target_fd < 0)
		return NULL;

	if (mkdirat(target_fd, BUNDLES_DIR, 0755) == 0) {
		new_parent.dirfd = target_fd;
		new_parent.name = BUNDLES_DIR;
	} else if (errno != EEXIST) {
		wherry_error_sys(error, errno, "cannot make '%s'", parent_path);
		return NULL;
	}
	parent_fd = open_directory(target_fd, BUNDLES_DIR, parent_path, O_NOFOLLOW, error);
	if (parent_fd < 0)
		return NULL;

	/* The images hold what only root could read at the source: passwords, keys. */
	if (mkdirat(parent_fd, name, 0700) < 0) {
		if (errno == EEXIST)
			refuse_existing(parent_fd, name, path, error);
		else
			wherry_error_sys(error, errno, "cannot make '%s'", path);
		return NULL;
	}
	new_dir.dirfd = parent_fd;
	new_dir.name = name;

	fd = open_directory(parent_fd, name, path, O_NOFOLLOW, error);
	if (fd < 0 || !io_flush(parent_fd, parent_path, error) ||
	    !io_flush(target_fd, target, error))
		return NULL;
	new_dir.name = NULL;
	new_parent.name = NULL;

	bundle = g_new(Bundle, 1);
	*bundle = (Bundle){ .path = g_steal_pointer(&path), .fd = g_steal_fd(&fd) };
	return bundle;
}

bool bundle_read_update(Bundle *bundle, GError **error)
{
	g_autoptr(GByteArray) data = NULL;
	int r = journal_read(bundle, UPDATE_FILE, &data, error);

	g_clear_pointer(&bundle->update, update_record_free);
	if (r > 0)
		bundle->update = update_record_parse(data->data, data->len, error);
	return r == 0 || bundle->update;
}

Bundle *bundle_open(const char *path, GError **error)
{
	int fd = open_directory(AT_FDCWD, path, path, 0, error);
	g_autoptr(Bundle) bundle = NULL;

	if (fd < 0)
		return NULL;
	bundle = g_new(Bundle, 1);
	*bundle = (Bundle){ .path = g_strdup(path), .fd = fd };
	if (!bundle_read_update(bundle, error)) {
		g_prefix_error(error, "'%s': ", path);
		return NULL;
	}
	return g_steal_pointer(&bundle);
}

/* The path of @name for messages, owned; NULL: @name leads out of the directory. */
static char *path_of(const Bundle *bundle, const char *name, GError **error)
{
	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
	    strchr(name, '/')) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "'%s': '%s' is no plain file name", bundle->path, name);
		return NULL;
	}
	return g_build_filename(bundle->path, name, NULL);
}

/* The name of a file that is being made: an update leaves those of the old state alone. */
static char *new_name(const Bundle *bundle, const char *name)
{
	return g_strconcat(name, bundle->updating ? UPDATE_SUFFIX : "", NULL);
}

int bundle_create_file(const Bundle *bundle, const char *name, GError **error)
{
	g_autofree char *made = new_name(bundle, name);
	g_autofree char *path = path_of(bundle, made, error);
	int fd;

	if (!path)
		return -1;
	fd = openat(bundle->fd, made, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		wherry_error_sys(error, errno, "cannot create '%s'", path);
	return fd;
}

int bundle_create_nameless(const Bundle *bundle, const char *name, GError **error)
{
	g_autofree char *made = new_name(bundle, name);
	autofd int fd = bundle_create_file(bundle, name, error);

	if (fd < 0 || !bundle_remove_file(bundle, made, error))
		return -1;
	return g_steal_fd(&fd);
}

static bool check_regular(const struct stat *st, const char *path, GError **error)
{
	const char *what = S_ISLNK(st->st_mode)   ? "a symlink"
			   : S_ISDIR(st->st_mode) ? "a directory"
						  : "a fifo, a socket or a device";

	if (S_ISREG(st->st_mode))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED, "'%s' is %s, not a regular file",
		    path, what);
	return false;
}

/* As bundle_open_file(), with the size in bytes as well.  @access: O_RDONLY or O_RDWR. */
static int open_regular(const Bundle *bundle, const char *name, int access, uint64_t *ret_size,
			GError **error)
{
	g_autofree char *path = path_of(bundle, name, error);
	autofd int fd = -1;
	struct stat st;

	if (!path)
		return -1;

	/* Before the open, since opening a device can do things. */
	if (fstatat(bundle->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		wherry_error_sys(error, errno, "cannot open '%s'", path);
		return -1;
	}
	if (!check_regular(&st, path, error))
		return -1;

	fd = openat(bundle->fd, name, access | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		wherry_error_sys(error, errno, "cannot open '%s'", path);
		return -1;
	}
	if (!check_regular(&st, path, error)) /* it may be another one by now */
		return -1;
	*ret_size = (uint64_t)st.st_size;
	return g_steal_fd(&fd);
}

/* Of an update that was committed some files may not have got their names yet. */
static char *current_name(const Bundle *bundle, const char *name)
{
	g_autofree char *next = g_strconcat(name, UPDATE_SUFFIX, NULL);
	struct stat st;

	if (bundle->update && update_record_has_file(bundle->update, name) &&
	    fstatat(bundle->fd, next, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return g_steal_pointer(&next);
	return g_strdup(name);
}

int bundle_open_file(const Bundle *bundle, const char *name, GError **error)
{
	g_autofree char *current = current_name(bundle, name);
	uint64_t size;

	return open_regular(bundle, current, O_RDONLY, &size, error);
}

int bundle_open_to_write(const Bundle *bundle, const char *name, GError **error)
{
	uint64_t size;

	return open_regular(bundle, name, O_RDWR, &size, error);
}

bool bundle_lock(Bundle *bundle, enum bundle_lock how, GError **error)
{
	if (flock(bundle->fd, (how == BUNDLE_LOCK_SHARED ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0)
		return bundle_read_update(bundle, error);
	if (errno == EWOULDBLOCK)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_BUSY, "another wherry works on '%s'",
			    bundle->path);
	else
		wherry_error_sys(error, errno, "cannot lock '%s'", bundle->path);
	return false;
}

bool bundle_is_complete(const Bundle *bundle)
{
	struct stat st;

	return fstatat(bundle->fd, MANIFEST_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

bool bundle_remove_file(const Bundle *bundle, const char *name, GError **error)
{
	g_autofree char *path = path_of(bundle, name, error);

	if (!path)
		return false;
	if (unlinkat(bundle->fd, name, 0) == 0 || errno == ENOENT)
		return true;
	wherry_error_sys(error, errno, "cannot remove '%s'", path);
	return false;
}

Bundle *bundle_open_unfinished(const char *target, const char *name, GError **error)
{
	g_autofree char *path = g_build_filename(target, BUNDLES_DIR, name, NULL);
	g_autoptr(GError) cause = NULL;
	Bundle *bundle = bundle_open(path, &cause);

	if (g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND))
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND,
			    "there is no '%s' to go on with: look at --to and --name, or leave out "
			    "--resume",
			    path);
	else if (cause)
		g_propagate_error(error, g_steal_pointer(&cause));
	return bundle;
}

Manifest *bundle_read_manifest(const Bundle *bundle, GError **error)
{
	g_autofree char *path = g_build_filename(bundle->path, MANIFEST_FILE, NULL);
	g_autoptr(GError) cause = NULL;
	g_autofree char *text = NULL;
	autofd int fd = -1;
	Manifest *manifest;
	uint64_t size;

	if (bundle->update && bundle->update->manifest)
		return manifest_parse(bundle->update->text, bundle->update->len, error);
	fd = open_regular(bundle, MANIFEST_FILE, O_RDONLY, &size, &cause);
	if (g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
			    "'%s' is incomplete: it has no " MANIFEST_FILE
			    ", which is written last",
			    bundle->path);
		return NULL;
	}
	if (fd < 0) {
		g_propagate_error(error, g_steal_pointer(&cause));
		return NULL;
	}
	if (size > MANIFEST_MAX_BYTES) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "'%s' has %" PRIu64 " bytes, more than %" PRIu64, path, size,
			    MANIFEST_MAX_BYTES);
		return NULL;
	}

	text = g_malloc(size + 1);
	if (!io_pread(fd, path, 0, text, size, error))
		return NULL;
	manifest = manifest_parse(text, size, error);
	if (!manifest)
		g_prefix_error(error, "'%s': ", bundle->path);
	return manifest;
}

bool bundle_write_file(const Bundle *bundle, const char *name, const void *data, size_t len,
		       Manifest *manifest, GError **error)
{
	g_autofree char *made = new_name(bundle, name);
	g_autofree char *path = path_of(bundle, made, error);
	g_auto(Pending) pending = { .dirfd = bundle->fd };
	struct manifest_file *file;
	autofd int fd = -1;

	if (!path)
		return false;
	fd = bundle_create_file(bundle, name, error);
	if (fd < 0)
		return false;
	pending.name = made;
	if (!io_write(fd, path, data, len, error) || !io_flush(fd, path, error) ||
	    !autofd_close(&fd, path, error))
		return false;
	pending.name = NULL;

	file = manifest_set_file(manifest, name);
	file->size = len;
	file->digest = digest_of(data, len);
	return true;
}

/* Size and digest of file @name as it lies there. */
static bool sum_file(const Bundle *bundle, const char *name, uint64_t *ret_size, struct digest *ret,
		     GError **error)
{
	g_autofree char *path = path_of(bundle, name, error);
	g_autofree uint8_t *buf = g_malloc(READ_SIZE);
	g_autoptr(Digester) digester = digester_new();
	autofd int fd = -1;
	uint64_t size;

	if (!path)
		return false;
	fd = open_regular(bundle, name, O_RDONLY, &size, error);
	if (fd < 0)
		return false;
	for (uint64_t done = 0; done < size; done += READ_SIZE) {
		size_t n = MIN(READ_SIZE, size - done);

		if (!io_pread(fd, path, done, buf, n, error))
			return false;
		digester_add(digester, buf, n);
	}
	*ret_size = size;
	*ret = digester_finish(digester);
	return true;
}

bool bundle_record_file(const Bundle *bundle, const char *name, Manifest *manifest, GError **error)
{
	g_autofree char *made = new_name(bundle, name);
	struct manifest_file *file;
	struct digest digest;
	uint64_t size;

	if (!sum_file(bundle, made, &size, &digest, error))
		return false;
	file = manifest_set_file(manifest, name);
	file->size = size;
	file->digest = digest;
	return true;
}

bool bundle_check_file(const Bundle *bundle, const struct manifest_file *want, GError **error)
{
	g_autofree char *current = current_name(bundle, want->name);
	g_autofree char *got_hex = NULL, *want_hex = NULL;
	struct digest digest;
	uint64_t size;

	if (!sum_file(bundle, current, &size, &digest, error))
		return false;
	if (size == want->size && digest_equal(&digest, &want->digest))
		return true;
	got_hex = digest_to_hex(&digest);
	want_hex = digest_to_hex(&want->digest);
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
		    "'%s/%s' is not what was recorded: %" PRIu64 " bytes with the SHA-256 %s, not "
		    "%" PRIu64 " with %s; put the old file back, or capture anew",
		    bundle->path, current, size, got_hex, want->size, want_hex);
	return false;
}

bool bundle_write_manifest(const Bundle *bundle, const Manifest *manifest, GError **error)
{
	g_autoptr(Manifest) again = NULL;
	g_autofree char *text = NULL;
	struct stat st;
	bool is_first;
	size_t len;

	/* Better no bundle than one that says it is complete and cannot be read. */
	text = manifest_serialize(manifest, &len);
	again = manifest_parse(text, len, error);
	if (!again) {
		g_prefix_error(error, "'%s' would not be readable: ", bundle->path);
		return false;
	}

	is_first = fstatat(bundle->fd, MANIFEST_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0;
	/* First the names of the files that it speaks of, then its own. */
	if (!io_flush(bundle->fd, bundle->path, error))
		return false;
	if (atomic_file_write(bundle->fd, MANIFEST_FILE, text, len, error))
		return true;
	g_prefix_error(error, "'%s': ", bundle->path);
	/* A new one that may not last is there; a bundle that we call incomplete has none.  That it
	 * stays if this fails is the lesser harm: it speaks of what is there. */
	if (is_first)
		(void)unlinkat(bundle->fd, MANIFEST_FILE, 0);
	return false;
}

void bundle_free(Bundle *bundle)
{
	if (!bundle)
		return;
	update_record_free(bundle->update);
	autofd_clear(&bundle->fd);
	g_free(bundle->path);
	g_free(bundle);
}
