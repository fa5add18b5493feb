// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Carries the BTF of refused connections' structs and nothing else: wire/generate.ts reads this object. */
#include "dataplane/refuse.h"

#define KEEP(kind, name) kind name *keep_##name __attribute__((used))

KEEP(struct, refusal);
KEEP(struct, refused_connection);
KEEP(struct, refused_answer);
KEEP(enum, refusal_answer);
KEEP(enum, refuse_counter);
