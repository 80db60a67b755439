/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which code libvirt uses for what was looked up by making it happen on version 9.0; where its code
 * says too little (1 and 9 are for everything) its words decide, which are C's in a daemon.
 */
#include "cloud/libvirt-error.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <string.h>

/* Those that have a meaning of their own here; the rest may get better: IO. */
static const struct {
	int theirs;
	enum wherry_error ours;
} codes[] = {
	{ VIR_ERR_ACCESS_DENIED, WHERRY_ERROR_DENIED },
	{ VIR_ERR_ARGUMENT_UNSUPPORTED, WHERRY_ERROR_UNSUPPORTED },
	{ VIR_ERR_AUTH_CANCELLED, WHERRY_ERROR_DENIED },
	{ VIR_ERR_AUTH_FAILED, WHERRY_ERROR_DENIED },
	{ VIR_ERR_AUTH_UNAVAILABLE, WHERRY_ERROR_DENIED },
	{ VIR_ERR_CONFIG_UNSUPPORTED, WHERRY_ERROR_UNSUPPORTED },
	{ VIR_ERR_DOM_EXIST, WHERRY_ERROR_EXISTS },
	{ VIR_ERR_INVALID_ARG, WHERRY_ERROR_INVALID_INPUT },
	{ VIR_ERR_NETWORK_EXIST, WHERRY_ERROR_EXISTS },
	{ VIR_ERR_NO_DOMAIN, WHERRY_ERROR_NOT_FOUND },
	{ VIR_ERR_NO_NETWORK, WHERRY_ERROR_NOT_FOUND },
	{ VIR_ERR_NO_STORAGE_POOL, WHERRY_ERROR_NOT_FOUND },
	{ VIR_ERR_NO_STORAGE_VOL, WHERRY_ERROR_NOT_FOUND },
	{ VIR_ERR_NO_SUPPORT, WHERRY_ERROR_UNSUPPORTED },
	{ VIR_ERR_OPERATION_DENIED, WHERRY_ERROR_DENIED },
	{ VIR_ERR_OPERATION_INVALID, WHERRY_ERROR_BUSY },
	{ VIR_ERR_OPERATION_TIMEOUT, WHERRY_ERROR_BUSY },
	{ VIR_ERR_OPERATION_UNSUPPORTED, WHERRY_ERROR_UNSUPPORTED },
	{ VIR_ERR_OVERFLOW, WHERRY_ERROR_INVALID_INPUT },
	{ VIR_ERR_RESOURCE_BUSY, WHERRY_ERROR_BUSY },
	{ VIR_ERR_STORAGE_VOL_EXIST, WHERRY_ERROR_EXISTS },
	{ VIR_ERR_XML_DETAIL, WHERRY_ERROR_INVALID_INPUT },
	{ VIR_ERR_XML_ERROR, WHERRY_ERROR_INVALID_INPUT },
	{ VIR_ERR_XML_INVALID_SCHEMA, WHERRY_ERROR_INVALID_INPUT },
};

static const char *last_message(void)
{
	const virError *last = virGetLastError();

	return last && last->message ? last->message : "libvirt gives no reason";
}

int libvirt_error_errno(void)
{
	const virError *last = virGetLastError();

	if (!last || last->code != VIR_ERR_SYSTEM_ERROR || last->int1 <= 0)
		return 0;
	return last->int1;
}

enum wherry_error libvirt_error_code(void)
{
	const virError *last = virGetLastError();
	int errnum = libvirt_error_errno();

	if (!last)
		return WHERRY_ERROR_IO;
	if (strstr(last_message(), "No space left on device") ||
	    strstr(last_message(), "Disk quota exceeded"))
		return WHERRY_ERROR_NO_SPACE;
	/* A socket that is missing, or refuses, is there when the daemon is back. */
	if (last->domain == VIR_FROM_RPC && errnum != EACCES && errnum != EPERM &&
	    (last->code == VIR_ERR_SYSTEM_ERROR || last->code == VIR_ERR_INTERNAL_ERROR))
		return WHERRY_ERROR_IO;
	if (errnum == EFBIG) /* more than the pool's filesystem can have in one file */
		return WHERRY_ERROR_UNSUPPORTED;
	if (errnum > 0)
		return wherry_error_code(errnum);
	for (size_t i = 0; i < G_N_ELEMENTS(codes); i++)
		if (codes[i].theirs == last->code)
			return codes[i].ours;
	return WHERRY_ERROR_IO;
}

static bool is_momentary(const char *message)
{
	return strstr(message, "has asynchronous jobs running") ||
	       strstr(message, "is still in use") || strstr(message, "is still being allocated");
}

bool libvirt_error_is_momentary(void)
{
	return is_momentary(last_message());
}

bool libvirt_error_was_momentary(const GError *error)
{
	return error && is_momentary(error->message);
}

bool libvirt_error_is_clash(void)
{
	return virGetLastErrorCode() == VIR_ERR_OPERATION_FAILED;
}

/* Several lines (QEMU's last words) become one, and nothing in them moves a terminal's cursor. */
static char *one_line(const char *message)
{
	g_autofree char *valid = g_utf8_make_valid(message, -1);
	char *line = g_strdelimit(g_steal_pointer(&valid), "\n\r\t", ' ');

	for (char *c = line; *c; c++)
		if (g_ascii_iscntrl(*c))
			*c = '?';
	g_strchomp(line);
	if (g_str_has_suffix(line, "."))
		line[strlen(line) - 1] = '\0';
	return line;
}

static void set_error(GError **error, enum wherry_error code, const char *format, va_list ap)
{
	g_autofree char *doing = g_strdup_vprintf(format, ap), *line = one_line(last_message());

	g_set_error(error, WHERRY_ERROR, (int)code, "%s: %s", doing, line);
}

void libvirt_error(GError **error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	set_error(error, libvirt_error_code(), format, ap);
	va_end(ap);
}

void libvirt_error_as(GError **error, enum wherry_error code, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	set_error(error, code, format, ap);
	va_end(ap);
}
