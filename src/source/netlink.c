/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The macros of linux/netlink.h trust the lengths they find; here each is checked first. */
#include "source/netlink.h"

#include "base/autofd.h"
#include "base/error.h"
#include "source/facts-root.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define DUMP_MAX     ((size_t)64 << 20)
#define CHUNK        ((size_t)256 << 10) /* the kernel's answers to a dump are below 32 KiB */
#define DUMP_TRIES   5
#define TIMEOUT_SECS 5

static bool send_request(int fd, uint16_t type, GError **error)
{
	struct {
		struct nlmsghdr head;
		struct rtgenmsg body;
	} request = {
		.head = {
			.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtgenmsg)),
			.nlmsg_type = type,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.body.rtgen_family = AF_UNSPEC,
	};

	if (send(fd, &request, sizeof(request), 0) < 0) {
		wherry_error_sys(error, errno, "cannot ask netlink for dump %u", type);
		return false;
	}
	return true;
}

/* 1: there is more; 0: that was the last; -1.  *ret_torn: things changed meanwhile. */
static int look_for_end(struct netlink_bytes bytes, uint16_t type, bool *ret_torn, GError **error)
{
	struct nlmsghdr head;

	/* Ends: each message is behind the one before. */
	while (bytes.len >= sizeof(head)) {
		memcpy(&head, bytes.at, sizeof(head));
		if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > bytes.len)
			break;
		if (head.nlmsg_flags & NLM_F_DUMP_INTR)
			*ret_torn = true;
		if (head.nlmsg_type == NLMSG_DONE)
			return 0;
		if (head.nlmsg_type == NLMSG_ERROR) {
			int code = 0;

			if (head.nlmsg_len >= sizeof(head) + sizeof(code))
				memcpy(&code, bytes.at + sizeof(head), sizeof(code));
			wherry_error_sys(error, code < 0 ? -code : EPROTO,
					 "netlink refuses dump %u", type);
			return -1;
		}
		bytes.at += MIN(NLMSG_ALIGN(head.nlmsg_len), bytes.len);
		bytes.len -= MIN(NLMSG_ALIGN(head.nlmsg_len), bytes.len);
	}
	return 1;
}

static int receive_chunk(int fd, uint16_t type, GByteArray *answer, bool *ret_torn, GError **error)
{
	g_autofree uint8_t *chunk = g_malloc(CHUNK);
	ssize_t n = TEMP_FAILURE_RETRY(recv(fd, chunk, CHUNK, MSG_TRUNC));

	if (n < 0) {
		wherry_error_sys(error, errno, "cannot read netlink's dump %u", type);
		return -1;
	}
	if ((size_t)n > CHUNK || (size_t)n > DUMP_MAX - answer->len) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "netlink's dump %u is too large: %zd bytes after %u", type, n,
			    answer->len);
		return -1;
	}
	g_byte_array_append(answer, chunk, (unsigned int)n);
	return look_for_end((struct netlink_bytes){ chunk, (size_t)n }, type, ret_torn, error);
}

static GByteArray *dump_once(uint16_t type, bool *ret_torn, GError **error)
{
	g_autoptr(GByteArray) answer = g_byte_array_new();
	const struct timeval timeout = { .tv_sec = TIMEOUT_SECS };
	autofd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int r;

	if (fd < 0) {
		wherry_error_sys(error, errno, "cannot open a netlink socket");
		return NULL;
	}
	/* Without it a silent kernel would only hold us longer. */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	if (!send_request(fd, type, error))
		return NULL;
	do {
		r = receive_chunk(fd, type, answer, ret_torn, error);
	} while (r > 0);
	return r < 0 ? NULL : g_steal_pointer(&answer);
}

GByteArray *netlink_dump(uint16_t type, GError **error)
{
	GByteArray *answer = NULL;

	/* A machine whose links never stand still gets the last answer, torn as it is. */
	for (int i = 0; i < DUMP_TRIES; i++) {
		bool torn = false;

		g_clear_pointer(&answer, g_byte_array_unref);
		answer = dump_once(type, &torn, error);
		if (!answer || !torn)
			break;
	}
	return answer;
}

/* Messages and attributes are aligned to four bytes; the last may lack its padding. */
static void skip(struct netlink_bytes *bytes, size_t len)
{
	size_t aligned = MIN((len + 3) & ~(size_t)3, bytes->len);

	bytes->at += aligned;
	bytes->len -= aligned;
}

int netlink_next_message(struct netlink_bytes *bytes, struct netlink_item *ret, GError **error)
{
	struct nlmsghdr head = { 0 };

	if (bytes->len == 0)
		return 0;
	memcpy(&head, bytes->at, MIN(sizeof(head), bytes->len));
	if (bytes->len < sizeof(head) || head.nlmsg_len < sizeof(head) ||
	    head.nlmsg_len > bytes->len) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "netlink message of %u bytes with %zu left", head.nlmsg_len,
			    bytes->len);
		return -1;
	}
	if (head.nlmsg_type == NLMSG_DONE)
		return 0;
	*ret = (struct netlink_item){
		.type = head.nlmsg_type,
		.data = bytes->at + sizeof(head),
		.len = head.nlmsg_len - sizeof(head),
	};
	skip(bytes, head.nlmsg_len);
	return 1;
}

int netlink_next_attribute(struct netlink_bytes *bytes, struct netlink_item *ret, GError **error)
{
	struct rtattr head = { 0 };

	if (bytes->len == 0)
		return 0;
	memcpy(&head, bytes->at, MIN(sizeof(head), bytes->len));
	if (bytes->len < sizeof(head) || head.rta_len < sizeof(head) || head.rta_len > bytes->len) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "netlink attribute of %u bytes with %zu left", head.rta_len,
			    bytes->len);
		return -1;
	}
	*ret = (struct netlink_item){
		.type = head.rta_type & NLA_TYPE_MASK,
		.data = bytes->at + sizeof(head),
		.len = head.rta_len - sizeof(head),
	};
	skip(bytes, head.rta_len);
	return 1;
}

bool netlink_fixed(const struct netlink_item *message, void *ret_fixed, size_t size,
		   struct netlink_bytes *ret, GError **error)
{
	if (message->len < size) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "netlink message %u has %zu bytes, not %zu", message->type,
			    message->len, size);
		return false;
	}
	memcpy(ret_fixed, message->data, size);
	*ret = (struct netlink_bytes){ message->data, message->len };
	skip(ret, size);
	return true;
}

uint8_t netlink_u8(const struct netlink_item *item)
{
	return item->len >= 1 ? item->data[0] : 0;
}

uint16_t netlink_u16(const struct netlink_item *item)
{
	uint16_t v = 0;

	if (item->len >= sizeof(v))
		memcpy(&v, item->data, sizeof(v));
	return v;
}

uint32_t netlink_u32(const struct netlink_item *item)
{
	uint32_t v = 0;

	if (item->len >= sizeof(v))
		memcpy(&v, item->data, sizeof(v));
	return v;
}

char *netlink_text(const struct netlink_item *item)
{
	return facts_text(item->data, strnlen((const char *)item->data, item->len));
}
