/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Netlink says what links there are and how they hang together; sysfs, which of them is hardware
 * and what drives it.  A recorded machine has netlink's answers in files.
 */
#include "source/facts-nics.h"

#include "base/error.h"
#include "source/netlink.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_bonding.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#define NET_DIR       "sys/class/net"
#define DUMP_MAX      ((size_t)64 << 20)
#define MAC_MAX_BYTES 32
#define LINKS_MAX     65536

/* What a link is, beyond what facts say of it. */
struct link {
	uint32_t index;
	uint32_t master, parent; /* indices; 0: none */
	uint32_t metric4, metric6;
	struct facts_nic *nic; /* borrowed from the facts; NULL for lo */
	char *slave_mac;       /* permanent MAC by the bond's memory; owned */
};

struct nics_reader {
	Facts *facts;  /* borrowed */
	GArray *links; /* of struct link, by index */
};

static void link_clear(void *data)
{
	struct link *link = data;

	g_free(link->slave_mac);
}

NicsReader *nics_reader_new(Facts *facts)
{
	NicsReader *reader = g_new0(NicsReader, 1);

	reader->facts = facts;
	reader->links = g_array_new(false, true, sizeof(struct link));
	g_array_set_clear_func(reader->links, link_clear);
	return reader;
}

void nics_reader_free(NicsReader *reader)
{
	if (!reader)
		return;
	g_array_unref(reader->links);
	g_free(reader);
}

static struct link *find_link(const NicsReader *reader, uint32_t index)
{
	size_t low = 0, high = reader->links->len;

	/* Ends: the range gets smaller each time. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct link *link = &g_array_index(reader->links, struct link, middle);

		if (link->index == index)
			return link;
		if (link->index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* NULL when it is empty, all zeros or too long to be one. */
static char *format_mac(const struct netlink_item *item)
{
	GString *text = g_string_new(NULL);
	bool zero = true;

	for (size_t i = 0; i < item->len && item->len <= MAC_MAX_BYTES; i++) {
		g_string_append_printf(text, "%s%02x", i ? ":" : "", item->data[i]);
		zero = zero && item->data[i] == 0;
	}
	if (zero) {
		g_string_free(text, true);
		return NULL;
	}
	return g_string_free(text, false);
}

static const char *get_bond_mode(unsigned int mode)
{
	static const char *const names[] = {
		[BOND_MODE_ROUNDROBIN] = "balance-rr", [BOND_MODE_ACTIVEBACKUP] = "active-backup",
		[BOND_MODE_XOR] = "balance-xor",       [BOND_MODE_BROADCAST] = "broadcast",
		[BOND_MODE_8023AD] = "802.3ad",        [BOND_MODE_TLB] = "balance-tlb",
		[BOND_MODE_ALB] = "balance-alb",
	};

	return mode < G_N_ELEMENTS(names) ? names[mode] : NULL;
}

/* IFLA_INFO_DATA, whose attributes mean something else for each kind. */
static bool parse_info_data(struct netlink_bytes bytes, struct facts_nic *nic, GError **error)
{
	struct netlink_item item;
	int r;

	/* Ends: each attribute is taken off. */
	while ((r = netlink_next_attribute(&bytes, &item, error)) > 0) {
		if (g_strcmp0(nic->kind, "vlan") == 0 && item.type == IFLA_VLAN_ID)
			nic->vlan = netlink_u16(&item);
		if (g_strcmp0(nic->kind, "bond") == 0 && item.type == IFLA_BOND_MODE) {
			g_free(nic->bond_mode);
			nic->bond_mode = g_strdup(get_bond_mode(netlink_u8(&item)));
		}
	}
	return r == 0;
}

static bool parse_slave_data(struct netlink_bytes bytes, struct link *link, GError **error)
{
	struct netlink_item item;
	int r;

	while ((r = netlink_next_attribute(&bytes, &item, error)) > 0) {
		if (item.type != IFLA_BOND_SLAVE_PERM_HWADDR)
			continue;
		g_free(link->slave_mac);
		link->slave_mac = format_mac(&item);
	}
	return r == 0;
}

/* The kernel puts the kind before the data that it explains. */
static bool parse_info(struct netlink_bytes bytes, struct link *link, GError **error)
{
	struct facts_nic *nic = link->nic;
	struct netlink_item item;
	bool is_bond_slave = false;
	int r;

	while ((r = netlink_next_attribute(&bytes, &item, error)) > 0) {
		const struct netlink_bytes inside = { item.data, item.len };
		g_autofree char *kind = NULL;

		if (item.type == IFLA_INFO_KIND) {
			g_free(nic->kind);
			nic->kind = netlink_text(&item);
		}
		if (item.type == IFLA_INFO_SLAVE_KIND) {
			kind = netlink_text(&item);
			is_bond_slave = g_strcmp0(kind, "bond") == 0;
		}
		if (item.type == IFLA_INFO_DATA && !parse_info_data(inside, nic, error))
			return false;
		if (item.type == IFLA_INFO_SLAVE_DATA && is_bond_slave &&
		    !parse_slave_data(inside, link, error))
			return false;
	}
	return r == 0;
}

static void replace(char **text, char *value)
{
	g_free(*text);
	*text = value;
}

static bool parse_link_attributes(struct netlink_bytes bytes, struct link *link, GError **error)
{
	struct facts_nic *nic = link->nic;
	struct netlink_item item;
	int r;

	while ((r = netlink_next_attribute(&bytes, &item, error)) > 0) {
		if (item.type == IFLA_IFNAME)
			replace(&nic->name, netlink_text(&item));
		if (item.type == IFLA_ADDRESS)
			replace(&nic->mac, format_mac(&item));
		if (item.type == IFLA_PERM_ADDRESS)
			replace(&nic->permanent_mac, format_mac(&item));
		if (item.type == IFLA_MTU)
			nic->mtu = netlink_u32(&item);
		if (item.type == IFLA_MASTER)
			link->master = netlink_u32(&item);
		if (item.type == IFLA_LINK)
			link->parent = netlink_u32(&item);
		if (item.type == IFLA_LINKINFO &&
		    !parse_info((struct netlink_bytes){ item.data, item.len }, link, error))
			return false;
	}
	return r == 0;
}

static bool parse_link(NicsReader *reader, const struct netlink_item *message, GError **error)
{
	struct netlink_bytes bytes;
	struct ifinfomsg info;
	struct link link = { 0 };

	if (!netlink_fixed(message, &info, sizeof(info), &bytes, error))
		return false;
	if (info.ifi_type == ARPHRD_LOOPBACK)
		return true;
	if (reader->links->len == LINKS_MAX) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED, "more than %d links",
			    LINKS_MAX);
		return false;
	}

	link.index = (uint32_t)info.ifi_index;
	link.nic = facts_add_nic(reader->facts);
	if (info.ifi_type == ARPHRD_INFINIBAND)
		link.nic->kind = g_strdup("infiniband");
	if (info.ifi_flags & IFF_UP)
		link.nic->link = info.ifi_flags & IFF_LOWER_UP ? FACTS_YES : FACTS_NO;
	g_array_append_val(reader->links, link);
	return parse_link_attributes(
	    bytes, &g_array_index(reader->links, struct link, reader->links->len - 1), error);
}

static int compare_links(const void *a, const void *b)
{
	const struct link *x = a, *y = b;

	return x->index < y->index ? -1 : x->index > y->index;
}

/* Order both by index, and name what was known by index only. */
static void finish_links(NicsReader *reader)
{
	g_array_sort(reader->links, compare_links);
	for (unsigned int i = 0; i < reader->links->len; i++) {
		struct link *link = &g_array_index(reader->links, struct link, i);
		const struct link *master = find_link(reader, link->master);
		const struct link *parent = find_link(reader, link->parent);

		g_ptr_array_index(reader->facts->nics, i) = link->nic;
		if (master && link->master != 0)
			replace(&link->nic->master, g_strdup(master->nic->name));
		if (parent && link->nic->vlan != 0)
			replace(&link->nic->parent, g_strdup(parent->nic->name));
		if (!link->nic->permanent_mac)
			link->nic->permanent_mac = g_steal_pointer(&link->slave_mac);
	}
}

bool nics_reader_links(NicsReader *reader, const uint8_t *bytes, size_t len, GError **error)
{
	struct netlink_bytes left = { bytes, len };
	struct netlink_item message;
	bool ok = true;
	int r = 0;

	while (ok && (r = netlink_next_message(&left, &message, error)) > 0)
		if (message.type == RTM_NEWLINK)
			ok = parse_link(reader, &message, error);
	finish_links(reader);
	return ok && r == 0;
}

/* NULL when @item is no address of @family. */
static char *format_address(int family, const struct netlink_item *item)
{
	size_t want = family == AF_INET ? 4 : 16;
	char text[INET6_ADDRSTRLEN];

	if ((family != AF_INET && family != AF_INET6) || item->len != want)
		return NULL;
	return g_strdup(inet_ntop(family, item->data, text, sizeof(text)));
}

/* With a peer, IFA_LOCAL is ours and IFA_ADDRESS is the peer's; IPv6 has but the latter else. */
static bool parse_address(NicsReader *reader, const struct netlink_item *message, GError **error)
{
	g_autofree char *local = NULL, *address = NULL;
	struct facts_address *added;
	struct netlink_bytes bytes;
	struct netlink_item item;
	struct ifaddrmsg info;
	const struct link *link;
	int r;

	if (!netlink_fixed(message, &info, sizeof(info), &bytes, error))
		return false;
	while ((r = netlink_next_attribute(&bytes, &item, error)) > 0) {
		if (item.type == IFA_LOCAL)
			replace(&local, format_address(info.ifa_family, &item));
		if (item.type == IFA_ADDRESS)
			replace(&address, format_address(info.ifa_family, &item));
	}
	link = find_link(reader, info.ifa_index);
	if (r == 0 && link && info.ifa_scope != RT_SCOPE_LINK && (local || address)) {
		added = facts_nic_add_address(link->nic);
		added->address = local ? g_steal_pointer(&local) : g_steal_pointer(&address);
		added->prefix = info.ifa_prefixlen;
	}
	return r == 0;
}

bool nics_reader_addresses(NicsReader *reader, const uint8_t *bytes, size_t len, GError **error)
{
	struct netlink_bytes left = { bytes, len };
	struct netlink_item message;
	int r;

	while ((r = netlink_next_message(&left, &message, error)) > 0)
		if (message.type == RTM_NEWADDR && !parse_address(reader, &message, error))
			return false;
	return r == 0;
}

/* A way out: through which link, over which gateway. */
struct hop {
	uint32_t index;
	char *gateway; /* borrowed */
};

/* Of several default routes of a NIC the one with the lowest metric counts, then the first. */
static void take_hop(NicsReader *reader, int family, uint32_t metric, const struct hop *hop)
{
	struct link *link = find_link(reader, hop->index);
	char **gateway;
	uint32_t *best;

	if (!link || !hop->gateway)
		return;
	gateway = family == AF_INET ? &link->nic->gateway4 : &link->nic->gateway6;
	best = family == AF_INET ? &link->metric4 : &link->metric6;
	if (*gateway && *best <= metric)
		return;
	replace(gateway, g_strdup(hop->gateway));
	*best = metric;
}

/* RTA_MULTIPATH: several hops, each with attributes of its own. */
static bool parse_multipath(NicsReader *reader, int family, uint32_t metric,
			    struct netlink_bytes bytes, GError **error)
{
	struct rtnexthop next;

	/* Ends: a hop is at least as long as its head. */
	while (bytes.len >= sizeof(next)) {
		g_autofree char *gateway = NULL;
		struct netlink_bytes inside;
		struct netlink_item item;
		size_t step;
		int r;

		memcpy(&next, bytes.at, sizeof(next));
		if (next.rtnh_len < sizeof(next) || next.rtnh_len > bytes.len) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
				    "hop of %u bytes with %zu left", next.rtnh_len, bytes.len);
			return false;
		}
		inside =
		    (struct netlink_bytes){ bytes.at + sizeof(next), next.rtnh_len - sizeof(next) };
		while ((r = netlink_next_attribute(&inside, &item, error)) > 0)
			if (item.type == RTA_GATEWAY)
				replace(&gateway, format_address(family, &item));
		if (r < 0)
			return false;
		take_hop(reader, family, metric,
			 &(struct hop){ (uint32_t)next.rtnh_ifindex, gateway });
		step = MIN((size_t)RTNH_ALIGN(next.rtnh_len), bytes.len);
		bytes = (struct netlink_bytes){ bytes.at + step, bytes.len - step };
	}
	return true;
}

static bool parse_route(NicsReader *reader, const struct netlink_item *message, GError **error)
{
	g_autofree char *gateway = NULL;
	struct netlink_bytes bytes, paths = { 0 };
	struct netlink_item item;
	uint32_t metric = 0, index = 0, table;
	struct rtmsg info;
	int r;

	if (!netlink_fixed(message, &info, sizeof(info), &bytes, error))
		return false;
	table = info.rtm_table;
	while ((r = netlink_next_attribute(&bytes, &item, error)) > 0) {
		if (item.type == RTA_TABLE)
			table = netlink_u32(&item);
		if (item.type == RTA_PRIORITY)
			metric = netlink_u32(&item);
		if (item.type == RTA_OIF)
			index = netlink_u32(&item);
		if (item.type == RTA_GATEWAY)
			replace(&gateway, format_address(info.rtm_family, &item));
		if (item.type == RTA_MULTIPATH)
			paths = (struct netlink_bytes){ item.data, item.len };
	}
	if (r < 0)
		return false;
	if ((info.rtm_family != AF_INET && info.rtm_family != AF_INET6) || info.rtm_dst_len != 0 ||
	    info.rtm_type != RTN_UNICAST || table != RT_TABLE_MAIN)
		return true;
	take_hop(reader, info.rtm_family, metric, &(struct hop){ index, gateway });
	return parse_multipath(reader, info.rtm_family, metric, paths, error);
}

bool nics_reader_routes(NicsReader *reader, const uint8_t *bytes, size_t len, GError **error)
{
	struct netlink_bytes left = { bytes, len };
	struct netlink_item message;
	int r;

	while ((r = netlink_next_message(&left, &message, error)) > 0)
		if (message.type == RTM_NEWROUTE && !parse_route(reader, &message, error))
			return false;
	return r == 0;
}

/* The kernel's answer, or the recorded one; NULL: noted why; owned by the caller. */
static uint8_t *get_dump(const FactsRoot *root, const char *path, uint16_t type, size_t *ret_len)
{
	g_autoptr(GError) cause = NULL;
	GByteArray *answer;

	if (!root->live)
		return facts_root_bytes(root, path, FACTS_EXPECTED, DUMP_MAX, ret_len);
	answer = netlink_dump(type, &cause);
	if (!answer) {
		facts_note(root, path, "%s", cause->message);
		return NULL;
	}
	*ret_len = answer->len;
	return g_byte_array_free(answer, false);
}

static char *read_driver(const FactsRoot *root, const char *name)
{
	g_autofree char *path = g_strdup_printf(NET_DIR "/%s/device/driver", name);
	g_autofree char *target = facts_root_link(root, path);

	return target ? g_path_get_basename(target) : NULL;
}

static bool has_file(const FactsRoot *root, const char *name, const char *file)
{
	g_autofree char *path = g_strdup_printf(NET_DIR "/%s/%s", name, file);

	return facts_root_has(root, path);
}

/* Hardware is what hangs on a device; what is made in software tells its kind. */
static void add_sysfs(const FactsRoot *root, struct facts_nic *nic)
{
	bool hardware;

	/* A name with a slash is none, and would lead elsewhere. */
	if (!nic->name || strchr(nic->name, '/') || nic->name[0] == '.')
		return;
	hardware = has_file(root, nic->name, "device") &&
		   (!nic->kind || strcmp(nic->kind, "infiniband") == 0);
	nic->driver = read_driver(root, nic->name);
	if (!hardware)
		g_clear_pointer(&nic->permanent_mac, g_free);
	else if (!nic->permanent_mac)
		nic->permanent_mac = g_strdup(nic->mac);
	if (nic->kind)
		return;
	if (!hardware)
		nic->kind = g_strdup("virtual");
	else if (has_file(root, nic->name, "wireless") || has_file(root, nic->name, "phy80211"))
		nic->kind = g_strdup("wireless");
	else
		nic->kind = g_strdup("ethernet");
}

typedef bool (*read_fn)(NicsReader *reader, const uint8_t *bytes, size_t len, GError **error);

void facts_read_nics(const FactsRoot *root, Facts *facts)
{
	static const struct {
		const char *path;
		uint16_t type;
		read_fn read;
	} dumps[] = {
		{ "netlink/link", RTM_GETLINK, nics_reader_links },
		{ "netlink/addr", RTM_GETADDR, nics_reader_addresses },
		{ "netlink/route", RTM_GETROUTE, nics_reader_routes },
	};
	g_autoptr(NicsReader) reader = nics_reader_new(facts);

	for (size_t i = 0; i < G_N_ELEMENTS(dumps); i++) {
		size_t len;
		g_autofree uint8_t *bytes = get_dump(root, dumps[i].path, dumps[i].type, &len);
		g_autoptr(GError) cause = NULL;

		if (bytes && !dumps[i].read(reader, bytes, len, &cause))
			facts_note(root, dumps[i].path, "%s", cause->message);
	}
	for (unsigned int i = 0; i < facts->nics->len; i++)
		add_sysfs(root, g_ptr_array_index(facts->nics, i));
}

/* resolv.conf(5); an address may carry the link it is valid on ("fe80::1%eth0"). */
static bool is_address(const char *text)
{
	g_autofree char *address = g_strndup(text, strcspn(text, "%"));
	uint8_t bytes[16];

	return inet_pton(AF_INET, address, bytes) == 1 || inet_pton(AF_INET6, address, bytes) == 1;
}

static char **read_servers(const FactsRoot *root, const char *path)
{
	g_auto(GStrv) lines = facts_root_lines(root, path, FACTS_OPTIONAL);
	g_autoptr(GStrvBuilder) servers = g_strv_builder_new();

	for (char **line = lines; line && *line; line++) {
		const char *value = *line + strlen("nameserver");
		g_autofree char *server = NULL;

		if (!g_str_has_prefix(*line, "nameserver") || !g_ascii_isspace(*value))
			continue;
		value += strspn(value, " \t");
		server = g_strndup(value, strcspn(value, " \t"));
		if (is_address(server))
			g_strv_builder_add(servers, server);
		else
			facts_note(root, path, "'%s' is no name server", *line);
	}
	return g_strv_builder_end(servers);
}

/* systemd-resolved's stub tells nobody else anything: the servers behind it are elsewhere. */
static bool is_stub(char **servers)
{
	for (char **server = servers; *server; server++)
		if (strcmp(*server, "127.0.0.53") != 0 && strcmp(*server, "127.0.0.54") != 0)
			return false;
	return servers[0] != NULL;
}

void facts_read_dns(const FactsRoot *root, Facts *facts)
{
	char **servers = read_servers(root, "etc/resolv.conf");

	if (is_stub(servers)) {
		g_strfreev(servers);
		servers = read_servers(root, "run/systemd/resolve/resolv.conf");
	}
	g_strfreev(facts->dns);
	facts->dns = servers;
}
