/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every verb of the program. */
#pragma once

#include "cli/command.h"

extern const struct command cmd_capture;
extern const struct command cmd_host;
extern const struct command cmd_import;
extern const struct command cmd_inspect;
extern const struct command cmd_job;
extern const struct command cmd_migrate;
extern const struct command cmd_verify;
extern const struct command cmd_vm;
