/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stop flag: with logging, the only global state of the program. */
#include "cli/interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t asked;

static void on_signal(int number)
{
	asked = 1;
}

void interrupt_catch(void)
{
	/* SA_RESETHAND: who asks twice means it. */
	const struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESETHAND };

	(void)sigaction(SIGINT, &action, NULL); /* cannot fail for these numbers */
	(void)sigaction(SIGTERM, &action, NULL);
}

bool interrupt_asked(void)
{
	return asked != 0;
}
