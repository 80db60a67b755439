/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SIGINT and SIGTERM ask the work to end; the second one ends the program at once. */
#pragma once

#include <stdbool.h>

void interrupt_catch(void);
bool interrupt_asked(void);
