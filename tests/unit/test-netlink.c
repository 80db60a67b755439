/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers of the kernel, put together from messages, and cut short at every byte. */
#include "unit.h"

#include "source/facts-nics.h"
#include "source/netlink.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

/* A message is begun, filled and ended; attributes may be nested by the same means. */
static unsigned int begin(GByteArray *bytes, uint16_t type, const void *fixed, unsigned int size)
{
	const struct nlmsghdr head = { .nlmsg_type = type };
	unsigned int at = bytes->len;

	g_byte_array_append(bytes, (const uint8_t *)&head, sizeof(head));
	g_byte_array_append(bytes, fixed, size);
	return at;
}

static void end(GByteArray *bytes, unsigned int at)
{
	uint32_t len = bytes->len - at;

	memcpy(bytes->data + at, &len, sizeof(len));
}

static unsigned int begin_nest(GByteArray *bytes, uint16_t type)
{
	const struct rtattr head = { .rta_type = type | NLA_F_NESTED };
	unsigned int at = bytes->len;

	g_byte_array_append(bytes, (const uint8_t *)&head, sizeof(head));
	return at;
}

static void end_nest(GByteArray *bytes, unsigned int at)
{
	uint16_t len = (uint16_t)(bytes->len - at);

	memcpy(bytes->data + at, &len, sizeof(len));
}

static void add(GByteArray *bytes, uint16_t type, const void *data, unsigned int len)
{
	const struct rtattr head = { .rta_type = type, .rta_len = (uint16_t)(sizeof(head) + len) };

	g_byte_array_append(bytes, (const uint8_t *)&head, sizeof(head));
	g_byte_array_append(bytes, data, len);
	g_byte_array_append(bytes, (const uint8_t *)"\0\0\0", (4 - len % 4) % 4);
}

static void add_u32(GByteArray *bytes, uint16_t type, uint32_t value)
{
	add(bytes, type, &value, sizeof(value));
}

static void add_text(GByteArray *bytes, uint16_t type, const char *text)
{
	add(bytes, type, text, (unsigned int)strlen(text) + 1);
}

static unsigned int begin_link(GByteArray *bytes, int index, const char *name, unsigned int flags)
{
	const struct ifinfomsg info = {
		.ifi_index = index,
		.ifi_type = strcmp(name, "lo") == 0 ? ARPHRD_LOOPBACK : ARPHRD_ETHER,
		.ifi_flags = flags,
	};
	unsigned int at = begin(bytes, RTM_NEWLINK, &info, sizeof(info));

	add_text(bytes, IFLA_IFNAME, name);
	return at;
}

/* Not in order of their indices, as the kernel's hash of them may have it. */
static GByteArray *make_links(void)
{
	GByteArray *bytes = g_byte_array_new();
	unsigned int at, info, data;

	at = begin_link(bytes, 300, "bond0.42", IFF_UP);
	add_u32(bytes, IFLA_LINK, 4);
	info = begin_nest(bytes, IFLA_LINKINFO);
	add_text(bytes, IFLA_INFO_KIND, "vlan");
	data = begin_nest(bytes, IFLA_INFO_DATA);
	add(bytes, IFLA_VLAN_ID, &(uint16_t){ 42 }, 2);
	end_nest(bytes, data);
	end_nest(bytes, info);
	end(bytes, at);

	at = begin_link(bytes, 1, "lo", IFF_UP | IFF_LOWER_UP);
	end(bytes, at);

	at = begin_link(bytes, 2, "eno1", IFF_UP | IFF_LOWER_UP);
	add(bytes, IFLA_ADDRESS, "\x52\x54\0\0\0\x02", 6);
	add(bytes, IFLA_PERM_ADDRESS, "\x52\x54\0\0\0\x01", 6);
	add_u32(bytes, IFLA_MTU, 9000);
	add_u32(bytes, IFLA_MASTER, 4);
	end(bytes, at);

	/* A kernel that has no IFLA_PERM_ADDRESS: the bond remembers. */
	at = begin_link(bytes, 3, "eno2", 0);
	add(bytes, IFLA_ADDRESS, "\x52\x54\0\0\0\x02", 6);
	add_u32(bytes, IFLA_MASTER, 4);
	info = begin_nest(bytes, IFLA_LINKINFO);
	add_text(bytes, IFLA_INFO_SLAVE_KIND, "bond");
	data = begin_nest(bytes, IFLA_INFO_SLAVE_DATA);
	add(bytes, IFLA_BOND_SLAVE_PERM_HWADDR, "\x52\x54\0\0\0\x03", 6);
	end_nest(bytes, data);
	end_nest(bytes, info);
	end(bytes, at);

	at = begin_link(bytes, 4, "bond0", IFF_UP);
	add(bytes, IFLA_ADDRESS, "\0\0\0\0\0\0", 6);
	info = begin_nest(bytes, IFLA_LINKINFO);
	add_text(bytes, IFLA_INFO_KIND, "bond");
	data = begin_nest(bytes, IFLA_INFO_DATA);
	add(bytes, IFLA_BOND_MODE, "\4", 1);
	end_nest(bytes, data);
	end_nest(bytes, info);
	end(bytes, at);
	return bytes;
}

static const struct facts_nic *get_nic(const Facts *facts, unsigned int i)
{
	assert_true(i < facts->nics->len);
	return g_ptr_array_index(facts->nics, i);
}

static Facts *read_links(NicsReader **ret_reader)
{
	g_autoptr(GByteArray) bytes = make_links();
	g_autoptr(GError) error = NULL;
	Facts *facts = facts_new();

	*ret_reader = nics_reader_new(facts);
	assert_ok(nics_reader_links(*ret_reader, bytes->data, bytes->len, &error), error);
	return facts;
}

static void test_links(void **state)
{
	g_autoptr(NicsReader) reader = NULL;
	g_autoptr(Facts) facts = read_links(&reader);

	assert_int_equal(facts->nics->len, 4);
	assert_string_equal(get_nic(facts, 0)->name, "eno1");
	assert_string_equal(get_nic(facts, 0)->mac, "52:54:00:00:00:02");
	assert_string_equal(get_nic(facts, 0)->permanent_mac, "52:54:00:00:00:01");
	assert_int_equal(get_nic(facts, 0)->mtu, 9000);
	assert_int_equal(get_nic(facts, 0)->link, FACTS_YES);
	assert_string_equal(get_nic(facts, 0)->master, "bond0");
	assert_string_equal(get_nic(facts, 1)->name, "eno2");
	assert_string_equal(get_nic(facts, 1)->permanent_mac, "52:54:00:00:00:03");
	assert_int_equal(get_nic(facts, 1)->link, FACTS_UNKNOWN);
	assert_string_equal(get_nic(facts, 2)->name, "bond0");
	assert_string_equal(get_nic(facts, 2)->kind, "bond");
	assert_string_equal(get_nic(facts, 2)->bond_mode, "802.3ad");
	assert_null(get_nic(facts, 2)->mac);
	assert_int_equal(get_nic(facts, 2)->link, FACTS_NO);
	assert_string_equal(get_nic(facts, 3)->name, "bond0.42");
	assert_string_equal(get_nic(facts, 3)->kind, "vlan");
	assert_int_equal(get_nic(facts, 3)->vlan, 42);
	assert_string_equal(get_nic(facts, 3)->parent, "bond0");
}

static void add_address(GByteArray *bytes, const struct ifaddrmsg *info, const char *local,
			const char *address, unsigned int len)
{
	unsigned int at = begin(bytes, RTM_NEWADDR, info, sizeof(*info));

	if (address)
		add(bytes, IFA_ADDRESS, address, len);
	if (local)
		add(bytes, IFA_LOCAL, local, len);
	end(bytes, at);
}

static void test_addresses(void **state)
{
	static const char v6[16] = "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x10";
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	g_autoptr(NicsReader) reader = NULL;
	g_autoptr(Facts) facts = read_links(&reader);
	g_autoptr(GError) error = NULL;
	const struct facts_address *address;

	/* With a peer, the address is the peer's. */
	add_address(bytes, &(struct ifaddrmsg){ AF_INET, 32, 0, RT_SCOPE_UNIVERSE, 2 },
		    "\xc0\0\2\x0a", "\xc0\0\2\x14", 4);
	add_address(bytes, &(struct ifaddrmsg){ AF_INET6, 64, 0, RT_SCOPE_UNIVERSE, 2 }, NULL, v6,
		    16);
	/* Not counted: link-local, of lo, of nobody, of a wrong length, of another family. */
	add_address(bytes, &(struct ifaddrmsg){ AF_INET, 16, 0, RT_SCOPE_LINK, 2 }, "\xa9\xfe\1\1",
		    NULL, 4);
	add_address(bytes, &(struct ifaddrmsg){ AF_INET, 8, 0, RT_SCOPE_HOST, 1 }, "\x7f\0\0\1",
		    NULL, 4);
	add_address(bytes, &(struct ifaddrmsg){ AF_INET, 8, 0, RT_SCOPE_UNIVERSE, 99 },
		    "\x0a\0\0\1", NULL, 4);
	add_address(bytes, &(struct ifaddrmsg){ AF_INET, 8, 0, RT_SCOPE_UNIVERSE, 2 }, "\x0a\0\0",
		    NULL, 3);
	add_address(bytes, &(struct ifaddrmsg){ AF_BRIDGE, 8, 0, RT_SCOPE_UNIVERSE, 2 },
		    "\x0a\0\0\1", NULL, 4);

	assert_ok(nics_reader_addresses(reader, bytes->data, bytes->len, &error), error);
	assert_int_equal(get_nic(facts, 0)->addresses->len, 2);
	address = g_ptr_array_index(get_nic(facts, 0)->addresses, 0);
	assert_string_equal(address->address, "192.0.2.10");
	assert_int_equal(address->prefix, 32);
	address = g_ptr_array_index(get_nic(facts, 0)->addresses, 1);
	assert_string_equal(address->address, "2001:db8::10");
}

static unsigned int begin_route(GByteArray *bytes, uint8_t dst_len, uint8_t table, uint8_t type)
{
	const struct rtmsg info = {
		.rtm_family = AF_INET,
		.rtm_dst_len = dst_len,
		.rtm_table = table,
		.rtm_type = type,
	};

	return begin(bytes, RTM_NEWROUTE, &info, sizeof(info));
}

static void add_route(GByteArray *bytes, unsigned int at, uint32_t index, char last,
		      uint32_t metric)
{
	const char gateway[] = { 10, 0, 0, last };

	add(bytes, RTA_GATEWAY, gateway, 4);
	add_u32(bytes, RTA_OIF, index);
	add_u32(bytes, RTA_PRIORITY, metric);
	end(bytes, at);
}

static void test_routes(void **state)
{
	const struct rtnexthop hop = { .rtnh_len = sizeof(hop) + 8, .rtnh_ifindex = 300 };
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	g_autoptr(NicsReader) reader = NULL;
	g_autoptr(Facts) facts = read_links(&reader);
	g_autoptr(GError) error = NULL;
	unsigned int at, nest;

	/* Only the third counts: of default routes in the main table, the lowest metric. */
	add_route(bytes, begin_route(bytes, 0, RT_TABLE_MAIN, RTN_UNICAST), 2, 1, 200);
	add_route(bytes, begin_route(bytes, 8, RT_TABLE_MAIN, RTN_UNICAST), 2, 2, 0);
	add_route(bytes, begin_route(bytes, 0, RT_TABLE_MAIN, RTN_UNICAST), 2, 3, 100);
	add_route(bytes, begin_route(bytes, 0, RT_TABLE_MAIN, RTN_UNICAST), 2, 4, 100);
	add_route(bytes, begin_route(bytes, 0, 77, RTN_UNICAST), 2, 5, 0);
	add_route(bytes, begin_route(bytes, 0, RT_TABLE_MAIN, RTN_BLACKHOLE), 2, 6, 0);
	add_route(bytes, begin_route(bytes, 0, RT_TABLE_MAIN, RTN_UNICAST), 99, 7, 0);

	at = begin_route(bytes, 0, RT_TABLE_MAIN, RTN_UNICAST);
	nest = begin_nest(bytes, RTA_MULTIPATH);
	g_byte_array_append(bytes, (const uint8_t *)&hop, sizeof(hop));
	add(bytes, RTA_GATEWAY, "\x0a\0\0\x09", 4);
	end_nest(bytes, nest);
	end(bytes, at);

	assert_ok(nics_reader_routes(reader, bytes->data, bytes->len, &error), error);
	assert_string_equal(get_nic(facts, 0)->gateway4, "10.0.0.3");
	assert_null(get_nic(facts, 0)->gateway6);
	assert_string_equal(get_nic(facts, 3)->gateway4, "10.0.0.9");
}

/* Cut inside a message it is damaged; the messages before count all the same. */
static void test_truncated(void **state)
{
	g_autoptr(GByteArray) bytes = make_links();
	struct nlmsghdr head;
	unsigned int boundary = 0, whole = 0;

	for (unsigned int len = 1; len < bytes->len; len++) {
		g_autofree uint8_t *cut = g_memdup2(bytes->data, len); /* for ASan */
		g_autoptr(Facts) facts = facts_new();
		g_autoptr(NicsReader) reader = nics_reader_new(facts);
		g_autoptr(GError) error = NULL;

		memcpy(&head, bytes->data + boundary, sizeof(head));
		if (len == boundary + head.nlmsg_len) {
			boundary = len;
			whole++;
			assert_ok(nics_reader_links(reader, cut, len, &error), error);
		} else {
			assert_false(nics_reader_links(reader, cut, len, &error));
			assert_error(&error, WHERRY_ERROR_DAMAGED, "netlink message of");
		}
		assert_in_range(facts->nics->len, whole ? whole - 1 : 0, whole);
	}
}

/* The message is as long as it says; what is in it is not. */
static void test_damaged(void **state)
{
	static const struct {
		const char *words;
		uint16_t attribute_len;
	} cases[] = {
		{ "netlink attribute of 3 bytes", 3 },
		{ "netlink attribute of 0 bytes", 0 },
		{ "netlink attribute of 9 bytes with 8 left", 9 },
		{ "netlink attribute of 65535 bytes with 8 left", 65535 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		const struct ifinfomsg info = { .ifi_index = 2, .ifi_type = ARPHRD_ETHER };
		g_autoptr(GByteArray) bytes = g_byte_array_new();
		g_autoptr(Facts) facts = facts_new();
		g_autoptr(NicsReader) reader = nics_reader_new(facts);
		g_autoptr(GError) error = NULL;
		unsigned int at = begin(bytes, RTM_NEWLINK, &info, sizeof(info));

		add_u32(bytes, IFLA_MTU, 1500);
		end(bytes, at);
		memcpy(bytes->data + bytes->len - 8, &cases[i].attribute_len, 2);
		assert_false(nics_reader_links(reader, bytes->data, bytes->len, &error));
		assert_error(&error, WHERRY_ERROR_DAMAGED, cases[i].words);
	}
}

static void test_short_messages(void **state)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	g_autoptr(Facts) facts = facts_new();
	g_autoptr(NicsReader) reader = nics_reader_new(facts);
	g_autoptr(GError) error = NULL;

	end(bytes, begin(bytes, RTM_NEWLINK, "1234", 4));
	assert_false(nics_reader_links(reader, bytes->data, bytes->len, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "message 16 has 4 bytes, not 16");
	g_byte_array_set_size(bytes, 0);
	end(bytes, begin(bytes, RTM_NEWADDR, "1234", 4));
	assert_false(nics_reader_addresses(reader, bytes->data, bytes->len, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "message 20 has 4 bytes, not 8");
	g_byte_array_set_size(bytes, 0);
	end(bytes, begin(bytes, RTM_NEWROUTE, "1234", 4));
	assert_false(nics_reader_routes(reader, bytes->data, bytes->len, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "message 24 has 4 bytes, not 12");
}

/* This machine's kernel, whoever asks: it has lo at least. */
static void test_dump(void **state)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GByteArray) answer = netlink_dump(RTM_GETLINK, &error);
	struct netlink_bytes left;
	struct netlink_item message;

	assert_ok(answer, error);
	left = (struct netlink_bytes){ answer->data, answer->len };
	assert_int_equal(netlink_next_message(&left, &message, &error), 1);
	assert_int_equal(message.type, RTM_NEWLINK);
	assert_null(netlink_dump(0xfff0, &error));
	assert_error(&error, WHERRY_ERROR_UNSUPPORTED, "netlink refuses dump 65520");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_links),   cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_routes),  cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_damaged), cmocka_unit_test(test_short_messages),
		cmocka_unit_test(test_dump),
	};

	return cmocka_run_group_tests_name("netlink", tests, NULL, NULL);
}
