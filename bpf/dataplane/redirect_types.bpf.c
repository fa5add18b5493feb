// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Carries the BTF of the redirect's structs and nothing else: wire/generate.ts reads this object. */
#include "dataplane/redirect.h"

#define KEEP(kind, name) kind name *keep_##name __attribute__((used))

KEEP(struct, redirect_end);
KEEP(struct, redirect_socket);
KEEP(enum, redirect_mode);
KEEP(enum, redirect_stop);
KEEP(enum, redirect_counter);
