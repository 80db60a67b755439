/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rtnetlink (rtnetlink(7)): asks the kernel for a dump, and takes the answer apart.  The answer is
 * kept as it came, since tests read a recorded one.  Integers are the host's.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The whole answer to the dump @type (RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE). */
GByteArray *netlink_dump(uint16_t type, GError **error);

/* What is left to take apart; borrowed. */
struct netlink_bytes {
	const uint8_t *at;
	size_t len;
};

/* A message without its head, or an attribute without its own; borrowed from the bytes. */
struct netlink_item {
	uint16_t type;
	const uint8_t *data;
	size_t len;
};

/* Take the next one off @bytes.  1: *ret is set; 0: the end; -1: WHERRY_ERROR_DAMAGED. */
int netlink_next_message(struct netlink_bytes *bytes, struct netlink_item *ret, GError **error);
int netlink_next_attribute(struct netlink_bytes *bytes, struct netlink_item *ret, GError **error);

/*
 * The bytes behind the fixed part of a message, of @size bytes, which is copied to @ret_fixed.
 * False: the message is shorter (WHERRY_ERROR_DAMAGED).
 */
bool netlink_fixed(const struct netlink_item *message, void *ret_fixed, size_t size,
		   struct netlink_bytes *ret, GError **error);

/* Values of attributes; 0 when one is too short. */
uint8_t netlink_u8(const struct netlink_item *item);
uint16_t netlink_u16(const struct netlink_item *item);
uint32_t netlink_u32(const struct netlink_item *item);

/* Up to its NUL or its end, as facts_text() makes it; NULL; owned by the caller. */
char *netlink_text(const struct netlink_item *item);
