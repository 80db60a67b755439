/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * URIs as libvirt's page "Remote URIs" has them.  A host is reached by a way that proves who it is
 * and that nobody reads along, or the administrator has said that it need not be.
 */
#include "fleet/host-check.h"

#include "cloud/cloud-check.h"
#include "fleet/host-row.h"

#include <gio/gio.h>
#include <string.h>

const char *const fleet_default_roots[] = { "/var/lib/libvirt", "/srv", "/mnt", "/data", NULL };

/* The pool that each libvirt has by default. */
#define DEFAULT_PLACE "default=/var/lib/libvirt/images"

enum { WORD_BYTES_MAX = 63 };

/* ---- Names and labels ---- */

/* Letters, digits and what stands in host names: nothing that a shell or a list takes apart. */
static bool check_word(const char *what, const char *word, GError **error)
{
	size_t len = strlen(word);

	if (len > 0 && len <= WORD_BYTES_MAX && g_ascii_isalnum(*word) &&
	    strspn(word, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "._-") == len)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
		    "%s '%.100s' must be 1 to %d letters, digits, '.', '_' and '-', and begin with "
		    "a letter or digit",
		    what, word, WORD_BYTES_MAX);
	return false;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool add_labels(FleetHost *host, const char *const *labels, GError **error)
{
	for (; labels && *labels; labels++) {
		g_auto(GStrv) parts = g_strsplit(*labels, "=", 2);

		if (g_strv_length(parts) != 2) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
				    "label '%s' must be KEY=VALUE", *labels);
			return false;
		}
		if (!check_word("the label's key", parts[0], error) ||
		    !check_word("the label's value", parts[1], error))
			return false;
		g_ptr_array_add(host->labels, g_strdup(*labels));
	}
	g_ptr_array_sort(host->labels, by_text);
	return true;
}

/* ---- Places ---- */

static bool is_below(const char *path, const char *root)
{
	size_t len = strlen(root);

	while (len > 1 && root[len - 1] == '/')
		len--;
	return strncmp(path, root, len) == 0 && (len == 1 || path[len] == '\0' || path[len] == '/');
}

bool host_check_place(const char *path, const char *const *roots, GError **error)
{
	g_autoptr(GString) list = g_string_new(NULL);

	if (!roots)
		roots = fleet_default_roots;
	if (!cloud_check_path("the pool's directory", path, error))
		return false;
	for (size_t i = 0; roots[i]; i++) {
		if (is_below(path, roots[i]))
			return true;
		g_string_append_printf(list, "%s%s", i ? ", " : "", roots[i]);
	}
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DENIED,
		    "the pool's directory '%s' is below none of the directories that pools may be "
		    "in: %s; 'pool-roots' in the configuration file names others",
		    path, list->str);
	return false;
}

/* A name or directory twice would be two promises of one space. */
static bool check_single(const FleetHost *host, const char *name, const char *path, GError **error)
{
	for (unsigned int i = 0; i < host->places->len; i++) {
		const FleetPlace *other = host->places->pdata[i];

		if (strcmp(other->name, name) != 0 && strcmp(other->path, path) != 0)
			continue;
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
			    "the pools '%s=%s' and '%s=%s' have the same name or directory",
			    other->name, other->path, name, path);
		return false;
	}
	return true;
}

static bool add_place(FleetHost *host, const char *text, const char *const *roots, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(text, "=", 2);
	FleetPlace *place;

	if (g_strv_length(parts) != 2) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
			    "pool '%s' must be NAME=PATH", text);
		return false;
	}
	if (!cloud_check_name("the pool's name", parts[0], error) ||
	    !host_check_place(parts[1], roots, error) ||
	    !check_single(host, parts[0], parts[1], error))
		return false;
	place = g_new0(FleetPlace, 1);
	place->name = g_strdup(parts[0]);
	place->path = g_strdup(parts[1]);
	g_ptr_array_add(host->places, place);
	return true;
}

static bool add_places(FleetHost *host, const struct fleet_host_spec *spec, GError **error)
{
	if (!spec->places || !*spec->places)
		return add_place(host, DEFAULT_PLACE, spec->roots, error);
	for (const char *const *place = spec->places; *place; place++)
		if (!add_place(host, *place, spec->roots, error))
			return false;
	return true;
}

/* ---- URI ---- */

/* Ways to a libvirtd, and whether they prove who it is and keep others out. */
static const struct {
	const char *scheme;
	bool secure;
} schemes[] = {
	{ "qemu", true }, /* a socket of this machine, or TLS */
	{ "qemu+unix", true },    { "qemu+ssh", true }, { "qemu+libssh", true },
	{ "qemu+libssh2", true }, { "qemu+tls", true }, { "qemu+tcp", false },
};

/* -1: none of them. */
static int find_scheme(const char *scheme)
{
	for (size_t i = 0; i < G_N_ELEMENTS(schemes); i++)
		if (strcmp(schemes[i].scheme, scheme) == 0)
			return (int)i;
	return -1;
}

/* Parameters that let another host answer in its place. */
static bool gives_up_proof(const char *query)
{
	g_auto(GStrv) parts = g_strsplit_set(query ? query : "", "&;", -1);

	for (char **part = parts; *part; part++)
		if ((g_str_has_prefix(*part, "no_verify=") && strcmp(*part, "no_verify=0") != 0) ||
		    strcmp(*part, "known_hosts_verify=ignore") == 0)
			return true;
	return false;
}

static GUri *parse_uri(const char *text, GError **error)
{
	g_autoptr(GError) cause = NULL;
	g_autoptr(GUri) uri = g_uri_parse(text, G_URI_FLAGS_HAS_PASSWORD, &cause);
	const char *problem = NULL;

	if (!uri) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
			    "'%s' is no URI of a libvirt host: %s", text, cause->message);
		return NULL;
	}
	if (find_scheme(g_uri_get_scheme(uri)) < 0)
		problem = "it must begin with qemu+ssh:, qemu+tls:, qemu: or qemu+unix:, or, with "
			  "--insecure, qemu+tcp:";
	else if (strcmp(g_uri_get_path(uri), "/system") != 0)
		problem = "its path must be /system: VMs of a user's own libvirt cannot migrate";
	else if (g_uri_get_password(uri))
		problem = "it holds a password, which would be kept in the store; use a key";
	if (problem) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
			    "the URI '%s' cannot be used: %s", text, problem);
		return NULL;
	}
	return g_steal_pointer(&uri);
}

/* Whether that is allowed, and in @host what it is. */
static bool check_secure(FleetHost *host, GUri *uri, bool allowed, GError **error)
{
	bool plain = !schemes[find_scheme(g_uri_get_scheme(uri))].secure;
	bool unproven = gives_up_proof(g_uri_get_query(uri));

	host->insecure = plain || unproven;
	if (!host->insecure || allowed)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DENIED,
		    "the URI '%s' %s; use qemu+ssh: or qemu+tls:, or say --insecure if the network "
		    "is trusted",
		    host->uri,
		    plain ? "has no encryption, and anybody on the way may read and change all"
			  : "does not check whose host answers");
	return false;
}

/* ---- Address ---- */

char *host_check_canonical_address(const char *text)
{
	g_autoptr(GInetAddress) address = g_inet_address_new_from_string(text);

	return address ? g_inet_address_to_string(address) : NULL;
}

/* The address that a name stands for, as seen from here; it may ask a name server. */
static char *resolve(const char *name, GError **error)
{
	g_autoptr(GResolver) resolver = g_resolver_get_default();
	g_autoptr(GError) cause = NULL;
	GList *found = g_resolver_lookup_by_name(resolver, name, NULL, &cause);
	g_autofree char *address = NULL;
	bool loopback;

	if (!found) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND,
			    "the address of '%s' cannot be found: %s; say it with --address", name,
			    cause->message);
		return NULL;
	}
	address = g_inet_address_to_string(found->data);
	loopback = g_inet_address_get_is_loopback(found->data);
	g_resolver_free_addresses(found);
	if (!loopback)
		return g_steal_pointer(&address);
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
		    "'%s' stands for %s here, which no other host can reach; say with --address "
		    "which address the others see",
		    name, address);
	return NULL;
}

static char *find_address(const struct fleet_host_spec *spec, GUri *uri, GError **error)
{
	const char *name = g_uri_get_host(uri);
	char *address = spec->address ? host_check_canonical_address(spec->address) : NULL;

	if (spec->address && !address)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
			    "'%s' is no IP address", spec->address);
	if (spec->address)
		return address;
	if (!name || !*name) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
			    "the URI '%s' names no host; say with --address which address the "
			    "other hosts see",
			    spec->uri);
		return NULL;
	}
	address = host_check_canonical_address(name);
	return address ? address : resolve(name, error);
}

FleetHost *host_check_spec(const struct fleet_host_spec *spec, GError **error)
{
	g_autoptr(FleetHost) host = fleet_host_new();
	g_autoptr(GUri) uri = NULL;

	if (!check_word("the host's name", spec->name, error))
		return NULL;
	uri = parse_uri(spec->uri, error);
	if (!uri)
		return NULL;
	host->name = g_strdup(spec->name);
	host->uri = g_strdup(spec->uri);
	if (!check_secure(host, uri, spec->insecure, error) ||
	    !add_labels(host, spec->labels, error) || !add_places(host, spec, error))
		return NULL;
	host->address = find_address(spec, uri, error);
	return host->address ? g_steal_pointer(&host) : NULL;
}
