/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stores the kernel's raw answers to the three dumps in the directory argv[1]; for `record`. */
#include "source/netlink.h"

#include <linux/rtnetlink.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		uint16_t type;
	} dumps[] = { { "link", RTM_GETLINK }, { "addr", RTM_GETADDR }, { "route", RTM_GETROUTE } };

	for (size_t i = 0; argc == 2 && i < G_N_ELEMENTS(dumps); i++) {
		g_autofree char *path = g_build_filename(argv[1], dumps[i].name, NULL);
		g_autoptr(GError) error = NULL;
		g_autoptr(GByteArray) answer = netlink_dump(dumps[i].type, &error);

		if (!answer || !g_file_set_contents(path, (const char *)answer->data,
						    (gssize)answer->len, &error)) {
			fprintf(stderr, "netlink-dump: %s\n", error->message);
			return 1;
		}
	}
	return argc == 2 ? 0 : 2;
}
